"""How the page "Find" writes names, sizes, days and numbers."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assistant.image_index import IndexedFile, IndexedFolder
    from ui.words import Words


def name_of(file: IndexedFile) -> str:
    """The file's name without its folders, as it may be shown."""
    return file.shown.rpartition("/")[2]


def folder_names(folders: Sequence[IndexedFolder]) -> dict[str, str]:
    """By id, the last part of each folder's path; the whole path where two have the same one."""
    last = {each.id: each.shown.rstrip(os.sep).rpartition(os.sep)[2] for each in folders}
    count = Counter(last.values())
    return {
        each.id: each.shown if count[last[each.id]] > 1 else last[each.id] or each.shown
        for each in folders
    }


def size_of(count: int) -> str:
    """Bytes, as people read them."""
    return f"{count / 10**6:.1f} MB" if count >= 10**6 else f"{max(1, round(count / 1000))} KB"


def day_of(file: IndexedFile) -> datetime:
    """When the photo was taken; where no camera said so, when the file was written."""
    return (file.taken or file.modified).astimezone()


def pictures(count: int, say: Words) -> str:
    """So many pictures."""
    return say("find_one") if count == 1 else say("find_many", n=f"{count:,}")
