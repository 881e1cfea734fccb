"""The state of a training run on disk: always whole, and only gone on from by the same run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import torch
from peft import PeftModel
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from adapters.recipe import Recipe
from assistant.errors import DataError

_MAY_CHANGE = frozenset({"steps", "minutes", "save_every_s"})
_LOG_HEADER = "step,loss,rate,answers,tokens,seconds,reward"


@dataclass
class State:
    """How far a run has come; saved with its weights and the optimiser's moments.

    ``data`` names what it learns from and what it started from.
    """

    step: int = 0
    seconds: float = 0.0
    visits: list[int] = field(default_factory=list)
    spent: list[int] = field(default_factory=list)
    recipe: dict[str, Any] | None = None
    data: str = ""


def trainable(model: PeftModel) -> dict[str, torch.nn.Parameter]:
    """The parameters that a run changes, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def save(folder: Path, model: PeftModel, optimizer: torch.optim.Optimizer, state: State) -> None:
    """Write weights, moments and counters to a new file, then rename: one is always whole."""
    parameters = trainable(model)
    tensors = {f"weight.{name}": p.detach() for name, p in parameters.items()}
    for name, parameter in parameters.items():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{key}.{name}"] = value.reshape(-1) if value.ndim == 0 else value
    partial = folder / "state.partial"
    save_file(
        {name: tensor.contiguous() for name, tensor in tensors.items()},
        partial,
        metadata={"state": json.dumps(asdict(state))},
    )
    partial.replace(folder / "state.safetensors")


def restore(
    folder: Path, model: PeftModel, optimizer: torch.optim.Optimizer, recipe: Recipe, data: str
) -> State | None:
    """Put a saved run back; None where there is none.

    Raises:
        DataError: the state is damaged, or of a run with another recipe or other data.
    """
    file = folder / "state.safetensors"
    if not file.exists():
        return None
    try:
        device = next(model.parameters()).device
        tensors = load_file(file, device=str(device))
        with safe_open(file, "pt") as opened:
            state = State(**json.loads(opened.metadata()["state"]))
        _same_run(state, recipe, data, file)
        for name, parameter in trainable(model).items():
            weight = tensors[f"weight.{name}"]
            if weight.shape != parameter.shape:
                raise ValueError(f"{name} is of shape {tuple(weight.shape)}")
            parameter.data.copy_(weight)
            if f"exp_avg.{name}" in tensors:
                optimizer.state[parameter] = {
                    "step": tensors[f"step.{name}"].reshape(()),
                    "exp_avg": tensors[f"exp_avg.{name}"],
                    "exp_avg_sq": tensors[f"exp_avg_sq.{name}"],
                }
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"The training state {file} is damaged; remove it to start afresh."
        ) from error
    return state


def _same_run(state: State, recipe: Recipe, data: str, file: Path) -> None:
    """A run may be given more time; all else would make it another run."""
    before = state.recipe or {}
    if state.data != data:
        raise DataError(
            f"The training state {file} is of a run on other data or from another adapter; "
            "give the same options to go on, or another folder to start afresh."
        )
    for name, value in asdict(recipe).items():
        if name not in _MAY_CHANGE and name in before and before[name] != value:
            raise DataError(
                f"The training state {file} is of a run with {name} {before[name]}, not {value}; "
                "give the same options to go on, or another folder to start afresh."
            )


def open_log(folder: Path, step: int) -> IO[str]:
    """``loss.csv``, opened to go on after ``step``: what was logged later is done again."""
    file = folder / "loss.csv"
    kept = [_LOG_HEADER]
    if step and file.exists():
        for line in file.read_text(encoding="utf-8").splitlines()[1:]:
            number = line.partition(",")[0]
            if number.isdecimal() and int(number) <= step:
                kept.append(line)
    partial = file.with_suffix(".partial")
    partial.write_text("\n".join(kept) + "\n", encoding="utf-8")
    partial.replace(file)
    return file.open("a", encoding="utf-8", buffering=1)
