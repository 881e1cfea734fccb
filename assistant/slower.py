"""Which slower path this machine takes, and why: what a processor, memory or a folder lacks.

Nothing here refuses to run: for whatever is missing there is a way around, which takes longer or
gives up a little, and the doctor says which.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from assistant.settings import Settings
from assistant.weights import REVISION

_LITTLE: Final = 3 * 2**30  # bytes that the embedded base, the page and the agent are at ease in
_COMPILERS: Final = ("c++", "g++", "clang++", "cl")


@dataclass(frozen=True)
class Slower:
    """What is lacking, and what is done instead."""

    lacks: str
    instead: str

    def __str__(self) -> str:
        return f"{self.lacks}: {self.instead}"


def slower_paths(settings: Settings) -> list[Slower]:
    """All slower paths that are taken here; never raises because of what it finds."""
    return [*_of_processor(), *_of_memory(), *_of_compiler(), *_of_cache(settings)]


def _of_processor() -> Iterator[Slower]:
    import torch

    from assistant.packed import can_pack

    cores = _cores()
    if cores == 1:
        yield Slower(
            "One core",
            "products run on one thread, and answers wait while a picture is encoded",
        )
    capability = str(torch.backends.cpu.get_cpu_capability())
    if platform.machine().lower() in ("x86_64", "amd64") and not capability.startswith("AVX512"):
        yield Slower(
            f"No AVX-512 ({capability})",
            "NF4 unpacks its weights before every product, so that int8 or W8 is the faster way "
            "to less memory",
        )
    if not can_pack():
        yield Slower(
            "No products in bfloat16",
            "the full model is computed in float32, which takes twice the memory and time",
        )


def _of_memory() -> Iterator[Slower]:
    from assistant.needs import free_memory

    free = free_memory()
    if free < _LITTLE:
        yield Slower(
            f"Little memory ({free / 2**30:.1f} GiB free)",
            "SIGHTDESK_QUANTIZE=auto takes the smallest form where none fits, and caches give way "
            "first: lower SIGHTDESK_PREFIX_CACHE_BYTES to leave more",
        )


def _of_compiler() -> Iterator[Slower]:
    named = os.environ.get("CXX")
    if not any(shutil.which(name) for name in (named, *_COMPILERS) if name):
        yield Slower(
            "No C++ compiler",
            "nothing is compiled: answers need none, and training runs without --compile",
        )


def _of_cache(settings: Settings) -> Iterator[Slower]:
    folder = settings.cache_dir
    there = folder if folder.exists() else _nearest(folder)
    if not os.access(there, os.W_OK | os.X_OK):
        yield Slower(
            f"The cache folder {folder} can only be read",
            "what is fastest here is measured anew at every start, and rounded weights go into a "
            "temporary file",
        )
    others = _other_bases(folder)
    if others and REVISION not in others:
        yield Slower(
            f"The cache folder {folder} holds another version's base ({', '.join(others)})",
            "it is left alone, and this version's is fetched and composed beside it once",
        )


def _other_bases(folder: Path) -> list[str]:
    """Names of the composed bases that are there."""
    try:
        found = sorted(each.parent.name for each in (folder / "bases").glob("*/config.json"))
    except OSError:
        return []
    return found


def _nearest(folder: Path) -> Path:
    """The nearest folder above that exists."""
    nearest = folder.absolute()
    while not nearest.exists():
        nearest = nearest.parent
    return nearest


def _cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1
