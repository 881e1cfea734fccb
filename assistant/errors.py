"""Every error that Sightdesk raises on purpose.

    SightdeskError              one sentence that says what is wrong and what to do next
     ├── InputError             an argument that cannot be used: empty question, bad option
     ├── ImageError             bytes that are no picture, or one too large to open
     ├── DataError              a training or evaluation file: missing, malformed row (file:line)
     ├── WeightsError           a base that cannot be fetched, verified, stored or read
     ├── AdapterError           an adapter that is unknown, corrupt, unsafe or made for another base
     ├── RemoteError            a model server elsewhere: down, refusing, or sending what is none
     ├── BusyError              too much is asked at once: ask again after `retry_after` seconds
     └── StoreError             a database or its folder: locked, damaged, full, not to be reached
          ├── ConflictError     another tab or process changed the conversation meanwhile
          └── MissingError      a conversation, a photo or a ticket that is not there (any more)

All of them are shown to users as they are, without a stack trace, and end the command line with
exit code 2. Anything else that escapes is a bug and keeps its trace.
"""

from __future__ import annotations


def first_line(error: BaseException) -> str:
    """The first line of what a library's error says, or its kind where it says nothing."""
    said = str(error).strip()
    return said.splitlines()[0] if said else type(error).__name__


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


class BusyError(SightdeskError):
    """Too much is asked at once, or the engine is closing; nothing was begun.

    Args:
        retry_after: seconds after which it is worth asking again.
    """

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RemoteError(SightdeskError):
    """A model server elsewhere is down, refuses, or sends what cannot be read."""


class StoreError(SightdeskError):
    """Conversations or their photos cannot be opened, read or kept; nothing was half-stored."""


class ConflictError(StoreError):
    """Another tab or process wrote to the same conversation; read it again."""


class MissingError(StoreError):
    """There is no such row, or it is another tenant's, which looks the same."""
