"""The asking: one or two adapters answer the same rows, a batch of pictures at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.data.form import Example
from adapters.judge.captions import judge_captions
from adapters.judge.figures import Judgement
from adapters.judge.labels import Given, judge_labels
from adapters.judge.questions import judge_questions
from adapters.judge.tasks import Task
from adapters.metrics import normalize_label
from assistant.errors import AdapterError, DataError, ImageError
from assistant.images import LoadedImage, open_image

if TYPE_CHECKING:
    from assistant.engine import Engine

ANSWER_TOKENS = 32
"""Answers are a few words; a model that rambles on must not cost minutes."""

_UNOPENED = "have a picture that cannot be opened"
Report = Callable[[str, int, int], None]
"""Called with what is done, how much of it, and of how much."""


@dataclass(frozen=True)
class Contender:
    """An adapter that answers.

    Attributes:
        name: what reports call it.
        engine: who runs it; two adapters may share one.
        adapter: its name in the engine, None for what the engine has merged.
        labels: those it can give, with their coarse labels.
        facts: what it is, for reports: pairs of a name and a text.
    """

    name: str
    engine: Engine
    adapter: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    facts: tuple[tuple[str, str], ...] = ()

    def encode(self, pictures: Sequence[LoadedImage]) -> dict[str, Any]:
        """Encoded pictures by id."""
        return {one.id: one for one in self.engine.encode_images(pictures, **self._which)}

    def answer(
        self,
        task: Task,
        rows: Sequence[tuple[Example, Sequence[str]]],
        seen: Mapping[str, Any],
        choices: Sequence[str] | None = None,
    ) -> list[Any]:
        """Texts, or `Given` labels, for rows with the ids of their pictures.

        ``choices`` are the labels to choose from, in place of the adapter's own.
        """
        if task.kind == "questions":
            return self._reply([(row, [seen[one] for one in ids]) for row, ids in rows])
        images = [seen[ids[0]] for _, ids in rows]
        if task.kind == "captions":
            return [answer.text for answer in self.engine.describe(images, **self._which)]
        which = self._which if choices is None else {**self._which, "labels": list(choices)}
        return [_given(one) for one in self.engine.label(images, **which)]

    def _reply(self, rows: Sequence[tuple[Example, Sequence[Any]]]) -> list[str]:
        from assistant.engine import Sampling, Turn

        conversations = []
        for row, images in rows:
            turns = []
            for number, exchange in enumerate(row.exchanges):
                ids = () if number else tuple(image.id for image in images)
                turns += [Turn("user", exchange.question, ids), Turn("assistant", exchange.answer)]
            conversations.append((turns[:-1], images))
        answers = self.engine.generate_batch(
            conversations, sampling=Sampling(max_tokens=ANSWER_TOKENS), **self._which
        )
        return [answer.text for answer in answers]

    @property
    def _which(self) -> dict[str, Any]:
        return {} if self.adapter is None else {"adapter": self.adapter}


def judge(
    tasks: Sequence[Task],
    own: Contender,
    other: Contender | None = None,
    *,
    batch_size: int = 16,
    seed: int = 0,
    skip_bad: bool = False,
    report: Report = lambda what, done, total: None,
) -> list[Judgement]:
    """Ask both on the rows of every task and compare what they say.

    Raises:
        DataError: a picture cannot be opened (without ``skip_bad``), or the adapter knows none of
            the labels.
        AdapterError: the adapter gives no labels.
    """
    for task in tasks:
        if task.kind == "labels" and not own.labels:
            raise AdapterError(
                f"The adapter {own.name!r} has no labels, and {task.data} is about labels; give "
                "captions or questions, or train it on labelled pictures."
            )
    return [_judge_task(task, own, other, batch_size, seed, skip_bad, report) for task in tasks]


def _judge_task(
    task: Task,
    own: Contender,
    other: Contender | None,
    batch_size: int,
    seed: int,
    skip_bad: bool,
    report: Report,
) -> Judgement:
    began = time.perf_counter()
    notes: list[str] = []
    if other is not None and (own.engine, own.adapter) == (other.engine, other.adapter):
        notes.append("Both are the same adapter; whatever differs is chance.")
    choices: list[tuple[str, ...] | None] = [None, None]
    if task.kind == "labels" and other is not None and not _knows(task.rows, own, other):
        choices[1] = tuple(sorted(own.labels))
        notes.append(
            f"{other.name} does not know all of these labels; it chose from the list of {own.name} "
            "by how likely each name is as its answer."
        )
    asked = [own] if other is None else [own, other]
    answers: list[list[Any]] = [[] for _ in asked]
    rows: list[Example] = []
    total, done, lost = len(task.rows) * len(asked), 0, 0
    report(task.data, 0, total)
    for chunk, pictures in _opened(task, batch_size, skip_bad):
        lost += sum(1 for _, ids in chunk if ids is None)
        usable = [(row, ids) for row, ids in chunk if ids is not None]
        for contender, said, choice in zip(asked, answers, choices, strict=False):
            seen = contender.encode(list(pictures.values())) if pictures else {}
            for first in range(0, len(usable), batch_size):
                said += contender.answer(task, usable[first : first + batch_size], seen, choice)
                done += len(usable[first : first + batch_size])
                report(task.data, done + lost * len(asked), total)
        rows += [row for row, _ in usable]
    report(task.data, total, total)
    if not rows:
        raise DataError(f"No picture of {task.data} can be opened; check the paths in it.")
    said, others = answers[0], answers[1] if other is not None else None
    identity: dict[str, Any] = {"data": task.data, "sha256": task.sha256, "seed": seed}
    if task.kind == "captions":
        found = judge_captions(rows, said, others, forgetting=task.forgetting, **identity)
    elif task.kind == "questions":
        found = judge_questions(rows, said, others, **identity)
    else:
        found = judge_labels(rows, said, others, own.labels, **identity)
    left_out = dict(task.left_out)
    if lost:
        left_out[_UNOPENED] = lost
    return replace(
        found,
        left_out=left_out,
        notes=(*notes, *found.notes),
        forgetting=task.forgetting,
        seconds=time.perf_counter() - began,
    )


def _opened(
    task: Task, batch_size: int, skip_bad: bool
) -> Iterator[tuple[list[tuple[Example, list[str] | None]], dict[str, LoadedImage]]]:
    """Rows with the ids of their pictures, all rows of some pictures at a time, and the pictures.

    The ids are None where a picture cannot be opened (with ``skip_bad``).
    """
    groups: dict[tuple[Path, ...], list[Example]] = {}
    for row in task.rows:
        groups.setdefault(row.images, []).append(row)
    left = iter(groups.items())
    while some := list(islice(left, batch_size)):
        chunk: list[tuple[Example, list[str] | None]] = []
        pictures: dict[str, LoadedImage] = {}
        for paths, rows in some:
            try:
                opened = [open_image(path) for path in paths]
            except ImageError as error:
                if not skip_bad:
                    raise DataError(
                        f"{rows[0].where}: the picture cannot be used "
                        f"({str(error).rstrip('.')}), replace it or skip bad rows (--skip-bad)."
                    ) from error
                chunk += [(row, None) for row in rows]
                continue
            pictures |= {one.id: one for one in opened}
            chunk += [(row, [one.id for one in opened]) for row in rows]
        yield chunk, pictures


def _given(answer: Any) -> Given:
    """What an engine said, be it a bare label or one with a confidence.

    Where it said "none of these", the label is the likeliest one, and ``withheld`` is true.
    """
    if isinstance(answer, str):
        return Given(answer)
    if answer.label is not None:
        return Given(answer.label, answer.coarse, answer.confidence)
    label = answer.scores[0][0] if answer.scores else None
    return Given(label, None, answer.confidence, withheld=True)


def _knows(rows: Sequence[Example], own: Contender, other: Contender) -> bool:
    """Whether the other one has all labels of the data that the adapter has."""
    theirs = {normalize_label(label) for label in other.labels}
    mine = {normalize_label(label) for label in own.labels}
    return {normalize_label(row.label or "") for row in rows} & mine <= theirs
