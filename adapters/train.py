"""Training an adapter: packed prompt trees, cached vision features, projector and LoRA.

Stage one trains the projector alone, stage two projector and LoRA together. The loop stops on
Ctrl-C or `kill` at a step's end, writes its state, and goes on from there when it is run again:
every draw depends only on the seed and the step.
"""

from __future__ import annotations

import ctypes
import json
import math
import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from adapters.features import FeatureStore
from adapters.mixture import Source
from adapters.packing import Batch, PromptTokens, collate, fill_rows
from assistant.errors import DataError

PROJECTOR = ("linear_1", "linear_2")
LORA_TARGETS = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"


@dataclass(frozen=True)
class Recipe:
    """Every knob of a run; it is saved with the result.

    ``tokens`` is the size of a step, ``capacity`` of a packed row. The learning rate rises over
    ``warmup`` steps, stays, and falls linearly to zero over the last ``decay`` share of the run,
    which ends after ``steps`` or, where ``minutes`` is set, when that time is spent.
    """

    steps: int = 2_000
    minutes: float | None = None
    projector_steps: int = 60
    tokens: int = 1_440
    capacity: int = 256
    rank: int = 32
    alpha: int = 64
    lora_rate: float = 5e-4
    projector_rate: float = 1e-3
    warmup: int = 30
    decay: float = 0.5
    weight_decay: float = 0.01
    clip: float = 1.0
    seed: int = 0
    save_every_s: float = 120.0


@dataclass(frozen=True)
class StepReport:
    """What a step tells its watcher; ``fraction`` is the share of the run that is over."""

    step: int
    loss: float
    captions: int
    tokens: int
    fraction: float
    seconds: float


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
    model.set_attn_implementation("eager")  # on a CPU, backward through sdpa takes twice as long
    peft_model = get_peft_model(model, config)
    for parameter in peft_model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return peft_model


def packed_loss(model: Any, batch: Batch, features: torch.Tensor) -> torch.Tensor:
    """Weighted mean cross-entropy of a packed batch; logits only where there is a label.

    Args:
        model: a `LlavaForConditionalGeneration`, or one inside a PEFT model.
        features: ``[images, tokens, channels]``, the tower's output for ``batch.images``.
    """
    llava: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    ids, device = batch.ids.to(llava.device), llava.device
    projected = llava.model.multi_modal_projector(features.to(device))
    embedded = llava.get_input_embeddings()(ids)
    at_image = (ids == llava.config.image_token_id).unsqueeze(-1)
    embedded = embedded.masked_scatter(at_image, projected.to(embedded.dtype))
    visible = batch.visible.to(device)
    bias = torch.zeros(visible.shape, dtype=embedded.dtype, device=device)
    bias.masked_fill_(~visible, torch.finfo(embedded.dtype).min)
    hidden = llava.model.language_model(
        inputs_embeds=embedded,
        attention_mask=bias,
        position_ids=batch.positions.to(device),
        use_cache=False,
    ).last_hidden_state.flatten(0, 1)
    logits = llava.lm_head(hidden[batch.sources.to(device)])
    losses = F.cross_entropy(logits.float(), batch.targets.to(device), reduction="none")
    weights = batch.weights.to(device)
    return (losses * weights).sum() / weights.sum()


class Feeder:
    """Draws the trees of a step from the sources, in proportion to their shares of tokens."""

    def __init__(
        self,
        sources: Sequence[tuple[Source, FeatureStore, float]],
        prompts: PromptTokens,
        recipe: Recipe,
        pad_id: int,
    ) -> None:
        self._sources, self._prompts, self._recipe = sources, prompts, recipe
        self._pad_id = pad_id
        self._orders: dict[int, tuple[int, list[int]]] = {}  # source: its epoch and shuffle

    def _visit(self, number: int, count: int) -> tuple[int, random.Random]:
        """Picture of the ``count``-th visit to a source: a fresh shuffle for every epoch."""
        source = self._sources[number][0]
        epoch, place = divmod(count, len(source.paths))
        known, order = self._orders.get(number, (-1, []))
        if known != epoch:
            order = list(range(len(source.paths)))
            random.Random(f"{self._recipe.seed} {source.name} {epoch}").shuffle(order)
            self._orders[number] = (epoch, order)
        return order[place], random.Random(f"{self._recipe.seed} {source.name} {count}")

    def draw(self, visits: list[int], spent: list[int]) -> tuple[Batch, torch.Tensor, int]:
        """The next batch, its features and the captions in it; advances the two counters."""
        trees = []
        captions = total = 0
        while total < self._recipe.tokens:
            # The source that lags most behind its share: deterministic, and right in the long run.
            number = min(
                range(len(self._sources)), key=lambda n: (spent[n] + 1) / self._sources[n][2]
            )
            source = self._sources[number][0]
            index, rng = self._visit(number, visits[number])
            branches = source.branches(index, rng)
            variant = rng.randrange(self._sources[number][1].variants)
            tree = self._prompts.tree((number, index, variant), branches)
            captions += sum(len(branch.answers) for branch in branches)
            visits[number] += 1
            spent[number] += len(tree)
            total += len(tree)
            trees.append(tree)
        batch = collate(fill_rows(trees, self._recipe.capacity), self._pad_id)
        features = torch.stack(
            [self._sources[n][1][index, variant] for n, index, variant in batch.images]
        )
        return batch, features, captions


@dataclass
class _State:
    step: int = 0
    seconds: float = 0.0
    visits: tuple[int, ...] = ()
    spent: tuple[int, ...] = ()
    recipe: dict[str, Any] | None = None


class _Stop:
    """Turns SIGINT and SIGTERM into a request that the loop honours at the end of a step."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _Stop:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._ask)
        return self

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _trainable(model: PeftModel) -> dict[str, torch.nn.Parameter]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def _save(folder: Path, model: PeftModel, optimizer: torch.optim.Optimizer, state: _State) -> None:
    """Write weights, moments and counters to a new file, then rename: one is always whole."""
    parameters = _trainable(model)
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


def _restore(folder: Path, model: PeftModel, optimizer: torch.optim.Optimizer) -> _State | None:
    file = folder / "state.safetensors"
    if not file.exists():
        return None
    try:
        tensors = load_file(file)
        with safe_open(file, "pt") as opened:
            state = _State(**json.loads(opened.metadata()["state"]))
        for name, parameter in _trainable(model).items():
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
            f"The training state {file} is damaged or of another rank; remove it to start afresh."
        ) from error
    return state


def rate_factor(recipe: Recipe, step: int, fraction: float) -> float:
    """Learning rate as a share of its peak: warm-up, plateau, linear fall to zero."""
    rise = min(1.0, (step + 1) / max(recipe.warmup, 1))
    fall = min(1.0, (1.0 - fraction) / recipe.decay) if recipe.decay > 0 else 1.0
    return rise * max(fall, 0.0)


def train(
    model: PeftModel,
    feeder: Feeder,
    recipe: Recipe,
    folder: Path,
    *,
    sources: int,
    watch: Callable[[StepReport], None] | None = None,
) -> bool:
    """Train until the recipe's end; returns False if it was stopped before.

    ``folder`` receives ``state.safetensors`` (resumed from, if there) and ``loss.csv``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    llava: Any = model.get_base_model()
    lora: list[torch.nn.Parameter] = []
    projector: list[torch.nn.Parameter] = []
    for name, parameter in _trainable(model).items():
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
    state = _restore(folder, model, optimizer) or _State()
    visits = list(state.visits) or [0] * sources
    spent = list(state.spent) or [0] * sources
    device = llava.device.type
    started = time.monotonic() - state.seconds
    saved = time.monotonic()
    fraction = 0.0

    def snapshot() -> None:
        now = _State(
            state.step, time.monotonic() - started, tuple(visits), tuple(spent), asdict(recipe)
        )
        _save(folder, model, optimizer, now)

    model.train()
    log = folder / "loss.csv"
    with _Stop() as stop, log.open("a", encoding="utf-8", buffering=1) as lines:
        if state.step == 0:
            lines.write("step,loss,rate,captions,tokens,seconds\n")
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
            batch, features, captions = feeder.draw(visits, spent)
            with torch.autocast(device, torch.bfloat16):
                loss = packed_loss(model, batch, features)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(lora + projector, recipe.clip)
            if state.step < recipe.projector_steps:
                for parameter in lora:
                    parameter.grad = None
            optimizer.step()
            optimizer.zero_grad()
            value = float(loss.detach())
            if not math.isfinite(value):
                raise DataError(
                    f"The loss is {value} at step {state.step}; lower the learning rate and resume."
                )
            state.step += 1
            elapsed = time.monotonic() - started
            tokens = int((batch.positions > 0).sum())
            lines.write(
                f"{state.step},{value:.5f},{factor:.4f},{captions},{tokens},{elapsed:.1f}\n"
            )
            if watch is not None:
                watch(StepReport(state.step, value, captions, tokens, fraction, elapsed))
            if time.monotonic() - saved > recipe.save_every_s:
                snapshot()
                saved = time.monotonic()
    snapshot()
    return fraction >= 1.0
