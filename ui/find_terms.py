"""How the page "Find" writes names, sizes, days and numbers."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assistant.image_index import IndexedFile, IndexedFolder
    from ui.words import Words


def name_of(file: IndexedFile) -> str:
    """The file's name without its folders, as it may be shown."""
    return file.shown.rpartition("/")[2]


def folder_name(folder: IndexedFolder) -> str:
    """The last part of a folder's path, as it may be shown."""
    return folder.shown.rstrip("/\\").replace("\\", "/").rpartition("/")[2] or folder.shown


def size_of(count: int) -> str:
    """Bytes, as people read them."""
    return f"{count / 10**6:.1f} MB" if count >= 10**6 else f"{max(1, round(count / 1000))} KB"


def day_of(file: IndexedFile) -> datetime:
    """When the photo was taken; where no camera said so, when the file was written."""
    return (file.taken or file.modified).astimezone()


def pictures(count: int, say: Words) -> str:
    """So many pictures."""
    return say("find_one") if count == 1 else say("find_many", n=f"{count:,}")
