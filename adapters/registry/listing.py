"""What there is: all adapters, one of them in full, two of them side by side."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open

from assistant.adapter_files import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    AdapterFiles,
    check_fits,
    find_adapter,
    is_number,
    own_adapters,
    read_adapter,
    shipped_adapters,
)
from assistant.errors import AdapterError, SightdeskError
from assistant.fingerprint import BaseIdentity, identify_base
from assistant.settings import Settings, get_settings
from assistant.weights import REVISION, embedded_directory, has_embedded

_LOWER_IS_BETTER = {"ece", "loss", "perplexity", "refused_answerable", "seconds"}


def list_adapters(settings: Settings | None = None) -> list[dict[str, Any]]:
    """One entry an adapter, those that ship first; a damaged one says what is wrong with it."""
    settings = settings or get_settings()
    known: dict[str, BaseIdentity | None] = {}
    entries = []
    for name, path in {**own_adapters(settings), **shipped_adapters()}.items():
        entry: dict[str, Any] = {"name": name, "shipped": name in shipped_adapters()}
        try:
            files = read_adapter(path, name)
        except (AdapterError, OSError) as error:
            entries.append({**entry, "error": str(error)})
            continue
        entries.append({**entry, **_summary(files, settings, known), "error": None})
    return sorted(entries, key=lambda entry: (not entry["shipped"], entry["name"] != "embedded"))


def show(name: str, settings: Settings | None = None) -> dict[str, Any]:
    """All that an adapter says of itself, and what its files are.

    Raises:
        AdapterError: there is none, or it is damaged.
    """
    settings = settings or get_settings()
    files = find_adapter(name, settings)
    config = json.loads((files.path / CONFIG_FILE).read_text(encoding="utf-8"))
    with (files.path / WEIGHTS_FILE).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    parameters = _parameters(files.path / WEIGHTS_FILE)
    kept = ("calibration", "data", "labels", "made", "on", "recipe", "seconds", "versions")
    return {
        "name": files.name,
        "shipped": name in shipped_adapters(),
        "path": str(files.path),
        **_summary(files, settings, {}),
        "sha256": digest,
        "parameters": parameters,
        "rank": config.get("r"),
        "alpha": config.get("lora_alpha"),
        "trained_whole": config.get("modules_to_save") or [],
        **{key: files.about.get(key) for key in kept if key != "labels"},
        "labels": files.labels,
        "label_head": files.label_head is not None,
    }


def compare(first: str, second: str, settings: Settings | None = None) -> dict[str, Any]:
    """Scores of two adapters side by side, and in what recipe, data and labels they differ.

    Raises:
        AdapterError: one of them is not there, or damaged.
    """
    settings = settings or get_settings()
    a, b = find_adapter(first, settings), find_adapter(second, settings)
    recipes = _flat(a.about.get("recipe")), _flat(b.about.get("recipe"))
    data = _flat(a.about.get("data")), _flat(b.about.get("data"))
    return {
        "a": a.name,
        "b": b.name,
        "same_base": _ground(a) == _ground(b),
        "scores": _side_by_side(a, b),
        "recipe": _differences(*recipes),
        "data": _differences(*data),
        "labels": {
            "only_a": sorted(a.labels.keys() - b.labels.keys()),
            "only_b": sorted(b.labels.keys() - a.labels.keys()),
            "both": len(a.labels.keys() & b.labels.keys()),
        },
    }


def fits(
    files: AdapterFiles, settings: Settings, known: dict[str, BaseIdentity | None] | None = None
) -> tuple[bool | None, str]:
    """Whether an adapter fits the base that it names, as that base is here, and why not.

    None where the base is not on this machine, or where only loading can tell.
    """
    if files.on is None:
        return None, "It is relative to the raw parts of its base; loading it shows whether it fits"
    base = str(files.on.get("base", settings.base))
    known = {} if known is None else known
    if base not in known:
        known[base] = _identity(base, settings)
    identity = known[base]
    if identity is None:
        return None, f"Its base ({base[:200]}) is not on this machine"
    try:
        check_fits(
            files,
            identity.fingerprint,
            base,
            preprocessing=identity.preprocessing,
            projector=identity.projector,
        )
    except AdapterError as error:
        return False, str(error)
    return True, ""


def numbers(scores: Mapping[str, Any]) -> dict[str, float]:
    """The scores of one set that are plain numbers."""
    return {name: value for name, value in scores.items() if is_number(value)}


def _identity(base: str, settings: Settings) -> BaseIdentity | None:
    """Of a base that is here; nothing is fetched."""
    try:
        if base == "embedded":
            if not has_embedded(settings):
                return None
            return identify_base(embedded_directory(settings), find_adapter(None, settings))
        if Path(base).is_dir():
            return identify_base(Path(base), None)
        from huggingface_hub import try_to_load_from_cache

        config = try_to_load_from_cache(base, "config.json")
        return identify_base(Path(config).parent, None) if isinstance(config, str) else None
    except (SightdeskError, OSError, ValueError):
        return None


def _summary(
    files: AdapterFiles, settings: Settings, known: dict[str, BaseIdentity | None]
) -> dict[str, Any]:
    fitting, reason = fits(files, settings, known)
    on, made_of = files.on or {}, files.about.get("base")
    return {
        "base": on.get("base") or ("embedded" if made_of == REVISION else made_of) or "not told",
        "stacked": files.stacked,
        "fits": fitting,
        "fits_reason": reason,
        "label_count": len(files.labels),
        "scores": {name: numbers(part) for name, part in files.scores.items()},
        "made": files.about.get("made"),
        "bytes": sum(p.stat().st_size for p in files.path.iterdir() if p.is_file()),
    }


def _parameters(weights: Path) -> int:
    count = 0
    with safe_open(weights, "np") as file:
        for name in file.keys():  # noqa: SIM118 (it is no mapping)
            size = 1
            for side in file.get_slice(name).get_shape():
                size *= side
            count += size
    return count


def _ground(files: AdapterFiles) -> str:
    return str((files.on or {}).get("fingerprint") or files.about.get("base"))


def _side_by_side(a: AdapterFiles, b: AdapterFiles) -> list[dict[str, Any]]:
    rows = []
    for data in dict.fromkeys([*a.scores, *b.scores]):
        left, right = (numbers(files.scores.get(data, {})) for files in (a, b))
        for name in dict.fromkeys([*left, *right]):
            if name == "n":
                continue
            row: dict[str, Any] = {"data": data, "score": name}
            row |= {"a": left.get(name), "b": right.get(name), "difference": None, "better": None}
            if name in left and name in right:
                row["difference"] = round(right[name] - left[name], 6)
                gain = -row["difference"] if name in _LOWER_IS_BETTER else row["difference"]
                row["better"] = None if gain == 0 else b.name if gain > 0 else a.name
            rows.append(row)
    return rows


def _flat(value: object, prefix: str = "") -> dict[str, Any]:
    """Nested values under dotted names; a list counts as one value."""
    if not isinstance(value, dict):
        return {prefix.rstrip("."): value} if prefix else {}
    found: dict[str, Any] = {}
    for key, inner in value.items():
        found |= _flat(inner, f"{prefix}{key}.")
    return found


def _differences(a: dict[str, Any], b: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"key": key, "a": a.get(key), "b": b.get(key)}
        for key in dict.fromkeys([*a, *b])
        if a.get(key) != b.get(key)
    ]
