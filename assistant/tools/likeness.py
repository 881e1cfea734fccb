"""Which product pictures are like words or like another picture."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from assistant.errors import SightdeskError
from assistant.prompts import spoken_label
from assistant.tools.desk import Desk
from assistant.tools.guard import Call
from assistant.tools.seeing import label

if TYPE_CHECKING:
    from assistant.engine import Engine
    from assistant.images import LoadedImage
    from assistant.knowledge import Product

Vector = NDArray[np.float32]

SAME_LABEL: Final = 1.0
SAME_KIND: Final = 0.25
_KEPT: Final = 20_000  # vectors of 5 kB
_BATCH: Final = 8
_FEW: Final = 8  # too few pictures for a mean that says what they share

_vectors: OrderedDict[tuple[str, str, str, str], Vector] = OrderedDict()
_lock = threading.Lock()


def by_words(desk: Desk, products: Sequence[Product], query: str, least: float) -> dict[str, float]:
    """Image id to score: a product's name in the words first, then passages about them."""
    asked = _words(query)
    ranked: dict[str, float] = {}
    for product in products:
        name, kind = _words(spoken_label(product.label)), _words(product.coarse_label)
        if name and name <= asked:
            ranked[product.image_id] = 2.0 + len(name) / 100
        elif kind and kind <= asked:
            ranked[product.image_id] = 1.0
    shown = {product.image_id for product in products}
    if desk.knowledge is not None:
        for hit in desk.knowledge.search(query, limit=8):
            id = hit.passage.image_id
            if id in shown and hit.score >= least:
                ranked[id] = max(ranked.get(id, 0.0), ranked.get(id, 0.0) + hit.score)
    return ranked


def by_picture(desk: Desk, call: Call, products: Sequence[Product], image: str) -> dict[str, float]:
    """Image id to score: pictures of the same product, of its kind, and those that look alike."""
    engine = desk.loaded_engine()
    picture = desk.load_image(image)
    adapter = desk.label_adapter()
    encoded = engine.encode_image(picture, tenant=desk.tenant, adapter=adapter)
    found = label(desk, engine, encoded)
    best = found.scores[0][0] if found.scores else None
    kinds = {product.label: product.coarse_label for product in products}
    scores: dict[str, float] = {}
    near = _cosines(desk, call, engine, products, picture)
    for product in products:
        score = near.get(product.image_id, 0.0)
        if found.label is not None and product.label == found.label:
            score += SAME_LABEL
        elif best is not None and product.coarse_label == kinds.get(best):
            score += SAME_KIND * found.confidence
        scores[product.image_id] = max(score, scores.get(product.image_id, 0.0))
    scores.pop(picture.id, None)
    return scores


def _cosines(
    desk: Desk, call: Call, engine: Engine, products: Sequence[Product], picture: LoadedImage
) -> dict[str, float]:
    """How alike pictures are, by the encoder's pooled features without what all of them share."""
    ids = list(dict.fromkeys(product.image_id for product in products))
    own = _kept(desk, engine, picture.id)
    if own is None:
        own = _encode(desk, engine, [picture]).get(picture.id)
    if own is None:
        return {}  # the encoder, or a server elsewhere, tells no features
    known = {id: vector for id in ids if (vector := _kept(desk, engine, id)) is not None}
    missing = [id for id in ids if id not in known]
    for start in range(0, len(missing), _BATCH):
        if call.cancelled.is_set():
            return {}
        loaded = []
        for id in missing[start : start + _BATCH]:
            try:
                loaded.append(desk.load_product(id))
            except SightdeskError:
                continue  # its file is gone; the others can still be found
        known |= _encode(desk, engine, loaded)
    if not known:
        return {}
    rows = np.stack(list(known.values()))
    mean = rows.mean(axis=0) if len(rows) >= _FEW else np.zeros_like(own)
    rows, one = rows - mean, own - mean
    norms = np.linalg.norm(rows, axis=1) * np.linalg.norm(one) + 1e-9
    return dict(zip(known, (float(x) for x in rows @ one / norms), strict=True))


def _encode(desk: Desk, engine: Engine, pictures: Sequence[LoadedImage]) -> dict[str, Vector]:
    found = {}
    for encoded in engine.encode_images(pictures, tenant=desk.tenant) if pictures else ():
        if encoded.pooled is None:
            continue
        vector = encoded.pooled.float().cpu().numpy().ravel()
        found[encoded.id] = vector / (np.linalg.norm(vector) + 1e-9)
        with _lock:
            _vectors[_key(desk, engine, encoded.id)] = found[encoded.id]
            while len(_vectors) > _KEPT:
                _vectors.popitem(last=False)
    return found


def _kept(desk: Desk, engine: Engine, id: str) -> Vector | None:
    with _lock:
        vector = _vectors.get(key := _key(desk, engine, id))
        if vector is not None:
            _vectors.move_to_end(key)
        return vector


def _key(desk: Desk, engine: Engine, id: str) -> tuple[str, str, str, str]:
    return engine.name, str(engine.adapter), desk.tenant, id


def _words(text: str) -> set[str]:
    """Words in lower case, without an s at the end."""
    return {word[:-1] if len(word) > 3 and word.endswith("s") else word
            for word in re.findall(r"\w+", text.casefold())}  # fmt: skip
