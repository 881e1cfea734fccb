"""An adapter given away: as an archive, with its base for plain peft, or merged into one model."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from adapters.registry.places import appearing_file, appearing_folder, check_free, check_room
from assistant.adapter_files import (
    ABOUT_FILE,
    CONFIG_FILE,
    LABEL_HEAD_FILE,
    WEIGHTS_FILE,
    AdapterFiles,
    check_fits,
    find_adapter,
)
from assistant.errors import AdapterError, InputError, first_line
from assistant.fingerprint import identify_base
from assistant.settings import Settings, get_settings

if TYPE_CHECKING:
    from assistant.llava import Base
    from assistant.quantize import Kind, Quantized

Form = Literal["peft", "hf", "zip"]
Report = Callable[[str, float | None], None]
_ROOM = 64 * 2**20
_CODE_NOTE = (
    "Its vision tower is code in this folder, which transformers runs only when you say so:\n"
    "`trust_remote_code=True`. Read `sightdesk_vision.py` first; it is short."
)


def export(
    name: str,
    out: Path,
    form: Form = "peft",
    *,
    base: str | None = None,
    settings: Settings | None = None,
    progress: Report | None = None,
) -> dict[str, Any]:
    """Write an adapter to ``out``, which must not exist, in a form that others read.

    ``peft``: a folder with ``adapter`` and, unless a hub id names it, ``base``, for plain
    transformers and peft. ``hf``: one merged model for plain transformers. ``zip``: the adapter's
    files, for `import_adapter` elsewhere.

    Args:
        base: the base's directory or hub id, where it is not what the adapter names.

    Raises:
        InputError: ``out`` exists, or there is no such form.
        AdapterError: no such adapter, it is for another base, or the disk is full.
        WeightsError: the base is not here and cannot be fetched.
    """
    settings = settings or get_settings()
    if form not in get_args(Form):
        raise InputError(f"There is no form {form!r}; give one of: {', '.join(get_args(Form))}.")
    files = find_adapter(name, settings)
    check_free(out)
    report = progress or (lambda _message, _fraction: None)
    if form == "zip":
        return _zipped(files, out)
    if form == "hf":
        return merge(name, out, base=base, settings=settings, progress=progress)
    return _with_base(files, out, base, settings, report)


def merge(
    name: str,
    out: Path,
    quantize: Kind = "none",
    *,
    base: str | None = None,
    settings: Settings | None = None,
    progress: Report | None = None,
) -> dict[str, Any]:
    """Merge an adapter into its base in float32, then round or quantize, and write a model.

    The folder is in the standard Hugging Face format and can be given as ``--base``. Before it
    appears it is loaded again and its outputs are compared with those of the base and the adapter
    side by side in float32.

    Args:
        quantize: ``none`` is bfloat16; ``nf4`` and ``int8`` are bitsandbytes' formats.

    Returns:
        Where it is, and the distances of its outputs: of the merging alone, in float32, and of
        what was written.

    Raises:
        InputError: ``out`` exists, or there is no such quantization.
        AdapterError: no such adapter, it is for another base, the disk is full, or the outputs are
            further away than `adapters.registry.distance.LIMITS` says.
        WeightsError: the base is not here and cannot be fetched.
    """
    settings = settings or get_settings()
    files = find_adapter(name, settings)
    check_free(out)
    report = progress or (lambda _message, _fraction: None)

    import torch

    from adapters.registry.distance import LIMITS, MERGING_LIMIT, distance, logits, probes
    from adapters.registry.portable import save_portable
    from assistant.llava import load_base, merge_wrapped, settle, wrap_adapter

    if quantize not in LIMITS:
        raise InputError(
            f"There is no quantization {quantize!r}; give one of: {', '.join(LIMITS)}."
        )
    ground = _ground(files, base, settings, torch.float32, report)
    check_room(out, 2 * sum(p.numel() for p in ground.model.parameters()) + _ROOM)
    report("Merging", None)
    adapted = wrap_adapter(ground.model, files.path).eval()
    asked = probes(adapted.get_base_model(), ground.processor)
    reference = logits(adapted.get_base_model(), asked)
    merged = merge_wrapped(adapted).eval()
    merging = distance(reference, logits(merged, asked))
    if not merging.relative <= MERGING_LIMIT:
        raise AdapterError(
            f"The adapter {files.name!r} does not merge cleanly (logits differ by "
            f"{merging.relative:.2g} of their deviation); export it with --form peft instead."
        )
    settle(merged, merged.device)
    with appearing_folder(out) as folder:
        report("Writing", None)
        save_portable(merged, ground.processor, folder)
        if quantize in ("nf4", "int8"):
            report("Quantizing", None)
            _quantize(folder, quantize, merged, ground.processor)
        _write_notes(folder, files, ground.name, quantize)
        report("Comparing the outputs", None)
        again = load_base(folder, out.name, torch.device("cpu"), "auto")
        found = distance(reference, logits(again.model, asked))
        if not found.relative <= LIMITS[quantize]:
            raise AdapterError(
                f"The merged model answers otherwise than {files.name!r} (logits differ by "
                f"{found.relative:.2f} of their deviation, at most {LIMITS[quantize]} are allowed "
                f"for {quantize}); merge it without --quantize."
            )
        about = json.loads((folder / ABOUT_FILE).read_text(encoding="utf-8"))
        about["merged"] |= {"merging": merging.as_json(), "distance": found.as_json()}
        _write_json(folder / ABOUT_FILE, about)
    return {
        "adapter": files.name,
        "base": ground.name,
        "path": str(out),
        "quantize": quantize,
        "merging": merging.as_json(),
        "distance": found.as_json(),
        "limit": LIMITS[quantize],
        "bytes": sum(path.stat().st_size for path in out.iterdir()),
    }


def _ground(
    files: AdapterFiles, base: str | None, settings: Settings, dtype: Any, report: Report
) -> Base:
    """What an adapter goes on: its base, with what ships merged where it is stacked on that."""
    import torch

    from assistant.llava import Base, load_base, locate_base, merge_adapter

    name = base or str((files.on or {}).get("base") or settings.base)
    directory = locate_base(name, settings, report)
    shipped = find_adapter(None, settings) if name == "embedded" else None
    identity = identify_base(directory, shipped)
    check_fits(
        files,
        identity.fingerprint,
        name,
        preprocessing=identity.preprocessing,
        projector=identity.projector,
    )
    report("Loading the model", None)
    loaded = load_base(directory, name, torch.device("cpu"), dtype)
    if getattr(loaded.model, "quantization_method", None) is not None:
        raise AdapterError(
            f"The base {name!r} is quantized already, and nothing is merged into that; give the "
            "full one with --base."
        )
    if shipped is not None and files.stacked:
        merged = merge_adapter(loaded.model, shipped.path).eval()
        loaded = Base(name, merged, loaded.processor)
    return loaded


def _with_base(
    files: AdapterFiles, out: Path, base: str | None, settings: Settings, report: Report
) -> dict[str, Any]:
    """``out/adapter``, and ``out/base`` with exactly the weights that the adapter goes on."""
    from adapters.registry.portable import needs_code, save_portable
    from assistant.llava import settle

    ground = _ground(files, base, settings, "auto", report)
    by_hub_id = ground.name != "embedded" and not Path(ground.name).is_dir()
    size = sum(path.stat().st_size for path in files.path.iterdir() if path.is_file())
    whole = 0 if by_hub_id else sum(p.numel() * p.element_size() for p in ground.model.parameters())
    check_room(out, size + whole + _ROOM)
    with appearing_folder(out) as folder:
        report("Writing", None)
        _copy(files, folder / "adapter", ground.name if by_hub_id else "../base")
        if not by_hub_id:
            if files.stacked and ground.name == "embedded":
                settle(ground.model, ground.model.device)
            (folder / "base").mkdir()
            save_portable(ground.model, ground.processor, folder / "base")
        where = f'"{ground.name}"' if by_hub_id else '"base"'
        trusted = not by_hub_id and needs_code(ground.model)
        (folder / "README.md").write_text(_how_to(files, where, trusted), encoding="utf-8")
    return {"adapter": files.name, "base": ground.name, "path": str(out), "form": "peft"}


def _copy(files: AdapterFiles, folder: Path, base: str) -> None:
    folder.mkdir()
    for path in files.path.iterdir():
        kept = path.name in (WEIGHTS_FILE, LABEL_HEAD_FILE, ABOUT_FILE, "README.md")
        if path.is_file() and (kept or path.suffix == ".png"):
            shutil.copyfile(path, folder / path.name)
    config = json.loads((files.path / CONFIG_FILE).read_text(encoding="utf-8"))
    _write_json(folder / CONFIG_FILE, {**config, "base_model_name_or_path": base})


def _zipped(files: AdapterFiles, out: Path) -> dict[str, Any]:
    from adapters.registry.keeping import files_to_take

    taken = files_to_take(files.path)
    check_room(out, sum(path.stat().st_size for path in taken))
    with (
        appearing_file(out) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for path in taken:
            archive.write(path, f"{files.name}/{path.name}")
    return {"adapter": files.name, "path": str(out), "form": "zip", "bytes": out.stat().st_size}


def _quantize(folder: Path, kind: Quantized, full: Any, processor: Any) -> None:
    """Load a folder's model in four or eight bits and write it back in that form.

    Args:
        full: the same model in memory; what its language model has of other layers stays full.
    """
    import torch
    from transformers import AutoModelForImageTextToText, BitsAndBytesConfig

    from adapters.registry.portable import save_portable
    from assistant.families import family_of
    from assistant.quantize import fits

    skipped = [*(f"model.{part}" for part in family_of(full).sight), "lm_head"]
    linears = {
        name: fits(module, kind)
        for name, module in full.named_modules()
        if isinstance(module, torch.nn.Linear) and not name.startswith(tuple(skipped))
    }
    if not any(linears.values()):
        raise InputError(
            f"This model has no linear layers that {kind} can hold; merge it with --quantize none."
        )
    skipped += [name for name, fitting in linears.items() if not fitting]
    options: dict[str, Any] = {"llm_int8_skip_modules": skipped}
    if kind == "nf4":
        options |= {
            "load_in_4bit": True,
            "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_compute_dtype": torch.bfloat16,
        }
    else:
        options |= {"load_in_8bit": True, "llm_int8_threshold": 0.0}
    try:
        model: Any = AutoModelForImageTextToText.from_pretrained(
            folder, dtype=torch.bfloat16, quantization_config=BitsAndBytesConfig(**options)
        )
    except (ImportError, RuntimeError, ValueError) as error:
        reason = first_line(error)[:200]
        raise InputError(
            f"The model cannot be quantized here ({reason}); merge it with --quantize none."
        ) from error
    for path in folder.iterdir():
        path.unlink()
    save_portable(model, processor, folder)


def _write_notes(folder: Path, files: AdapterFiles, base: str, quantize: Kind) -> None:
    """The adapter's own account, its label head, and how the model is loaded."""
    from adapters.card import escaped

    about = {key: value for key, value in files.about.items() if key != "on"}
    about["merged"] = {"adapter": files.name, "on": files.on or {"base": base}, "kept": quantize}
    _write_json(folder / ABOUT_FILE, about)
    if files.label_head is not None:
        shutil.copyfile(files.label_head, folder / LABEL_HEAD_FILE)
    trusted = (folder / "modeling_sightdesk.py").is_file()
    argument = ", trust_remote_code=True" if trusted else ""
    text = f"""# {escaped(files.name)}, merged

The adapter {escaped(files.name)} merged into its base {escaped(base)}, kept as {quantize}.

```python
from transformers import AutoModelForImageTextToText, AutoProcessor

model = AutoModelForImageTextToText.from_pretrained("."{argument})
processor = AutoProcessor.from_pretrained(".")
```

{_CODE_NOTE if trusted else ""}

Sightdesk takes this folder as a base: `sightdesk ask photo.jpg "What is this?" --base FOLDER`.
"""
    (folder / "README.md").write_text(text, encoding="utf-8")


def _how_to(files: AdapterFiles, where: str, trusted: bool) -> str:
    from adapters.card import escaped

    argument = ", trust_remote_code=True" if trusted else ""
    return f"""# {escaped(files.name)} for plain transformers and peft

```python
from peft import PeftModel
from transformers import AutoModelForImageTextToText, AutoProcessor

base = AutoModelForImageTextToText.from_pretrained({where}{argument})
processor = AutoProcessor.from_pretrained({where})
model = PeftModel.from_pretrained(base, "adapter")
```

{_CODE_NOTE if trusted else ""}

What the adapter is, what it was trained on and what it is bad at is in `adapter/README.md`.
"""


def _write_json(file: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    file.write_text(text + "\n", encoding="utf-8")
