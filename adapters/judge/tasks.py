"""What is asked: the rows of a data set that can be judged, sorted by kind."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from adapters.data.form import Dataset, Example
from adapters.data.formats import read_dataset
from adapters.judge.figures import Kind
from adapters.metrics import normalize_answer, tokenize_caption
from adapters.samples import sampled
from assistant.errors import DataError

# Longer answers are told in many ways; equal or not says nothing about them.
MOST_ANSWER_WORDS = 10
_KINDS: tuple[Kind, ...] = ("captions", "questions", "labels")
_MANY_PICTURES = "show several pictures"
_LONG_ANSWERS = "have answers too long to compare word for word"
_NO_WORDS = "have a reference without a word"
_NO_PICTURE = "have a picture that is missing"


@dataclass(frozen=True)
class Task:
    """The rows of one kind of one data set.

    Attributes:
        data: how the data set is called.
        rows: of questions, the last exchange is asked and those before it are the conversation.
        left_out: rows that are not judged, by reason.
        forgetting: whether they show what the adapter lost, not what it learnt.
    """

    kind: Kind
    data: str
    sha256: str | None
    rows: tuple[Example, ...]
    left_out: Mapping[str, int]
    forgetting: bool = False


def read_tasks(
    path: Path,
    *,
    limit: int | None = None,
    seed: int = 0,
    skip_bad: bool = False,
    split: str | None = None,
    forgetting: bool = False,
) -> list[Task]:
    """Read a data set and sort its rows by what can be judged of them.

    Args:
        limit: rows of each kind, drawn with ``seed``; None means all.
        skip_bad: leave out rows that cannot be used, and count them.
        split: only rows of this split, where the data names splits.

    Raises:
        DataError: the data set or, without ``skip_bad``, one of its rows cannot be used, or no row
            can be judged.
    """
    dataset = read_dataset(path)
    left_out = _refuse(dataset, skip_bad)
    examples = list(dataset.examples)
    if split is not None:
        named = sorted({row.split for row in examples if row.split is not None})
        examples = [row for row in examples if row.split == split]
        if not examples:
            listed = ", ".join(named) or "none"
            raise DataError(f"{path} has no rows of the split {split!r}; its splits: {listed}.")
    present = [row for row in examples if all(_there(image) for image in row.images)]
    missing = len(examples) - len(present)
    if missing and not skip_bad:
        first = next(row for row in examples if not all(_there(image) for image in row.images))
        lost = next(image for image in first.images if not _there(image))
        raise DataError(
            f"{first.where}: there is no image file {str(lost)!r}, correct the path, which is "
            "relative to the data file, or skip bad rows (--skip-bad)."
        )
    if missing:
        left_out[_NO_PICTURE] += missing
    name = _name(path)
    sha256 = _digest(path)
    tasks = []
    for kind in _KINDS:
        rows, reasons = _rows_of(kind, present)
        if rows or reasons:
            tasks.append(
                Task(
                    kind,
                    name,
                    sha256,
                    tuple(sampled(rows, limit, seed)),
                    dict(reasons + left_out),
                    forgetting,
                )
            )
    if not any(task.rows for task in tasks):
        told = ", ".join(f"{n:,} {why}" for task in tasks for why, n in task.left_out.items())
        raise DataError(
            f"{path} holds no row that can be judged{f' ({told})' if told else ''}; give "
            "captions ('references'), questions with short answers, or labels."
        )
    return [task for task in tasks if task.rows]


def _refuse(dataset: Dataset, skip_bad: bool) -> Counter[str]:
    bad = [finding for finding in dataset.findings if finding.severity == "error"]
    if bad and not skip_bad:
        more = f" (and {len(bad) - 1:,} more)" if len(bad) > 1 else ""
        raise DataError(
            f"{bad[0].where}: {bad[0].message.rstrip('.')}{more}; mend the data, or skip bad rows "
            "(--skip-bad)."
        )
    return Counter({"cannot be used": len(bad)} if bad else {})


def _rows_of(kind: Kind, examples: Sequence[Example]) -> tuple[list[Example], Counter[str]]:
    """The rows of a kind, and why others that seem to be of it are left out."""
    rows: list[Example] = []
    reasons: Counter[str] = Counter()
    for example in examples:
        if kind == "questions":
            for number in range(1, len(example.exchanges) + 1):
                asked = replace(example, exchanges=example.exchanges[:number])
                if len(normalize_answer(asked.exchanges[-1].answer).split()) > MOST_ANSWER_WORDS:
                    reasons[_LONG_ANSWERS] += 1
                else:
                    rows.append(asked)
        elif not (example.references if kind == "captions" else example.label):
            continue
        elif len(example.images) != 1:
            reasons[_MANY_PICTURES] += 1
        elif kind == "captions" and not all(map(tokenize_caption, example.references)):
            reasons[_NO_WORDS] += 1
        else:
            rows.append(example)
    return rows, reasons


def _there(image: Path) -> bool:
    try:
        return image.is_file()
    except (OSError, ValueError):
        return False


def _name(path: Path) -> str:
    """``grocery/val`` for ``…/grocery/val.jsonl``: short, and it tells val from val."""
    if not path.exists():
        return str(path)  # the chat, which is no file
    folder = path.resolve().parent.name
    stem = path.stem if path.is_file() else path.name
    return f"{folder}/{stem}" if folder else stem


def _digest(path: Path) -> str | None:
    """SHA-256 of a file, None of a folder."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
