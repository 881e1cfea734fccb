"""``sightdesk questions``: development sets of questions, made from captions."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from adapters.mixture import CaptionSource
from adapters.questions import QA
from assistant.errors import InputError

NEGATIVES = ("random", "popular", "co-occurring")


def questions_command(
    captions: Annotated[Path, typer.Option(help='JSON Lines, {"image", "references": [...]}.')],
    corpus: Annotated[
        Path, typer.Option(help="Captions of the training pictures: what is popular there.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the question files.")],
    seed: Annotated[int, typer.Option(help="What is asked, and in which words.")] = 0,
) -> None:
    """Write presence, unanswerable and answerable questions for `sightdesk evaluate vqa`.

    Presence follows POPE (Li et al., EMNLP 2023): half "no", absent things drawn at random, from
    the popular ones, or from those that often go with what is there; one file each.
    """
    pictures = CaptionSource.read(captions)
    maker = CaptionSource.read(corpus).questions
    files: dict[str, list[tuple[Path, QA]]] = {f"presence-{hard}": [] for hard in NEGATIVES}
    files |= {"unanswerable": [], "answerable": []}
    for index, (path, references) in enumerate(
        zip(pictures.paths, pictures.references, strict=True)
    ):
        rng = random.Random(f"{seed} {index}")
        pairs = maker.presence_set(references, rng)
        positives = [pair for pair in pairs if not pair.hard]
        negatives = [pair for pair in pairs if pair.hard]
        for yes, no in zip(positives, negatives, strict=True):
            files[f"presence-{no.hard}"] += [(path, yes), (path, no)]
        for pair in maker.unanswerable(references, rng, 1, heldout=True):
            files["unanswerable"].append((path, pair))
        for pair in maker.answerable(references, rng, 1):
            files["answerable"].append((path, pair))
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, rows in files.items():
            _write(out / f"{name}.jsonl", rows)
            typer.echo(f"{out / name}.jsonl: {len(rows)} questions")
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror}); choose another.") from error


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
