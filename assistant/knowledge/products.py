"""A row of a product file as a passage.

A row is ``{"label", "coarse_label", "image", "description", "information": [lines]}``. Lines with
numbers of a nutrition table come twice in some files and in Swedish in others: each is kept once,
with its English name before it, in one line, so that a question in English finds it.
"""

from __future__ import annotations

import re
from typing import Any

from assistant.knowledge.values import Draft
from assistant.knowledge.words import GLOSSARY, readable
from assistant.store.text import one_line, storable

KIND = "Kind: "
"""Begins the line that says what a product is, where its name does not."""

LONGEST = 1_200
"""Characters of text up to which all that is known of a product is one passage."""

_AMOUNT = re.compile(r"^(?P<name>\D.{0,60}?)\s+ca\.?\s+(?P<value>[<\d][\d.,]*)\s*(?P<unit>.*)$")
_HEAD = re.compile(r"^nutrition values?\b", re.IGNORECASE)


def is_product(row: Any) -> bool:
    """Whether a row of a file is a product: it has a label, and something is said about it."""
    return (
        isinstance(row, dict)
        and isinstance(row.get("label"), str)
        and bool(row["label"].strip())
        and ("coarse_label" in row or "information" in row or "description" in row)
    )


def product_drafts(row: dict[str, Any], place: str) -> list[Draft]:
    """The passages of one product, each with its label; one where they are short enough.

    The picture is not among them: its path is for the reader to check.
    """
    label = one_line(row["label"])
    coarse = one_line(str(row.get("coarse_label") or ""))
    title = readable(label)
    description = _clean(row.get("description"))
    facts, nutrition = _facts(row.get("information"), description)
    head = [line for line in (description, *facts) if line]
    kind = readable(coarse)
    if kind and kind.casefold() not in title.casefold():
        head.insert(0, KIND + kind)
    parts = ["\n".join(head)] if head else []
    if nutrition:
        table = f"{nutrition[0]} {'; '.join(nutrition[1:])}."
        if parts and len(parts[0]) + len(table) < LONGEST:
            parts[0] += "\n" + table
        else:
            parts.append(table)
    return [Draft(title, text, place, label, coarse) for text in parts or [title]]


def _facts(lines: Any, description: str) -> tuple[list[str], list[str]]:
    """What a product's lines say, each once: sentences, and the nutrition table from its head."""
    facts: list[str] = []
    nutrition: list[str] = []
    for raw in lines if isinstance(lines, list) else []:
        line = _clean(raw)
        if not line:
            continue
        name, colon, rest = line.partition(":")
        amount = _AMOUNT.match(line)
        if _HEAD.match(line):
            if not nutrition:
                nutrition.append(name.strip() + ":")
        elif amount and nutrition:
            said = _with_english(amount)
            if said not in nutrition:
                nutrition.append(said)
        elif colon and name.strip().casefold() == "description" and _same(rest, description):
            continue
        elif colon and rest.strip().casefold() in GLOSSARY:
            facts.append(f"{name.strip()}: {GLOSSARY[rest.strip().casefold()]} ({rest.strip()})")
        elif line not in facts:
            facts.append(line)
    return facts, nutrition if len(nutrition) > 1 else []


def _with_english(amount: re.Match[str]) -> str:
    """ "fett ca 2.2 gram" is "fat (fett) ca 2.2 gram"."""
    name, unit = (_english(amount[part].strip()) for part in ("name", "unit"))
    return f"{name} ca {amount['value']} {unit}".strip()


def _english(word: str) -> str:
    english = GLOSSARY.get(word.casefold())
    return word if english is None or english == word else f"{english} ({word})"


def _same(text: str, description: str) -> bool:
    """Whether a line repeats the description, give or take a stray letter at its end."""
    one, other = (" ".join(value.split()).casefold().rstrip(" .s") for value in (text, description))
    return bool(other) and (one.startswith(other) or other.startswith(one))


def _clean(value: Any) -> str:
    """One line of text without odd spaces; empty for what is no text."""
    line = " ".join(storable(value).split()) if isinstance(value, str) else ""
    return re.sub(r"\s+,\s*", ", ", line)
