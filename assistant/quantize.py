"""Quantization: the language model's linear layers in four or eight bits.

Two questions are answered here: how a model that is in memory is made smaller (`quantize_model`),
and whether that pays on the machine at hand (`choose_quantization`, which measures). NF4 is that of
QLoRA (Dettmers et al., NeurIPS 2023), int8 that of LLM.int8() (Dettmers et al., NeurIPS 2022).

Both are bitsandbytes'. W8 is for words on the CPU: weights in eight bits for a token at a time
(`assistant.eight_bits`), beside the full ones for prompts.

Full is bfloat16 where the machine has products in it, and float32 on other processors: they would
compute bfloat16 one number at a time. The vision tower, the projector and the embedding table stay
full, and so does the output layer but for W8. An adapter is merged before: what is in four bits
takes no more corrections.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, cast, get_args

import psutil
import torch
from torch import nn

from assistant import eight_bits
from assistant.errors import InputError
from assistant.json_file import read_object, write_object
from assistant.packed import PackedLinear, PackedWeights, can_be_packed, can_pack
from assistant.settings import Quantize, Settings
from assistant.shape import EMBEDDED_SHAPE, Shape

Quantized = Literal["nf4", "int8"]
Kind = Literal["none", "nf4", "int8", "w8"]

# NF4 has one scale for 64 weights of a row; the kernel for AVX-512 takes rows by 32.
_NF4_BLOCK, _NF4_ROWS = 64, 32
_SAID: dict[Kind, str] = {"none": "full", "nf4": "NF4", "int8": "int8", "w8": "W8"}

# What is weighed: a picture with a question, and an answer to it.
_PROMPT, _ANSWER = 64, 32
# Quantized answers differ a little from those of the full model: that must pay.
_GAIN = 0.1
_SMALL = 64 * 2**20
_ROOM = 2**29  # for pictures, prompts and whatever else runs
_SAMPLE = 96 * 2**20  # bytes of bfloat16 to measure with: more than a processor's caches hold
_ROUNDS, _MEASURE_S = 9, 0.6
_KEPT = 16
_FORMS = "packed 4"  # changes with the layers' form and the way to measure, to measure anew
_OWN_SHARE, _OTHERS_SHARE, _SHORT_S = 0.8, 0.2, 0.1


@dataclass(frozen=True)
class Speed:
    """Seconds that all linear layers of a language model take, in one place and one form."""

    prompt: float
    token: float

    @property
    def answer(self) -> float:
        """Seconds for a picture with a question and an answer to it."""
        return self.prompt + _ANSWER * self.token


@dataclass(frozen=True)
class Choice:
    """How a model is to be kept, and why.

    ``measured`` holds the seconds that the linear layers take for a typical answer, by kind.
    """

    kind: Kind
    reason: str
    measured: dict[Kind, float] = field(default_factory=dict)


def full_precision(device: torch.device) -> torch.dtype:
    """What a full model is computed in; see the module."""
    return torch.bfloat16 if device.type != "cpu" or can_pack() else torch.float32


def bytes_a_weight(kind: Kind, device: torch.device) -> float:
    """That a linear layer of the language model takes in memory."""
    full = float(full_precision(device).itemsize)
    sizes: dict[Kind, float] = {
        "none": full,
        "nf4": 0.5 + 4 / _NF4_BLOCK,
        "int8": 1.0,
        "w8": full + eight_bits.BYTES_A_WEIGHT,
    }
    return sizes[kind]


def checked_kind(kind: str) -> Quantize:
    """The kind of this name.

    Raises:
        InputError: there is none.
    """
    if kind in get_args(Quantize):
        return cast(Quantize, kind)
    kinds = ", ".join(get_args(Quantize))
    raise InputError(f"Quantization {kind!r} is unknown; give one of: {kinds}.")


def quantize_model(model: Any, kind: Quantized, device: torch.device | None = None) -> Any:
    """Replace the language model's linear layers by quantized ones, one after the other.

    Each full layer is let go as soon as its quantized one is there, so that little more memory is
    taken than the model has; on CUDA only quantized layers ever reach the device.

    Args:
        model: a LLaVA-family model in evaluation mode, adapters merged; it is changed in place.
        device: where the quantized layers go; by default each stays where it is.

    Raises:
        InputError: an unknown kind, bitsandbytes cannot be used, or no layer that can be quantized.
    """
    if kind not in ("nf4", "int8"):
        raise InputError(f"A model cannot be quantized to {kind!r}; give one of: nf4, int8.")
    language = _language_model(model)
    kept = model.get_output_embeddings()
    names = [
        name
        for name, module in language.named_modules()
        if module is not kept and fits(module, kind)
    ]
    if not names:
        raise InputError(
            f"This model has no linear layers that {_SAID[kind]} can hold; use it with "
            "--quantize none."
        )
    with _usable():
        for name in names:
            full = cast(nn.Linear, language.get_submodule(name))
            language.set_submodule(name, _quantized(full, kind, device or full.weight.device))
    return model


def kept_as(model: Any) -> Kind | None:
    """The kind that a model's own files are quantized to already; None where they are full."""
    if getattr(model, "quantization_method", None) is None:
        return None
    config = getattr(model.config, "quantization_config", None)
    return "nf4" if getattr(config, "load_in_4bit", False) else "int8"


def choose_quantization(
    settings: Settings,
    config: Any = None,
    *,
    device: torch.device | None = None,
    remember: bool = True,
) -> Choice:
    """What `settings.quantize` means here; never raises.

    `auto` is measured: the model's own products for one token and for a prompt, in every form that
    there is, which takes about two seconds the first time and is kept in the cache folder.

    Args:
        config: the language model's configuration; by default that of `settings.base`, if it is on
            this machine.
        device: where the model will run; the CPU by default.
        remember: keep what was measured in the cache folder.
    """
    if settings.quantize != "auto":
        return Choice(settings.quantize, f"SIGHTDESK_QUANTIZE is {settings.quantize}.")
    try:
        shape = Shape.of(config) if config is not None else _shape_of_base(settings.base)
    except Exception as error:  # foreign configurations are of any form
        return Choice("none", f"The base's form is not known ({_in_a_line(error)}).")
    if 2 * shape.weights < _SMALL:
        return Choice("none", "The model is so small that nothing is gained.")
    place = device or torch.device("cpu")
    try:
        speeds, failures = _speeds(shape, place, settings.cache_dir if remember else None)
        return _best(shape, speeds, failures, place)
    except Exception as error:  # no measurement is worth an answer that is not given
        return Choice("none", f"Nothing could be measured ({_in_a_line(error)}).")


def _best(
    shape: Shape, speeds: dict[Kind, Speed], failures: dict[Kind, str], device: torch.device
) -> Choice:
    """The fastest kind that fits into memory; the full model unless another clearly pays."""
    free, sizes = _free(device), {kind: bytes_a_weight(kind, device) for kind in speeds}
    measured = {kind: round(speed.answer, 4) for kind, speed in speeds.items()}
    names = _SAID | {"none": str(full_precision(device)).removeprefix("torch.")}
    said = ", ".join(f"{names[kind]} {speeds[kind].answer:.2f} s" for kind in speeds)
    said = f"{_PROMPT} tokens read and {_ANSWER} written take: {said}"
    for kind, reason in failures.items():
        said += f"; {_SAID[kind]} is left out ({reason})"
    fitting = [k for k in speeds if shape.weights * sizes[k] + _ROOM < free]
    if not fitting:
        least = min(speeds, key=lambda kind: sizes[kind])
        return Choice(least, f"Memory is short and this takes least of it; {said}.", measured)
    fastest = min(fitting, key=lambda kind: speeds[kind].answer)
    if "none" not in fitting:
        return Choice(fastest, f"The full model does not fit into memory; {said}.", measured)
    if speeds[fastest].answer > (1 - _GAIN) * speeds["none"].answer:
        return Choice("none", f"No quantization is clearly faster; {said}.", measured)
    return Choice(fastest, f"{_SAID[fastest]} is clearly the fastest; {said}.", measured)


def _shape_of_base(base: str) -> Shape:
    if base == "embedded":
        return EMBEDDED_SHAPE
    from transformers import AutoConfig

    return Shape.of(AutoConfig.from_pretrained(base, local_files_only=True).get_text_config())


def _free(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return float(psutil.virtual_memory().available)


# --- layers


def _language_model(model: Any) -> nn.Module:
    language = getattr(getattr(model, "model", model), "language_model", None)
    if not isinstance(language, nn.Module):
        raise InputError(
            "The language model of this base is not found, so that it cannot be quantized; use it "
            "with --quantize none."
        )
    return language


def fits(module: nn.Module, kind: Quantized) -> bool:
    """Whether a layer can be kept in this form; the kernels take rows and columns by blocks."""
    # A packed layer is one that was asked for another precision and has plain weights again.
    plain = type(module) is nn.Linear or (isinstance(module, PackedLinear) and not module.packed)
    if not plain or not isinstance(module, nn.Linear):
        return False
    return kind == "int8" or not (
        module.in_features % _NF4_BLOCK or module.out_features % _NF4_ROWS
    )


def _quantized(full: nn.Linear, kind: Quantized, device: torch.device) -> nn.Linear:
    """The layer in four or eight bits.

    transformers' `replace_with_bnb_linear` makes layers without values, to be filled from a file;
    here the values are in memory.
    """
    bnb: Any = import_module("bitsandbytes.nn")  # half typed
    rows, columns, bias = full.out_features, full.in_features, full.bias is not None
    weight = full.weight.detach().to(torch.bfloat16)
    if kind == "nf4":
        # A second quantization, of the scales, would save 0.4 bits a weight; the kernel for AVX-512
        # undoes it.
        layer = bnb.Linear4bit(
            columns,
            rows,
            bias,
            torch.bfloat16,
            compress_statistics=False,
            quant_type="nf4",
            device="meta",
        )
        layer.weight = bnb.Params4bit(
            weight, compress_statistics=False, quant_type="nf4", module=layer
        ).to(device)
    else:
        # Without a threshold for outliers, which are a matter of models from 6.7B on.
        layer = bnb.Linear8bitLt(columns, rows, bias, has_fp16_weights=False, device="meta")
        layer.weight = bnb.Int8Params(weight.cpu(), requires_grad=False).to(device)
    if full.bias is not None:
        layer.bias = nn.Parameter(full.bias.detach().to(device, torch.bfloat16), False)
    layer.eval()
    if device.type == "cpu":
        # The first product brings the weights into the form that the processor's kernel takes.
        with torch.inference_mode(False), torch.no_grad():
            layer(torch.zeros(1, columns, dtype=torch.bfloat16))
    return cast(nn.Linear, layer)


@contextmanager
def _usable() -> Iterator[None]:
    """Whatever bitsandbytes raises in here becomes one sentence."""
    try:
        yield
    except Exception as error:  # a broken installation raises anything
        raise InputError(
            f"bitsandbytes cannot be used here ({_in_a_line(error)}); install it again, or go on "
            "without it: --quantize none."
        ) from error


def _in_a_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".")[:200] if lines else type(error).__name__


# --- measurement


def _speeds(
    shape: Shape, device: torch.device, cache_dir: Path | None
) -> tuple[dict[Kind, Speed], dict[Kind, str]]:
    """Measured now or before: the speeds by kind, and why a kind has none."""
    key = _key(shape, device)
    file = cache_dir / "quantization.json" if cache_dir is not None else None
    known = read_object(file)
    if key in known:
        with suppress(TypeError, AttributeError):
            return {kind: Speed(**speed) for kind, speed in known[key].items()}, {}
    wall, own, others = time.perf_counter(), time.process_time(), _others_s()
    speeds, failures = _measure(shape, device)
    wall, own = time.perf_counter() - wall, time.process_time() - own
    # What was measured while others had the processor is used now, and measured again next time.
    # Own time alone does not tell: threads that wait for each other take it too.
    disturbed = own < _OWN_SHARE * wall or _others_s() - others > _OTHERS_SHARE * wall
    busy = device.type == "cpu" and wall > _SHORT_S and disturbed
    if file is not None and not failures and not busy:
        kept = list(known.items())[1 - _KEPT :] if len(known) >= _KEPT else list(known.items())
        with suppress(OSError):
            write_object(file, dict(kept) | {key: {kind: asdict(s) for kind, s in speeds.items()}})
    return speeds, failures


def _others_s() -> float:
    """Seconds that all cores together have worked for others, other virtual machines included."""
    times = psutil.cpu_times()._asdict()
    idle = times.get("idle", 0.0) + times.get("iowait", 0.0)
    # Guests are counted among the users' as well.
    guests = times.get("guest", 0.0) + times.get("guest_nice", 0.0)
    return float(sum(times.values()) - idle - guests - time.process_time())


def _key(shape: Shape, device: torch.device) -> str:
    """Whatever the speeds depend on."""
    if device.type == "cuda":
        place = torch.cuda.get_device_name(device)
    else:
        name = torch.cpu.get_capabilities().get("cpu_name", "")
        place = f"{name} {torch.backends.cpu.get_cpu_capability()} {torch.get_num_threads()}"
    libraries = [f"{n} {version(n)}" for n in ("torch", "bitsandbytes", "onnxruntime")]
    return json.dumps([place, *libraries, _FORMS, shape.linears, shape.blocks])


@cache
def _measure(shape: Shape, device: torch.device) -> tuple[dict[Kind, Speed], dict[Kind, str]]:
    """Time the products of a few blocks in every form, by turns, so that a busy moment hits all.

    Blocks larger than the sample are measured with fewer rows, and the time scaled.
    """
    block = 2 * shape.weights / shape.blocks
    share = min(1.0, _SAMPLE / block)
    copies = max(1, min(shape.blocks, int(_SAMPLE / block)))
    linears = [(max(_NF4_BLOCK, int(r * share) // 64 * 64), c) for r, c in shape.linears]
    scale = shape.blocks / copies * sum(r * c for r, c in shape.linears)
    scale /= sum(r * c for r, c in linears)
    failures: dict[Kind, str] = {}
    with torch.inference_mode(False), torch.no_grad():
        full = full_precision(device)
        layers = [nn.Linear(c, r, False, device, full) for r, c in linears]
        stacks: dict[Kind, _Stack] = {}
        for kind in get_args(Kind):
            if kind == "w8" and device.type != "cpu":
                continue
            try:
                stacks[kind] = _Stack(layers, kind, device, copies)
                stacks[kind].seconds(1)
                stacks[kind].seconds(_PROMPT)
            except Exception as error:  # a backend that is broken may raise anything
                stacks.pop(kind, None)
                failures[kind] = _in_a_line(error)
        best: dict[Kind, tuple[float, float]] = {}
        started = time.perf_counter()
        for number in range(_ROUNDS):
            for kind, stack in stacks.items():
                now = stack.seconds(_PROMPT), stack.seconds(1)
                best[kind] = (
                    min(best.get(kind, now)[0], now[0]),
                    min(best.get(kind, now)[1], now[1]),
                )
            if number and time.perf_counter() - started > _MEASURE_S:
                break
    return {
        k: Speed(prompt * scale, token * scale) for k, (prompt, token) in best.items()
    }, failures


class _Stack:
    """The layers as an engine would have them, several times over."""

    def __init__(
        self, layers: Sequence[nn.Linear], kind: Kind, device: torch.device, copies: int
    ) -> None:
        self._device = device
        self._step: eight_bits.Products | None = None
        if kind in ("nf4", "int8"):
            one = [_quantized(layer, kind, device) for layer in layers]
            self._layers = [copy.deepcopy(layer) for _ in range(copies) for layer in one]
            return
        packs = all(can_be_packed(layer) for layer in layers)
        self._layers = [
            PackedLinear(layer, PackedWeights([layer])) if packs else copy.deepcopy(layer)
            for _ in range(copies)
            for layer in layers
        ]
        if kind == "w8":
            shapes = [(layer.out_features, layer.in_features) for layer in layers]
            if any(columns % eight_bits.BLOCK for _, columns in shapes):
                raise InputError("rows are no whole blocks")
            self._step = eight_bits.Products(shapes, copies)

    def seconds(self, tokens: int) -> float:
        """That all products of so many tokens take."""
        if self._step is not None and tokens == 1:
            return self._step.seconds()
        first = self._layers[0]
        dtype = first.weight.dtype if first.weight.is_floating_point() else torch.bfloat16
        inputs = {
            width: torch.ones(tokens, width, dtype=dtype, device=self._device)
            for width in {layer.in_features for layer in self._layers}
        }
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        started = time.perf_counter()
        for layer in self._layers:
            layer(inputs[layer.in_features])
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter() - started
