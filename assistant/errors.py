"""Every error that Sightdesk raises on purpose.

    SightdeskError              one sentence that says what is wrong and what to do next
     ├── InputError             an argument that cannot be used: empty question, bad option
     ├── ImageError             bytes that are no picture, or one too large to open
     ├── DataError              a training or evaluation file: missing, malformed row (file:line)
     ├── WeightsError           a base that cannot be fetched, verified, stored or read
     ├── AdapterError           an adapter that is unknown, corrupt, unsafe or made for another base
     └── StoreError             a database or its folder: locked, damaged, full, not to be reached
          └── ConflictError     another tab or process changed the conversation meanwhile

All of them are shown to users as they are, without a stack trace, and end the command line with
exit code 2. Anything else that escapes is a bug and keeps its trace.
"""

from __future__ import annotations


class SightdeskError(Exception):
    """Base class: ``str(error)`` is one sentence, fit to show to a person."""


class InputError(SightdeskError):
    """An argument that cannot be used."""


class ImageError(SightdeskError):
    """Bytes that cannot be opened as a picture within the limits."""


class DataError(SightdeskError):
    """A data file or one of its rows cannot be used."""


class WeightsError(SightdeskError):
    """The files of a base cannot be fetched, verified, stored or read."""


class AdapterError(SightdeskError):
    """An adapter is unknown, corrupt, unsafe or does not fit the base."""


class StoreError(SightdeskError):
    """Conversations or their photos cannot be opened, read or kept; nothing was half-stored."""


class ConflictError(StoreError):
    """Another tab or process wrote to the same conversation; read it again."""
