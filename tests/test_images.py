"""The decoder: every format and kind of pixel comes out upright RGB, and hostile bytes stay out."""

from __future__ import annotations

import io
import json
import os
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile

from assistant.errors import ImageError, InputError
from assistant.images import LoadedImage, fit_within, image_id, open_image
from assistant.settings import Settings

SMALL = Settings(max_image_bytes=200_000, max_image_pixels=10_000, max_image_frames=5)
COLOURS = [(200, 30, 40), (30, 180, 60), (20, 50, 220), (240, 220, 30), (250, 250, 250), (10, 5, 0)]


def blocks(columns: int = 3, rows: int = 2, size: int = 16) -> Image.Image:
    """Differently coloured squares, so that no turn or flip maps the picture to itself."""
    small = np.array(COLOURS[: columns * rows], np.uint8).reshape(rows, columns, 3)
    return Image.fromarray(small.repeat(size, 0).repeat(size, 1))


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    if kind == "HEIF":
        pillow_heif.from_pillow(image).save(stream, **options)
    else:
        image.save(stream, kind, **options)
    return stream.getvalue()


def png(
    size: tuple[int, int], depth: int, colour: int, rows: bytes, *extra: tuple[bytes, bytes]
) -> bytes:
    """A PNG from its parts, for headers and pixels that Pillow would not write."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0)),
        *extra,
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def gif(canvas: tuple[int, int], frames: int) -> bytes:
    """A GIF of 1x1 frames, 15 bytes each."""
    head = b"GIF89a" + struct.pack("<HHBBB", *canvas, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0"
    return head + frame * frames + b";"


def array(loaded: LoadedImage) -> np.ndarray:
    return np.asarray(loaded.pixels).astype(int)


def refuse(source: Any, expected: str, **options: Any) -> None:
    """`source` is refused with one sentence, and no warning escapes."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageError, match=expected) as caught:
            open_image(source, **options)
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence and ". " not in sentence


# ---- formats and sources ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "options", "near"),
    [
        ("JPEG", {"quality": 95, "subsampling": 0}, 6),
        ("JPEG", {"quality": 95, "progressive": True, "subsampling": 0}, 6),
        ("PNG", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 95}, 6),
        ("GIF", {}, 0),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("HEIF", {"quality": -1, "chroma": 444, "matrix_coefficients": 0}, 4),
    ],
)
def test_every_format_gives_the_pixels_that_were_saved(
    kind: str, options: dict[str, Any], near: int
) -> None:
    loaded = open_image(encode(blocks(), kind, **options))
    assert loaded.format == kind
    assert (loaded.width, loaded.height) == (48, 32)
    assert loaded.pixels.mode == "RGB"
    difference = np.abs(array(loaded) - np.asarray(blocks()))
    # The middle of each block: lossy formats blur its edges.
    assert (difference[8::16, 8::16] if near else difference).max() <= near


def test_every_kind_of_source_gives_the_same_picture(tmp_path: Path) -> None:
    data = encode(blocks(), "PNG")
    path = tmp_path / "named.txt"  # the bytes count, not the name
    path.write_bytes(data)
    spent = io.BytesIO(data)
    spent.read()
    with path.open("rb", buffering=0) as raw:
        loaded = [
            open_image(path),
            open_image(str(path)),
            open_image(data),
            open_image(bytearray(data)),  # type: ignore[arg-type]
            open_image(spent),
            open_image(raw),
            open_image(blocks()),
        ]
    assert {image.id for image in loaded} == {image_id(blocks())}
    assert len(set(loaded)) == 1
    assert [image.format for image in loaded] == ["PNG"] * 6 + ["PIL"]


def test_a_stream_may_hand_out_a_few_bytes_at_a_time() -> None:
    data = encode(blocks(), "JPEG")

    class Socket:
        position = 0

        def read(self, size: int) -> bytes:
            piece = data[self.position : self.position + min(size, 7)]
            self.position += len(piece)
            return piece

    assert open_image(Socket()).id == open_image(data).id  # type: ignore[arg-type]


def test_a_pillow_image_is_copied_and_left_as_it_was() -> None:
    source = Image.open(io.BytesIO(encode(blocks(), "PNG")))
    palette = blocks().convert("P")
    palette.info["transparency"] = 0
    before = palette.tobytes(), dict(palette.info)
    loaded = open_image(source)
    open_image(palette)
    assert loaded.pixels is not source and loaded.format == "PNG"
    assert (palette.tobytes(), dict(palette.info)) == before
    assert image_id(source) == loaded.id


def test_one_pixel() -> None:
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"):
        loaded = open_image(encode(Image.new("RGB", (1, 1), (255, 255, 255)), kind))
        assert array(loaded).tolist() == [[[255, 255, 255]]]


def test_metadata_stays_behind() -> None:
    exif = Image.Exif()
    exif[0x0110] = "Phone 1"
    loaded = open_image(encode(blocks(), "JPEG", exif=exif, comment=b"mine"))
    assert loaded.pixels.info == {} and not loaded.pixels.getexif()
    assert type(loaded.pixels) is Image.Image


def test_grocery_photos_open_and_their_labels_are_complete(photos: Path) -> None:
    rows = [json.loads(line) for line in (photos / "labels.jsonl").read_text().splitlines()]
    assert {row["image"] for row in rows} == {path.name for path in photos.glob("*.webp")}
    assert len({row["label"] for row in rows}) == len(rows)
    pictures = [path for path in photos.iterdir() if path.suffix in (".webp", ".jpg")]
    assert len(pictures) <= 30
    assert len({open_image(path).id for path in pictures}) == len(pictures)


# ---- rotation and identity -------------------------------------------------------------------

# EXIF 2.32, tag 0x0112: where the stored row 0 and column 0 are in the scene.
TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].transpose(1, 0, 2),
    8: lambda stored: np.rot90(stored, 1),
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "PIL"])
@pytest.mark.parametrize("orientation", TURNS)
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    kinds: dict[str, dict[str, Any]] = {"WEBP": {"lossless": True}, "HEIF": {"quality": -1}}
    lossless = kinds.get(kind, {})
    if kind == "PIL":
        source: Any = Image.open(io.BytesIO(encode(blocks(), "PNG", exif=exif)))
    else:
        source = encode(blocks(), kind, exif=exif.tobytes(), **lossless)
    expected = TURNS[orientation](np.asarray(blocks())).astype(int)
    loaded = open_image(source)
    assert (loaded.height, loaded.width) == expected.shape[:2]
    assert np.abs(array(loaded) - expected)[8::16, 8::16].max() <= 12


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_unknown_orientations_are_ignored(value: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    assert open_image(encode(blocks(), "PNG", exif=exif)).id == image_id(blocks())


def test_damaged_exif_does_not_cost_the_picture() -> None:
    for exif in (
        b"Exif\0\0garbage",
        b"Exif\0\0II*\0\xff\xff\xff\x7f",
        b"Exif\0\0MM\0*\0\0\0\x08\xff",
    ):
        assert open_image(encode(blocks(), "JPEG", exif=exif)).width == 48


def test_phone_photos_stand_upright(photos: Path) -> None:
    banana = open_image(photos / "phone-portrait-banana.jpg")
    assert (banana.width, banana.height) == (960, 1280)
    for name, source in [("portrait-banana", "Banana"), ("upside-down-carrots", "Carrots")]:
        phone = open_image(photos / f"phone-{name}.jpg")
        square = open_image(photos / f"{source}.webp").pixels
        scale = min(square.width / phone.width, square.height / phone.height)
        width, height = round(phone.width * scale), round(phone.height * scale)
        left, top = (square.width - width) // 2, (square.height - height) // 2
        expected = np.asarray(square.crop((left, top, left + width, top + height)), float)
        seen = np.asarray(phone.pixels.resize((width, height)), float)
        assert np.abs(seen - expected).mean() < 6 < np.abs(seen[::-1] - expected).mean()


def test_the_id_covers_size_mode_and_pixels() -> None:
    data = bytes(range(256)) * 60
    tall, wide = (Image.frombytes("RGB", size, data[:13500]) for size in [(30, 150), (150, 30)])
    assert image_id(tall) != image_id(wide)
    assert image_id(Image.new("L", (3, 1))) != image_id(Image.new("RGB", (1, 1)))
    changed = tall.copy()
    changed.putpixel((29, 149), (1, 2, 3))
    assert image_id(changed) != image_id(tall)
    assert (
        open_image(encode(tall, "PNG")).id == open_image(encode(tall, "BMP")).id == image_id(tall)
    )
    assert len(image_id(tall)) == 64


# ---- kinds of pixels -------------------------------------------------------------------------


def test_transparency_shows_white() -> None:
    rgba = Image.new("RGBA", (3, 1))
    for x, alpha in enumerate((0, 128, 255)):
        rgba.putpixel((x, 0), (200, 0, 0, alpha))
    expected = [[[255, 255, 255], [227, 127, 127], [200, 0, 0]]]
    for kind in ("PNG", "TIFF", "WEBP"):
        data = encode(rgba, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {}))
        assert np.abs(array(open_image(data)) - expected).max() <= 1
    grey = Image.merge("LA", (Image.new("L", (2, 1), 40), Image.new("L", (2, 1))))
    grey.putpixel((1, 0), (40, 255))
    assert array(open_image(encode(grey, "PNG"))).tolist() == [[[255] * 3, [40] * 3]]
    premultiplied = rgba.convert("RGBa")
    assert np.abs(array(open_image(premultiplied)) - expected).max() <= 2


def test_palettes_with_transparency() -> None:
    palette = Image.new("P", (3, 1))
    palette.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200])
    palette.putdata([0, 1, 2])
    one = array(open_image(encode(palette, "PNG", transparency=1)))
    assert one.tolist() == [[[200, 0, 0], [255, 255, 255], [0, 0, 200]]]
    several = array(open_image(encode(palette, "PNG", transparency=bytes([0, 255, 128]))))
    assert several[0, :2].tolist() == [[255, 255, 255], [0, 200, 0]]
    assert np.abs(several[0, 2] - [127, 127, 227]).max() <= 1
    moving = array(open_image(encode(palette, "GIF", transparency=0)))
    assert moving.tolist() == [[[255, 255, 255], [0, 200, 0], [0, 0, 200]]]
    plain = array(open_image(encode(palette, "BMP")))
    assert plain.tolist() == [[[200, 0, 0], [0, 200, 0], [0, 0, 200]]]


@pytest.mark.parametrize(
    ("depth", "colour", "row", "key", "expected"),
    [
        (1, 0, b"\xa0", b"", [255, 0, 255, 0]),
        (1, 0, b"\xa0", b"\0\0", [255, 255, 255, 255]),
        (2, 0, b"\x1b", b"", [0, 85, 170, 255]),
        (8, 0, b"\x07\x08\x09\xff", b"\0\x07", [255, 8, 9, 255]),
        (16, 0, struct.pack(">4H", 0, 257, 32896, 65535), b"", [0, 1, 128, 255]),
        (16, 0, struct.pack(">4H", 0, 300, 32896, 65535), b"\x01\x2c", [0, 255, 128, 255]),
    ],
)
def test_grey_png_of_any_depth(
    depth: int, colour: int, row: bytes, key: bytes, expected: list[int]
) -> None:
    extra = [(b"tRNS", key)] if key else []
    loaded = open_image(png((4, 1), depth, colour, b"\0" + row, *extra))
    assert array(loaded)[0, :, 0].tolist() == expected
    assert (array(loaded) == array(loaded)[..., :1]).all()


def test_colour_png_of_16_bits_is_scaled() -> None:
    row = b"\0" + struct.pack(">6H", 65535, 32896, 0, 257, 0, 65535)
    assert array(open_image(png((2, 1), 16, 2, row))).tolist() == [[[255, 128, 0], [1, 0, 255]]]


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("uint16", [0, 257, 32896, 65535], [0, 1, 128, 255]),
        (">u2", [0, 257, 32896, 65535], [0, 1, 128, 255]),
        ("int32", [0, 7, 128, 255], [0, 7, 128, 255]),
        ("int32", [0, 257, 32896, 65535], [0, 1, 128, 255]),
        ("int32", [-100, 0, 155, 155], [0, 100, 255, 255]),
        ("float32", [0, 0.2, 0.5, 1], [0, 51, 128, 255]),
        ("float32", [0, 7, 128, 255], [0, 7, 128, 255]),
        ("float32", [-1, 0, 1, 3], [0, 64, 128, 255]),
        ("float32", [np.nan, np.inf, -np.inf, 1], [0, 255, 0, 255]),
        ("float32", [np.nan] * 4, [0, 0, 0, 0]),
        ("float32", [-3e38, -3e38, 3e38, 3e38], [0, 0, 255, 255]),
        ("float32", [1e9] * 4, [0, 0, 0, 0]),
    ],
)
def test_wide_grey_is_scaled_not_clipped(
    kind: str, values: list[float], expected: list[int]
) -> None:
    source = Image.fromarray(np.array([values], kind))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for loaded in (open_image(encode(source, "TIFF")), open_image(source)):
            assert array(loaded)[0, :, 0].tolist() == expected


def test_cmyk() -> None:
    inks = Image.new("CMYK", (32, 16), (0, 255, 255, 0))
    inks.paste((0, 0, 0, 0), (16, 0, 32, 16))
    # Pillow writes CMYK JPEGs the Adobe way: with an Adobe marker and inverted.
    data = encode(inks, "JPEG", quality=95)
    assert b"Adobe" in data
    for picture in (data, encode(inks, "TIFF")):
        loaded = array(open_image(picture))
        assert np.abs(loaded[8, 4] - [255, 0, 0]).max() <= 3
        assert np.abs(loaded[8, 28] - [255, 255, 255]).max() <= 3


@pytest.mark.parametrize("mode", ["L", "1", "YCbCr", "LAB", "HSV", "PA", "La", "RGBX", "I;16B"])
def test_every_other_pillow_mode(mode: str) -> None:
    if mode == "La":
        white = Image.new("LA", (2, 2), (255, 255)).convert("La")
    elif mode == "PA":
        white = Image.new("RGBA", (2, 2), "white").convert("PA")
    elif mode == "I;16B":
        white = Image.new("I;16B", (2, 2), 65535)
    else:
        white = Image.new("RGB", (2, 2), "white").convert(mode)
    assert white.mode == mode
    assert (array(open_image(white)) >= 253).all()


def swapping_profile() -> bytes:
    """An ICC profile in which red and blue have changed places."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace(b"rXYZ", b"TEMP").replace(b"bXYZ", b"rXYZ").replace(b"TEMP", b"bXYZ")
    return profile.replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be"))


def test_colours_are_converted_from_the_embedded_profile() -> None:
    red = Image.new("RGB", (4, 4), (250, 20, 10))
    loaded = open_image(encode(red, "PNG", icc_profile=swapping_profile()))
    assert np.abs(array(loaded)[0, 0] - [10, 20, 250]).max() <= 3
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert open_image(encode(red, "PNG", icc_profile=srgb)).id == image_id(red)


def test_useless_profiles_are_ignored() -> None:
    good = swapping_profile()
    for profile in (b"nonsense", good[:200], good[:-40], good.replace(b"RGB ", b"CMYK")):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert open_image(encode(blocks(), "PNG", icc_profile=profile)).width == 48
    grey = Image.new("L", (2, 2), 77)
    assert array(open_image(encode(grey, "JPEG", icc_profile=good)))[0, 0].tolist() == [77] * 3


# ---- frames ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_counts_and_frames_are_counted(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), (250 - 20 * n, 20 * n, 0)) for n in range(6)]
    lossless = {"lossless": True} if kind == "WEBP" else {}
    several = encode(frames[0], kind, save_all=True, append_images=frames[1:5], **lossless)
    assert array(open_image(several, settings=SMALL))[0, 0].tolist() == [250, 0, 0]
    more = encode(frames[0], kind, save_all=True, append_images=frames[1:], **lossless)
    refuse(more, "more than the 5 frames", settings=SMALL)


def test_a_phone_jpeg_with_a_second_picture_inside_is_a_jpeg() -> None:
    data = encode(blocks(), "MPO", save_all=True, append_images=[Image.new("RGB", (48, 32))])
    assert Image.open(io.BytesIO(data)).format == "MPO"
    loaded = open_image(data)
    assert loaded.format == "JPEG" and np.abs(array(loaded)[8, 8] - COLOURS[0]).max() < 10


def test_heif_shows_its_primary_picture() -> None:
    container = pillow_heif.from_pillow(Image.new("RGB", (16, 16), "red"))
    container.add_from_pillow(Image.new("RGB", (16, 16), "blue"))
    stream = io.BytesIO()
    container.save(stream, primary_index=1)
    assert np.abs(array(open_image(stream.getvalue()))[8, 8] - [0, 0, 255]).max() < 20


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_pages_of_a_tiff_that_lead_round_in_a_circle(order: str, big: bool) -> None:
    page = encode(blocks(), "TIFF", big_tiff=big)
    assert open_image(page).id == image_id(blocks())
    # A header and directories without entries, each naming the next, then the first again.
    count, link = ("Q", "Q") if big else ("H", "I")
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    head += struct.pack(order + "HHQ", 8, 0, 16) if big else struct.pack(order + "I", 8)
    step = struct.calcsize(order + count + link)

    def chain(pages: int) -> bytes:
        starts = [len(head) + step * n for n in range(pages)]
        return head + b"".join(
            struct.pack(order + count + link, 0, following)
            for following in [*starts[1:], starts[0]]
        )

    refuse(chain(3), "is damaged", settings=SMALL)
    refuse(chain(6), "more than the 5 frames", settings=SMALL)


# ---- limits, before any pixel is decoded -----------------------------------------------------


@pytest.fixture
def no_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(self: object) -> None:
        pytest.fail("pixels were decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)


def webp_canvas(width: int, height: int) -> bytes:
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    small = encode(Image.new("RGB", (1, 1)), "WEBP")[12:]
    body = b"WEBPVP8X" + struct.pack("<II", 10, 0) + size + small
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.usefixtures("no_decoding")
def test_giant_pictures_in_small_files_are_refused_by_their_header() -> None:
    bomb = png((30_000, 30_000), 8, 2, bytes(1_000_000))
    assert len(bomb) < 4_000
    refuse(bomb, "more than 50,000,000 pixels, .* scale it down", name="bomb.png")
    refuse(png((8_000, 8_000), 1, 0, b""), r"8,000 × 8,000 pixels, more than the 50,000,000")
    refuse(png((2**31 - 1, 2**31 - 1), 8, 2, b""), "pixels")
    refuse(gif((60_000, 60_000), 1), "more than 50,000,000 pixels")
    refuse(gif((101, 100), 1), "101 × 100 pixels", settings=SMALL)
    bitmap = bytearray(encode(blocks(), "BMP"))
    bitmap[18:26] = struct.pack("<ii", 20_000, -20_000)
    refuse(bytes(bitmap), "more than 50,000,000 pixels")
    refuse(webp_canvas(16_384, 16_384), "pixels|damaged")
    large = encode(Image.new("L", (101, 100)), "TIFF")
    for data in (large, encode(Image.new("L", (101, 100)), "JPEG")):
        refuse(data, r"101 × 100 pixels, more than the 10,000", settings=SMALL)
    heif = encode(Image.new("RGB", (128, 128)), "HEIF")
    refuse(heif, r"128 × 128 pixels", settings=SMALL)
    refuse(Image.new("L", (101, 100)), r"101 × 100 pixels", settings=SMALL)


@pytest.mark.usefixtures("no_decoding")
def test_a_gif_with_very_many_frames_is_refused() -> None:
    refuse(gif((1, 1), 200_000), "more than the 1,000 frames")


def test_a_jpeg_of_many_passes_is_refused() -> None:
    data = encode(blocks(), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    scan = data[last:-2]
    assert open_image(data[:-2] + scan * 50 + data[-2:]).width == 48
    refuse(data[:-2] + scan * 200 + data[-2:], "more than 100 passes")
    # Whatever follows the end of the picture, such as the film of a motion photo, is no pass.
    assert open_image(data + scan * 200).width == 48


def test_no_more_than_the_limit_is_read(tmp_path: Path) -> None:
    class Endless(io.RawIOBase):
        handed_out = 0

        def read(self, size: int = -1) -> bytes:
            assert size >= 0
            self.handed_out += size
            return bytes(size)

    endless = Endless()
    refuse(endless, "larger than 0.1907 MiB", settings=SMALL)
    assert endless.handed_out == SMALL.max_image_bytes + 1
    sparse = tmp_path / "huge.png"
    with sparse.open("wb") as stream:
        stream.truncate(10 * 2**30)
    refuse(sparse, r"huge\.png is larger than 32 MiB")
    refuse(bytes(200_001), "raise SIGHTDESK_MAX_IMAGE_BYTES", settings=SMALL)
    exact = encode(blocks(), "BMP")
    assert open_image(exact, settings=Settings(max_image_bytes=len(exact))).width == 48
    refuse(exact, "larger than", settings=Settings(max_image_bytes=len(exact) - 1))


def test_limits_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTDESK_MAX_IMAGE_PIXELS", "100")
    refuse(encode(blocks(), "PNG"), "48 × 32 pixels, more than the 100 ")


def test_pillow_is_left_as_it_was_and_keeps_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)
    roomy = Settings(max_image_pixels=200_000_000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        inside = list(warnings.filters)
        # Between Pillow's own warning and its error; damaged, so that nothing is decoded.
        refuse(png((10_000, 10_000), 1, 0, b""), "damaged", settings=roomy)
        refuse(encode(blocks(), "TIFF")[:-3], "damaged")
        assert list(warnings.filters) == inside
    assert capfd.readouterr() == ("", "")
    assert before == (
        Image.MAX_IMAGE_PIXELS,
        ImageFile.LOAD_TRUNCATED_IMAGES,
        list(warnings.filters),
    )


# ---- bad input -------------------------------------------------------------------------------


def test_what_is_no_file(tmp_path: Path) -> None:
    refuse(tmp_path, "is a folder")
    refuse(tmp_path / "nothing.jpg", r"nothing\.jpg does not exist as a file; check the path")
    refuse("https://example.org/a.jpg", "download it and give its path")
    refuse("a\0b.jpg", r"a\?b\.jpg cannot be read")
    refuse("x" * 5000, "cannot be read")
    refuse("", "is a folder")
    loop = tmp_path / "loop.jpg"
    loop.symlink_to(loop)
    refuse(loop, "cannot be read")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_a_fifo_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    refuse(tmp_path / "pipe.jpg", "is not a regular file")


def test_streams_that_cannot_be_read() -> None:
    closed = io.BytesIO(b"x")
    closed.close()
    refuse(closed, "cannot be read")
    refuse(io.StringIO("text"), "cannot be read")
    with pytest.raises(InputError, match="A NoneType is no picture"):
        open_image(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "data",
    [
        b"Dear customer, please find the photo attached.",
        b"BMW is a car maker, and this is a text about it",
        b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"8BPS\0\x01" + bytes(40),
        b"\xff\xd8",
        b"RIFF\0\0\0\0WAVEfmt ",
        b"\0" * 64,
    ],
)
def test_other_kinds_of_files(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    refuse(path, r"photo\.jpg is not a picture .* convert it to JPEG or PNG")


@pytest.mark.parametrize("kind", ["PPM", "TGA", "ICO", "PCX", "SGI", "DDS", "PDF", "EPS", "AVIF"])
def test_what_pillow_opens_but_is_not_listed(kind: str) -> None:
    refuse(encode(blocks(), kind), "is not a picture in a format that is opened here")


def test_empty() -> None:
    refuse(b"", "is empty")
    refuse(io.BytesIO(), "is empty")
    refuse(Image.new("RGB", (0, 5)), "has no pixels")


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("GIF", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("HEIF", {}),
    ],
)
def test_cut_off_pictures_are_errors_not_half_grey_pictures(
    kind: str, options: dict[str, Any], photos: Path
) -> None:
    photo = Image.open(photos / "Lemon.webp").convert("RGB").resize((120, 90))
    data = encode(photo, kind, **options)
    for part in (0.1, 0.3, 0.5, 0.7, 0.9, 0.98):
        refuse(
            data[: int(len(data) * part)], r"lemon\.img is (damaged|not a pic)", name="lemon.img"
        )


def test_names_are_shown_without_control_characters() -> None:
    refuse(b"text", r"^a\?\[31m\?b\.jpg is not", name="a\x1b[31m\nb.jpg")
    stream = io.BytesIO(b"text")
    stream.name = "upload.png"
    refuse(stream, r"^upload\.png is not")
    refuse(b"text", r"^x{60}….*y\.png is not", name="x" * 9000 + "y.png")


def test_too_little_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(self: object) -> None:
        raise MemoryError

    data = encode(blocks(), "PNG")
    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    refuse(data, "needs more memory than is free")


SEEDS = {
    "jpeg": encode(blocks(size=8), "JPEG"),
    "progressive": encode(blocks(size=8), "JPEG", progressive=True),
    "png": encode(blocks(size=8), "PNG"),
    "palette": encode(blocks(size=8).convert("P"), "PNG", transparency=0),
    "webp": encode(blocks(size=8), "WEBP"),
    "lossless": encode(blocks(size=8), "WEBP", lossless=True),
    "gif": encode(blocks(size=8), "GIF", save_all=True, append_images=[blocks(size=4)]),
    "bmp": encode(blocks(size=8), "BMP"),
    "tiff": encode(blocks(size=8), "TIFF"),
    "heif": encode(blocks(size=8), "HEIF"),
}


@hypothesis_settings(max_examples=400, deadline=None, database=None)
@given(
    seed=st.sampled_from(sorted(SEEDS)),
    keep=st.none() | st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=6),
)
@example(seed="jpeg", keep=0.5, flips=[])
def test_damaged_bytes_give_a_picture_or_an_error(
    seed: str, keep: float | None, flips: list[tuple[float, int]]
) -> None:
    data = bytearray(SEEDS[seed])
    for place, change in flips:
        data[int(place * len(data))] ^= change
    data = data if keep is None else data[: round(len(data) * keep)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            loaded = open_image(bytes(data), settings=SMALL)
        except ImageError as error:
            assert str(error).endswith(".")
        else:
            assert loaded.pixels.mode == "RGB"
            assert 0 < loaded.width * loaded.height <= SMALL.max_image_pixels
            assert loaded.id == image_id(loaded.pixels)


@hypothesis_settings(max_examples=100, deadline=None, database=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_an_error(data: bytes) -> None:
    with pytest.raises(ImageError):
        open_image(data)


# ---- thumbnails ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "longest", "expected"),
    [
        ((400, 300), 100, (100, 75)),
        ((300, 400), 100, (75, 100)),
        ((80, 60), 100, (80, 60)),
        ((5000, 1), 100, (100, 1)),
        ((1, 1), 1, (1, 1)),
    ],
)
def test_fit_within(size: tuple[int, int], longest: int, expected: tuple[int, int]) -> None:
    pixels = Image.new("RGB", size, (9, 99, 199))
    small = fit_within(pixels, longest)
    assert small.size == expected and small.getpixel((0, 0)) == (9, 99, 199)
    assert small is not pixels and pixels.size == size


def test_fit_within_nothing() -> None:
    with pytest.raises(InputError, match="ask for 1 or more"):
        fit_within(blocks(), 0)
