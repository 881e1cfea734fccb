"""What a visitor set for all conversations, kept in the store; every value read is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from assistant.adapter_files import NAME
from ui.photos import read_enhancement

if TYPE_CHECKING:
    from assistant.engine import Sampling
    from assistant.enhance import Enhancement

KEY: Final = "page"
MAX_TOKENS: Final = (8, 512)
MAX_TEMPERATURE: Final = 1.5
MAX_SEED: Final = 2**31 - 1
AGAIN_TEMPERATURE: Final = 0.7
"""Least temperature of a regenerated answer: the likeliest words would be the same ones."""


@dataclass(frozen=True)
class Preferences:
    """Settings of the page."""

    language: str = "auto"
    temperature: float = 0.0
    max_tokens: int = 96
    seed: int | None = None
    enhancement: dict[str, Any] = field(default_factory=dict)
    """`Enhancement.to_dict` of what each new message begins with."""
    adapter: str = ""
    """Which adapter answers; empty is the one that the server was started with."""
    desk: bool | None = None
    """Whether the support desk answers; None is as the server was started."""

    @classmethod
    def read(cls, values: object) -> Preferences:
        """From what the store has; what cannot be used is as by default."""
        given = values if isinstance(values, Mapping) else {}
        default = cls()
        how = given.get("enhancement")
        return cls(
            language=str(given.get("language", default.language)),
            temperature=_number(given.get("temperature"), 0.0, MAX_TEMPERATURE, 0.0),
            max_tokens=int(_number(given.get("max_tokens"), *MAX_TOKENS, default.max_tokens)),
            seed=_seed(given.get("seed")),
            adapter=_adapter(given.get("adapter")),
            desk=chosen if isinstance(chosen := given.get("desk"), bool) else None,
            enhancement=read_enhancement(how).to_dict() if isinstance(how, dict) else {},
        )

    def to_dict(self) -> dict[str, Any]:
        """All fields, fit for JSON."""
        return asdict(self)

    def starting_enhancement(self) -> Enhancement:
        """What each new message begins with."""
        return read_enhancement(self.enhancement)

    def sampling(self, *, again: bool = False, seed: int | None = None) -> Sampling:
        """How an answer is drawn.

        Args:
            again: it is to differ from the last one.
            seed: instead of the chosen one.
        """
        from assistant.engine import Sampling

        temperature = self.temperature
        if again:
            temperature = max(temperature, AGAIN_TEMPERATURE)
        chosen = seed if seed is not None else self.seed
        sampling = Sampling(max_tokens=self.max_tokens, temperature=temperature, seed=chosen)
        return replace(sampling, top_p=0.9) if temperature > 0 else sampling


def _number(value: object, low: float, high: float, default: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return default
    return min(max(float(value), low), high)


def _adapter(value: object) -> str:
    """A name, never a path."""
    return value if isinstance(value, str) and NAME.fullmatch(value) else ""


def _seed(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return min(max(value, 0), MAX_SEED)
