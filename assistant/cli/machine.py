"""`sightdesk fetch` and `sightdesk doctor`: what this machine has, and what it still needs.

The doctor works where things are broken: each examination that fails becomes a problem in its
report, and the others go on.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer

from assistant.cli.progress import show_progress
from assistant.engines import is_elsewhere
from assistant.errors import AdapterError, InputError, SightdeskError, WeightsError
from assistant.settings import Settings, get_settings

KEY_PACKAGES = (
    "sightdesk",
    "torch",
    "transformers",
    "peft",
    "bitsandbytes",
    "safetensors",
    "pillow",
    "pillow-heif",
    "langchain",
    "streamlit",
)

# What matrix products gain from on x86-64; of other processors all that is known is said.
EXTENSIONS = (
    "avx2",
    "fma3",
    "avx_vnni",
    "avx512_f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_bf16",
    "amx_int8",
    "amx_fp16",
)


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.command()(fetch)
    app.command()(doctor)


def fetch() -> None:
    """Get the embedded base and compose it; done once, later starts need no network."""
    from assistant.llava import ensure_embedded

    with show_progress(plain=True) as report:
        folder = ensure_embedded(get_settings(), report)
    typer.echo(f"The embedded base is ready in {folder}.")


def doctor(
    base: Annotated[
        str | None,
        typer.Option(
            metavar="ID_OR_DIRECTORY",
            help="Say what memory this base needs, in each form, before it is loaded.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Say what is installed, what is missing and what to do; exit code 2 if anything is.

    With --base: how much memory a base needs in each quantization, told from its configuration
    alone, and which of them fit here; exit code 2 if none does.
    """
    if base is not None:
        from assistant.cli.base_needs import say_needs

        say_needs(base, get_settings(), as_json=as_json)
        return
    report = examine()
    if as_json:
        typer.echo(json.dumps(report))
    else:
        for name, value in report.items():
            if name == "slower":
                for each in value or []:
                    typer.echo(f"{name:<12} {each['lacks']}: {each['instead']}.")
            elif name != "problems":
                typer.echo(f"{name:<12} {_flat(value)}")
        for problem in report["problems"]:
            typer.echo(f"Problem: {problem}", err=True)
    if report["problems"]:
        raise typer.Exit(2)


def examine() -> dict[str, Any]:
    """Examine the machine; never raises, and writes nothing.

    Returns:
        A value for JSON: one key an examination (None where it failed), and `problems`, a list of
        sentences. Memory and disk are in GiB.
    """
    problems: list[str] = []

    def tried(name: str, look: Callable[[], Any]) -> Any:
        try:
            return look()
        except SightdeskError as error:
            problems.append(str(error))
        except Exception as error:  # a broken installation raises anything; the report goes on
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            problems.append(f"The {name} cannot be examined ({reason}): run make setup again.")
        return None

    settings: Settings | None = tried("settings", get_settings)
    report: dict[str, Any] = {
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": _packages(problems),
        "device": tried("device", lambda: _device(settings)),
        "cpu": tried("processor", _cpu),
        "memory": tried("memory", _memory),
    }
    if settings is not None:
        report["slower"] = tried("slower paths", lambda: _slower(settings))
    if settings is not None:
        report["cache"] = tried(
            "cache folder", lambda: _folder(settings.cache_dir, "SIGHTDESK_CACHE_DIR", problems)
        )
        report["data"] = tried(
            "data folder", lambda: _folder(settings.data_dir, "SIGHTDESK_DATA_DIR", problems)
        )
        report["base"] = tried("base", lambda: _base(settings))
        report["adapter"] = tried("adapter", lambda: _adapter(settings))
        report["quantization"] = tried("quantization", lambda: _quantization(settings))
    return {**report, "problems": problems}


def _packages(problems: list[str]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name in KEY_PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
            problems.append(f"The package {name} is not installed: run make setup.")
    return found


def _device(settings: Settings | None) -> str:
    import torch

    wanted = settings.device if settings is not None else "auto"
    if wanted != "cpu" and torch.cuda.is_available():
        return f"cuda ({torch.cuda.get_device_name()})"
    if wanted == "cuda":
        raise InputError("No CUDA device is found: set SIGHTDESK_DEVICE to auto or cpu.")
    return "cpu"


def _cpu() -> dict[str, Any]:
    import torch

    return {
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "extensions": _extensions(torch.cpu.get_capabilities()),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }


def _extensions(capabilities: Mapping[str, Any]) -> list[str]:
    """Those instruction sets of the processor that matrix products gain from."""
    there = [name for name, value in capabilities.items() if value is True]
    if capabilities.get("architecture") == "x86_64":
        there = [name for name in EXTENSIONS if name in there]
    return sorted(there)


def _quantization(settings: Settings) -> dict[str, Any] | None:
    if is_elsewhere(settings.base):
        return None
    import torch

    from assistant.quantize import choose_quantization

    cuda = settings.device != "cpu" and torch.cuda.is_available()
    choice = choose_quantization(
        settings, device=torch.device("cuda" if cuda else "cpu"), remember=False
    )
    return {"choice": choice.kind, "reason": choice.reason, "seconds": choice.measured}


def _slower(settings: Settings) -> list[dict[str, str]]:
    from assistant.slower import slower_paths

    return [{"lacks": each.lacks, "instead": each.instead} for each in slower_paths(settings)]


def _memory() -> dict[str, float]:
    import psutil

    memory = psutil.virtual_memory()
    return {"total": _gib(memory.total), "free": _gib(memory.available)}


def _folder(path: Path, variable: str, problems: list[str]) -> dict[str, Any]:
    # What does not exist yet is as writable as the nearest folder above that does.
    nearest = path.absolute()
    while not nearest.exists():
        nearest = nearest.parent
    writable = nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
    if not writable:
        problems.append(f"{path} cannot be written: name another folder with {variable}.")
    free = _gib(shutil.disk_usage(nearest).free)
    return {"path": str(path), "writable": writable, "free": free}


def _base(settings: Settings) -> dict[str, Any]:
    if is_elsewhere(settings.base):
        from assistant.remote import examine_server

        return examine_server(settings)
    if settings.base == "embedded":
        from assistant.weights import embedded_directory

        folder = embedded_directory(settings)
        return {"name": "embedded", "fetched": folder.is_dir(), "path": str(folder)}
    if Path(settings.base).is_dir():
        return {"name": settings.base, "fetched": True, "path": settings.base}
    from huggingface_hub import try_to_load_from_cache

    try:
        config = try_to_load_from_cache(settings.base, "config.json")
    except ValueError as error:
        raise WeightsError(
            f"{settings.base} is neither embedded, nor a directory, nor a hub id: "
            "correct SIGHTDESK_BASE."
        ) from error
    path = str(Path(config).parent) if isinstance(config, str) else None
    return {"name": settings.base, "fetched": path is not None, "path": path}


def _adapter(settings: Settings) -> dict[str, Any] | None:
    chosen = settings.adapter or None  # an empty one is none, as for the engine
    if is_elsewhere(settings.base) or (chosen is None and settings.base != "embedded"):
        return None  # one of a server is examined with its base
    from assistant.adapter_files import find_adapter

    try:
        adapter = find_adapter(chosen, settings)
    except AdapterError as error:
        if chosen is None:
            raise
        raise AdapterError(f"SIGHTDESK_ADAPTER: {error}") from error
    scores = adapter.about.get("metrics") or {}
    return {"name": adapter.name, "path": str(adapter.path), "scores": scores}


def _gib(size: int) -> float:
    return round(size / 2**30, 1)


def _flat(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_flat(inner)}" for key, inner in value.items()) or "none"
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
