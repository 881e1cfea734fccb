"""Adapters on disk: find one by name, check its files, read what it says of itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

from safetensors import SafetensorError, safe_open

from assistant.errors import AdapterError
from assistant.settings import Settings
from assistant.weights import shipped_adapter

WEIGHTS_FILE = "adapter_model.safetensors"
CONFIG_FILE = "adapter_config.json"
ABOUT_FILE = "sightdesk.json"
LABEL_HEAD_FILE = "label_head.safetensors"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
_LARGEST_JSON = 4 * 2**20
_LARGEST_CONFIG = 2**20
_LONGEST_PATTERN = 8_000
_LARGEST_NUMBER = 1e15

# What ``sightdesk.json`` may hold and of which type; other keys are left to whoever wrote them.
_TYPES: dict[str, type | tuple[type, ...]] = {
    "base": str,
    "calibration": (dict, type(None)),
    "data": dict,
    "earlier_recipes": list,
    "format": int,
    "label_head": (dict, type(None)),
    "labels": dict,
    "made": str,
    "metrics": dict,
    "name": str,
    "on": dict,
    "recipe": dict,
    "scores": dict,
    "versions": dict,
}

# Keys of peft's LoRA configuration that change nothing about how saved factors are used, or that
# are checked one by one. Any other key must be empty: it may change the model's structure, ask for
# a package to be imported, or not be known to the peft that is installed.
_HARMLESS = {
    "auto_mapping",
    "base_model_name_or_path",
    "bias",
    "ensure_weight_tying",
    "exclude_modules",
    "fan_in_fan_out",
    "inference_mode",
    "init_lora_weights",
    "layers_pattern",
    "layers_to_transform",
    "lora_alpha",
    "lora_dropout",
    "megatron_core",  # a name only, unless megatron_config is set
    "modules_to_save",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "r",
    "rank_pattern",
    "alpha_pattern",
    "revision",
    "target_modules",
    "task_type",
    "use_dora",
    "use_rslora",
}


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

    @property
    def on(self) -> dict[str, Any] | None:
        """What it is stacked on; None where it is relative to the raw parts of a base."""
        on = self.about.get("on")
        return on if isinstance(on, dict) else None

    @property
    def stacked(self) -> bool:
        """Whether it goes on top of a base as loaded, for the embedded one with what ships."""
        return self.on is not None

    @property
    def runs_desk(self) -> bool:
        """Whether it was trained to choose tools, and not to answer about pictures."""
        return self.about.get("purpose") == "desk"

    @property
    def calibration(self) -> dict[str, float] | None:
        """Temperature and threshold of its labels' confidence, if they were measured."""
        calibration = self.about.get("calibration")
        return calibration if isinstance(calibration, dict) else None

    @property
    def label_head(self) -> Path | None:
        """The file with its label head, if it has one."""
        file = self.path / LABEL_HEAD_FILE
        return file if file.is_file() else None

    @property
    def scores(self) -> dict[str, dict[str, Any]]:
        """What was measured of it, by the name of the set; the first form said ``metrics``."""
        scores = self.about.get("scores") or self.about.get("metrics") or {}
        return {name: part for name, part in scores.items() if isinstance(part, dict)}


def shipped_adapters() -> dict[str, Path]:
    """The adapters that come with the product, by name; ``embedded`` is the first."""
    embedded = shipped_adapter()
    found = {"embedded": embedded}
    for file in sorted(embedded.parent.glob(f"*/{CONFIG_FILE}")):
        found.setdefault(file.parent.name, file.parent)
    return found


def own_adapters(settings: Settings) -> dict[str, Path]:
    """The adapters of the user, by name; nothing is checked."""
    folder = settings.data_dir / "adapters"
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return {path.name: path for path in found if NAME.fullmatch(path.name) and _plain(path)}


def _plain(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and not path.name.endswith(".partial")


def known_adapters(settings: Settings) -> list[str]:
    """Names that `find_adapter` takes."""
    shipped = shipped_adapters()
    return [*shipped, *(name for name in own_adapters(settings) if name not in shipped)]


def find_adapter(name: str | None, settings: Settings) -> AdapterFiles:
    """The adapter of this name or directory; None is the one that ships.

    A known name comes before a folder of the same name in the working directory, which can be
    given as ``./name``.

    Raises:
        AdapterError: unknown, incomplete, damaged, or stored as a pickle.
    """
    name = "embedded" if name is None else name
    known = own_adapters(settings) | shipped_adapters()
    path = known.get(name)
    if path is None and Path(name).is_dir():
        path = Path(name)
        name = path.resolve().name
    if path is None:
        raise AdapterError(
            f"There is no adapter {name!r}; give one of: {', '.join(known_adapters(settings))}, "
            "or a directory that holds one."
        )
    return read_adapter(path, name)


def read_adapter(path: Path, name: str) -> AdapterFiles:
    """Check an adapter directory and read what it says of itself.

    Raises:
        AdapterError: incomplete, damaged, unsafe, or of a kind that cannot be used.
    """
    _check(path, name)
    return AdapterFiles(name=name, path=path, about=_about(path))


def check_fits(
    files: AdapterFiles,
    fingerprint: str,
    base_name: str,
    *,
    preprocessing: dict[str, Any] | None = None,
    projector: list[int] | None = None,
) -> None:
    """Whether a stacked adapter was trained on this very base, told by content.

    An adapter that is relative to raw parts says nothing of them; whether its tensors fit is seen
    when they are merged.

    Args:
        fingerprint: of the base, see `assistant.fingerprint.identify_base`; so are the others.
        base_name: how the base is called in the sentence.

    Raises:
        AdapterError: it was trained on another base, another projector or other pixels.
    """
    on = files.on
    if on is None:
        return
    made = f"The adapter {files.name!r} was trained"
    if projector is not None and on.get("projector") not in (None, projector):
        theirs, ours = (" to ".join(map(str, pair)) for pair in (on["projector"], projector))
        raise AdapterError(
            f"{made} with a projector from {theirs}, but that of the base {base_name!r} goes from "
            f"{ours}; use the base that it was trained on."
        )
    if on["fingerprint"] != fingerprint:
        theirs = str(on.get("base", "another one"))
        if theirs == base_name:
            raise AdapterError(
                f"{made} on another state of the base {base_name!r} than the one here; train it "
                "again, or use the version of Sightdesk or of the base that it was made with."
            )
        raise AdapterError(
            f"{made} on another base ({theirs[:200]}) than {base_name!r}; load it with that one, "
            "or train it again on this one."
        )
    if preprocessing is not None and on.get("preprocessing") not in (None, {}, preprocessing):
        theirs = on["preprocessing"]
        keys = [k for k in {**theirs, **preprocessing} if theirs.get(k) != preprocessing.get(k)]
        raise AdapterError(
            f"{made} on pictures prepared in another way than the base {base_name!r} does "
            f"({', '.join(sorted(keys))[:200]}); restore the base's processor files."
        )


def tensor_names(path: Path) -> list[str]:
    """Names of the tensors in an adapter directory, without their values."""
    with safe_open(path / WEIGHTS_FILE, "np") as file:  # "pt" would import torch
        return list(file.keys())


def _check(path: Path, name: str) -> None:
    if not (path / WEIGHTS_FILE).is_file():
        pickled = [file.name for file in path.iterdir() if file.suffix in _PICKLES]
        if pickled:
            raise AdapterError(
                f"The adapter {name!r} is stored as a pickle ({pickled[0]}), which can run code "
                "when it is opened; save it again as safetensors."
            )
        raise AdapterError(
            f"The adapter {name!r} has no {WEIGHTS_FILE}; train it, or copy the file into {path}."
        )
    if not (path / CONFIG_FILE).is_file():
        raise AdapterError(f"The adapter {name!r} has no {CONFIG_FILE}; copy the file into {path}.")
    for part in (WEIGHTS_FILE, CONFIG_FILE, ABOUT_FILE, LABEL_HEAD_FILE):
        if not (path / part).resolve().is_relative_to(path.resolve()):
            raise AdapterError(
                f"{part} of the adapter {name!r} is a link that leaves its folder; copy the file "
                "itself there."
            )
    for weights in (path / WEIGHTS_FILE, path / LABEL_HEAD_FILE):
        try:
            if weights.is_file():
                with safe_open(weights, "np") as file:
                    file.keys()
        except (SafetensorError, OSError) as error:
            raise AdapterError(
                f"{weights} is damaged or no safetensors file; restore it from where it came."
            ) from error
    _check_config(path / CONFIG_FILE, name)


def _read_json(file: Path, largest: int, remedy: str) -> dict[str, Any]:
    """An object from a file of bounded size, without NaN and infinities.

    Raises:
        AdapterError: it is something else.
    """

    def no_number(text: str) -> None:
        raise ValueError(f"{text} is no JSON")

    try:
        with file.open("rb") as opened:
            data = opened.read(largest + 1)
        if len(data) > largest:
            raise AdapterError(f"{file} is larger than {largest // 2**20} MiB; {remedy}.")
        content = json.loads(data.decode("utf-8"), parse_constant=no_number)
    except (OSError, ValueError, RecursionError) as error:
        raise AdapterError(f"{file} is not JSON; {remedy}.") from error
    if not isinstance(content, dict):
        raise AdapterError(f"{file} is not a JSON object; {remedy}.")
    return content


def _check_config(file: Path, name: str) -> None:
    """Only LoRA, and nothing in its configuration that runs code or rebuilds the model."""
    config = _read_json(file, _LARGEST_CONFIG, "restore it from where it came")
    if config.get("peft_type") != "LORA":
        raise AdapterError(
            f"The adapter {name!r} is of the kind {str(config.get('peft_type'))[:40]!r}; only LORA "
            "can be used."
        )
    odd = sorted(key for key, value in config.items() if value and key not in _HARMLESS)
    odd += [key for key, usable in _usable(config) if not usable]
    if odd:
        raise AdapterError(
            f"{CONFIG_FILE} of the adapter {name!r} sets {', '.join(odd)[:200]} to what Sightdesk "
            "does not take; train it again as plain LoRA."
        )


def _usable(config: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Each key that is checked, and whether its value can be used."""
    rank, alpha = config.get("r", 8), config.get("lora_alpha", 8)
    yield "r", type(rank) is int and 1 <= rank <= 4096
    yield "lora_alpha", is_number(alpha) and alpha > 0
    yield "init_lora_weights", config.get("init_lora_weights", True) in (True, False, "gaussian")
    yield "bias", config.get("bias", "none") == "none"
    for key in ("rank_pattern", "alpha_pattern"):
        part = config.get(key) or {}
        usable = isinstance(part, dict) and all(map(is_number, part.values()))
        yield key, usable and all(map(_pattern, part))
    for key in ("target_modules", "exclude_modules"):
        part = config.get(key) or []
        yield key, _pattern(part) if isinstance(part, str) else _strings(part)
    yield "modules_to_save", _strings(config.get("modules_to_save") or [])
    mapping = config.get("auto_mapping") or {}
    library = mapping.get("parent_library", "") if isinstance(mapping, dict) else "?"
    yield "auto_mapping", library == "" or str(library).split(".")[0] == "transformers"


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value from JSON is a number that can be counted with and shown."""
    return type(value) in (int, float) and -_LARGEST_NUMBER < value < _LARGEST_NUMBER  # type: ignore[operator]


def _strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(x, str) and len(x) < 500 for x in value)


def _pattern(text: str) -> bool:
    """Whether a regular expression is one, and cheap: peft matches the name of every layer."""
    if len(text) > _LONGEST_PATTERN or re.search(r"\)[*+{]", text):
        return False
    if any(len(re.findall(r"[*+{]", branch)) > 4 for branch in text.split("|")):
        return False
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError):
        return False
    return True


def _about(path: Path) -> dict[str, Any]:
    file = path / ABOUT_FILE
    if not file.is_file():
        return {}
    about = _read_json(file, _LARGEST_JSON, "correct or remove it")
    for key, kinds in _TYPES.items():
        if key in about and (not isinstance(about[key], kinds) or isinstance(about[key], bool)):
            raise AdapterError(f"{key!r} in {file} is of the wrong type; correct or remove it.")
    for key, usable in _sound(about):
        if not usable:
            raise AdapterError(f"{key!r} in {file} cannot be used; correct or remove it.")
    return about


def _sound(about: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Each part that is relied upon, and whether it can be."""
    labels = about.get("labels", {})
    yield "labels", all(isinstance(x, str) and 0 < len(x) <= 500 for x in labels.values())
    yield "labels", all(0 < len(label) <= 500 for label in labels)
    on = about.get("on")
    if on is not None:
        fingerprint, projector = on.get("fingerprint"), on.get("projector")
        known = isinstance(fingerprint, str) and re.fullmatch(r"[0-9a-f]{64}", fingerprint)
        yield "on", bool(known) and isinstance(on.get("base", ""), str)
        yield "on", isinstance(on.get("preprocessing", {}), dict)
        widths = projector is None or (isinstance(projector, list) and len(projector) == 2)
        yield "on", widths and all(type(width) is int for width in projector or [])
    calibration = about.get("calibration")
    if calibration is not None:
        temperature, threshold = calibration.get("temperature"), calibration.get("threshold")
        yield "calibration", is_number(temperature) and temperature > 0
        yield "calibration", is_number(threshold) and 0 <= threshold <= 1
    recipes = about.get("earlier_recipes", [])
    yield "earlier_recipes", all(isinstance(recipe, dict) for recipe in recipes)
