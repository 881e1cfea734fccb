"""From names to a ground that an engine stands on: find, load, merge, quantize, settle."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from assistant.adapter_files import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    AdapterFiles,
    check_fits,
    find_adapter,
)
from assistant.engine.adapters import only_merged
from assistant.engine.fast import can_read
from assistant.engine.lock import dismiss_helpers
from assistant.engine.prefix_files import PrefixFiles, Shape
from assistant.engine.step import prepare_step
from assistant.errors import InputError, WeightsError
from assistant.fingerprint import BaseIdentity, identify_base
from assistant.llava import (
    Base,
    attach_adapter,
    ensure_embedded,
    load_base,
    locate_base,
    release_memory,
    settle,
)
from assistant.merged import keep_merged, open_merged
from assistant.packed import pack_linears
from assistant.quantize import (
    Kind,
    choose_quantization,
    full_precision,
    kept_as,
    quantize_model,
)
from assistant.settings import Settings, is_elsewhere
from assistant.weights import Progress


@dataclass(frozen=True)
class Ground:
    """What is loaded.

    Attributes:
        merged: the adapter that is merged into the base; the last one where there are two.
        stacked: the adapter that is to be stacked on it.
        known: whether `identify` says what this is: two adapters in one have no identity.
        content: what tells it from all others before it was quantized; empty where nobody has
            asked for it yet.
    """

    base: Base
    kind: Kind
    settings: Settings
    merged: AdapterFiles | None
    stacked: AdapterFiles | None
    known: bool
    content: str

    def identify(self) -> BaseIdentity:
        """What adapters that are stacked on this must have been trained on."""
        return _identity(self.base.name, self.merged, self.settings)


def load_ground(
    name: str, chosen: str | None, settings: Settings, progress: Progress | None
) -> Ground:
    """Load a base with what belongs below all adapters.

    Args:
        name: of the base.
        chosen: adapter name or directory; None is what ships, for the embedded base.

    Raises:
        InputError, WeightsError, AdapterError: see `Engine.load`.
    """
    if is_elsewhere(name):
        raise InputError(
            "This needs a model on this machine, and the base is served elsewhere; give --base "
            "embedded, or unset SIGHTDESK_BASE."
        )
    report = progress or (lambda _message, _fraction: None)
    files = find_adapter(chosen, settings) if name == "embedded" or chosen is not None else None
    stacked = files if files is not None and files.stacked else None
    merged = files
    if stacked is not None:
        merged = find_adapter("embedded", settings) if name == "embedded" else None
    device = _device(settings)
    path: str | Path = ensure_embedded(settings, progress) if name == "embedded" else name
    content = ""
    if files is not None:
        identity = _identity(name, merged, settings)
        content = _content(identity, merged)
    if stacked is not None:  # before anything large is loaded
        check_fits(
            stacked,
            identity.fingerprint,
            name,
            preprocessing=identity.preprocessing,
            projector=identity.projector,
        )
    report("Loading the model", None)
    room = settings.cache_dir / "merged"
    ready = open_merged(name, content, room) if merged is not None else None
    # On the CPU, where it takes no memory before it is merged, quantized and moved.
    loaded = ready or load_base(path, name, torch.device("cpu"), "auto")
    kept = kept_as(loaded.model)  # as `sightdesk adapters merge --quantize` writes them
    if settings.quantize == "auto" and kept is None:
        report("Measuring what is fastest here", None)
    text_config = loaded.model.config.get_text_config()
    kind = kept or choose_quantization(settings, text_config, device=device).kind
    if files is not None:
        report("Loading the adapter", None)
    if merged is not None and ready is None:
        loaded = attach_adapter(loaded, merged.path, merged.name)
        if kept is None:
            keep_merged(loaded, content, room)
    known = True
    if stacked is not None and only_merged(stacked):
        # What replaces whole layers of the language model is no small thing beside them.
        loaded = attach_adapter(loaded, stacked.path, stacked.name)
        merged, stacked, known = stacked, None, False
    if not hasattr(loaded.processor, "image_token"):
        raise WeightsError(
            f"The base {name!r} does not take pictures; give one of the LLaVA family."
        )
    if kind in ("nf4", "int8") and kept is None:
        report("Quantizing the model", None)
        quantize_model(loaded.model, kind, device)
    full = kind in ("none", "w8")
    settle(loaded.model, device, full_precision(device) if full else torch.bfloat16)
    if kind == "w8":
        report("Rounding weights to eight bits", None)
        content = content or _content(_identity(name, merged, settings), merged)
        if not _has_step(loaded.model, content if known else None, settings):
            raise InputError(
                "Quantization 'w8' is for language models of Llama's form on the CPU; use "
                "--quantize none."
            )
    if full:
        pack_linears(loaded.model, late_output=kind == "w8")
        release_memory()
    dismiss_helpers()
    return Ground(loaded, kind, settings, merged, stacked, known, content)


def prefix_files(ground: Ground) -> PrefixFiles | None:
    """Where shared beginnings outlive the process; None where nobody knows what the model is."""
    if not ground.known:
        return None
    model: Any = ground.base.model

    @cache
    def about() -> dict[str, str]:
        content = ground.content or _content(ground.identify(), ground.merged)
        return {"content": content, "quantization": ground.kind}

    folder = ground.settings.cache_dir / "prefixes"
    return PrefixFiles(folder, about, lambda: Shape.of(model))


def _has_step(model: Any, identity: str | None, settings: Settings) -> bool:
    return can_read(model) and prepare_step(model, identity, settings.cache_dir / "steps")


def _content(identity: BaseIdentity, merged: AdapterFiles | None) -> str:
    """What tells a base with an adapter merged into it from all others."""
    digest = hashlib.sha256(identity.fingerprint.encode())
    if merged is not None:
        for file in (WEIGHTS_FILE, CONFIG_FILE):
            with open(merged.path / file, "rb") as content:
                digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()


def _identity(name: str, merged: AdapterFiles | None, settings: Settings) -> BaseIdentity:
    return identify_base(locate_base(name, settings), merged)


def _device(settings: Settings) -> torch.device:
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise InputError("SIGHTDESK_DEVICE is cuda, but there is no CUDA device; set it to cpu.")
    if settings.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(settings.device)
