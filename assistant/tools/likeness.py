"""Which product pictures are like words or like another picture.

A product's name in the words and its label on a picture are surer than any likeness: they come
first, and where they say all, nothing else is looked at. The rest is for the space of words and
pictures, above the likelihood from which it says anything.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from assistant.errors import SightdeskError
from assistant.prompts import spoken_label
from assistant.tools.desk import Desk
from assistant.tools.guard import Call
from assistant.tools.seeing import label
from assistant.tools.vectors import Vector

if TYPE_CHECKING:
    from assistant.images import LoadedImage
    from assistant.knowledge import Product

NAMED: Final = 2.0
OF_KIND: Final = 1.0
SAME_LABEL: Final = 1.0
SAME_KIND: Final = 0.25

# What a request has beside what it asks for.
_FILLING: Final = frozenset(
    {"a", "all", "an", "any", "are", "can", "do", "find", "for", "give", "have", "i", "image", "in",
     "is", "it", "like", "look", "me", "my", "of", "on", "one", "other", "photo", "photograph",
     "pic", "picture", "please", "product", "search", "see", "show", "some", "that", "the", "there",
     "these", "this", "to", "what", "which", "with", "you", "your"}
)  # fmt: skip
_LOG = logging.getLogger(__name__)


def by_words(
    desk: Desk, call: Call, products: Sequence[Product], query: str, least: float
) -> dict[str, float]:
    """Image id to score: products that the words name, then those of which they say something.

    Args:
        least: cosine of words and a passage from which it is about them at all.
    """
    asked = _words(query)
    ranked: dict[str, float] = {}
    rest, named = asked - _FILLING, False
    for product in products:
        name, kind = _words(spoken_label(product.label)), _words(product.coarse_label)
        if name and name <= asked:
            ranked[product.image_id] = NAMED + len(name) / 100
            named = True
        elif kind and kind <= asked:
            ranked[product.image_id] = OF_KIND
            rest = rest - kind
    shown = {product.image_id for product in products}
    if desk.knowledge is not None:
        for hit in desk.knowledge.search(query, limit=8):
            id = hit.passage.image_id
            if id in shown and hit.score >= least:
                ranked[id] = max(ranked.get(id, 0.0), ranked.get(id, 0.0) + hit.score)
    if rest and not named:  # "apples" is answered, and "Granny Smith"; "red apples" is not
        for id, likelihood in _said_of(desk, call, products, query).items():
            ranked[id] = ranked.get(id, 0.0) + likelihood
    return ranked


def by_picture(desk: Desk, call: Call, products: Sequence[Product], image: str) -> dict[str, float]:
    """Image id to score: pictures of the same product, of its kind, and those that look alike."""
    picture = desk.load_image(image)
    scores = _like(desk, call, products, picture)
    if desk.engine is not None:
        for id, worth in _labelled_alike(desk, products, picture).items():
            scores[id] = scores.get(id, 0.0) + worth
    scores.pop(picture.id, None)
    return scores


def _labelled_alike(
    desk: Desk, products: Sequence[Product], picture: LoadedImage
) -> dict[str, float]:
    engine = desk.loaded_engine()
    adapter = desk.label_adapter()
    encoded = engine.encode_image(picture, tenant=desk.tenant, adapter=adapter)
    found = label(desk, engine, encoded)
    best = found.scores[0][0] if found.scores else None
    kinds = {product.label: product.coarse_label for product in products}
    scores: dict[str, float] = {}
    for product in products:
        if found.label is not None and product.label == found.label:
            scores[product.image_id] = SAME_LABEL
        elif best is not None and product.coarse_label == kinds.get(best):
            worth = SAME_KIND * found.confidence
            scores[product.image_id] = max(worth, scores.get(product.image_id, 0.0))
    return scores


def _said_of(desk: Desk, call: Call, products: Sequence[Product], query: str) -> dict[str, float]:
    """How likely pictures show what the words say, where that is likely at all."""
    try:
        ids, rows = _rows(desk, call, products)
        if not ids:
            return {}
        space = desk.gallery.space
        likely = space.calibration.of_words(rows @ space.encode_texts([query])[0])
    except SightdeskError as error:
        _LOG.warning("Product pictures were searched by name alone: %s", error)
        return {}
    return _likely(ids, likely, space.calibration.threshold)


def _like(
    desk: Desk, call: Call, products: Sequence[Product], picture: LoadedImage
) -> dict[str, float]:
    """How likely pictures show the same as another, where that is likely at all."""
    try:
        ids, rows = _rows(desk, call, products)
        if not ids:
            return {}
        space = desk.gallery.space
        likely = space.calibration.of_pictures(rows @ space.encode_pictures([picture.pixels])[0])
    except SightdeskError as error:
        _LOG.warning("Product pictures were searched by label alone: %s", error)
        return {}
    return _likely(ids, likely, space.calibration.threshold)


def _rows(desk: Desk, call: Call, products: Sequence[Product]) -> tuple[list[str], Vector]:
    """Ids and vectors, float32 [n, d], of the products' pictures."""
    owner = desk.tenant if desk.knowledge is None else desk.knowledge.tenant
    ids = list(dict.fromkeys(product.image_id for product in products))
    vectors = desk.gallery.product_vectors(
        ids, desk.load_product, owner=owner, cancelled=call.cancelled
    )
    if not vectors:
        return [], np.zeros((0, 0), np.float32)
    return list(vectors), np.stack(list(vectors.values()))


def _likely(ids: Sequence[str], likely: Vector, least: float) -> dict[str, float]:
    return {id: float(p) for id, p in zip(ids, likely, strict=True) if p >= least}


def _words(text: str) -> set[str]:
    """Words in lower case, without an s at the end."""
    return {word[:-1] if len(word) > 3 and word.endswith("s") else word
            for word in re.findall(r"\w+", text.casefold())}  # fmt: skip
