"""Files as drafts of passages: one module a format, chosen by what the file holds and its ending.

Whatever is wrong with a file is a `DataError` of one sentence that says what to do; what is wrong
with a part of it is among `Reading.troubles`, and the rest is read.
"""

from assistant.knowledge.reading.core import SUFFIXES, ReadText, Source, read_document

__all__ = ["SUFFIXES", "ReadText", "Source", "read_document"]
