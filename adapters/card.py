"""The card of an adapter: a README.md that says what it is, rests on, is good at and is not.

Everything in it comes from ``sightdesk.json``. Names and terms are users' text: they are escaped,
so that a card says what they say and does nothing else.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from assistant.adapter_files import AdapterFiles, is_number

_HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9._-]{1,96}")
# What the embedded base's language model is called where people look for it.
_EMBEDDED_MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"
_TAGS = ["llava", "image-captioning", "image-classification", "visual-question-answering", "lora"]
_MOST_ROWS, _MOST_LABELS, _LONGEST = 60, 200, 300
_WORST = 10


def write_card(folder: Path, files: AdapterFiles) -> Path:
    """Write the card of an adapter into its folder and return where it is."""
    card = folder / "README.md"
    card.write_text(card_text(files), encoding="utf-8")
    return card


def card_text(files: AdapterFiles) -> str:
    """The card as Markdown with the front matter that the Hugging Face hub reads."""
    parts = [
        _front_matter(files),
        f"# {escaped(files.name)}",
        _what_it_is(files),
        *_data(files),
        *_recipe(files),
        *_scores(files),
        *_weaknesses(files),
        *_use(files),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def escaped(value: object, longest: int = _LONGEST) -> str:
    """A value as plain text in Markdown: one line, no mark-up, no HTML, no link."""
    text = " ".join(str(value).split())
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    text = "".join(letter for letter in text if letter.isprintable())
    text = re.sub(r"([\\`*_{}\[\]()#+!|~^$@-])", r"\\\1", html.escape(text, quote=False))
    # Neither an address nor a numbered list is made of what remains.
    text = re.sub(r"(?i)\b(https?|ftp|www)(:|\.)", r"\1&#8203;\2", text)
    return re.sub(r"^(\d+)\.(?=\s|$)", r"\1\\.", text)


def _front_matter(files: AdapterFiles) -> str:
    from huggingface_hub import ModelCardData

    base = _base(files)
    model = _EMBEDDED_MODEL if base == "embedded" else base if _HUB_ID.fullmatch(base) else None
    given: dict[str, Any] = {"library_name": "peft", "tags": _TAGS, "license": "other"}
    if model is not None:
        given |= {"base_model": model, "base_model_relation": "adapter"}
    return f"---\n{ModelCardData(**given).to_yaml().strip()}\n---"


def _base(files: AdapterFiles) -> str:
    return str((files.on or {}).get("base") or files.about.get("base") or "embedded")


def _what_it_is(files: AdapterFiles) -> str:
    on = files.on
    base = escaped(_base(files))
    lines = [f"An adapter for Sightdesk, on the base {base}."]
    if on is not None:
        lines.append(f"It fits that base only (fingerprint {str(on['fingerprint'])[:16]}…).")
    if files.labels:
        coarse = len(set(files.labels.values()))
        lines.append(f"It knows {len(files.labels)} labels in {coarse} groups.")
    if files.about.get("made"):
        lines.append(f"Made on {escaped(files.about['made'])}.")
    return "\n".join(lines)


def _data(files: AdapterFiles) -> Iterable[str]:
    yield "## Data and terms"
    data = files.about.get("data") or {}
    terms = data.get("terms")
    rows = [(_spoken(key), value) for key, value in _plain(data) if key != "terms"]
    if rows:
        yield _table(("what", "value"), rows)
    used = [file for file in data.get("files") or [] if isinstance(file, dict)]
    if used:
        shown = [
            (file.get("name", "?"), file.get("rows", "?"), str(file.get("sha256", "?"))[:16])
            for file in used[:_MOST_ROWS]
        ]
        yield _table(("file", "rows", "SHA-256"), shown)
    if terms:
        yield f"Terms: {escaped(terms, 2_000)}"
    else:
        yield (
            "The terms of the data were not told. Ask whoever made this before you use it for more "
            "than yourself."
        )
    if files.labels:
        names = list(files.labels)[:_MOST_LABELS]
        more = len(files.labels) - len(names)
        said = ", ".join(escaped(name, 80) for name in names)
        yield f"Labels: {said}{f' and {more} more' if more else ''}."


def _recipe(files: AdapterFiles) -> Iterable[str]:
    recipes = [recipe for recipe in files.recipes if isinstance(recipe, dict)]
    if not recipes:
        return
    yield "## Recipe"
    if len(recipes) > 1:
        yield f"The last of {len(recipes)} runs; the others are in `sightdesk.json`."
    yield _table(("knob", "value"), list(_plain(recipes[-1])))
    made = [(_spoken(key), value) for key, value in _plain(files.about.get("versions") or {})]
    seconds = _plain(files.about.get("seconds") or {})
    made += [(f"seconds of stage {key}", value) for key, value in seconds]
    if made:
        yield _table(("made with", ""), made)


def _scores(files: AdapterFiles) -> Iterable[str]:
    yield "## Scores"
    if not files.scores:
        yield "None were measured: `sightdesk adapters evaluate` measures and writes them."
        return
    rows = []
    for data, scores in files.scores.items():
        intervals = scores.get("intervals")
        for name, value in scores.items():
            if not is_number(value) or name == "n":
                continue
            interval = intervals.get(name) if isinstance(intervals, dict) else None
            ends = interval if isinstance(interval, list) else []
            bounds = " to ".join(f"{end:g}" for end in ends if is_number(end))
            rows.append((data, _spoken(name), f"{value:g}", bounds, scores.get("n", "")))
    yield _table(("data", "score", "value", "95 % interval", "n"), rows[:_MOST_ROWS])


def _weaknesses(files: AdapterFiles) -> Iterable[str]:
    yield "## What it is bad at"
    told = files.about.get("weaknesses")
    lines = [str(one) for one in told if isinstance(one, str)] if isinstance(told, list) else []
    for data, scores in files.scores.items():
        classes = scores.get("classes")
        if not isinstance(classes, dict):
            continue
        weak = []
        for label, row in classes.items():
            value = row.get("recall", row.get("accuracy")) if isinstance(row, dict) else row
            if is_number(value) and value < 1:
                weak.append((value, str(label)))
        if weak:
            said = ", ".join(f"{label} ({value:.0%})" for value, label in sorted(weak)[:_WORST])
            lines.append(f"Its worst labels on {data}: {said}.")
    lines.append("Pictures unlike those that it was trained on: it guesses.")
    if files.labels:
        lines.append(
            "Things that are none of its labels: without a threshold it names the nearest label."
        )
    yield "\n".join(f"- {escaped(line)}" for line in lines)


def _use(files: AdapterFiles) -> Iterable[str]:
    yield "## How to use it"
    name, base = _shell(files.name), _shell(_base(files))
    extra = "" if base == "embedded" else f" --base {base}"
    yield (
        "```sh\n"
        f"sightdesk adapters import . --name {name}\n"
        f'sightdesk ask photo.jpg "What is this?" --adapter {name}{extra}\n'
        f"sightdesk adapters export {name} FOLDER --form peft{extra}"
        "   # for plain transformers and peft\n"
        "```"
    )


def _shell(text: str) -> str:
    """A word for a command line in a code block, which it cannot end."""
    kept = re.sub(r"[^A-Za-z0-9._/:-]", "", text)[:200]
    return kept or "NAME"


def _spoken(key: str) -> str:
    return key.replace("_", " ")


def _plain(values: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """Entries whose values are one number, word or yes; the rest is in ``sightdesk.json``."""
    for key, value in list(values.items())[:_MOST_ROWS]:
        if isinstance(value, bool):
            yield str(key), "yes" if value else "no"
        elif isinstance(value, (int, float, str)):
            yield str(key), value


def _table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(escaped(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines)
