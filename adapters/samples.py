"""What every evaluation does with its rows: draw some, and write down what was said of each."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar

from assistant.errors import InputError

T = TypeVar("T")


def sampled(rows: Sequence[T], limit: int | None, seed: int) -> Sequence[T]:
    """``limit`` rows drawn at random, all for None; they stay in the order of the file."""
    if limit is None or limit >= len(rows):
        return rows
    chosen = random.Random(seed).sample(range(len(rows)), limit)
    return [rows[index] for index in sorted(chosen)]


@contextmanager
def opened_predictions(
    path: Path | None, read: Iterable[Path], what: str = "data"
) -> Iterator[IO[str] | None]:
    """The file that predictions are written to; None where there is none.

    Args:
        read: files that are being read and must not be written over.
        what: these are called.

    Raises:
        InputError: it is one of them, or cannot be written.
    """
    if path is None:
        yield None
        return
    if path.exists() and any(path.samefile(file) for file in read):
        raise InputError(f"Predictions cannot be written to the {what} file {path}; name another.")
    try:
        file = path.open("w", encoding="utf-8", newline="\n")
    except OSError as error:
        raise InputError(
            f"Predictions cannot be written to {path} ({error.strerror}); name another file."
        ) from error
    with file:
        yield file
