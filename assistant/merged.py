"""A base with its adapter merged in, kept in the cache folder: a merge takes longer than a load.

Only models of a laptop's size are kept; larger ones would fill the disk. What is kept is known by
the content of base and adapter, so that it is never that of another one.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError

from assistant.errors import WeightsError
from assistant.llava import Base, appearing_whole, load_base

LARGEST: Final = 2**30
"""Bytes of a model that is kept."""

_FORM: Final = 1
_KEPT: Final = 2  # models; the oldest go


def open_merged(name: str, identity: str, folder: Path) -> Base | None:
    """A base that was kept; None where there is none, or none that can be read.

    Args:
        name: of the base.
        identity: of base and adapter, by content.
        folder: where merged bases are kept.
    """
    target = _target(identity, folder)
    if not (target / "config.json").is_file():
        return None
    try:
        found = load_base(target, name, torch.device("cpu"), "auto")
    except WeightsError:  # damaged: it is merged anew, and kept anew
        shutil.rmtree(target, ignore_errors=True)
        return None
    with suppress(OSError):
        os.utime(target)
    return found


def keep_merged(base: Base, identity: str, folder: Path) -> None:
    """Keep a merged base, if it is small enough and the folder can be written.

    Args:
        base: as `assistant.llava.attach_adapter` left it.
        identity, folder: see `open_merged`.
    """
    model: Any = base.model
    if sum(each.nbytes for each in model.state_dict().values()) > LARGEST:
        return
    target = _target(identity, folder)
    # A full disk is told in the words of safetensors.
    with suppress(OSError, SafetensorError):
        folder.mkdir(parents=True, exist_ok=True)
        with appearing_whole(target) as room:
            model.save_pretrained(room)
            base.processor.save_pretrained(room)
        kept = [each for each in folder.iterdir() if (each / "config.json").is_file()]
        kept.sort(key=lambda each: each.stat().st_mtime)
        for old in [each for each in kept if each != target][: max(0, len(kept) - _KEPT)]:
            shutil.rmtree(old, ignore_errors=True)


def _target(identity: str, folder: Path) -> Path:
    return folder / f"{identity[:32]}-{_FORM}"
