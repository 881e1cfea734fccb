"""``sightdesk questions``: development sets of questions, made from captions."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assistant.errors import InputError

if TYPE_CHECKING:
    from adapters.questions import QA
    from adapters.questions.pairs import Kind

NEGATIVES = ("random", "popular", "co-occurring")


def questions_command(
    out: Annotated[Path, typer.Option(help="Folder for the question files.")],
    captions: Annotated[
        Path | None, typer.Option(help='JSON Lines, {"image", "references": [...]}.')
    ] = None,
    corpus: Annotated[
        Path | None, typer.Option(help="Captions of the training pictures: what is popular there.")
    ] = None,
    easy_vqa: Annotated[bool, typer.Option(help="Also write easy-VQA's official test.")] = False,
    seed: Annotated[int, typer.Option(help="What is asked, and in which words.")] = 0,
) -> None:
    """Write question files for `sightdesk evaluate vqa`.

    From captions come presence-*.jsonl, which follow POPE (Li et al., EMNLP 2023): half "no",
    absent things drawn at random, from the popular ones, or from those that often go with what is
    there; and can-tell.jsonl, of which half cannot be answered from the picture.
    """
    files: dict[str, list[tuple[Path, QA]]] = {}
    if captions is not None and corpus is not None:
        files |= _from_captions(captions, corpus, seed)
    elif captions is not None or corpus is not None:
        raise InputError("Questions from captions need both; give --captions and --corpus.")
    if easy_vqa:
        files["easy-vqa-test"] = _easy_vqa_test()
    if not files:
        raise InputError("There is nothing to ask about; give --captions or --easy-vqa.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, rows in files.items():
            _write(out / f"{name}.jsonl", rows)
            typer.echo(f"{out / name}.jsonl: {len(rows)} questions")
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror}); choose another.") from error


def _from_captions(captions: Path, corpus: Path, seed: int) -> dict[str, list[tuple[Path, QA]]]:
    from adapters.mixture import CaptionSource

    pictures = CaptionSource.read(captions)
    maker = CaptionSource.read(corpus).questions
    files: dict[str, list[tuple[Path, QA]]] = {f"presence-{hard}": [] for hard in NEGATIVES}
    files["can-tell"] = []
    for index, (path, references) in enumerate(
        zip(pictures.paths, pictures.references, strict=True)
    ):
        rng = random.Random(f"{seed} {index}")
        pairs = maker.presence_set(references, rng)
        positives = [pair for pair in pairs if not pair.hard]
        negatives = [pair for pair in pairs if pair.hard]
        for yes, no in zip(positives, negatives, strict=True):
            files[f"presence-{no.hard}"] += [(path, yes), (path, no)]
        asked = maker.unanswerable(references, rng, 1, heldout=True)
        known = maker.answerable(references, rng, 1)
        files["can-tell"] += [
            (path, pair) for both in zip(asked, known, strict=False) for pair in both
        ]
    return files


def _easy_vqa_test() -> list[tuple[Path, QA]]:
    from adapters.mixture import import_easy_vqa
    from adapters.questions import QA

    easy_vqa = import_easy_vqa()
    folder = Path(easy_vqa.__file__).parent / "data" / "test" / "images"
    kinds: dict[str, Kind] = {"yes": "presence", "no": "presence"}
    return [
        (folder / f"{image}.png", QA(question, answer, kinds.get(answer, "what")))
        for question, answer, image in zip(*easy_vqa.get_test_questions(), strict=True)
    ]


def _write(file: Path, rows: Sequence[tuple[Path, QA]]) -> None:
    with file.open("w", encoding="utf-8") as lines:
        for path, pair in rows:
            row = {
                "image": str(path.resolve()),
                "question": pair.question,
                "answer": pair.answer,
                "kind": pair.kind,
            }
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")
