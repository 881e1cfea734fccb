"""Training an adapter: packed prompt trees, cached vision features, projector and LoRA.

Stage one trains the projector alone, stage two projector and LoRA together. The loop stops on
Ctrl-C or `kill` at a step's end, writes its state, and goes on from there when it is run again:
every draw depends only on the seed and the step.
"""

from __future__ import annotations

import ctypes
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model

from adapters.checkpoint import State, open_log, restore, save, trainable
from adapters.lora import MergedLora
from adapters.objectives import Counters, Objective
from adapters.recipe import Recipe
from adapters.tune.processes import StopRequest
from assistant.errors import DataError

PROJECTOR = ("linear_1", "linear_2")
LORA_TARGETS = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"


@dataclass(frozen=True)
class StepReport:
    """What a step tells its watcher; ``fraction`` is the share of the run that is over.

    ``reward`` is the mean of the step's descriptions where they are rewarded, else None.
    """

    step: int
    loss: float
    reward: float | None
    fraction: float


def tune_allocator() -> None:
    """Keep glibc from returning every large buffer to the kernel.

    Activations are megabytes each; by default glibc maps and unmaps them at every use, and page
    faults took half of a training step. Elsewhere than on glibc this does nothing.
    """
    m_trim_threshold, m_top_pad, m_mmap_max = -1, -2, -4
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(m_mmap_max, 0)
        libc.mallopt(m_trim_threshold, 2**31 - 1)
        libc.mallopt(m_top_pad, 2**28)
    except (OSError, AttributeError):
        return


def trim_allocator() -> None:
    """Give the kernel back what is free, now; see `tune_allocator`.

    Where the sizes of a step differ from those of the last one, the holes that they leave add up.
    """
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        return


def prepare(model: Any, recipe: Recipe) -> PeftModel:
    """Attach LoRA to the language model and make the projector trainable, both in float32."""
    torch.manual_seed(recipe.seed)
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        target_modules=LORA_TARGETS,
        # Naming the layers, not the projector module: batches that mix adapters need it.
        modules_to_save=list(PROJECTOR),
        task_type="CAUSAL_LM",
    )
    if model.device.type == "cpu":  # there, backward through sdpa takes twice as long
        model.set_attn_implementation("eager")
    peft_model = get_peft_model(model, config)
    for parameter in peft_model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return peft_model


def rate_factor(recipe: Recipe, step: int, fraction: float) -> float:
    """Learning rate as a share of its peak: warm-up, plateau, linear fall to zero."""
    rise = min(1.0, (step + 1) / max(recipe.warmup, 1))
    fall = min(1.0, (1.0 - fraction) / recipe.decay) if recipe.decay > 0 else 1.0
    return rise * max(fall, 0.0)


def train(
    model: PeftModel,
    objective: Objective,
    recipe: Recipe,
    folder: Path,
    *,
    data: str = "",
    compiled: bool = False,
    watch: Callable[[StepReport], None] | None = None,
) -> bool:
    """Train until the recipe's end; returns False if it was stopped before.

    ``folder`` receives ``state.safetensors`` (resumed from, if there) and ``loss.csv``. ``data``
    names what is learnt from: a state of other data is refused.
    ``compiled`` has torch compile the decoder layers, which needs a C++ compiler.
    """
    folder.mkdir(parents=True, exist_ok=True)
    llava: Any = model.get_base_model()
    if compiled:
        for layer in llava.model.language_model.layers:
            layer.compile(dynamic=True)  # every step has another number of rows and length
    lora: list[torch.nn.Parameter] = []
    projector: list[torch.nn.Parameter] = []
    for name, parameter in trainable(model).items():
        (projector if any(layer in name for layer in PROJECTOR) else lora).append(parameter)
    optimizer = torch.optim.AdamW(
        [
            {"params": lora},
            {"params": projector},
        ],
        lr=0.0,
        betas=(0.9, 0.98),
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    state = restore(folder, model, optimizer, recipe, data) or State()
    counters = Counters(state.visits, state.spent) if state.visits else objective.counters()
    device = llava.device.type
    started = time.monotonic() - state.seconds
    saved = time.monotonic()
    fraction = 0.0

    def snapshot() -> None:
        seconds = time.monotonic() - started
        now = State(state.step, seconds, counters.visits, counters.spent, asdict(recipe), data)
        save(folder, model, optimizer, now)

    model.train()
    with (
        StopRequest() as stop,
        MergedLora(model) as merged,
        open_log(folder, state.step) as lines,
    ):
        while not stop.asked:
            elapsed = time.monotonic() - started
            fraction = state.step / recipe.steps
            if recipe.minutes is not None:
                fraction = max(fraction, elapsed / 60 / recipe.minutes)
            if fraction >= 1.0:
                break
            factor = rate_factor(recipe, state.step, fraction)
            optimizer.param_groups[0]["lr"] = (
                recipe.lora_rate * factor if state.step >= recipe.projector_steps else 0.0
            )
            optimizer.param_groups[1]["lr"] = recipe.projector_rate * factor
            # In float32 throughout where the base is (see adapters.precision).
            with torch.autocast(device, torch.bfloat16, enabled=llava.dtype == torch.bfloat16):
                drawn = objective.draw(model, counters)
            drawn.loss.backward()
            if state.step < recipe.projector_steps:
                for parameter in lora:
                    parameter.grad = None
            norm = torch.nn.utils.clip_grad_norm_(lora + projector, recipe.clip)
            value = float(drawn.loss.detach())
            if not (math.isfinite(value) and math.isfinite(norm)):
                raise DataError(
                    f"The loss is {value} at step {state.step} and its gradient's norm "
                    f"{float(norm)}; run the same command to go on from the last saved state."
                )
            optimizer.step()
            optimizer.zero_grad()
            merged.refresh()
            state.step += 1
            elapsed = time.monotonic() - started
            lines.write(
                f"{state.step},{value:.5f},{factor:.4f},{drawn.answers},{drawn.tokens},"
                f"{elapsed:.1f},{drawn.reward if drawn.reward is not None else ''}\n"
            )
            if watch is not None:
                watch(StepReport(state.step, value, drawn.reward, fraction))
            if time.monotonic() - saved > recipe.save_every_s:
                snapshot()
                saved = time.monotonic()
    snapshot()
    return fraction >= 1.0
