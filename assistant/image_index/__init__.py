"""Pictures found by words, by a picture, or by both, in folders that stay where they are.

    index = ImageIndex.open()
    index.add(Path("~/Pictures").expanduser())
    results = index.search("two dogs in the snow", where=Filter(folder="2023"))
    for found in results.found:
        print(f"{found.likelihood:.0%}", found.file.location)

Rows are in the store's database; what makes the search quick is made from them (`finders`).
"""

from assistant.image_index.core import ImageIndex
from assistant.image_index.values import (
    FileState,
    Filter,
    Found,
    Indexed,
    IndexedFile,
    IndexedFolder,
    Looks,
    Note,
    Results,
    Trouble,
)

__all__ = [
    "FileState",
    "Filter",
    "Found",
    "ImageIndex",
    "Indexed",
    "IndexedFile",
    "IndexedFolder",
    "Looks",
    "Note",
    "Results",
    "Trouble",
]
