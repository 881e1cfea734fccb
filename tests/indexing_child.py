"""`sightdesk` in a process of its own, with the tiny space, for tests that end it roughly.

``python -m tests.indexing_child SECONDS ARGUMENTS…``: each batch takes so long to embed, and a line
on stderr says that it begins.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from PIL import Image

import assistant.space
from assistant.space import Vectors
from tests.tiny_space import TinySpace

_SECONDS = float(sys.argv.pop(1))


class SlowSpace(TinySpace):
    """Takes its time, and says so."""

    def encode_pictures(self, pictures: Sequence[Image.Image]) -> Vectors:
        """Float32 [n, 16]."""
        print(f"embedding {len(pictures)}", file=sys.stderr, flush=True)
        time.sleep(_SECONDS)
        return super().encode_pictures(pictures)


if __name__ == "__main__":
    space = SlowSpace()
    assistant.space.picture_embedder = lambda *_given, **_named: space
    from assistant.cli import main

    main()
