"""What a base is, told from its files and never from its name: the identity an adapter rests on.

A stacked adapter means something only on the very weights that it was trained on. Reading all of
a large base would take a minute, so samples of every tensor stand for it: whoever trains a model
further changes nearly all values of a tensor, and so its samples.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from assistant.adapter_files import WEIGHTS_FILE, AdapterFiles, tensor_names
from assistant.errors import WeightsError

_FORM = b"sightdesk base 1"
_SAMPLES, _SAMPLE = 8, 64  # places in a tensor, and bytes at each
_LARGEST_HEADER = 100_000_000  # of a safetensors file, as the format's own library has it
_LARGEST_JSON = 4 * 2**20

# What decides how the weights are used. Libraries add and rename other keys with every release.
_WHOLE = (
    "model_type",
    "image_seq_length",
    "multimodal_projector_bias",
    "projector_hidden_act",
    "vision_feature_layer",
    "vision_feature_select_strategy",
)
_TEXT = (
    "model_type",
    "hidden_act",
    "hidden_size",
    "intermediate_size",
    "num_attention_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "rms_norm_eps",
    "vocab_size",
)
_VISION = (
    "model_type",
    "batch_norm_eps",
    "feature_stages",
    "grid",
    "head_channels",
    "hidden_act",
    "hidden_size",
    "image_size",
    "intermediate_size",
    "num_attention_heads",
    "num_hidden_layers",
    "patch_size",
    "stages",
    "stem_channels",
)
_PREPROCESSING = (
    "crop_size",
    "do_center_crop",
    "do_convert_rgb",
    "do_normalize",
    "do_pad",
    "do_rescale",
    "do_resize",
    "image_mean",
    "image_std",
    "resample",
    "rescale_factor",
    "size",
)


@dataclass(frozen=True)
class BaseIdentity:
    """What an adapter must find again in the base that it is loaded on.

    Attributes:
        fingerprint: 64 hexadecimal digits over configuration and weights.
        preprocessing: how a picture becomes the tower's input.
        projector: input and output width of the projector; None where the base has none known.
    """

    fingerprint: str
    preprocessing: dict[str, Any]
    projector: list[int] | None

    def on(self, base: str) -> dict[str, Any]:
        """The entry ``on`` of ``sightdesk.json`` for an adapter that is trained on this base."""
        return {
            "base": base,
            "fingerprint": self.fingerprint,
            "preprocessing": self.preprocessing,
            "projector": self.projector,
        }


def base_fingerprint(base_dir: Path, ground: AdapterFiles | None) -> str:
    """The fingerprint alone; see `identify_base`."""
    return identify_base(base_dir, ground).fingerprint


def identify_base(base_dir: Path, ground: AdapterFiles | None) -> BaseIdentity:
    """Read what a base is; takes milliseconds, whatever its size.

    The fingerprint does not depend on the folder, on how the weights are shared out among files,
    nor on keys of the configuration that do not change what is computed.

    Args:
        base_dir: the base's directory in the standard format.
        ground: the adapter that is merged into the base before any other is stacked on it: the
            shipped one for the embedded base, None for all others.

    Raises:
        WeightsError: the directory holds no model, or its files are damaged.
    """
    config = _json(base_dir / "config.json")
    digest = hashlib.sha256(_FORM)
    digest.update(_canonical(_essentials(config)))
    # What the ground replaces is random in the base, and need not be the same on every machine.
    replaced = _replaced(ground) if ground is not None else frozenset()
    widths: dict[str, int] = {}
    try:
        for name, dtype, shape, samples in _tensors(base_dir):
            place = name.partition("multi_modal_projector.")[2]
            if place == "linear_1.weight":
                widths["in"] = shape[-1]
            if place == "linear_2.weight":
                widths["out"] = shape[0]
            if place and place in replaced:
                continue
            digest.update(_canonical([name, dtype, shape, hashlib.sha256(samples).hexdigest()]))
        if ground is not None:
            with (ground.path / WEIGHTS_FILE).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise WeightsError(
            f"The weights in {base_dir} cannot be read; restore them from where they came."
        ) from error
    projector = [widths["in"], widths["out"]] if len(widths) == 2 else None
    return BaseIdentity(digest.hexdigest(), _preprocessing(base_dir), projector)


def part_fingerprint(folder: Path, parts: tuple[str, ...] = ("",)) -> str:
    """The fingerprint of some of a model's weights: 64 hexadecimal digits over names and samples.

    Args:
        folder: a directory with safetensors.
        parts: a weight counts if its name holds one of these, and by what follows from there on.

    Raises:
        WeightsError: there are none, or the files are damaged.
    """
    digest = hashlib.sha256(_FORM)
    found = False
    try:
        for name, dtype, shape, samples in _tensors(folder):
            part = next((part for part in parts if part in name), None)
            if part is None:
                continue
            found = True
            place = name[name.index(part) :]
            digest.update(_canonical([place, dtype, shape, hashlib.sha256(samples).hexdigest()]))
        if not found:
            raise ValueError("no such weights")
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise WeightsError(
            f"The weights in {folder} cannot be read; restore them from where they came."
        ) from error
    return digest.hexdigest()


def _essentials(config: dict[str, Any]) -> dict[str, Any]:
    text = _part(config, "text_config")
    rope = _part(text, "rope_parameters")
    return {
        "whole": _chosen(config, _WHOLE),
        "image_token": config.get("image_token_index", config.get("image_token_id")),
        "text": _chosen(text, _TEXT),
        "rope_theta": text.get("rope_theta", rope.get("rope_theta")),
        "vision": _chosen(_part(config, "vision_config"), _VISION),
    }


def _preprocessing(base_dir: Path) -> dict[str, Any]:
    """From ``processor_config.json``, or the file of its own that earlier releases wrote."""
    for name in ("processor_config.json", "preprocessor_config.json"):
        if (base_dir / name).is_file():
            whole = _json(base_dir / name)
            found = _chosen(_part(whole, "image_processor") or whole, _PREPROCESSING)
            if found:
                return found
    return {}


def _part(config: dict[str, Any], key: str) -> dict[str, Any]:
    part = config.get(key)
    return part if isinstance(part, dict) else {}


def _chosen(config: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: config[key] for key in keys if config.get(key) is not None}


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _json(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > _LARGEST_JSON:
            raise ValueError("too large")
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("not an object")
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(
            f"{file} is missing or damaged; give the directory of a LLaVA-family model."
        ) from error
    return content


def _replaced(ground: AdapterFiles) -> frozenset[str]:
    """Names, after ``multi_modal_projector.``, of what an adapter holds whole."""
    names = (name.partition("multi_modal_projector.")[2] for name in tensor_names(ground.path))
    return frozenset(name for name in names if name and "lora_" not in name)


def _tensors(base_dir: Path) -> Iterator[tuple[str, str, list[int], bytes]]:
    """Name, dtype, shape and sampled bytes of every tensor, by name."""
    found: dict[str, tuple[Path, dict[str, Any], int]] = {}
    for path in sorted(base_dir.glob("*.safetensors")):
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > _LARGEST_HEADER:
                raise ValueError("no safetensors file")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        found |= {name: (path, entry, 8 + length) for name, entry in header.items()}
    if not found:
        # Other formats are not looked into: size and samples of the files stand for them.
        others = [path for path in sorted(base_dir.glob("*.bin")) if path.is_file()]
        if not others:
            raise ValueError("no weights")
        for path in others:
            size = path.stat().st_size
            with path.open("rb") as file:
                yield path.name, "file", [size], _sampled(file, 0, size)
        return
    files: dict[Path, BinaryIO] = {}
    try:
        for name, (path, entry, start) in sorted(found.items()):
            if path not in files:
                files[path] = path.open("rb")
            first, last = entry["data_offsets"]
            shape = [int(side) for side in entry["shape"]]
            samples = _sampled(files[path], start + first, last - first)
            yield name, str(entry["dtype"]), shape, samples
    finally:
        for opened in files.values():
            opened.close()


def _sampled(file: BinaryIO, start: int, size: int) -> bytes:
    """A few bytes at places that are spread evenly from the first to the last one."""
    if size <= _SAMPLES * _SAMPLE:
        file.seek(start)
        found = file.read(size)
    else:
        pieces = []
        for number in range(_SAMPLES):
            file.seek(start + (size - _SAMPLE) * number // (_SAMPLES - 1))
            pieces.append(file.read(_SAMPLE))
        found = b"".join(pieces)
    if len(found) != min(size, _SAMPLES * _SAMPLE):
        raise ValueError("the file ends too early")
    return found
