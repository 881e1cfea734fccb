"""How customers write: names in their own way, no capitals, a slip of a finger."""

from __future__ import annotations

import random
from collections.abc import Sequence

_OPENINGS = (
    "hi, ",
    "Hello! ",
    "hey ",
    "Excuse me, ",
    "quick question: ",
    "Hi there, ",
    "please, ",
    "I was wondering: ",
    "for my shopping list: ",
    "just curious, ",
    "My son asks: ",
    "before i order: ",
)
_CLOSINGS = (" thanks", " please", " Thank you.", " thx", "?", "??", " I need to know.")


def named(rng: random.Random, title: str, kind: str = "") -> str:
    """A product as customers name it."""
    forms = [title, title, title, title.lower(), title.lower(), f"the {title}", f"your {title}"]
    if kind and kind.lower() not in title.lower():
        forms += [f"{title} {kind.lower()}", f"{title.lower()} {kind.lower()}s"]
    if "-" not in title and " " in title and rng.random() < 0.1:
        forms.append(title.replace(" ", "-"))
    return rng.choice(forms)


def typed(rng: random.Random, text: str) -> str:
    """A question as it is typed."""
    if rng.random() < 0.35:
        text = text.lower()
    elif rng.random() < 0.5:
        text = text[:1].upper() + text[1:]
    if rng.random() < 0.3:
        text = text.rstrip("?.!")
    elif not text.endswith(("?", ".", "!")) and rng.random() < 0.5:
        text += "?"
    if rng.random() < 0.08:
        text = rng.choice(_OPENINGS) + text[:1].lower() + text[1:]
    if rng.random() < 0.06:
        text += rng.choice(_CLOSINGS)
    if rng.random() < 0.08:
        text = _slip(rng, text)
    return text


def _slip(rng: random.Random, text: str) -> str:
    """Two letters of a lower-case word in the wrong order, or one left out."""
    places = [at for at in range(1, len(text) - 2) if text[at : at + 2].islower()]
    if not places:
        return text
    at = rng.choice(places)
    if rng.random() < 0.5:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text[:at] + text[at + 1 :]


def in_context(rng: random.Random, question: str, name: str, contexts: Sequence[str]) -> str:
    """A question with the product as ``{p}``, named in it, or in a sentence before it."""
    if rng.random() < 0.15:
        return f"{rng.choice(contexts).replace('{p}', name)} {pronoun(rng, question)}"
    return question.replace("{p}", name)


def pronoun(rng: random.Random, question: str) -> str:
    """A question about a product as one about what a photo shows."""
    return question.replace("{p}", rng.choice(("this", "it", "this one", "this product", "that")))
