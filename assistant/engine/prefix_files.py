"""Shared beginnings in the cache folder, so that a restart need not compute them anew.

Each is a safetensors file of its own, named by all that its numbers depend on: base and adapters by
content, how the model is quantized and in which precision, the libraries, and the tokens. What is
found is looked at before it is believed; a folder that is damaged, somebody else's or read-only
means that everything is computed as if it were not there.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from assistant.engine.caches import Keys, Layers
from assistant.errors import WeightsError
from assistant.whole_file import drop_abandoned, whole_file

MOST_BYTES: Final = 64 * 2**20
"""Of all files together; the oldest go."""

_FORM: Final = 1  # changes with how the tensors lie in a file, and with how they are computed
_LIBRARIES: Final = ("bitsandbytes", "onnxruntime", "peft", "torch", "transformers")
_ENDING: Final = ".safetensors"
_NAME: Final = "keys and values"
_TROUBLES: Final = (
    SafetensorError,
    WeightsError,
    OSError,
    ValueError,
    KeyError,
    TypeError,
    RuntimeError,
)


@dataclass(frozen=True)
class Shape:
    """What keys and values of a model are.

    Attributes:
        layers: how many.
        heads, width: of the keys and of the values of each.
    """

    layers: int
    heads: int
    width: int
    dtype: torch.dtype
    device: torch.device

    @classmethod
    def of(cls, model: Any) -> Shape:
        """Those of a model as it is now, where all of its layers are alike."""
        text = model.config.get_text_config()
        heads = int(text.num_attention_heads)
        return cls(
            int(text.num_hidden_layers),
            int(getattr(text, "num_key_value_heads", None) or heads),
            int(getattr(text, "head_dim", None) or text.hidden_size // heads),
            model.get_input_embeddings().weight.dtype,
            model.device,
        )

    def fits(self, layers: Layers, length: int) -> bool:
        """Whether tensors are keys and values of so many tokens of this model."""
        sides = (1, self.heads, length, self.width)
        return len(layers) == self.layers and all(
            tensor.shape == sides and tensor.dtype == self.dtype
            for layer in layers
            for tensor in layer
        )


@dataclass(frozen=True)
class PrefixFiles:
    """The files of one model.

    Attributes:
        folder: where they are, with those of others.
        about: says what the model is: content, quantization.
        shape: says what its keys and values are now.
        most: bytes of all files in the folder together.
    """

    folder: Path
    about: Callable[[], Mapping[str, str]] = field(repr=False)
    shape: Callable[[], Shape] = field(repr=False)
    most: int = MOST_BYTES

    def read(self, revision: str, keys: Keys) -> Layers | None:
        """The tensors of a beginning; None where there are none that can be used.

        Args:
            revision: of the adapter.
        """
        shape, path = None, None
        try:
            shape = self.shape()
            about, path = self._about(revision, keys, shape)
            if path.stat().st_size > self.most:
                raise ValueError("too large")
            with safe_open(path, framework="pt") as file:
                told = file.metadata() or {}
                whole = file.get_tensor(_NAME)
            if told.get("about") != about or told.get("sum") != _sum(whole):
                raise ValueError("damaged, or of something else")
            layers = _apart(whole)
            if not shape.fits(layers, len(keys)):
                raise ValueError("another shape")
        except (FileNotFoundError, PermissionError):
            return None
        except _TROUBLES:
            if path is not None:  # so that it is written anew
                with suppress(OSError):
                    path.unlink()
            return None
        with suppress(OSError):
            os.utime(path)
        return _apart(whole.to(shape.device))

    def write(self, revision: str, keys: Keys, layers: Layers) -> bool:
        """Keep the tensors of a beginning, if they can be kept; whether they are there now."""
        try:
            shape = self.shape()
            if not shape.fits(layers, len(keys)):
                return False
            about, path = self._about(revision, keys, shape)
            if path.is_file():
                return True
            whole = torch.cat([tensor for layer in layers for tensor in layer]).cpu().contiguous()
            if whole.nbytes > self.most:
                return False
            self.folder.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as part:
                save_file({_NAME: whole}, part, {"about": about, "sum": _sum(whole)})
            self._tidy(path)
        except _TROUBLES:
            return False
        return True

    def _about(self, revision: str, keys: Keys, shape: Shape) -> tuple[str, Path]:
        """All that the numbers depend on, and the file that it names."""
        about = json.dumps(
            {
                "form": _FORM,
                "model": dict(self.about()),
                "adapter": revision,
                "shape": [shape.layers, shape.heads, shape.width],
                "dtype": str(shape.dtype),
                "device": shape.device.type,
                "libraries": _versions(),
                "keys": keys,
            },
            sort_keys=True,
        )
        return about, self.folder / f"{hashlib.sha256(about.encode()).hexdigest()}{_ENDING}"

    def _tidy(self, own: Path) -> None:
        """Let the oldest files go, down to so many bytes, and what was left half written."""
        drop_abandoned(self.folder)
        found = []
        for path in self.folder.glob(f"*{_ENDING}"):
            with suppress(OSError):
                about = path.stat()
                found.append((about.st_mtime, path, about.st_size))
        size = sum(each for _, _, each in found)
        for _, path, each in sorted(found):
            if size <= self.most:
                return
            if path != own:
                with suppress(OSError):
                    path.unlink()
                size -= each


def _apart(whole: torch.Tensor) -> Layers:
    """Layers of one tensor ``[2 * layers, heads, T, width]``, keys before values of each."""
    each = whole.unsqueeze(1).unbind()
    return tuple(zip(each[::2], each[1::2], strict=True))


def _sum(whole: torch.Tensor) -> str:
    """Tells whether a byte is another than when it was written."""
    content: Any = whole.contiguous().view(torch.uint8).flatten().numpy()
    return f"{zlib.crc32(content):08x}"


@cache
def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
