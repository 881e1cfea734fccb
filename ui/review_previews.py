"""Pictures of a job made small enough to be sent, before they are looked at, by threads.

What a picture takes to be read and scaled must not hold up a decision: `ask` never waits, `get`
only as long as it is told. It knows nothing of Streamlit.
"""

from __future__ import annotations

import base64
import io
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

from assistant.errors import SightdeskError
from assistant.images import fit_within, open_image

LONGEST: Final = 1280
"""Pixels of the longer side: enough for a large screen, little enough to be there at once."""

KEPT_BYTES: Final = 96 * 2**20
_QUALITY: Final = 85
_PATIENCE_S: Final = 0.0


@dataclass(frozen=True)
class Preview:
    """A picture as it is sent.

    Attributes:
        jpeg: in base64; empty where it does not open.
        image_id: of the whole picture.
        trouble: why it does not open, in a sentence.
    """

    jpeg: str = ""
    image_id: str = ""
    trouble: str = ""


class Previews:
    """Those of all sessions of a server; the least recently used ones go first."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_bytes = kept_bytes
        self._made: OrderedDict[str, Future[Preview]] = OrderedDict()
        self._guard = Lock()
        self._makers = ThreadPoolExecutor(2, "previews")

    def ask(self, path: Path) -> Future[Preview]:
        """Have a picture made; it begins at once, or is there already."""
        try:
            stat = path.stat()
            key = f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}"
        except (OSError, ValueError):
            key = str(path)
        with self._guard:
            if (found := self._made.get(key)) is None:
                self._forget()
                found = self._made[key] = self._makers.submit(make_preview, path)
            self._made.move_to_end(key)
        return found

    def get(self, path: Path, seconds: float = _PATIENCE_S) -> Preview | None:
        """A picture, None where it is not made within the time; it is being made then."""
        try:
            return self.ask(path).result(timeout=seconds)
        except TimeoutError:
            return None

    def _forget(self) -> None:
        """Let the oldest go until the rest fits; what is not made yet counts as nothing."""
        sizes = {key: len(each.result().jpeg) for key, each in self._made.items() if each.done()}
        total = sum(sizes.values())
        for key, size in sizes.items():
            if total <= self._kept_bytes:
                break
            total -= size
            del self._made[key]


def make_preview(path: Path) -> Preview:
    """Read, check and scale a picture."""
    try:
        image = open_image(path, name=path.name)
        stream = io.BytesIO()
        fit_within(image.pixels, LONGEST).save(stream, "JPEG", quality=_QUALITY)
    except SightdeskError as error:
        return Preview(trouble=str(error))
    except (OSError, MemoryError) as error:
        return Preview(trouble=f"{path.name} cannot be shown ({error}).")
    return Preview(base64.b64encode(stream.getvalue()).decode("ascii"), image.id)
