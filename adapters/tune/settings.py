"""Every knob of a fine-tuning, its presets, and the TOML file that is saved with the result."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assistant.errors import InputError

Part = Literal["frozen", "lora", "full"]
Preset = Literal["quick", "balanced", "best"]
RecipeT = TypeVar("RecipeT", bound=BaseModel)
PRESETS: tuple[Preset, ...] = ("quick", "balanced", "best")


class Tuning(BaseModel):
    """The recipe of an adapter; all of it is saved with the adapter as ``recipe.toml``."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    preset: Preset = "balanced"
    seed: int = 0

    encoder: Part = "full"
    """Vision tower: nothing, LoRA on its pointwise convolutions, or all its weights."""
    projector: Part = "full"
    language: Part = "lora"
    quantize: Literal["none", "nf4"] = "none"
    """How the language model is kept while it trains; ``nf4`` is QLoRA."""

    encoder_from: int = Field(default=2, ge=0, le=32)
    """First stage of the tower that trains; earlier ones see edges and colours of anything."""
    encoder_epochs: float = Field(default=14.0, ge=0, le=1000)
    """Visits to each labelled picture in stage one; 0 leaves the encoder to stage two."""
    encoder_batch: int = Field(default=16, ge=2, le=1024)
    encoder_rate: float = Field(default=2e-4, gt=0, le=1)
    head_rate: float = Field(default=1e-3, gt=0, le=1)
    encoder_rank: int = Field(default=16, ge=1, le=256)
    smoothing: float = Field(default=0.1, ge=0, lt=1)
    """Label smoothing (Szegedy et al., CVPR 2016)."""
    cutmix: float = Field(default=0.0, ge=0, le=1)
    """Share of batches with patches of other pictures (Yun et al., CutMix, ICCV 2019)."""
    average: float = Field(default=0.99, ge=0, lt=1)
    """Decay of the running mean of the encoder's weights that is kept; 0 keeps the last ones."""
    remember: float = Field(default=1.0, ge=0, le=100)
    """What it counts in stage one that pictures of the replay keep their features."""
    remember_share: float = Field(default=0.2, ge=0, le=1)
    """Replay pictures in stage one, as a share of the batch."""

    language_epochs: float = Field(default=2.0, ge=0, le=1000)
    """Visits to each picture in stage two."""
    tokens: int = Field(default=1440, ge=64, le=1_000_000)
    """Size of a step of stage two."""
    joint: bool = False
    """Train the encoder in stage two as well; always so where there are no labels."""
    rank: int = Field(default=8, ge=1, le=256)
    alpha: int = Field(default=16, ge=1, le=1024)
    language_rate: float = Field(default=2e-4, gt=0, le=1)
    projector_rate: float = Field(default=5e-4, gt=0, le=1)
    replay: float = Field(default=0.3, ge=0, lt=1)
    """Share of stage two's tokens that go to the replay, so that old skills stay."""
    variants: int = Field(default=4, ge=1, le=16)
    """Versions of each picture in stage two: itself, its mirror image, crops."""

    accumulate: int = Field(default=1, ge=1, le=1024)
    checkpointing: bool = False
    """Compute activations twice to keep fewer of them."""
    warmup: int = Field(default=30, ge=0, le=100_000)
    weight_decay: float = Field(default=0.02, ge=0, le=1)
    clip: float = Field(default=1.0, gt=0, le=1000)
    validations: int = Field(default=6, ge=1, le=1000)
    """How often each stage is validated."""
    patience: int = Field(default=3, ge=1, le=1000)
    """Validations without a better score before a stage ends early."""
    held_out: float = Field(default=0.1, gt=0, lt=1)
    """Share of the pictures that validate, where no validation data are given."""
    save_every_s: float = Field(default=60.0, gt=0)

    def toml(self) -> str:
        """As a TOML file that `load_tuning` reads back to the same value."""
        lines = []
        for name, value in self.model_dump().items():
            text = f'"{value}"' if isinstance(value, str) else str(value).lower()
            lines.append(f"{name} = {text}\n")
        return "".join(lines)


_PRESETS: dict[Preset, dict[str, Any]] = {
    # What fits in a coffee break on two cores: the upper stages only, one look at the language.
    "quick": {
        "encoder_from": 4,
        "encoder_epochs": 5.0,
        "encoder_rate": 3e-4,
        "language_epochs": 1.0,
        "variants": 2,
        "validations": 3,
    },
    "balanced": {},
    "best": {
        "encoder_epochs": 18.0,
        "encoder_rate": 2.5e-4,
        "cutmix": 0.3,
        "language_epochs": 3.0,
        "rank": 5,
        "alpha": 10,
        "held_out": 0.06,
        "validations": 8,
        "patience": 8,
    },
}


def tuning(
    preset: Preset | None = None,
    config: Path | None = None,
    overrides: dict[str, Any] | None = None,
) -> Tuning:
    """A recipe: the preset's values, over them the file's, over them ``overrides``.

    Raises:
        InputError: no such preset or knob, a value out of range, or a file that cannot be read.
    """
    given = read_toml(config) if config is not None else {}
    chosen = preset or given.get("preset") or "balanced"
    if chosen not in PRESETS:
        raise InputError(f"The preset is {chosen!r}; give one of: {', '.join(PRESETS)}.")
    values = {**_PRESETS[chosen], **given, **(overrides or {}), "preset": chosen}
    return checked(Tuning, values)


def checked(kind: type[RecipeT], values: dict[str, Any]) -> RecipeT:
    """A recipe with those values.

    Raises:
        InputError: there is no such knob, or a value is out of range.
    """
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            knobs = ", ".join(sorted(kind.model_fields))
            raise InputError(f"There is no knob {name!r}; the knobs are: {knobs}.") from error
        raise InputError(f"{name} cannot be used ({first['msg']}); correct it.") from error


def read_toml(config: Path) -> dict[str, Any]:
    """The knobs that a file gives.

    Raises:
        InputError: it cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(config.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{config} cannot be read ({error.strerror}); give a TOML file of knobs."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{config} is not TOML ({error}); correct it.") from error


def parse_set(pairs: list[str]) -> dict[str, Any]:
    """``["rank=16", "encoder=lora"]`` as overrides; values are read as TOML, else as text.

    Raises:
        InputError: a pair has no "=".
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip():
            raise InputError(f"--set {pair!r} is no KNOB=VALUE; write it as --set rank=16.")
        try:
            found[name.strip()] = tomllib.loads(f"value = {text.strip()}")["value"]
        except tomllib.TOMLDecodeError:
            found[name.strip()] = text.strip()
    return found
