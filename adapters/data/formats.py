"""Any data set in, one form out: finds out what a path holds and calls the reader for it.

    >>> dataset = read_dataset(Path("photos.jsonl"))
    >>> dataset.format, len(dataset.examples), [finding.message for finding in dataset.findings]

A bad row becomes a finding and is left out; only a path that cannot be used at all is an error.
No picture is opened here: `adapters.data.validate` does that.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from adapters.data.chat import read_chat
from adapters.data.folders import SUFFIXES, read_folders
from adapters.data.form import Dataset
from adapters.data.llava import read_llava
from adapters.data.messages import read_messages
from adapters.data.notes import Notes
from adapters.data.places import Places
from adapters.data.project import read_project
from adapters.data.records import Record, head, records
from adapters.data.table import find_columns, read_table
from assistant.errors import DataError, InputError
from assistant.settings import Settings, get_settings

CHAT = "chat"
JSON_READERS = {"jsonl": read_project, "llava": read_llava, "messages": read_messages}
FORMATS = (*JSON_READERS, "csv", "folders", CHAT)
"""What ``format`` may be."""

_JSON_SUFFIXES = (".jsonl", ".json", ".ndjson")
_DATA_SUFFIXES = (*_JSON_SUFFIXES, ".csv", ".tsv")
_PEEK = 20


def read_dataset(
    path: Path, *, format: str | None = None, settings: Settings | None = None
) -> Dataset:
    """Read a data set of any format.

    Args:
        path: a file, a folder of folders, or ``chat`` for what was judged in the chat (where no
            file of that name is there). Paths in a file are relative to it.
        format: one of `FORMATS`; found by content where it is None.
        settings: the cache of pictures that stand in the text, the store of the chat.

    Raises:
        DataError: there is no such path, it is of another kind, or it holds no row.
        InputError: there is no such format.
        StoreError: the chat cannot be read.
    """
    if format is not None and format not in FORMATS:
        raise InputError(f"There is no format {format!r}; choose one of {', '.join(FORMATS)}.")
    settings = settings or get_settings()
    notes = Notes()
    if format is None:
        format = _kind(path)
    if format == CHAT:
        read_chat(notes, settings)
    elif format == "folders":
        read_folders(path, notes)
    else:
        _refuse_folder(path)
        places = Places(path.parent, settings)
        if format == "csv":
            read_table(path, notes, places)
        else:
            rows = records(path, notes)
            if format == "json":
                rows, format = _sniffed(path, rows)
            JSON_READERS[format](path, rows, notes, places)
    findings = notes.findings
    if not notes.examples and not findings:
        raise DataError(f"{path} holds no rows; give a file with one row a line.")
    return Dataset(path.name or str(path), format, tuple(notes.examples), findings)


def _kind(path: Path) -> str:
    """`json`, or one of `FORMATS` that is not JSON."""
    try:
        there, folder = path.exists(), path.is_dir()
    except (OSError, ValueError):
        there = folder = False
    if not there:
        if str(path) == CHAT:
            return CHAT
        raise DataError(f"{path} does not exist; check the path.")
    if folder:
        return _folder_kind(path)
    start = head(path)
    if not start.strip():
        raise DataError(f"{path} is empty; give a file with one row a line.")
    if path.suffix.lower() in SUFFIXES:
        raise DataError(f"{path} is a picture; give the data file, or a folder of classes.")
    if b"\0" in start:
        raise DataError(
            f"{path} is no text; unpack it if it is an archive, and give the data file in it."
        )
    if start.lstrip().startswith((b"{", b"[")):
        return "json"
    if path.suffix.lower() in (".csv", ".tsv") or find_columns(path):
        return "csv"
    if path.suffix.lower() in _JSON_SUFFIXES:
        return "json"
    raise DataError(
        f"{path} is no data set that is read here; give JSON Lines, LLaVA's conversations, "
        f"messages, a CSV with a header, or a folder of classes."
    )


def _folder_kind(folder: Path) -> str:
    """Refuse a folder whose data files say more of its pictures than its folders do."""
    try:
        names = sorted(file.name for file in folder.iterdir() if file.is_file())
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror}); check the path.") from error
    files = [name for name in names if Path(name).suffix.lower() in _DATA_SUFFIXES]
    if files:
        listed = ", ".join(files[:4]) + (", …" if len(files) > 4 else "")
        raise DataError(
            f"{folder} holds data files ({listed}); give one of them, "
            f"or --format folders to read the folders of classes."
        )
    return "folders"


def _refuse_folder(path: Path) -> None:
    if path.is_dir():
        raise DataError(f"{path} is a folder; give a file, or --format folders.")


def _sniffed(path: Path, rows: Iterator[Record]) -> tuple[Iterator[Record], str]:
    """The rows, all of them still, and the format that the first ones are of."""
    first = list(islice(rows, _PEEK))
    keys = [set(record) for _, record, _ in first]
    if any("annotations" in one and "images" in one for one in keys):
        raise DataError(
            f"{path} is in COCO's format; write one row a picture, "
            f'such as {{"image": "a.jpg", "references": ["A dog runs."]}}.'
        )
    scores = {
        "llava": sum("conversations" in one for one in keys),
        "messages": sum("messages" in one for one in keys),
    }
    best = max(scores, key=lambda name: scores[name])
    found = best if 2 * scores[best] > len(keys) else "jsonl"
    return chain(first, rows), found
