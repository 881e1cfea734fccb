"""Files that are there whole or not at all."""

from __future__ import annotations

from pathlib import Path

from assistant.errors import InputError


def check_place(path: Path) -> None:
    """See that a file can go there before hours are spent on what goes into it.

    Raises:
        InputError: it is a folder, or in none.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file in it.")
    if not path.parent.is_dir():
        raise InputError(f"There is no folder {path.parent}; make it, or name another file.")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file beside its place and move it there.

    Raises:
        InputError: it cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise InputError(
            f"{path} cannot be written ({error.strerror}); free some space or name another file."
        ) from error
