"""A small shop to try the desk on: pages on how it works, and ten products with photos.

The pages, prices and product texts are this project's own and made up; the photos are from the
Grocery Store Dataset (MIT, see ``shop/pictures/LICENSE``). `SHOP` is a folder as
`Knowledge.add` takes it.
"""

from __future__ import annotations

from pathlib import Path

SHOP = Path(__file__).parent / "shop"
"""The folder with ``*.md`` and ``products.jsonl``."""
