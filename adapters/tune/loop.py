"""The loop that both stages run: steps, checkpoints, validation, early stopping, many processes.

Every draw of a task depends only on the seed, the step and the process's number, and a checkpoint
holds everything else, so that a run which was killed and resumed gives the losses that it would
have given. With several processes (`accelerate launch`) each draws its own part of a step and the
gradients are averaged.
"""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from adapters.tune.processes import Processes, StopRequest
from assistant.errors import DataError

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Group:
    """Parameters of one learning rate, by name; they rest until step ``start``, then warm up."""

    parameters: Mapping[str, torch.nn.Parameter]
    rate: float
    decay: float
    start: int = 0

    def share(self, step: int, warmup: int) -> float:
        """Of the rate that all have at a step."""
        if not self.start:
            return 1.0
        return min(1.0, max(0, step - self.start + 1) / max(warmup, 1))


class Task(Protocol):
    """What a stage trains."""

    name: str
    score_name: str  # of `validate`'s results, the one that decides; larger is better

    def groups(self) -> Sequence[Group]:
        """What changes, and how fast."""
        ...

    def loss(self, draw: int) -> torch.Tensor:
        """The loss of the ``draw``-th piece of work, with a graph behind it."""
        ...

    def updated(self, step: int) -> None:
        """Called after each change of the parameters, at first with 0 for what was there."""
        ...

    def buffers(self) -> Tensors:
        """What else a checkpoint must hold, such as a running mean; filled in place on resume."""
        ...

    def validate(self) -> dict[str, float]:
        """Scores on the validation data."""
        ...

    def weights(self) -> Tensors:
        """What the stage would hand on if it ended now."""
        ...

    def adopt(self, weights: Tensors) -> None:
        """Take weights that `weights` gave."""
        ...


@dataclass(frozen=True)
class Limits:
    """How long a stage runs and how it is watched."""

    steps: int
    warmup: int
    validate_every: int
    patience: int
    accumulate: int
    clip: float
    save_every_s: float


@dataclass(frozen=True)
class StepReport:
    """What a step tells its watcher."""

    stage: str
    step: int
    steps: int
    loss: float
    scores: dict[str, float] | None
    seconds: float


@dataclass
class _State:
    step: int = 0
    seconds: float = 0.0
    best: float | None = None
    best_step: int = 0
    without_gain: int = 0
    identity: str = ""
    history: list[dict[str, float]] = field(default_factory=list)


def run_stage(
    task: Task,
    folder: Path,
    limits: Limits,
    *,
    identity: str,
    processes: Processes,
    stop: StopRequest,
    watch: Callable[[StepReport], None] | None = None,
) -> bool:
    """Run a stage to its end, going on from ``folder``'s checkpoint if one is there.

    Args:
        folder: receives ``NAME.safetensors`` (the state), ``NAME-best.safetensors`` (the weights
            with the best validation) and ``NAME.csv``.
        identity: names data and recipe; a checkpoint of another run is refused.

    Returns:
        False if it was asked to stop before its end. At the end the task has the best weights.

    Raises:
        DataError: the loss is no number, or the checkpoint is damaged or of another run.
    """
    groups = task.groups()
    named = {name: p for group in groups for name, p in group.parameters.items()}
    optimizer = torch.optim.AdamW(
        [
            {"params": list(g.parameters.values()), "weight_decay": g.decay, "lr": 0.0}
            for g in groups
        ],
        betas=(0.9, 0.99),
        fused=True,
    )
    file = folder / f"{task.name}.safetensors"
    best_file = folder / f"{task.name}-best.safetensors"
    state = _restore(file, named, optimizer, task.buffers(), identity)
    log = _Log(folder / f"{task.name}.csv", state.step) if processes.first else None
    started = time.monotonic() - state.seconds
    saved = time.monotonic()

    def snapshot() -> None:
        if processes.first:
            state.seconds = time.monotonic() - started
            _save(file, named, optimizer, task.buffers(), state)

    task.updated(0)
    ended = False
    try:
        while not stop.asked:
            ended = state.step >= limits.steps or state.without_gain >= limits.patience
            if ended:
                break
            factor = _rate_factor(state.step, limits)
            for settings, group in zip(optimizer.param_groups, groups, strict=True):
                share = group.share(state.step, limits.warmup)
                settings["lr"] = group.rate * factor * share
            value = 0.0
            for part in range(limits.accumulate):
                piece = state.step * limits.accumulate + part
                loss = task.loss(piece * processes.count + processes.index) / limits.accumulate
                loss.backward()
                value += float(loss.detach())
            _average_gradients(named, processes)
            value = float(processes.mean(torch.tensor(value)))
            norm = float(torch.nn.utils.clip_grad_norm_(list(named.values()), limits.clip))
            if not (math.isfinite(value) and math.isfinite(norm)):
                raise DataError(
                    f"The loss became {value} at step {state.step + 1} of the stage {task.name!r} "
                    f"(gradient norm {norm}); lower the learning rates and resume: the last good "
                    "state is kept."
                )
            optimizer.step()
            optimizer.zero_grad()
            state.step += 1
            task.updated(state.step)
            scores = None
            if state.step % limits.validate_every == 0 or state.step == limits.steps:
                scores = task.validate() if processes.first else None
                scores = _shared(scores, processes)
                _judge(task, scores, state, best_file, processes)
            if log is not None:
                log.write(state.step, value, factor, time.monotonic() - started, scores)
            if watch is not None and processes.first:
                seconds = time.monotonic() - started
                watch(StepReport(task.name, state.step, limits.steps, value, scores, seconds))
            if scores is not None or time.monotonic() - saved > limits.save_every_s:
                snapshot()
                saved = time.monotonic()
    finally:
        if log is not None:
            log.close()
    snapshot()
    processes.wait()
    if ended and best_file.exists():
        task.adopt(load_file(best_file))
    return ended


def _judge(
    task: Task, scores: dict[str, float], state: _State, best_file: Path, processes: Processes
) -> None:
    """Note a validation; the weights of the best one are kept."""
    state.history.append({"step": float(state.step), **scores})
    score = scores[task.score_name]
    # Of equals the later one: on pictures much like those that were learnt, all are soon right.
    if state.best is None or score >= state.best:
        state.best, state.best_step, state.without_gain = score, state.step, 0
        if processes.first:
            write_tensors(best_file, task.weights())
    else:
        state.without_gain += 1


def _rate_factor(step: int, limits: Limits) -> float:
    """Share of the peak learning rate: linear rise, then half a cosine down to zero."""
    rise = min(1.0, (step + 1) / max(limits.warmup, 1))
    return rise * 0.5 * (1 + math.cos(math.pi * step / limits.steps))


def _average_gradients(named: Mapping[str, torch.nn.Parameter], processes: Processes) -> None:
    if processes.count == 1:
        return
    for parameter in named.values():
        if parameter.grad is None:  # one process may have drawn nothing that reaches it
            parameter.grad = torch.zeros_like(parameter)
        parameter.grad.copy_(processes.mean(parameter.grad))


def _shared(scores: dict[str, float] | None, processes: Processes) -> dict[str, float]:
    """The first process's scores, in all of them."""
    if processes.count == 1:
        assert scores is not None
        return scores
    from accelerate.utils import broadcast_object_list

    box = [scores]
    broadcast_object_list(box, from_process=0)
    assert box[0] is not None
    return box[0]


def _save(
    file: Path,
    named: Mapping[str, torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
    buffers: Tensors,
    state: _State,
) -> None:
    tensors = {f"weight.{name}": p.detach() for name, p in named.items()}
    tensors |= {f"buffer.{name}": tensor for name, tensor in buffers.items()}
    for name, parameter in named.items():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{key}.{name}"] = value.reshape(-1) if value.ndim == 0 else value
    write_tensors(file, tensors, {"state": json.dumps(vars(state))})


def write_tensors(file: Path, tensors: Tensors, metadata: dict[str, str] | None = None) -> None:
    """Write to a new file, then rename: one is always whole.

    Raises:
        DataError: it cannot be written, for want of space most likely.
    """
    partial = file.with_suffix(".partial")
    try:
        save_file(
            {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()},
            partial,
            metadata=metadata,
        )
        partial.replace(file)
    except (OSError, SafetensorError) as error:
        partial.unlink(missing_ok=True)
        raise DataError(
            f"The checkpoint {file} cannot be written ({getattr(error, 'strerror', None) or error})"
            "; free some space and resume: the one before it is still whole."
        ) from error


def _restore(
    file: Path,
    named: Mapping[str, torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
    buffers: Tensors,
    identity: str,
) -> _State:
    if not file.exists():
        return _State(identity=identity)
    try:
        tensors = load_file(file)
        with safe_open(file, "pt") as opened:
            state = _State(**json.loads(opened.metadata()["state"]))
        if state.identity != identity:
            raise DataError(
                f"{file.parent} holds a training with other data or another recipe; give the same "
                "options to resume it, or another --out."
            )
        for name, parameter in named.items():
            parameter.data.copy_(tensors[f"weight.{name}"])
            if f"exp_avg.{name}" in tensors:
                optimizer.state[parameter] = {
                    "step": tensors[f"step.{name}"].reshape(()),
                    "exp_avg": tensors[f"exp_avg.{name}"].to(parameter.device),
                    "exp_avg_sq": tensors[f"exp_avg_sq.{name}"].to(parameter.device),
                }
        for name, buffer in buffers.items():
            buffer.copy_(tensors[f"buffer.{name}"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            f"The checkpoint {file} is damaged; remove it to start this stage afresh."
        ) from error
    return state


class _Log:
    """``NAME.csv``: a row a step; what was logged after the checkpoint is done again."""

    _FIELDS = ("step", "loss", "rate", "seconds", "scores")

    def __init__(self, file: Path, step: int) -> None:
        rows = []
        if step and file.exists():
            with file.open(encoding="utf-8", newline="") as stream:
                rows = [r for r in csv.DictReader(stream) if (r["step"] or "0").isdecimal()]
        partial = file.with_suffix(".partial-csv")
        with partial.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, self._FIELDS)
            writer.writeheader()
            writer.writerows(row for row in rows if int(row["step"]) <= step)
        partial.replace(file)
        self._stream = file.open("a", encoding="utf-8", newline="", buffering=1)
        self._writer = csv.DictWriter(self._stream, self._FIELDS)

    def write(
        self, step: int, loss: float, rate: float, seconds: float, scores: dict[str, float] | None
    ) -> None:
        self._writer.writerow(
            {
                "step": step,
                "loss": f"{loss:.6f}",
                "rate": f"{rate:.4f}",
                "seconds": f"{seconds:.1f}",
                "scores": json.dumps(scores) if scores else "",
            }
        )

    def close(self) -> None:
        self._stream.close()


class Stage(Task, Protocol):
    """A task that can hand on its weights as they are, mean or not."""

    def weights_now(self) -> Tensors:
        """Everything that trains, as it is."""
        ...


class Finished:
    """The weights that a finished stage handed on, for whoever resumes in the next one."""

    def __init__(self, file: Path, identity: str) -> None:
        self._file, self.identity = file, identity
        self.seconds = 0.0  # that the stage took

    def adopt(self, task: Task) -> bool:
        """Give them to ``task``; False where the stage has not finished, or was another one.

        Raises:
            DataError: they are damaged.
        """
        if not self._file.exists():
            return False
        try:
            with safe_open(self._file, "pt") as opened:
                known = opened.metadata() or {}
                if known.get("identity") != self.identity:
                    return False
                self.seconds = float(known.get("seconds", 0))
            task.adopt(load_file(self._file))
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise DataError(
                f"{self._file} is damaged; remove it to train this stage again."
            ) from error
        return True

    def write(self, task: Stage, seconds: float) -> None:
        """Keep what the stage ended with."""
        known = {"identity": self.identity, "seconds": f"{seconds:.3f}"}
        write_tensors(self._file, task.weights_now(), known)
