"""What the commands for folders of pictures print: reports, troubles, lists, rows of JSON."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from assistant.image_index import Found, ImageIndex, IndexedFile, Trouble
    from assistant.image_index.adding import Adding
    from assistant.image_index.folder import FolderReport

_FIRST_PATHS = 3  # of those with the same trouble
_FIRST_PATHS_JSON = 20


def tell(adding: Adding, seconds: float, as_json: bool) -> None:
    """Print what a run of indexing did in each folder, and on stderr what it could not."""
    errors: set[str] = set()
    for told in adding.reports:
        groups = grouped(told.indexed.troubles)
        if as_json:
            typer.echo(json.dumps(_report_row(told, groups, adding.stopped, seconds)))
        else:
            typer.echo(f"{told.title}: {_said(told)}")
        if told.links_outside:
            links = counted(told.links_outside, "link")
            typer.echo(
                f"{told.title}: {links} out of the folder not followed; --follow-links does.",
                err=True,
            )
        for reason, paths in () if as_json else groups:
            typer.echo(f"{len(paths):>7,} × {reason}", err=True)
            for path in paths[:_FIRST_PATHS]:
                typer.echo(f"          {shown_path(told.folder / path)}", err=True)
            if len(paths) > _FIRST_PATHS:
                typer.echo(f"          … {len(paths) - _FIRST_PATHS:,} more", err=True)
        if told.error is not None:
            errors.add(str(told.error))
    for error in sorted(errors):
        typer.echo(error, err=True)
    if adding.stopped:
        left = sum(told.left for told in adding.reports)
        rest = f"{counted(left, 'file')} of those that were seen are left; " if left else ""
        typer.echo(f"Interrupted; {rest}run it again to go on.", err=True)


def _said(told: FolderReport) -> str:
    done = told.indexed
    counts = {
        "new": done.new,
        "changed": done.changed,
        "moved": done.moved,
        "removed": done.removed,
        "unchanged": done.unchanged,
    }
    parts = [f"{count:,} {what}" for what, count in counts.items() if count]
    if done.troubles:
        parts.append(f"{len(done.troubles):,} not indexed")
    if told.left:
        parts.append(f"{told.left:,} left")
    return f"{', '.join(parts) or 'no pictures'}."


def _report_row(
    told: FolderReport, groups: Sequence[tuple[str, Sequence[str]]], stopped: bool, seconds: float
) -> dict[str, Any]:
    row = {"folder": os.fspath(told.folder), **asdict(told.indexed)}
    row["troubles"] = [
        {"reason": reason, "count": len(paths), "paths": list(paths[:_FIRST_PATHS_JSON])}
        for reason, paths in groups
    ]
    return row | {
        "left": told.left,
        "links_outside": told.links_outside,
        "stopped": stopped,
        "error": None if told.error is None else str(told.error),
        "seconds": round(seconds, 2),
    }


def grouped(troubles: Sequence[Trouble]) -> list[tuple[str, list[str]]]:
    """Reasons, each with the paths that have it, the most frequent first.

    Reasons that differ in numbers alone are one, told by the words of the first.
    """
    from assistant.image_index.names import on_disk

    groups: dict[str, tuple[str, list[str]]] = {}
    for trouble in troubles:
        kind = re.sub(r"\d[\d.,]*", "#", trouble.reason)
        groups.setdefault(kind, (trouble.reason, []))[1].append(on_disk(trouble.path))
    return sorted(groups.values(), key=lambda group: -len(group[1]))


def list_folders(opened: ImageIndex, as_json: bool) -> None:
    """Print the indexed folders."""
    folders = opened.folders()
    for each in folders:
        if as_json:
            row: dict[str, Any] = {"folder": os.fspath(each.path), "added": each.added.isoformat()}
            row |= {"files": each.files, "troubles": each.troubles}
            typer.echo(json.dumps(row))
        else:
            bad = f", {each.troubles:,} not indexed" if each.troubles else ""
            typer.echo(f"{each.shown}: {counted(each.files, 'picture')}{bad}")
    if not folders and not as_json:
        typer.echo("No folder is indexed: index one with sightdesk index FOLDER", err=True)


def row_of(file: IndexedFile, found: Found | None = None) -> dict[str, Any]:
    """A file for JSON; its path is exact, as Python reads it from there."""
    row: dict[str, Any] = {"path": os.fspath(file.location)}
    if found is not None:
        row |= {"likelihood": round(found.likelihood, 4), "score": round(found.score, 4)}
    row |= {"image_id": file.image_id, "width": file.width, "height": file.height}
    row |= {"bytes": file.size, "modified": file.modified.isoformat()}
    row["taken"] = None if file.taken is None else file.taken.isoformat()
    row |= {"label": file.label, "coarse_label": file.coarse_label, "caption": file.caption}
    if found is not None:
        row["also"] = [os.fspath(other.location) for other in found.others]
    return row


def exact(trouble: Trouble) -> dict[str, str]:
    """A trouble for JSON, with the path as it is on the disk."""
    from assistant.image_index.names import on_disk

    return {"path": on_disk(trouble.path), "reason": trouble.reason}


def shown_path(path: Path) -> str:
    """A path on one line, without characters that could steer a terminal."""
    from assistant.image_index.names import shown, stored

    return shown(stored(os.fspath(path)))


def told_bytes(size: int) -> str:
    """``3.2 MiB`` or ``85 KiB``."""
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 2**10:.0f} KiB"


def counted(number: int, what: str) -> str:
    """``1 file`` or ``2,000 files``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
