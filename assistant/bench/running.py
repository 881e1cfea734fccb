"""A whole benchmark: load everybody, measure turn about, and put the result together."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import torch

from assistant.bench.llamacpp import LlamaCpp, find_gguf
from assistant.bench.ours import Ours
from assistant.bench.plain import Plain, load_plain
from assistant.bench.processes import start
from assistant.bench.roofline import Machine, bytes_a_token, operations_a_token, shape_of
from assistant.bench.rounds import Contender, measure
from assistant.bench.task import Task, make_task
from assistant.bench.values import JOBS, LLAMACPP, OTHERS, OURS, PLAIN, SAID, Sheet
from assistant.demo import SHOP
from assistant.engine import Engine
from assistant.errors import InputError, SightdeskError
from assistant.images import open_image
from assistant.packed import can_pack
from assistant.quantize import checked_kind
from assistant.settings import Settings
from assistant.weights import Progress

PHOTO = SHOP / "pictures" / "Banana.webp"
"""The photo that is asked about where none is given."""

_BUSY = 0.15  # of all cores, by others


@dataclass(frozen=True)
class Options:
    """What is to be measured.

    ``only`` are names of `JOBS`, all where there are none; ``without`` of `OTHERS`.
    """

    base: str | None = None
    adapter: str | None = None
    quantize: str | None = None
    photo: Path = PHOTO
    rounds: int = 5
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def check(self) -> None:
        """Whether all that is named is there.

        Raises:
            InputError: something is not.
        """
        for names, known, option in (
            (self.only, tuple(JOBS), "--only"),
            (self.without, OTHERS, "--without"),
        ):
            for name in names:
                if name not in known:
                    raise InputError(
                        f"{option} {name!r} is unknown; give one or more of: {', '.join(known)}."
                    )
        if self.rounds < 1:
            raise InputError(f"{self.rounds} rounds measure nothing; give at least 1.")
        if self.quantize is not None:
            checked_kind(self.quantize)

    @property
    def jobs(self) -> tuple[str, ...]:
        """What is done. The roofline needs the figures that it is compared with."""
        chosen = self.only or tuple(JOBS)
        needed = ("prefill", "decode") if "roofline" in chosen else ()
        return tuple(job for job in JOBS if job in chosen or job in needed)


@dataclass(frozen=True)
class Result:
    """What came of it.

    ``contenders`` says what each one is; ``bytes_a_token`` and ``operations_a_token`` are those of
    this engine's decoding and prefill, None where the roofline was not measured.
    """

    sheet: Sheet
    contenders: dict[str, str]
    setting: dict[str, Any]
    machine: dict[str, Any]
    seconds: float
    bytes_a_token: int | None = None
    operations_a_token: float | None = None


@dataclass
class _Started:
    """A contender with what it does in processes of its own."""

    contender: Contender
    jobs: Mapping[str, Callable[[], dict[str, float]]] = field(init=False)
    fresh: Callable[[], dict[str, float]]

    def __post_init__(self) -> None:
        self.jobs = {**self.contender.jobs, "start": self.fresh}

    @property
    def name(self) -> str:
        return self.contender.name

    @property
    def what(self) -> str:
        return self.contender.what

    def close(self) -> None:
        self.contender.close()


def run(options: Options, settings: Settings, progress: Progress | None = None) -> Result:
    """Measure.

    Raises:
        SightdeskError: the photo or this engine's base cannot be had.
    """
    options.check()
    report = progress or (lambda _message, _fraction: None)
    began, busy = time.perf_counter(), _Busy()
    path = options.photo.resolve()
    photo = open_image(path, settings=settings)
    sheet = Sheet()
    engine = Engine.load(
        options.base,
        options.adapter,
        quantize=options.quantize,
        settings=settings,
        progress=progress,
    )
    report("Preparing the texts", None)
    task = make_task(engine, path, photo)
    contenders = _contenders(options, settings, engine, task, sheet, report)
    try:
        measure(contenders, options.jobs, options.rounds, sheet, report)
    finally:
        for contender in contenders:
            contender.close()
    sheet.notes += _notes(engine, busy.share())
    roofline = "roofline" in options.jobs
    return Result(
        sheet,
        {each.name: each.what for each in contenders},
        _setting(options, engine, task),
        _machine(engine),
        time.perf_counter() - began,
        bytes_a_token(engine) if roofline else None,
        operations_a_token(engine.model, len(task.prefill.ids)) if roofline else None,
    )


def _contenders(
    options: Options,
    settings: Settings,
    engine: Engine,
    task: Task,
    sheet: Sheet,
    report: Progress,
) -> list[Contender]:
    """Everybody who can be measured here; why others cannot is noted."""
    chosen = options.adapter or settings.adapter or None
    given = {
        "base": options.base,
        "adapter": options.adapter,
        "quantize": options.quantize,
    }
    found: list[Contender] = [
        _Started(Ours(engine, task, settings), partial(start, OURS, task.path, given))
    ]

    def plain() -> Contender:
        report("Loading plain transformers", None)
        base = load_plain(engine.name, chosen, settings, engine.device, report)
        return _Started(Plain(base, task), partial(start, PLAIN, task.path, given))

    def llamacpp() -> Contender:
        gguf = find_gguf(engine.name, engine.device.type, settings, report)
        report("Loading llama.cpp", None)
        crowds = "together" in options.jobs
        return LlamaCpp(gguf, task, torch.get_num_threads(), crowds=crowds)

    for name, make in ((PLAIN, plain), (LLAMACPP, llamacpp)):
        if name in options.without:
            sheet.left_out[name] = f"{SAID[name]} is left out, as --without asks."
            continue
        try:
            found.append(make())
        except SightdeskError as error:
            sheet.left_out[name] = str(error)
        except Exception as error:  # a package that does not work here raises anything
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200].rstrip(".")
            sheet.left_out[name] = f"{SAID[name]} is left out: it cannot be loaded here ({reason})."
    if "roofline" in options.jobs:
        found.append(Machine(engine.device, engine.model.dtype, shape_of(engine.model)))
    return found


def _setting(options: Options, engine: Engine, task: Task) -> dict[str, Any]:
    return {
        "base": engine.name,
        "adapter": engine.adapter,
        "quantization": engine.quantization,
        "photo": task.path.name,
        "rounds": options.rounds,
        "jobs": list(options.jobs),
        "prefill_tokens": len(task.prefill.ids),
        "prompt_tokens": len(task.like_photo.ids),
    }


def _machine(engine: Engine) -> dict[str, Any]:
    capabilities = torch.cpu.get_capabilities()
    device = engine.device
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "processor": str(capabilities.get("cpu_name") or capabilities.get("architecture") or ""),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory": psutil.virtual_memory().total,
        "torch": torch.__version__,
    }


def _notes(engine: Engine, busy: float) -> list[str]:
    """What a reader of the figures should know of this machine."""
    notes = []
    if busy > _BUSY:
        notes.append(
            f"Other processes had {100 * busy:.0f} % of the processor meanwhile: figures are worse "
            "than they would be, those of llama.cpp most, whose threads wait for each other; "
            "ratios were taken turn about, yet run it again when the machine is quiet."
        )
    if engine.device.type == "cpu" and not can_pack():
        notes.append(
            "This processor has no products in bfloat16, in which plain transformers computes: "
            "ratios to it are larger here than elsewhere."
        )
    if engine.device.type == "cpu" and torch.get_num_threads() == 1:
        notes.append("One thread computes: what is written at once gains less from it.")
    return notes


class _Busy:
    """How much of the processor others had since it was made."""

    def __init__(self) -> None:
        self._began, self._others = time.perf_counter(), self._theirs()

    @staticmethod
    def _theirs() -> float:
        """Seconds that all cores worked for neither this process nor those that it started."""
        times = psutil.cpu_times()._asdict()
        idle = times.get("idle", 0.0) + times.get("iowait", 0.0)
        guests = times.get("guest", 0.0) + times.get("guest_nice", 0.0)  # users' already
        own = os.times()
        mine = own.user + own.system + own.children_user + own.children_system
        return float(sum(times.values()) - idle - guests - mine)

    def share(self) -> float:
        """Of all cores, 0 to 1."""
        wall = (time.perf_counter() - self._began) * (os.cpu_count() or 1)
        return min(1.0, max(0.0, (self._theirs() - self._others) / wall))
