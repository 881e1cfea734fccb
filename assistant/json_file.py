"""A small file of what was computed before and can be computed again."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any


def read_object(file: Path | None) -> dict[str, Any]:
    """What the file holds; nothing where there is none, or it is damaged."""
    try:
        known = json.loads(file.read_text(encoding="utf-8")) if file is not None else {}
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def write_object(file: Path, content: dict[str, Any]) -> None:
    """Write it whole, in the place of what was there.

    Raises:
        OSError: it cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=file.parent, suffix=".json", delete=False
    ) as out:
        json.dump(content, out)
    Path(out.name).replace(file)
