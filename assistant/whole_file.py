"""Files of the cache that appear whole or not at all, whoever is killed meanwhile."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_PART: Final = ".part"
_ABANDONED_S: Final = 3600.0


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A file to fill beside ``path``, whose name and place it takes at the end.

    Raises:
        OSError: the folder cannot be written.
    """
    handle, name = tempfile.mkstemp(_PART, dir=path.parent)
    os.close(handle)
    try:
        yield Path(name)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def drop_abandoned(folder: Path) -> None:
    """Remove what processes that were killed have left half written in a folder."""
    for path in folder.glob(f"*{_PART}"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED_S:
                path.unlink()
