"""The card of a space: what it is, what it saw, how it was made, what it is good and bad at."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from adapters.card import escaped
from assistant.space.files import WEIGHTS_FILE, SpaceAbout

CARD_FILE = "README.md"


def write_space_card(folder: Path, about: SpaceAbout) -> Path:
    """Write the card into the space's folder and return where it is."""
    size = (folder / WEIGHTS_FILE).stat().st_size
    card = folder / CARD_FILE
    card.write_text("\n\n".join(_parts(about, size)) + "\n", encoding="utf-8")
    return card


def _parts(about: SpaceAbout, size: int) -> Iterable[str]:
    yield (
        "---\nlibrary_name: sentence-transformers\ntags: [image-text-retrieval, clip]\n"
        "license: other\n---"
    )
    yield "# A space for pictures and words"
    yield (
        f"Puts pictures and English sentences into one space of {about.dimensions} numbers: what a "
        "picture shows lies near the words that say it. It holds an image head, a text projection, "
        "and the changes of the upper stages of EfficientNet-Lite2 and of the upper layers of "
        f"{escaped(about.text.name)}, in {size / 1e6:.1f} MB; both encoders come from their own "
        "packages, and are recognised by content."
    )
    if about.made:
        yield f"Made on {escaped(about.made)}."
    yield "## How to use it"
    yield (
        "```python\n"
        "from assistant.space import picture_embedder\n\n"
        'space = picture_embedder()  # or picture_embedder("DIRECTORY")\n'
        'cosines = space.encode_texts(["a dog in the snow"]) @ space.encode_pictures([photo]).T\n'
        "likelihood = space.calibration.of_words(cosines)\n"
        "```"
    )
    yield "## Data and terms"
    data = about.data
    files = [file for file in data.get("files") or [] if isinstance(file, dict)]
    if files:
        rows = [(f.get("name"), f.get("rows"), str(f.get("sha256", ""))[:16]) for f in files]
        yield _table(("file", "rows", "SHA-256"), rows)
    plain = [(k, v) for k, v in data.items() if isinstance(v, (int, float, str)) and k != "terms"]
    if plain:
        yield _table(("what", "number"), plain)
    terms = data.get("terms")
    yield f"Terms: {escaped(terms, 2_000)}" if terms else "The terms of the data were not told."
    yield "## Recipe"
    yield _table(("knob", "value"), list(about.recipe.items()))
    yield "## Scores"
    rows = [
        (name, key.replace("_", " "), f"{value:.4g}")
        for name, scores in about.scores.items()
        if isinstance(scores, dict)
        for key, value in scores.items()
        if isinstance(value, (int, float))
    ]
    yield _table(("on", "score", "value"), rows) if rows else "None were measured."
    words, pictures = about.calibration.words, about.calibration.pictures
    yield (
        "How likely it is that a picture shows what words say is "
        f"1 / (1 + exp(-({words[0]:.2f} c {words[1]:+.2f}))) of their cosine c, and that two "
        f"pictures show the same thing 1 / (1 + exp(-({pictures[0]:.2f} c {pictures[1]:+.2f}))), "
        "where one pair in thirty is right. Both were fitted on pictures that were not trained on."
    )
    yield "## What it is bad at"
    yield (
        "- Numbers, writing in pictures, who does what to whom, and negations.\n"
        "- Anything unlike the photos that it learnt from: drawings, documents, screenshots.\n"
        "- Languages other than English.\n"
        "- Its captions were written by people about people, with what they take for granted: do "
        "not use it to judge persons."
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(escaped(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines)
