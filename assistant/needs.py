"""How much memory a base needs, told from its configuration before anything of it is loaded.

The model is built on torch's meta device, where tensors have shapes and no memory, so that every
weight is counted as the real class has it, whatever its family or size; a model of 7 billion takes
a tenth of a second. What each form of `assistant.quantize` makes of the weights is counted layer by
layer, by the same rules by which layers are quantized.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal, get_args

import psutil
import torch
from torch import nn

import assistant.vision  # noqa: F401  # registers the embedded base's tower with transformers
from assistant import eight_bits
from assistant.errors import WeightsError, first_line
from assistant.families import family_of, make_ready
from assistant.packed import can_pack
from assistant.processors import load_processor
from assistant.quantize import fits, full_precision
from assistant.settings import Settings
from assistant.weights import embedded_directory, has_embedded

Form = Literal["bfloat16", "float32", "nf4", "int8", "w8"]
FORMS: Final[tuple[Form, ...]] = get_args(Form)

_ROOM = 2**29  # for activations and whatever else runs, as `assistant.quantize` has it
_WORDS = 512  # a question, an answer and what was said before, beside the picture
_PICTURE = (1024, 768)  # pixels of a usual photo, once it is made smaller
_BLOCK = 64  # weights that share a scale in NF4
_CODE = 16 * 4  # NF4's sixteen values, which each layer has a table of
_CONFIG_FILES = ("*.json", "*.jinja", "*.model", "*.txt")


@dataclass(frozen=True)
class Counts:
    """How many weights the parts of a model have.

    Attributes:
        output: of the output layer; 0 where it shares the embedding table.
    """

    tower: int
    projector: int
    language: int
    embedding: int
    output: int
    other: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        parts = (self.tower, self.projector, self.language, self.embedding, self.output)
        return sum(parts) + self.other


@dataclass(frozen=True)
class Needs:
    """What a base needs, in bytes.

    Attributes:
        family: as people call it.
        counts: weights of its parts.
        weights: of each form that the base can have.
        context: tokens of an answer's whole text: a picture, a question and what is said.
        picture: tokens of a usual photo; None where the picture processor is not there to ask.
        window: tokens that the model can read at most.
        token: bytes that the cache of keys and values takes for a token in bfloat16.
        features: bytes of an encoded photo.
        copied: bytes that packing on the CPU adds: an output layer that shares the embedding table
            gets packed weights of its own.
    """

    family: str
    counts: Counts
    weights: dict[Form, int]
    context: int
    picture: int | None
    window: int
    token: int
    features: int
    copied: int = 0

    def whole(self, form: Form) -> int:
        """Bytes to answer with: weights, keys and values, the picture, room to compute in."""
        wide = 2 if form == "float32" else 1
        answer = wide * (self.token * self.context + self.features)
        copied = self.copied if form in ("bfloat16", "w8") else 0
        return self.weights[form] + copied + answer + _ROOM

    def fitting(self, free: int) -> list[Form]:
        """The forms that fit into so many bytes."""
        return [form for form in self.weights if self.whole(form) <= free]

    def as_json(self) -> dict[str, Any]:
        """For ``--json``; sizes in bytes."""
        return {
            "family": self.family,
            "parameters": {**vars(self.counts), "total": self.counts.total},
            "context": self.context,
            "picture_tokens": self.picture,
            "window": self.window,
            "cache_bytes_a_token": self.token,
            "features_bytes": self.features,
            "forms": {
                form: {"weights": size, "whole": self.whole(form)}
                for form, size in self.weights.items()
            },
        }


@dataclass(frozen=True)
class Place:
    """Where a base could run: ``free`` bytes, and the forms that a base may have there."""

    name: str
    free: int
    forms: tuple[Form, ...]


def config_folder(name: str, settings: Settings) -> Path:
    """The folder of a base's configuration; no weights are fetched.

    Args:
        name: ``embedded``, a directory, or a hub id: its files in the hub's cache, else, where the
            hub can be reached, its small files.

    Raises:
        WeightsError: it is not here and cannot be reached.
    """
    if name == "embedded":
        if not has_embedded(settings):
            raise WeightsError("The embedded base is not here yet; run sightdesk fetch.")
        return embedded_directory(settings)
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download, try_to_load_from_cache

    try:
        known = try_to_load_from_cache(name, "config.json")
        if isinstance(known, str):
            return Path(known).parent
        return Path(snapshot_download(name, allow_patterns=list(_CONFIG_FILES)))
    except (OSError, ValueError, RuntimeError) as error:
        raise WeightsError(
            f"{name!r} is neither 'embedded', nor a directory, nor a hub id that this machine can "
            "reach; copy the model's config.json (and its other small files) into a folder and "
            "give that folder."
        ) from error


def needs_of(folder: Path) -> Needs:
    """What the base of a folder needs; its ``config.json`` alone is enough.

    Raises:
        WeightsError: there is no configuration, or none of a family that is supported.
    """
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder)
    except (OSError, ValueError, KeyError) as error:
        reason = first_line(error)
        raise WeightsError(
            f"The configuration in {folder} cannot be read ({reason}); give the folder of a "
            "model's config.json."
        ) from error
    return needs_of_config(config, _picture_tokens(folder, config))


def needs_of_config(config: Any, picture: int | None = None) -> Needs:
    """As `needs_of`, for a configuration.

    Args:
        picture: tokens of a usual photo, if they are known.

    Raises:
        WeightsError: as for `needs_of`.
    """
    family = family_of(config)
    model = _shape_of(config)
    text = config.get_text_config()
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    token = 2 * text.num_hidden_layers * heads * head * 2
    shown = picture or int(getattr(config, "image_seq_length", None) or 0)
    window = int(getattr(text, "max_position_embeddings", 0) or 0)
    counts = _counts(model)
    deep = len(getattr(config.vision_config, "deepstack_visual_indexes", None) or ())
    return Needs(
        family=family.name,
        counts=counts,
        weights={form: size for form in FORMS if (size := _weights(model, form)) is not None},
        context=min(shown + _WORDS, window or shown + _WORDS),
        picture=picture,
        window=window,
        token=token,
        features=shown * text.hidden_size * (1 + deep) * 2,
        copied=2 * counts.embedding if not counts.output and can_pack() else 0,
    )


def places(settings: Settings) -> list[Place]:
    """Where a base could run here, with the memory that is free now."""
    full: Form = "float32" if full_precision(torch.device("cpu")) == torch.float32 else "bfloat16"
    found = [Place("cpu", free_memory(), (full, "nf4", "int8", "w8"))]
    if settings.device != "cpu" and torch.cuda.is_available():
        free = int(torch.cuda.mem_get_info()[0])
        # Full is bfloat16 there, and W8 is for processors.
        found.append(Place("cuda", free, ("bfloat16", "nf4", "int8")))
    return found


def free_memory() -> int:
    """Bytes that can still be taken: of the machine, or of what a container may have."""
    free = int(psutil.virtual_memory().available)
    limit, taken = _number("memory.max"), _number("memory.current")
    return min(free, max(limit - taken, 0)) if limit is not None and taken is not None else free


def _number(name: str) -> int | None:
    """What the control group of this process says; None where there is no limit."""
    try:
        return int((Path("/sys/fs/cgroup") / name).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _shape_of(config: Any) -> Any:
    """The model of a configuration, without memory."""
    from transformers import AutoModelForImageTextToText

    try:
        with torch.device("meta"):
            model: Any = AutoModelForImageTextToText.from_config(config)
    except (ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        reason = first_line(error)
        raise WeightsError(
            f"No model can be made of this configuration ({reason}); give that of a whole model."
        ) from error
    model.tie_weights()
    make_ready(model)
    return model


def _counts(model: Any) -> Counts:
    """Every weight counted once, in the part that it belongs to."""
    family = family_of(model)
    table, output = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    sums = {"tower": 0, "projector": 0, "language": 0, "other": 0}
    for name, parameter in model.named_parameters():
        if parameter is table or parameter is output:
            continue
        place = name.removeprefix("model.")
        part = "other"
        if place.startswith(f"{family.projector}."):
            part = "projector"
        elif place.startswith(f"{family.tower}."):
            part = "tower"
        elif place.startswith(f"{family.language}."):
            part = "language"
        sums[part] += parameter.numel()
    own = 0 if output is table else output.numel()
    return Counts(embedding=table.numel(), output=own, **sums)


def _weights(model: Any, form: Form) -> int | None:
    """Bytes of all weights and stored buffers in a form; None where the family has it not."""
    full = 4 if form == "float32" else 2
    quantized: dict[int, int] = {}
    more = 0
    if form in ("nf4", "int8"):
        kept = model.get_output_embeddings()
        for layer in model.model.language_model.modules():
            if layer is not kept and isinstance(layer, nn.Linear) and fits(layer, form):
                size = _nf4_bytes(layer) if form == "nf4" else _int8_bytes(layer)
                quantized[id(layer.weight)] = size
        if not quantized:
            return None
    elif form == "w8":
        if model.config.model_type != "llava" or model.config.text_config.model_type != "llama":
            return None  # only `assistant.engine.fast` reads such
        linears = [m for m in model.model.language_model.modules() if isinstance(m, nn.Linear)]
        linears = [*linears, model.get_output_embeddings()]
        if not all(eight_bits.can_hold(layer) for layer in linears):
            return None
        more = sum(int(eight_bits.BYTES_A_WEIGHT * layer.weight.numel()) for layer in linears)
    total = more
    for parameter in model.parameters():  # each once, also where two layers share it
        total += quantized.get(id(parameter), parameter.numel() * full)
    for module in model.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if name not in module._non_persistent_buffers_set:
                size = full if buffer.is_floating_point() else buffer.element_size()
                total += buffer.numel() * size
    return total


def _nf4_bytes(layer: nn.Linear) -> int:
    return layer.weight.numel() // 2 + layer.weight.numel() // _BLOCK * _scale_bytes() + _CODE


def _int8_bytes(layer: nn.Linear) -> int:
    return layer.weight.numel() + 4 * layer.out_features


@cache
def _scale_bytes() -> int:
    """Bytes of a scale in NF4: the kernel for AVX-512 takes them in bfloat16."""
    try:
        functional: Any = import_module("bitsandbytes.functional")  # half typed
        return 2 if functional.has_avx512bf16() and not torch.cuda.is_available() else 4
    except Exception:  # a broken installation raises anything
        return 4


def _picture_tokens(folder: Path, config: Any) -> int | None:
    """Tokens of a usual photo, asked of the folder's own processor; None where there is none."""
    from PIL import Image

    try:
        processor = load_processor(folder, config.model_type)
        text = [processor.image_token]
        read = processor(text=text, images=[Image.new("RGB", _PICTURE)])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError):
        return None
    return len(read["input_ids"][0])


def files_bytes(folder: Path) -> int | None:
    """Bytes of the weights' files as they lie or are listed in an index; None where neither is."""
    sizes = [file.stat().st_size for file in folder.glob("*.safetensors")]
    if sizes:
        return sum(sizes)
    try:
        index = json.loads((folder / "model.safetensors.index.json").read_text(encoding="utf-8"))
        return int(index["metadata"]["total_size"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
