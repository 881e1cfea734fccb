"""A space on disk: what it says of itself, checked before anything large is read.

A directory holds ``space.json`` (form, widths, what it rests on, calibration, data, recipe,
scores), ``model.safetensors`` (image head, text projection, and the changes of the two encoders)
and ``README.md`` (its card). No torch is needed to read what is here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open

from assistant.errors import AdapterError
from assistant.space.values import Calibration

ABOUT_FILE = "space.json"
WEIGHTS_FILE = "model.safetensors"
_LARGEST_ABOUT = 2**20
_LARGEST_WEIGHTS = 256 * 2**20
_DTYPES = frozenset({"F32", "F16", "BF16", "I8", "U8"})
_PARTS = ("tower.", "head.", "text.", "projection.")

Fingerprint = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e4, le=1e4)]
Curve = tuple[Number, Number]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class TowerPart(_Part):
    """The vision tower that the changes belong to, and the side in pixels of its square input."""

    fingerprint: Fingerprint
    image_size: Annotated[int, Field(ge=8, le=1024)]


class HeadPart(_Part):
    """Widths of the image head: channels of the grid, pooling queries, hidden units."""

    channels: Annotated[int, Field(ge=1, le=8192)]
    queries: Annotated[int, Field(ge=1, le=64)]
    hidden: Annotated[int, Field(ge=1, le=16384)]


class TextPart(_Part):
    """The text encoder that the changes belong to, tokens that it reads, and what LoRA counts."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    fingerprint: Fingerprint
    max_tokens: Annotated[int, Field(ge=2, le=8192)]
    width: Annotated[int, Field(ge=1, le=16384)]
    lora_scale: Annotated[float, Field(gt=0, le=1e3)] = 1.0


class CalibrationPart(_Part):
    """See `Calibration`."""

    words: Curve
    pictures: Curve
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5


class SpaceAbout(_Part):
    """``space.json``; what is only for people is not looked into."""

    format: Literal[1]
    dimensions: Annotated[int, Field(ge=1, le=8192)]
    tower: TowerPart
    head: HeadPart
    text: TextPart
    calibration: CalibrationPart
    data: dict[str, Any] = {}
    recipe: dict[str, Any] = {}
    scores: dict[str, Any] = {}
    versions: dict[str, Any] = {}
    made: str = ""


@dataclass(frozen=True)
class SpaceFiles:
    """A checked directory.

    Attributes:
        path: where it lies.
        about: what it says of itself.
        digest: 64 hexadecimal digits over all that its vectors depend on.
    """

    path: Path
    about: SpaceAbout
    digest: str

    @property
    def name(self) -> str:
        """What the vectors are known by."""
        return f"sightdesk-space@{self.digest[:12]}"

    @property
    def calibration(self) -> Calibration:
        """What the cosines mean."""
        part = self.about.calibration
        return Calibration(part.words, part.pictures, part.threshold)


def shipped_space() -> Path:
    """The directory of the space that ships."""
    return Path(__file__).resolve().parents[2] / "adapters" / "space"


def read_space(path: Path) -> SpaceFiles:
    """Check a directory and read what it says of itself; takes milliseconds.

    Raises:
        AdapterError: it is not there, incomplete, damaged or of another form.
    """
    weights = path / WEIGHTS_FILE
    try:
        about = _about(path / ABOUT_FILE)
        if not 0 < weights.stat().st_size <= _LARGEST_WEIGHTS:
            raise ValueError(f"{WEIGHTS_FILE} has {weights.stat().st_size:,} bytes")
        _check_header(weights)
        with weights.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
    except (OSError, ValueError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or " ".join(f"{error}".split())[:200]
        raise AdapterError(
            f"The space of pictures and words in {path} cannot be used ({reason.rstrip('.')}); "
            "restore it from where it came, or train it again."
        ) from error
    # Of the same weights other changes of the text, say, would give other vectors.
    digest.update(about.model_dump_json(include={"dimensions", "tower", "head", "text"}).encode())
    return SpaceFiles(path, about, digest.hexdigest())


def _about(file: Path) -> SpaceAbout:
    with file.open("rb") as stream:
        content = stream.read(_LARGEST_ABOUT + 1)
    if len(content) > _LARGEST_ABOUT:
        raise ValueError(f"{ABOUT_FILE} has more than {_LARGEST_ABOUT:,} bytes")
    try:
        return SpaceAbout.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{ABOUT_FILE}: {place or 'the file'}: {first['msg']}") from error


def _check_header(weights: Path) -> None:
    with safe_open(weights, "np") as file:
        for name in file.keys():  # noqa: SIM118 (no mapping)
            if not name.startswith(_PARTS):
                raise ValueError(f"{WEIGHTS_FILE} holds {name[:80]!r}, which belongs nowhere")
            if file.get_slice(name).get_dtype() not in _DTYPES:
                raise ValueError(f"{name[:80]!r} is of a type that weights are not kept in")
