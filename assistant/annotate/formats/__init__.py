"""What a job found, in the formats of other programs; see `write_as`."""

from assistant.annotate.formats.writing import FORMATS, Written, write_as

__all__ = ["FORMATS", "Written", "write_as"]
