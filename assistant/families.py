"""The families of models that are loaded: what their parts are called, and how each is made ready.

A family is a class of transformers for models that answer about pictures; a model of it may have
any size. They differ in the names of their parts, in how a picture becomes tokens (how many, and
what stands around them) and in where these tokens stand for the rotary positions. Names and
preparation are told here; `assistant.engine.eyes` has the tokens, `assistant.engine.places` the
positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from assistant.errors import WeightsError


@dataclass(frozen=True)
class Family:
    """A family, and the parts of its models by their names in ``model.model``.

    Attributes:
        name: as people call it.
        tower: what sees.
        projector: what brings its features to the language model; inside the tower for some.
        language: the language model without its output layer.
        sight: the parts that see, as adapters may change them.
        videos: its processor takes videos as well, which pictures do without
            (`assistant.processors`).
        multimodal_places: its rotary positions tell a picture's rows and columns apart.
    """

    name: str
    tower: str = "vision_tower"
    projector: str = "multi_modal_projector"
    language: str = "language_model"
    videos: bool = False
    multimodal_places: bool = False

    @property
    def sight(self) -> tuple[str, ...]:
        """The parts that see; the projector is one of them where it is no part of the tower."""
        inside = self.projector.startswith(f"{self.tower}.")
        return (self.tower,) if inside else (self.tower, self.projector)


def _idefics(name: str, *, videos: bool) -> Family:
    return Family(name, "vision_model", "connector", "text_model", videos)


def _qwen(name: str) -> Family:
    return Family(name, "visual", "visual.merger", videos=True, multimodal_places=True)


FAMILIES: Final[dict[str, Family]] = {
    "llava": Family("LLaVA-1.5"),
    "llava_next": Family("LLaVA-NeXT"),
    "llava_onevision": Family("LLaVA-OneVision", videos=True),
    "smolvlm": _idefics("SmolVLM", videos=True),
    "idefics3": _idefics("Idefics3", videos=False),
    "qwen2_vl": _qwen("Qwen2-VL"),
    "qwen2_5_vl": _qwen("Qwen2.5-VL"),
    "qwen3_vl": _qwen("Qwen3-VL"),
}
"""By the ``model_type`` of their configuration."""


def family_of(model: Any) -> Family:
    """The family of a model, or of its configuration.

    Raises:
        WeightsError: it is of none that is known here.
    """
    kind = str(getattr(getattr(model, "config", model), "model_type", "unknown"))
    if kind not in FAMILIES:
        raise WeightsError(f"The family {kind!r} is not supported; {choices()}.")
    return FAMILIES[kind]


def choices() -> str:
    """The families as part of a sentence."""
    return f"give a model of one of these: {', '.join(f.name for f in FAMILIES.values())}"


def make_ready(model: Any) -> None:
    """Let the engine find a model's parts, whatever its family calls them.

    The language model can be reached as ``model.model.language_model`` as well. That is a second
    name, no second part: weights and adapters keep the family's own names.
    """
    family = family_of(model)
    inner = model.model
    if family.language != "language_model":
        # Past nn.Module, which would register the part a second time.
        object.__setattr__(inner, "language_model", getattr(inner, family.language))
    if model.config.model_type == "qwen3_vl":
        inner.language_model.register_forward_pre_hook(_spread, with_kwargs=True)


def _spread(
    language: Any, given: tuple[Any, ...], named: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """Give Qwen3-VL what pictures add behind its first layers (DeepStack, arXiv 2406.04334).

    The engine keeps it beside each token's embedding, ``[B, T, hidden * (1 + layers)]``, zero where
    there is no picture: adding it everywhere is adding it to the pictures.
    """
    embeds, hidden = named.get("inputs_embeds"), language.config.hidden_size
    if embeds is None or embeds.shape[-1] == hidden:
        return None
    first, *deeper = embeds.split(hidden, -1)
    everywhere = embeds.new_ones(embeds.shape[:2]).bool()
    return given, named | {
        "inputs_embeds": first.contiguous(),
        "visual_pos_masks": everywhere,
        "deepstack_visual_embeds": [each.flatten(0, 1) for each in deeper],
    }
