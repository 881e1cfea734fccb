"""What a reader keeps beside the rows: findings, and the checks that all formats share.

A reader checks a row with these functions, which raise `RowProblem`; `Notes.row` turns that into a
`Finding` and the row is left out. So one bad row never hides what is wrong with the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from adapters.data.form import Example, Finding
from adapters.rows import MAX_CHARACTERS, MAX_REFERENCES, MAX_ROW_BYTES
from assistant.errors import DataError

MAX_IMAGES = 8
MAX_TURNS = 64
MAX_LABEL = 200
MAX_EXAMPLES = 2_000_000

SPLITS = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val", "eval": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
"""How splits are called in data, and how they are called here."""


class RowProblem(Exception):
    """A row cannot be used; raised by checks, caught by `Notes.row`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Notes:
    """The findings of one reader and the examples that it could use, in the order of the file.

    `seen_types` are the types in which rows gave their pictures.
    """

    def __init__(self) -> None:
        self.examples: list[Example] = []
        self.seen_types: set[type] = set()
        self._findings: list[Finding] = []
        self._repeated: dict[str, tuple[int, int]] = {}

    def error(self, kind: str, where: str, message: str) -> None:
        """Something that costs a row."""
        self._findings.append(Finding(kind, where, message))

    def warn(self, kind: str, where: str, message: str) -> None:
        """Something to know about a row that is used all the same."""
        self._findings.append(Finding(kind, where, message, "warning"))

    def warn_once(self, kind: str, where: str, message: str) -> None:
        """As `warn`, for what is likely to be so in every row: told of the first, and counted."""
        place, count = self._repeated.get(kind, (len(self._findings), 0))
        self._repeated[kind] = place, count + 1
        if not count:
            self.warn(kind, where, message)

    def add(self, example: Example) -> None:
        """Keep an example.

        Raises:
            DataError: there are more than any training here could use.
        """
        if len(self.examples) >= MAX_EXAMPLES:
            raise DataError(
                f"The data set has more than {MAX_EXAMPLES:,} rows, the most that are read; "
                f"split it into several."
            )
        self.examples.append(example)

    @contextmanager
    def row(self, where: str) -> Iterator[None]:
        """Turn a `RowProblem` into a finding about the row."""
        try:
            yield
        except RowProblem as problem:
            self.error(problem.kind, where, str(problem))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All of them; what was counted says how often."""
        found = list(self._findings)
        for place, count in self._repeated.values():
            if count > 1:
                said = f"{found[place].message} So it is in {count:,} rows."
                found[place] = replace(found[place], message=said)
        return tuple(found)


def shown(text: object, most: int = 80) -> str:
    """Foreign text as it may stand in a message: short, and nothing that steers a terminal."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in str(text)[: 4 * most])
    return clean if len(clean) <= most else f"{clean[: most - 1]}…"


def counted(number: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def need_text(value: object, name: str, most: int = MAX_CHARACTERS) -> str:
    """`value` where it is a text that can be learnt.

    Raises:
        RowProblem: it is none, it is blank, too long, or no Unicode.
    """
    if not isinstance(value, str):
        kind = "missing-key" if value is None else "bad-value"
        raise RowProblem(kind, f"{name} is no text; write it as a string.")
    if not value.strip():
        raise RowProblem("empty-text", f"{name} is empty; write it or remove the row.")
    if len(value) > most:
        raise RowProblem(
            "long-text", f"{name} has {len(value):,} characters; keep {most:,} or fewer."
        )
    try:
        # An escape such as \ud83d alone is JSON but no text that a tokenizer can take.
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise RowProblem(
            "bad-value", f"{name} holds half a character (a lone surrogate); write it anew."
        ) from None
    return value


def need_label(value: object, name: str = "'label'") -> str:
    """A label, without blanks around it; raises as `need_text` does."""
    return need_text(value, name, MAX_LABEL).strip()


def need_references(value: object, name: str = "'references'") -> tuple[str, ...]:
    """A list of captions; raises as `need_text` does."""
    if not isinstance(value, list) or not value:
        raise RowProblem(
            "bad-value", f"{name} is no list of texts; give at least one caption in [...]."
        )
    if len(value) > MAX_REFERENCES:
        raise RowProblem(
            "long-row", f"{name} has {len(value):,} texts; keep {MAX_REFERENCES:,} or fewer."
        )
    texts = [
        need_text(text, f"Caption {number} of {name}") for number, text in enumerate(value, start=1)
    ]
    for text in texts:
        no_marks(text, "A caption")
    return tuple(texts)


def no_marks(text: str, name: str) -> None:
    """Refuse the mark of a picture where no picture can be.

    Raises:
        RowProblem: `text` holds one.
    """
    if "<image>" in text:
        raise RowProblem(
            "image-marks", f"{name} holds the mark <image>; marks go into the first question only."
        )


def split_name(value: object) -> str | None:
    """The split that a row names, in the words of this project.

    Raises:
        RowProblem: it is no name.
    """
    if value is None or value == "":
        return None
    name = need_text(value, "'split'", 64).strip()
    return SPLITS.get(name.lower(), name)


def check_size(size: int, limit: int = MAX_ROW_BYTES) -> None:
    """Refuse a row that is longer than ``limit`` bytes.

    Raises:
        RowProblem: it is.
    """
    if size > limit:
        raise RowProblem("long-row", f"The row is longer than {limit:,} bytes; shorten it.")
