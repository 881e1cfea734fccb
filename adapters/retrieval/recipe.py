"""Every knob of a training of the space, and the TOML file that gives some of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from adapters.tune.settings import checked, read_toml


class SpaceRecipe(BaseModel):
    """The recipe of a space; all of it is saved with the space."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    seed: int = 0
    steps: int = Field(default=400, ge=1, le=1_000_000)
    batch: int = Field(default=192, ge=2, le=65_536)
    """Pictures a step; each is the negative of all others."""
    captions: int = Field(default=1, ge=1, le=64)
    """Of a picture that a step compares."""
    neighbours: int = Field(default=0, ge=0, le=64)
    """Hard negatives: pictures with like captions that come with each drawn one."""

    tower_stage: int = Field(default=5, ge=0, le=32)
    """First stage of the tower that trains; what lies below is computed once a view."""
    tower_block: int = Field(default=2, ge=0, le=64)
    """First block of that stage that trains."""
    views: int = Field(default=8, ge=1, le=64)
    """Versions of a picture: itself, and crops in another light; each also mirrored by chance."""
    size: int = Field(default=224, ge=16, le=1024)
    """Side in pixels of pictures in training."""
    use_size: int = Field(default=260, ge=16, le=1024)
    """The same in use; more than in training, since crops make things larger (Touvron et al.,
    "Fixing the train-test resolution discrepancy", NeurIPS 2019)."""
    queries: int = Field(default=4, ge=1, le=64)
    hidden: int = Field(default=384, ge=1, le=16_384)
    text_layers: int = Field(default=3, ge=1, le=64)
    """Upper layers of the text encoder that carry LoRA."""
    rank: int = Field(default=16, ge=1, le=256)
    max_tokens: int = Field(default=64, ge=4, le=512)

    head_rate: float = Field(default=1e-3, gt=0, le=1)
    text_rate: float = Field(default=3e-4, gt=0, le=1)
    tower_rate: float = Field(default=2e-4, ge=0, le=1)
    """0 leaves the tower as it is."""
    head_steps: int = Field(default=30, ge=0, le=1_000_000)
    """Steps of the heads alone, before the tower begins to move."""
    temperature: float = Field(default=0.05, gt=0, le=10)
    """What cosines are divided by at first; it is learnt."""
    soft: float = Field(default=0.15, ge=0, lt=1)
    """Share of a caption's target that goes to others that mean nearly the same."""
    soft_temperature: float = Field(default=0.1, gt=0, le=10)
    label_every: int = Field(default=6, ge=0, le=1_000_000)
    """Each so many steps one is of labelled pictures; 0 means none."""
    label_batch: int = Field(default=128, ge=2, le=65_536)
    smoothing: float = Field(default=0.05, ge=0, lt=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    text_dropout: float = Field(default=0.1, ge=0, lt=1)
    weight_decay: float = Field(default=0.05, ge=0, le=1)
    average: float = Field(default=0.98, ge=0, lt=1)
    """Decay of the running mean of the weights that is kept; 0 keeps the last ones."""
    warmup: int = Field(default=50, ge=0, le=100_000)
    clip: float = Field(default=5.0, gt=0, le=1000)
    validations: int = Field(default=6, ge=1, le=1000)
    held_out: float = Field(default=0.05, gt=0, lt=1)
    """Share of the pictures that validate, where no validation data are given."""
    save_every_s: float = Field(default=120.0, gt=0)


def space_recipe(
    config: Path | None = None, overrides: dict[str, Any] | None = None
) -> SpaceRecipe:
    """A recipe: the defaults, over them the file's values, over them ``overrides``.

    Raises:
        InputError: there is no such knob, a value is out of range, or the file cannot be read.
    """
    given = read_toml(config) if config is not None else {}
    return checked(SpaceRecipe, {**given, **(overrides or {})})
