"""For tests of jobs over folders: pictures to look at, and an engine that says what it sees.

As a program, it does one job in many processes, each of which is killed at a step of writing:

    python tests/annotated.py FOLDER OUT BATCH

Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from assistant.annotate import Job, Task
from assistant.annotate import results as results_module
from assistant.engine.values import Answer
from assistant.images import LoadedImage
from assistant.labelling import Labelled
from tests.pictures import put

LABELS = ("red", "green", "blue")


class ColourEngine:
    """Sees which of three colours a picture has most of, and how much more than the others.

    Attributes:
        seen: image ids in the order in which they were looked at.
    """

    name, adapter, quantization = "colours", None, "none"

    def __init__(self, fails_on: Callable[[LoadedImage], bool] = lambda _image: False) -> None:
        self.seen: list[str] = []
        self.fails_on = fails_on

    def encode_images(self, images: Sequence[LoadedImage]) -> list[LoadedImage]:
        """Takes them as they are."""
        if any(self.fails_on(image) for image in images):
            raise ValueError("not this one")
        self.seen += [image.id for image in images]
        return list(images)

    def label(
        self,
        images: Sequence[LoadedImage],
        *,
        labels: Sequence[str] | None,
        threshold: float | None,
        top: int,
    ) -> list[Labelled]:
        """Of the three colours, whatever the list."""
        found = []
        for image in images:
            shares = np.asarray(image.pixels, np.float64).mean((0, 1)) ** 4 + 1e-9
            shares = shares / shares.sum()
            order = np.argsort(-shares)[:top]
            best = float(shares[order[0]])
            name = LABELS[order[0]] if best >= (0.4 if threshold is None else threshold) else None
            scores = tuple((LABELS[place], float(shares[place])) for place in order)
            found.append(Labelled(name, "warm" if name == "red" else None, best, scores))
        return found

    def recognise(
        self, images: Sequence[LoadedImage], *, threshold: float | None, top: int
    ) -> list[Labelled]:
        """The same under another name."""
        return self.label(images, labels=None, threshold=threshold, top=top)

    def describe(self, images: Sequence[LoadedImage], **_: Any) -> list[Answer]:
        """Its colour in a sentence."""
        found = self.label(images, labels=None, threshold=0.0, top=3)
        return [Answer(f"It is\n{each.label}.", 3, 0.0, "stop") for each in found]

    def evidence(self, _image: LoadedImage) -> None:
        """It has no second opinion."""


def write_folder(
    folder: Path, count: int, *, bad: int = 0, size: tuple[int, int] = (24, 16)
) -> Path:
    """So many different pictures in three folders, and so many files that are none."""
    for seed in range(count):
        put(folder / ("a", "b", "ü/深")[seed % 3] / f"{seed:05}.png", seed, size)
    for seed in range(bad):
        (folder / "b").mkdir(parents=True, exist_ok=True)
        (folder / "b" / f"bad-{seed:03}.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    return folder


def engine_as(made: ColourEngine) -> Any:
    """As the type checker wants it."""
    return made


def start(folder: Path, out: Path, **options: Any) -> Job:
    """A job of this task; by default it chooses from three colours."""
    given = {"kind": "label", "labels": LABELS, **options}
    return Job.start(folder, out, Task(**given))


# --- killed


def main() -> None:
    folder, out, batch = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    killed = 0
    while not _in_child(folder, out, batch, killed):
        killed += 1
    print(json.dumps({"killed": killed}))


def _in_child(folder: Path, out: Path, batch: int, number: int) -> bool:
    """Whether the child came to its end; else it was killed."""
    pid = os.fork()
    if pid:
        _, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "it failed by itself"
        return not os.WIFSIGNALED(status)
    try:
        _run(folder, out, batch, number)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        os._exit(1)
    os._exit(0)


def _run(folder: Path, out: Path, batch: int, number: int) -> None:
    """Do the job; killed in the second batch, at one of four places in turn, or in half a line."""
    count = 0

    def pass_by() -> None:
        nonlocal count
        count += 1
        if count == 4 + number % 4:
            os.kill(os.getpid(), signal.SIGKILL)

    fsync, add = os.fsync, results_module.Results.add

    def watched_fsync(handle: Any) -> None:
        pass_by()
        fsync(handle)
        pass_by()

    def watched_add(self: results_module.Results, rows: Any) -> None:
        pass_by()
        if count == 5 and number % 4 == 2 and rows:  # a torn line is all that comes of it
            with (out / "results.jsonl").open("ab") as opened:
                opened.write(json.dumps(rows[0].to_dict()).encode()[: 7 * number])
            os.kill(os.getpid(), signal.SIGKILL)
        add(self, rows)
        pass_by()

    os.fsync = watched_fsync  # type: ignore[assignment]
    results_module.Results.add = watched_add  # type: ignore[method-assign]
    start(folder, out).run(engine_as(ColourEngine()), batch=batch)


if __name__ == "__main__":
    main()
