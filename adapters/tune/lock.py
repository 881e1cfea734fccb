"""One training a folder: a second one into the same folder is refused while the first runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from filelock import FileLock, Timeout

from adapters.tune.process import noted
from assistant.errors import InputError


@contextmanager
def training_folder(folder: Path, *, resume: bool, keep: bool = False) -> Iterator[None]:
    """Hold a folder for one training.

    Args:
        resume: go on with what is there; without it, a folder with a training is refused.
        keep: nothing will be written there, so that what is there does not matter.

    Raises:
        InputError: it cannot be made or written, another training runs there, or there is one to
            resume and ``resume`` is not given, or none and it is.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be a folder ({error.strerror}); choose another --out."
        ) from error
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder} cannot be written; choose another --out.")
    if int(os.environ.get("RANK", "0")):  # the first process of a launch holds it for all
        yield
        return
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(
            f"Another training runs in {folder}; wait for it, or choose another --out."
        ) from error
    try:
        started = (folder / "recipe.toml").exists()
        if started and not resume and not keep:
            raise InputError(
                f"{folder} holds a training already; give --resume to go on with it, or another "
                "--out to keep both."
            )
        if resume and not started:
            raise InputError(f"There is no training to resume in {folder}; leave --resume out.")
        with nullcontext() if keep else noted(folder):
            yield
    finally:
        lock.release()
