"""From pixels to lines: detection, turning, recognition, each by RapidOCR's models.

A picture is looked at no larger than needed to find lines, a long receipt part by part, and lines
are then cut from its own pixels. One instance serves all threads, one at a time.
"""

from __future__ import annotations

import os
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from assistant.errors import ImageError, WeightsError
from assistant.ocr.order import rows
from assistant.ocr.values import Box, Line, Reading

if TYPE_CHECKING:
    from assistant.images import LoadedImage

Pixels = NDArray[np.uint8]
Boxes = NDArray[np.float64]

LONGEST_SIDE: Final = 2_000
"""Pixels of the longest side when lines are looked for."""
SECOND_LOOK: Final = 1_000
"""The same where nothing was found: a single thin line on a large page is seen from further off."""
MOST_LINES: Final = 2_000
LEAST_CONFIDENCE: Final = 0.5

_LONG: Final = 2.5  # height over width from which a picture is looked at in parts
_SMALLEST_SIDE: Final = 8
_OVERLAP: Final = 0.15
_SURE: Final = 0.9  # that a line stands on its head
_LONG_LINE: Final = 4.0  # widths over height from which one can tell

_MODELS: Final = {
    "Det": "PP-OCRv6_det_small.onnx",
    "Cls": "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
    "Rec": "PP-OCRv6_rec_small.onnx",
}
_lock = threading.Lock()


def read(image: LoadedImage) -> Reading:
    """The text in a picture; none where there is none.

    Raises:
        ImageError: it cannot be read.
        WeightsError: the models are not there.
    """
    if min(image.width, image.height) < _SMALLEST_SIDE:
        return Reading()
    # RapidOCR takes BGR, as OpenCV does.
    pixels = np.ascontiguousarray(np.asarray(image.pixels)[:, :, ::-1])
    with _lock:
        reader = _reader()
        try:
            lines = _read(reader, pixels)
        except _trouble() as error:
            raise ImageError(
                "The text in this picture cannot be read; send a smaller or sharper one."
            ) from error
    return in_order(lines)


def in_order(lines: list[Line]) -> Reading:
    """The lines in reading order, with the numbers of their rows; at most `MOST_LINES`."""
    lines = lines[:MOST_LINES]
    boxes = np.array([line.box for line in lines], np.float64).reshape(-1, 4, 2)
    return Reading(
        tuple(
            Line(lines[number].text, lines[number].box, lines[number].confidence, row)
            for row, numbers in enumerate(rows(boxes))
            for number in numbers
        )
    )


def _read(reader: Any, pixels: Pixels) -> list[Line]:
    quarter = 0
    boxes = _find(reader, pixels)
    if len(boxes) and _stand_up(boxes):
        # A page on its side: read it turned, and turn the boxes back.
        quarter = 1
        pixels = np.ascontiguousarray(np.rot90(pixels))
        boxes = _find(reader, pixels)
    if not len(boxes):
        return []
    crops = [_cut(pixels, box) for box in boxes]
    _, turns = reader.cls_and_rotate(crops)
    flipped = _flipped(turns.cls_res, crops)
    crops = [
        np.ascontiguousarray(np.rot90(crop, 2)) if flip else crop
        for crop, flip in zip(crops, flipped, strict=True)
    ]
    found = reader.recognize_txt(crops)
    if quarter:
        # Turned counter-clockwise: what is at (x, y) now was at (height - y, x).
        boxes = np.stack([pixels.shape[0] - boxes[..., 1], boxes[..., 0]], axis=-1)
    # Corners begin where the text does, also for one that stands on its head.
    boxes[flipped] = np.roll(boxes[flipped], 2, axis=1)
    return [
        Line(text.strip(), _box(box), float(score))
        for text, score, box in zip(found.txts, found.scores, boxes, strict=True)
        if text.strip() and score >= LEAST_CONFIDENCE
    ]


def _flipped(turns: list[tuple[str, float]], crops: list[Pixels]) -> NDArray[np.bool_]:
    """Which lines stand on their head: long ones say so themselves, short ones follow most."""
    sure = np.array([label == "180" and score > _SURE for label, score in turns])
    shape = np.array([crop.shape[1] / max(crop.shape[0], 1) for crop in crops])
    long = shape >= _LONG_LINE
    weight = np.where(long, shape, 0.1 * shape)
    most = bool(weight[sure].sum() > 0.5 * weight.sum())
    return np.where(long, sure, most)


def _box(corners: Boxes) -> Box:
    one, two, three, four = ((float(x), float(y)) for x, y in corners)
    return one, two, three, four


def _stand_up(boxes: Boxes) -> bool:
    """Whether most text runs up or down."""
    across = np.hypot(*(boxes[:, 1] - boxes[:, 0]).T)
    down = np.hypot(*(boxes[:, 3] - boxes[:, 0]).T)
    sure = np.maximum(across, down) > 2 * np.minimum(across, down)
    if not sure.any():
        return False
    size = np.maximum(across, down)
    return bool(size[sure & (down > across)].sum() > 0.6 * size[sure].sum())


def _find(reader: Any, pixels: Pixels) -> Boxes:
    """Corners of the lines, ``[N, 4, 2]`` in pixels."""
    high, wide = pixels.shape[:2]
    if high <= _LONG * wide or high <= LONGEST_SIDE // 2:
        boxes = _find_in(reader, pixels)
        if not len(boxes) and max(high, wide) > SECOND_LOOK:
            boxes = _find_in(reader, pixels, SECOND_LOOK)
        return boxes
    part = int(2 * wide)
    step = int(part * (1 - _OVERLAP))
    found = []
    for top in range(0, max(high - int(part * _OVERLAP), 1), step):
        bottom = min(top + part, high)
        boxes = _find_in(reader, pixels[top:bottom])
        if not len(boxes):
            continue
        boxes[..., 1] += top
        # What two parts see is taken from the one that has it farther from its edge.
        middle = boxes[..., 1].mean(axis=1)
        half = part * _OVERLAP / 2
        first = -np.inf if top == 0 else top + half
        last = np.inf if bottom == high else bottom - half
        found.append(boxes[(middle >= first) & (middle < last)])
    return np.concatenate(found) if found else np.zeros((0, 4, 2))


def _find_in(reader: Any, pixels: Pixels, longest: int = LONGEST_SIDE) -> Boxes:
    import cv2
    from rapidocr.main import RapidOCRError
    from rapidocr.utils.process_img import map_boxes_to_original

    high, wide = pixels.shape[:2]
    share = min(1.0, longest / max(high, wide))
    small: Any = pixels
    if share < 1:
        size = max(round(wide * share), 1), max(round(high * share), 1)
        small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    steps: dict[str, Any] = {}
    try:
        _, found = reader.detect_and_crop(small, steps)
    except RapidOCRError:
        return np.zeros((0, 4, 2))  # it found nothing
    boxes = map_boxes_to_original(found.boxes, steps, *small.shape[:2])
    corners: Boxes = np.asarray(boxes, np.float64) / share
    return corners


def _cut(pixels: Pixels, box: Boxes) -> Pixels:
    from rapidocr.utils.process_img import get_rotate_crop_image

    cut: Pixels = get_rotate_crop_image(pixels, box.astype(np.float32))
    return cut


def _trouble() -> tuple[type[Exception], ...]:
    """What RapidOCR and what it stands on raise for a picture."""
    import cv2
    from rapidocr.inference_engine.onnxruntime.main import ONNXRuntimeError
    from rapidocr.main import RapidOCRError

    return RapidOCRError, ONNXRuntimeError, cv2.error, ValueError, MemoryError


@cache
def _reader() -> Any:
    """RapidOCR with the models of its package; each is loaded when it is first used."""
    try:
        import rapidocr
    except ImportError as error:
        raise WeightsError("Reading text needs the package rapidocr; install it.") from error
    folder = Path(rapidocr.__file__).parent / "models"
    missing = [name for name in _MODELS.values() if not (folder / name).is_file()]
    if missing:
        raise WeightsError(
            f"The package rapidocr has no {missing[0]}; install a version of it that brings its "
            "models, such as 3.10."
        )
    threads = max(1, min(4, (os.cpu_count() or 2) // 2))
    params: dict[str, Any] = {f"{part}.model_path": folder / f for part, f in _MODELS.items()}
    params |= {
        "Global.log_level": "critical",
        "EngineConfig.onnxruntime.intra_op_num_threads": threads,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    }
    return rapidocr.RapidOCR(params=params)
