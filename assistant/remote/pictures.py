"""Pictures as they are sent: their own pixels where they are few, else smaller, as a JPEG.

A server that gets the very pixels finds the very answer, so small pictures go as PNG. Vision models
look at a thousand pixels or two a side at most; a larger photo is scaled down to that, which spares
the network twenty times its size.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from io import BytesIO
from typing import Final

import torch

from assistant.engine.values import EncodedImage
from assistant.images import LoadedImage, fit_within

LARGEST_PNG: Final = 2 * 2**20
"""Bytes up to which a picture goes as it is."""

MOST_PIXELS: Final = 1_500_000
"""Of a picture that is tried as PNG: a photo of more is larger than that in any case."""

LONGEST_SIDE: Final = 2_048
_QUALITY: Final = 90
_NOTHING: Final = torch.empty(0)


@dataclass(frozen=True)
class HeldImage(EncodedImage):
    """A picture for a server elsewhere, which makes its own features of it.

    Attributes:
        data: the file that is sent, PNG or JPEG.
        kind: its media type.
    """

    features: torch.Tensor = field(default=_NOTHING, repr=False, compare=False)
    data: bytes = field(default=b"", repr=False, compare=False)
    kind: str = field(default="image/png", compare=False)

    @property
    def nbytes(self) -> int:
        """Bytes of the file."""
        return len(self.data)

    @property
    def uri(self) -> str:
        """The file as a data URI."""
        return f"data:{self.kind};base64,{base64.b64encode(self.data).decode('ascii')}"


def hold(picture: LoadedImage) -> HeldImage:
    """A picture as it is sent."""
    if picture.width * picture.height <= MOST_PIXELS:
        data = BytesIO()
        picture.pixels.save(data, "PNG", compress_level=4)
        if data.tell() <= LARGEST_PNG:
            return HeldImage(picture.id, data=data.getvalue(), kind="image/png")
    data = BytesIO()
    fit_within(picture.pixels, LONGEST_SIDE).save(data, "JPEG", quality=_QUALITY)
    return HeldImage(picture.id, data=data.getvalue(), kind="image/jpeg")
