"""What an answer can rest on: a passage of the knowledge base, or a picture."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Source:
    """One thing that an answer can cite.

    Attributes:
        kind: whether it is a passage or a picture.
        id: the passage's id, or the image id.
        title: what people call it, such as a product's name or a file's.
        text: what it says; for a picture, what a tool saw in it.
        origin: the document that a passage is from, such as ``returns.md``; for a picture the tool.
        label: the product that it is about, if any.
        image_id: a picture that shows it, if any.
    """

    kind: Literal["passage", "image"]
    id: str
    title: str
    text: str
    origin: str = ""
    label: str = ""
    image_id: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON, for a tool's artifact and for what is stored."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Source:
        """What `to_dict` gave; keys that are not known are passed over."""
        known = {name: value[name] for name in cls.__dataclass_fields__ if name in value}
        return cls(**known)
