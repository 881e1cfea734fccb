"""Tools that look things up: passages of the knowledge base, and its pictures."""

from __future__ import annotations

from assistant.errors import InputError
from assistant.prompts import spoken_label
from assistant.sources import Source
from assistant.tools import likeness
from assistant.tools.clean import KEPT_CHARS, as_data, as_line
from assistant.tools.desk import Desk
from assistant.tools.guard import Call, Result, result

PASSAGES = 4
PICTURES = 4
PASSAGE_CHARS = 1_200
"""Characters of a passage that a model reads."""
RELATED = 0.25
"""Cosine from which a passage is about the words at all."""

NOTHING = "Nothing was found in the knowledge base."


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
    """Product pictures that show what the words or another picture say."""
    if not query.strip() and not image.strip():
        raise InputError("Give words or an image id to search pictures by.")
    knowledge = desk.knowledge
    products = [p for p in knowledge.products() if p.image_id] if knowledge is not None else []
    if not products:
        return result("There are no product pictures to search.", scores=[])
    ranked: dict[str, float] = {}
    if query.strip():
        ranked = likeness.by_words(desk, products, _checked(query, desk), RELATED)
    if image.strip():
        for id, score in likeness.by_picture(desk, call, products, image).items():
            ranked[id] = ranked.get(id, 0.0) + score
    best = sorted(ranked.items(), key=lambda pair: -pair[1])[:PICTURES]
    if not best:
        return result("No product picture was found; try other words.", scores=[])
    by_id = {product.image_id: product for product in reversed(products)}
    sources = []
    for id, _ in best:
        title = spoken_label(by_id[id].label)
        sources.append(
            Source("image", id, title, title, origin="search_images", label=by_id[id].label,
                   image_id=id)
        )  # fmt: skip
    lines = [f"{as_line(source.title, 80)} ({source.id[:8]})" for source in sources]
    return result("\n".join(lines), *sources, scores=[round(score, 4) for _, score in best])


def _checked(query: str, desk: Desk) -> str:
    query = " ".join(query.split())
    if not query:
        raise InputError("The query is empty; give the words to search for.")
    return query[: desk.settings.max_question_chars]
