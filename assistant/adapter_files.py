"""Adapters on disk: find one by name, check its files, read what it says of itself."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from assistant.errors import AdapterError
from assistant.settings import Settings
from assistant.weights import shipped_adapter

WEIGHTS_FILE = "adapter_model.safetensors"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")


@dataclass(frozen=True)
class AdapterFiles:
    """A checked adapter directory; ``about`` is its ``sightdesk.json``."""

    name: str
    path: Path
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def recipes(self) -> list[Any]:
        """The recipes of the runs that made it, oldest first."""
        earlier, last = self.about.get("earlier_recipes"), self.about.get("recipe")
        return [*(earlier if isinstance(earlier, list) else []), *([last] if last else [])]

    @property
    def labels(self) -> dict[str, str]:
        """Label to coarse label, as the training data spells them."""
        labels = self.about.get("labels", {})
        return labels if isinstance(labels, dict) else {}


def known_adapters(settings: Settings) -> list[str]:
    """Names that `find_adapter` takes."""
    folder = settings.data_dir / "adapters"
    own = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return ["embedded", *own]


def find_adapter(name: str | None, settings: Settings) -> AdapterFiles:
    """The adapter of this name or directory; None is the one that ships.

    Raises:
        AdapterError: unknown, incomplete, damaged, or stored as a pickle.
    """
    if name is None or name == "embedded":
        name, path = "embedded", shipped_adapter()
    elif Path(name).is_dir():
        path = Path(name)
        name = path.resolve().name
    elif _NAME.fullmatch(name) and (settings.data_dir / "adapters" / name).is_dir():
        path = settings.data_dir / "adapters" / name
    else:
        names = ", ".join(known_adapters(settings))
        raise AdapterError(
            f"There is no adapter {name!r}; give one of: {names}, or a directory that holds one."
        )
    _check(path, name)
    return AdapterFiles(name=name, path=path, about=_about(path))


def _check(path: Path, name: str) -> None:
    weights = path / WEIGHTS_FILE
    if not weights.is_file():
        pickled = [file.name for file in path.iterdir() if file.suffix in _PICKLES]
        if pickled:
            raise AdapterError(
                f"The adapter {name!r} is stored as a pickle ({pickled[0]}), which can run code "
                "when it is opened; save it again as safetensors."
            )
        raise AdapterError(
            f"The adapter {name!r} has no {WEIGHTS_FILE}; train it, or copy the file into {path}."
        )
    if not (path / "adapter_config.json").is_file():
        raise AdapterError(
            f"The adapter {name!r} has no adapter_config.json; copy the file into {path}."
        )
    try:
        with safe_open(weights, "np") as file:  # only the names; "pt" would import torch
            file.keys()
    except (SafetensorError, OSError) as error:
        raise AdapterError(
            f"{weights} is damaged or no safetensors file; restore it from where it came."
        ) from error


def _about(path: Path) -> dict[str, Any]:
    file = path / "sightdesk.json"
    if not file.is_file():
        return {}
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AdapterError(f"{file} is not JSON; correct or remove it.") from error
    return about if isinstance(about, dict) else {}
