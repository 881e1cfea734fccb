"""Tools that look things up: passages of the knowledge base, and pictures."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from assistant.errors import InputError, SightdeskError
from assistant.prompts import spoken_label
from assistant.sources import Source
from assistant.tools import likeness
from assistant.tools.clean import KEPT_CHARS, as_data, as_line
from assistant.tools.desk import Desk
from assistant.tools.gallery import file_name
from assistant.tools.guard import Call, Result, result

if TYPE_CHECKING:
    from assistant.knowledge import Product

Found = tuple[Source, float]
"""A picture and how well it fits: a likelihood, or more where a product was named."""

ORIGIN = "search_images"
PASSAGES = 4
PICTURES = 4
"""Of products, and as many of indexed folders."""
CAPTION_CHARS = 120
"""Of a picture's description that a model reads among others."""
PASSAGE_CHARS = 1_200
"""Characters of a passage that a model reads."""
RELATED = 0.25
"""Cosine from which a passage is about the words at all."""

NOTHING = "Nothing was found in the knowledge base."
_LOG = logging.getLogger(__name__)


def search_knowledge(desk: Desk, call: Call, query: str) -> Result:
    """Numbered passages that say most about the words."""
    knowledge = desk.knowledge
    if knowledge is None or knowledge.is_empty:
        return result("The knowledge base is empty.", scores=[])
    hits = knowledge.search(_checked(query, desk), limit=PASSAGES)
    if not hits:
        return result(NOTHING, scores=[])
    lines = []
    sources = []
    for number, hit in enumerate(hits, start=1):
        passage = hit.passage
        title = as_line(passage.title or passage.source, 80)
        lines.append(f"[{number}] {title}: {as_line(passage.text, PASSAGE_CHARS)}")
        sources.append(
            Source(
                "passage",
                passage.id,
                title,
                as_data(passage.text, KEPT_CHARS),
                origin=passage.source,
                label=passage.label,
                image_id=passage.image_id,
            )
        )
    return result("\n".join(lines), *sources, scores=[round(hit.score, 4) for hit in hits])


def search_images(desk: Desk, call: Call, query: str = "", image: str = "") -> Result:
    """Pictures of products and of indexed folders that show what words or a picture say."""
    if not query.strip() and not image.strip():
        raise InputError("Give words or an image id to search pictures by.")
    words = _checked(query, desk) if query.strip() else ""
    products = [p for p in _products(desk) if p.image_id]
    folders = desk.gallery.has_folders
    if not products and not folders:
        return result("There are no product pictures to search.", scores=[])
    found = _product_pictures(desk, call, products, words, image)
    if folders:
        try:
            found += _indexed_pictures(desk, words, image, {source.id for source, _ in found})
        except SightdeskError as error:
            if not found:
                raise
            _LOG.warning("Indexed pictures were not searched: %s", error)
    if not found:
        kind = "product picture" if not folders else "picture like that"
        return result(f"No {kind} was found; try other words.", scores=[])
    found.sort(key=lambda pair: -pair[1])
    sources = [source for source, _ in found]
    lines = [f"{as_line(_told(source), 240)} ({source.id[:8]})" for source in sources]
    return result("\n".join(lines), *sources, scores=[round(score, 4) for _, score in found])


def _product_pictures(
    desk: Desk, call: Call, products: Sequence[Product], words: str, image: str
) -> list[Found]:
    ranked: dict[str, float] = {}
    if words and products:
        ranked = likeness.by_words(desk, call, products, words, RELATED)
    if image.strip() and products:
        for id, score in likeness.by_picture(desk, call, products, image).items():
            ranked[id] = ranked.get(id, 0.0) + score
    best = sorted(ranked.items(), key=lambda pair: -pair[1])[:PICTURES]
    by_id = {product.image_id: product for product in reversed(products)}
    found = []
    for id, score in best:
        title = spoken_label(by_id[id].label)
        source = Source("image", id, title, title, origin=ORIGIN, label=by_id[id].label,
                        image_id=id)  # fmt: skip
        found.append((source, score))
    return found


def _indexed_pictures(desk: Desk, words: str, image: str, known: Collection[str]) -> list[Found]:
    """Pictures of the tenant's indexed folders with their likelihood, of which no path is told.

    Args:
        known: ids of pictures that were found already.
    """
    picture = desk.load_image(image) if image.strip() else None
    wanted = PICTURES + len(known) + (picture is not None)
    found: list[Found] = []
    for hit in desk.gallery.index.search(words, image=picture, limit=wanted).likely:
        file = hit.file
        if file.image_id in known or (picture is not None and file.image_id == picture.id):
            continue
        title = as_line(spoken_label(file.label) if file.label else file_name(file), 80)
        text = as_data(file.caption or title, KEPT_CHARS)
        source = Source("image", file.image_id, title, text, origin=ORIGIN,
                        label=as_line(file.label or "", 200), image_id=file.image_id)  # fmt: skip
        found.append((source, hit.likelihood))
    return found[:PICTURES]


def _products(desk: Desk) -> list[Product]:
    return desk.knowledge.products() if desk.knowledge is not None else []


def _told(source: Source) -> str:
    """A picture in a line: its name, and what it shows where that is known."""
    said = as_line(source.text, CAPTION_CHARS)
    return source.title if said in ("", source.title) else f"{source.title}: {said}"


def _checked(query: str, desk: Desk) -> str:
    query = " ".join(query.split())
    if not query:
        raise InputError("The query is empty; give the words to search for.")
    return query[: desk.settings.max_question_chars]
