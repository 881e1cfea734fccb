"""How pictures become tokens in families whose number of tokens depends on the picture.

LLaVA-NeXT and LLaVA-OneVision cut a picture into tiles and end its rows with a token of their own;
SmolVLM and Idefics3 cut it too, and say before each tile in words where it lay; the Qwen-VL
families take it in its own proportions. How many tokens that makes is never assumed: the family's
own picture processor and model say it for every picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from assistant.engine.values import EncodedImage
from assistant.errors import ImageError
from assistant.images import LoadedImage

# What picture processors give and models take; the rest tells how the text is written.
_TAKEN = ("pixel_values", "pixel_attention_mask", "image_sizes", "image_grid_thw")


@torch.inference_mode()
def encode_family(
    model: Any, processor: Any, images: Sequence[LoadedImage], eyes: str
) -> list[EncodedImage]:
    """Encode pictures one by one, as each has another number of tiles; the caller holds the model.

    Args:
        model: of a family in `assistant.families` other than LLaVA-1.5, by whose parts pictures are
            to be encoded.
        eyes: revision of the adapter whose parts these are.

    Raises:
        ImageError: the family cannot take a picture of such a form.
    """
    return [_encoded(model, processor, image, eyes) for image in images]


def _encoded(model: Any, processor: Any, image: LoadedImage, eyes: str) -> EncodedImage:
    kind = model.config.model_type
    nested = kind in ("smolvlm", "idefics3")  # texts of pictures
    given: Any = [[image.pixels]] if nested else [image.pixels]
    told = {"return_row_col_info": True} if nested else {}
    try:
        prepared = processor.image_processor(given, return_tensors="pt", **told)
    except ValueError as error:
        raise ImageError(
            f"The picture is {image.pixels.width} by {image.pixels.height} pixels, which this base "
            f"cannot take ({str(error).strip().rstrip('.')}); cut it to a more usual form."
        ) from error
    output = _features(model, prepared)
    (features,) = output.pooler_output
    deeper = getattr(output, "deepstack_features", None) or ()
    if deeper:  # see `assistant.families.make_ready`
        features = torch.cat([features, *(layer[0] for layer in deeper)], -1)
    layout = processor.replace_image_token(_as_lists(prepared), 0) if nested else ""
    grid = _grid(model, prepared) if "image_grid_thw" in prepared else None
    among = _among(model, processor, image) if kind == "llava_onevision" else None
    return EncodedImage(image.id, features, None, eyes, layout=layout, grid=grid, among=among)


def _features(model: Any, prepared: Mapping[str, Any], **more: Any) -> Any:
    taken = {name: prepared[name].to(model.device) for name in _TAKEN if name in prepared}
    taken["pixel_values"] = taken["pixel_values"].to(model.dtype)
    return model.get_image_features(**taken, **more)


def _as_lists(prepared: Mapping[str, Any]) -> dict[str, Any]:
    """Rows and columns of tiles as processors write them into a text."""
    return {
        name: value.tolist() if isinstance(value, torch.Tensor) else value
        for name, value in prepared.items()
        if name in ("rows", "cols")
    }


def _grid(model: Any, prepared: Mapping[str, Any]) -> tuple[int, int]:
    """Rows and columns of a picture's tokens; some of the tower's squares become one token."""
    merged = model.config.vision_config.spatial_merge_size
    _, rows, columns = prepared["image_grid_thw"][0].tolist()
    return rows // merged, columns // merged


def _among(model: Any, processor: Any, image: LoadedImage) -> torch.Tensor:
    """The features of a picture of LLaVA-OneVision in a text with several.

    They are those of the whole picture without its tiles (Li et al., "LLaVA-OneVision", arXiv
    2408.03326, section 3.2), padded to a square.
    """
    several = processor.image_processor([[image.pixels, image.pixels]], return_tensors="pt")
    one = {name: several[name][:1] for name in ("pixel_values", "image_sizes")}
    (features,) = _features(model, one, batch_num_images=[2]).pooler_output
    found: torch.Tensor = features
    return found
