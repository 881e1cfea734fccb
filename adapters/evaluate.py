"""Evaluation: run an engine over a data file and score what it says.

Every row is checked before the first picture is encoded, sampled or not. This module knows what is
asked and in which batches; `adapters.rows` reads the data files, `adapters.metrics` scores answers.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from os.path import isfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from adapters import metrics
from adapters.rows import (
    CaptionRow,
    LabelRow,
    QuestionRow,
    Row,
    RowT,
    bad_row,
    read_captions,
    read_labels,
    read_questions,
)
from adapters.samples import opened_predictions, sampled
from assistant.errors import ImageError, InputError
from assistant.images import LoadedImage, open_image

if TYPE_CHECKING:
    from assistant.engine import EncodedImage, Engine

Detail = Literal["short", "sentence", "detailed"]
Mode = Literal["greedy", "beam", "sample", "rerank"]
Scores = metrics.CaptionScores | metrics.AnswerScores | metrics.LabelScores
Results = dict[str, float | int | None]

# Answers to questions are a few words; a model that rambles on must not cost minutes.
ANSWER_TOKENS = 32


@dataclass(frozen=True)
class Options:
    """How any evaluation is run.

    Attributes:
        limit: evaluate a random sample of so many rows, drawn with `seed`; None means all.
        seed: of the sample and of sampled decoding.
        batch_size: rows a batch.
        predictions: write {image, question?, prediction} here, one JSON object a line, as results
            arrive (rows of one picture together).
        skip_bad: count pictures that are missing or cannot be opened in `skipped` and go on.
        progress: called with (rows done, rows in all), first with (0, all), then after every batch.
    """

    limit: int | None = None
    seed: int = 0
    batch_size: int = 16
    predictions: Path | None = None
    skip_bad: bool = False
    progress: Callable[[int, int], None] | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise InputError(f"A limit of {self.limit} rows cannot be used; give 1 or more.")
        if self.batch_size < 1:
            raise InputError(f"A batch size of {self.batch_size} cannot be used; give 1 or more.")


def evaluate_captions(
    engine: Engine,
    data: Path,
    options: Options = Options(),
    *,
    detail: Detail = "sentence",
    mode: Mode = "greedy",
) -> Results:
    """Describe every picture of `data` and score the descriptions against the references.

    Returns:
        bleu1, bleu2, bleu3, bleu4, rougeL (fractions), cider, n (rows scored), seconds; with
        `skip_bad` also skipped. A score without rows behind it is None.

    Raises:
        DataError: `data` or one of its rows or pictures cannot be used.
        InputError: an option cannot be used, or the predictions cannot be written.
    """
    rows = _caption_rows(data, options)

    def describe(batch: Sequence[tuple[CaptionRow, EncodedImage]]) -> list[str]:
        images = [image for _, image in batch]
        answers = engine.describe(images, detail=detail, mode=mode, seed=options.seed)
        return [answer.text for answer in answers]

    def score(rows: Sequence[CaptionRow], texts: Sequence[str]) -> metrics.CaptionScores:
        return metrics.score_captions(texts, [row.references for row in rows])

    return _evaluate(engine, data, rows, options, describe, score)


def evaluate_vqa(
    engine: Engine,
    data: Path,
    options: Options = Options(),
) -> Results:
    """Ask every question of `data` (greedy decoding) and count the right answers.

    Questions about one picture are asked one after the other, so that it is encoded once.

    Returns:
        accuracy, accuracy_yes_no, accuracy_open, told_unanswerable, refused_answerable (fractions,
        see `metrics.AnswerScores`; None where there is no such question), n, seconds; with
        `skip_bad` also skipped.
    """
    from assistant.engine import Sampling, Turn  # imports torch, which takes seconds

    rows = with_pictures(read_questions(data), options)
    sampling = Sampling(max_tokens=ANSWER_TOKENS)

    def ask(batch: Sequence[tuple[QuestionRow, EncodedImage]]) -> list[str]:
        conversations = [
            ([Turn("user", row.question, images=(image.id,))], [image]) for row, image in batch
        ]
        return [answer.text for answer in engine.generate_batch(conversations, sampling=sampling)]

    def score(rows: Sequence[QuestionRow], texts: Sequence[str]) -> metrics.AnswerScores:
        return metrics.score_answers(texts, [row.answer for row in rows])

    return _evaluate(engine, data, rows, options, ask, score)


def evaluate_labels(
    engine: Engine,
    data: Path,
    options: Options = Options(),
    *,
    known_labels: Mapping[str, str] | Sequence[str] = (),
) -> Results:
    """Label every picture of `data` and count the right fine and coarse labels.

    The coarse label of a predicted label is learnt from all rows of `data`, sampled or not. Pass
    the labels that the engine may answer with as `known_labels` (see `metrics.LabelMatcher`).

    Returns:
        accuracy_fine, accuracy_coarse (fractions; coarse is None where no row has a coarse label),
        n, seconds; with `skip_bad` also skipped.

    Raises:
        DataError: also for a label with two coarse labels.
    """
    rows = with_pictures(read_labels(data), options)
    matcher = metrics.LabelMatcher(_coarse_by_label(rows), known_labels)

    def label(batch: Sequence[tuple[LabelRow, EncodedImage]]) -> list[str]:
        found = engine.label([image for _, image in batch])
        return [each.scores[0][0] for each in found]  # the likeliest, however unsure

    def score(rows: Sequence[LabelRow], texts: Sequence[str]) -> metrics.LabelScores:
        return metrics.score_labels(texts, [(row.label, row.coarse_label) for row in rows], matcher)

    return _evaluate(engine, data, rows, options, label, score)


def check_data(kind: Literal["captions", "vqa", "labels"], data: Path, options: Options) -> None:
    """Raise the evaluation's DataErrors before a model is loaded; no picture is opened yet."""
    if kind == "captions":
        _caption_rows(data, options)
    elif kind == "vqa":
        with_pictures(read_questions(data), options)
    else:
        _coarse_by_label(with_pictures(read_labels(data), options))


def _evaluate(
    engine: Engine,
    data: Path,
    all_rows: Sequence[RowT],
    options: Options,
    answer: Callable[[Sequence[tuple[RowT, EncodedImage]]], list[str]],
    score: Callable[[Sequence[RowT], Sequence[str]], Scores],
) -> Results:
    started = time.perf_counter()
    report = options.progress or (lambda done, total: None)
    drawn = sampled(all_rows, options.limit, options.seed)
    bad: list[RowT] = []
    rows: list[RowT] = []
    texts: list[str] = []
    with opened_predictions(options.predictions, [data]) as out:
        report(0, len(drawn))
        pairs = _encode(engine, drawn, options, bad)
        while batch := list(islice(pairs, options.batch_size)):
            predicted = answer(batch)
            rows += [row for row, _ in batch]
            texts += predicted
            if out is not None:
                out.writelines(
                    _prediction(row, text) for (row, _), text in zip(batch, predicted, strict=True)
                )
                out.flush()
            report(len(rows) + len(bad), len(drawn))
        if bad:
            report(len(rows) + len(bad), len(drawn))
    results: Results = {**asdict(score(rows, texts)), "n": len(rows)}
    results["seconds"] = round(time.perf_counter() - started, 3)
    if options.skip_bad:
        results["skipped"] = len(bad)
    return results


def _encode(
    engine: Engine, rows: Sequence[RowT], options: Options, bad: list[RowT]
) -> Iterator[tuple[RowT, EncodedImage]]:
    """Yield rows with their encoded picture, all rows of a picture together, each encoded once.

    Rows whose picture cannot be opened go to `bad` (with `skip_bad`).
    """
    by_image: dict[Path, list[RowT]] = {}
    for row in rows:
        by_image.setdefault(row.path, []).append(row)
    groups = iter(by_image.values())
    while chunk := list(islice(groups, options.batch_size)):
        opened: list[tuple[list[RowT], LoadedImage]] = []
        for group in chunk:
            try:
                opened.append((group, open_image(group[0].path)))
            except ImageError as error:
                if not options.skip_bad:
                    raise bad_row(
                        group[0].where,
                        f"the image {group[0].image!r} cannot be used "
                        f"({str(error).rstrip('.')}), replace it or skip bad images (--skip-bad)",
                    ) from error
                bad.extend(group)
        if opened:
            encoded = engine.encode_images([image for _, image in opened])
            for (group, _), image in zip(opened, encoded, strict=True):
                yield from ((row, image) for row in group)


def _prediction(row: Row, text: str) -> str:
    asked = {"question": row.question} if isinstance(row, QuestionRow) else {}
    line = json.dumps({"image": row.image, **asked, "prediction": text}, ensure_ascii=False)
    return line + "\n"


def _caption_rows(data: Path, options: Options) -> list[CaptionRow]:
    rows = read_captions(data)
    for row in rows:
        for text in row.references:
            if not metrics.tokenize_caption(text):
                raise bad_row(row.where, f"the reference {text!r} has no words, write or remove it")
    return with_pictures(rows, options)


def with_pictures(rows: list[RowT], options: Options) -> list[RowT]:
    """The rows, after a look whether their image files are there."""
    if not options.skip_bad:
        for row in rows:
            if not isfile(row.path):
                raise bad_row(
                    row.where,
                    f"there is no image file {row.image!r} (looked for {row.path}), correct the "
                    "path, which is relative to the data file, or skip bad images (--skip-bad)",
                )
    return rows


def _coarse_by_label(rows: Sequence[LabelRow]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for row in rows:
        known = found.get(row.label)
        if known is not None and row.coarse_label is not None and known != row.coarse_label:
            raise bad_row(
                row.where,
                f"the label {row.label!r} has the coarse label {row.coarse_label!r} here and "
                f"{known!r} above, choose one of them",
            )
        found[row.label] = known if known is not None else row.coarse_label
    return found
