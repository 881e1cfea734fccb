"""The only image decoder of the product: bytes of any origin in, checked RGB pixels out.

It knows which formats are opened, what they may cost (bytes, pixels, frames: see `Settings`) and
how every kind of pixel becomes 8-bit sRGB, upright. It does not know what the pixels are for:
resizing for a model is the image processor's job. No other module calls ``PIL.Image.open``.

    >>> image = open_image("banana.jpg")
    >>> image.id, image.width, image.height, image.format
"""

from __future__ import annotations

import hashlib
import logging
import re
import stat
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pillow_heif
from PIL import ExifTags, Image, ImageCms

from assistant.errors import ImageError, InputError
from assistant.exif import when_taken
from assistant.settings import Settings, get_settings

FORMATS = ("JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF", "HEIC")
"""What people may send, as it is written in messages and upload dialogues."""

# Group names are Pillow's format names. A file is opened by the one plug-in that its first bytes
# name, so that no file reaches the plug-ins for PDF, EPS, PSD and some forty others.
_SIGNATURE = re.compile(
    rb"(?P<JPEG>\xff\xd8\xff)|(?P<PNG>\x89PNG\r\n\x1a\n)|(?P<GIF>GIF8[79]a)|(?P<BMP>BM.{13}\0{3})"
    rb"|(?P<TIFF>II[*+]\0|MM\0[*+])|(?P<WEBP>RIFF.{4}WEBP)"
    rb"|(?P<HEIF>.{4}ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1))",
    re.DOTALL,
)

# FF 00 is a stuffed byte, FF D0 to FF D7 are restart markers: both lie inside a scan.
_JPEG_MARKER = re.compile(rb"\xff[\x02-\xcf\xd9-\xfe]")

# Cameras write about ten; each is a pass over all pixels, so thousands in a small file take hours.
_MAX_JPEG_SCANS = 100

# Without a handler, Python prints Pillow's remarks on damaged files beside our one sentence.
logging.getLogger("PIL").addHandler(logging.NullHandler())

_UPRIGHT = {  # EXIF 2.32, tag 0x0112: what undoes each orientation; 1 is upright already
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class LoadedImage:
    """A picture that passed every check; two are equal when their ids are."""

    id: str
    """`image_id` of `pixels`: 64 hexadecimal digits."""

    pixels: Image.Image = field(compare=False, repr=False)
    """Mode RGB, uint8, upright, without metadata; not to be changed."""

    format: str = field(compare=False)
    """Format of the source, such as ``"JPEG"``; ``"PIL"`` for pixels that were in memory."""

    taken: datetime | None = field(default=None, compare=False, repr=False)
    """When the photo was taken, by its EXIF data."""

    @property
    def width(self) -> int:
        """Pixels from left to right, after EXIF rotation."""
        return self.pixels.width

    @property
    def height(self) -> int:
        """Pixels from top to bottom, after EXIF rotation."""
        return self.pixels.height


def open_image(
    source: str | Path | bytes | BinaryIO | Image.Image,
    *,
    settings: Settings | None = None,
    name: str | None = None,
) -> LoadedImage:
    """Open one picture: first frame, EXIF rotation applied, transparency on white, sRGB.

    Args:
        source: a path, the bytes of a file, a binary stream (read from its start where it can
            seek), or a Pillow image, which is copied.
        settings: limits on bytes, pixels and frames, all checked before pixels are decoded; at most
            one byte more than the limit is read. `get_settings()` where none are given.
        name: what error messages call the picture; a path or a stream's own name by default.

    Raises:
        ImageError: no picture, a damaged one, one beyond a limit, or none that can be read.
        InputError: `source` is of a type that holds no picture.
    """
    settings = settings or get_settings()
    if name is None:
        own = source if isinstance(source, str | Path) else getattr(source, "name", None)
        name = str(own) if isinstance(own, str | Path) and str(own) else "The picture"
    name = _printable(name)
    data = b"" if isinstance(source, Image.Image) else _read(source, settings, name)
    with _decoder(name, settings):
        if isinstance(source, Image.Image):
            _check_size(source, name, settings)
            source_format, image = source.format or "PIL", source.copy()
        else:
            source_format = _identify(data, name)
            image = _decode(data, source_format, name, settings)
        pixels = _to_rgb(_turn_upright(image))
        return LoadedImage(image_id(pixels), pixels, source_format, when_taken(image))


def image_id(pixels: Image.Image) -> str:
    """SHA-256 over mode, width, height and pixels, as 64 hexadecimal digits.

    The size is part of it: a 30x150 and a 150x30 picture of the same bytes are two pictures.
    Metadata is not: give it pixels that are upright, as `open_image` returns them.
    """
    digest = hashlib.sha256(f"{pixels.mode} {pixels.width}x{pixels.height}\n".encode())
    digest.update(pixels.tobytes())
    return digest.hexdigest()


def fit_within(pixels: Image.Image, longest: int) -> Image.Image:
    """A copy for thumbnails: longest side at most `longest` pixels, same aspect, never enlarged.

    Raises:
        InputError: `longest` is less than 1.
    """
    if longest < 1:
        raise InputError(f"A thumbnail of {longest} pixels cannot be made; ask for 1 or more.")
    scale = longest / max(pixels.size)
    if scale >= 1:
        return pixels.copy()
    size = (max(1, round(pixels.width * scale)), max(1, round(pixels.height * scale)))
    return pixels.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _read(source: str | Path | bytes | BinaryIO, settings: Settings, name: str) -> bytes:
    """The bytes of `source`, of which at most one more than the limit is read."""
    limit = settings.max_image_bytes
    try:
        if isinstance(source, bytes | bytearray | memoryview):
            data = bytes(source[: limit + 1])
        elif isinstance(source, str | Path):
            data = _read_path(Path(source), limit, name)
        elif hasattr(source, "read"):
            seekable = getattr(source, "seekable", None)
            if seekable is not None and seekable():
                source.seek(0)
            data = _read_stream(source, limit)
        else:
            raise InputError(f"A {type(source).__name__} is no picture; give a path or bytes.")
    except FileNotFoundError as error:
        hint = "download it and give its path" if "://" in str(source) else "check the path"
        raise ImageError(f"{name} does not exist as a file; {hint}.") from error
    # A closed stream is a ValueError, and so is a path with a null byte; text is a TypeError.
    except (OSError, TypeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"{name} cannot be read ({reason}); open or upload it again.") from error
    if len(data) > limit:
        raise ImageError(
            f"{name} is larger than {limit / 2**20:,.4g} MiB, the most that is opened; "
            f"scale it down, or raise SIGHTDESK_MAX_IMAGE_BYTES."
        )
    if not data:
        raise ImageError(f"{name} is empty (0 bytes); save or upload it again.")
    return data


def _read_path(path: Path, limit: int, name: str) -> bytes:
    # Before it is opened, since opening a FIFO waits for a writer.
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise ImageError(f"{name} is a folder; name a picture inside it.")
    if not stat.S_ISREG(mode):
        raise ImageError(f"{name} is not a regular file; save the picture to a file first.")
    with path.open("rb") as stream:
        return _read_stream(stream, limit)


def _read_stream(stream: BinaryIO, limit: int) -> bytes:
    data = bytearray()
    # In pieces, since a raw stream may return less than was asked for.
    while len(data) <= limit and (piece := stream.read(min(2**20, limit + 1 - len(data)))):
        data += piece
    return bytes(data)


def _printable(name: str) -> str:
    """`name` without characters that could steer a terminal, shortened in the middle."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in name)
    return clean if len(clean) <= 200 else f"{clean[:60]}…{clean[-139:]}"


def _identify(data: bytes, name: str) -> str:
    """Pillow's name of the format that the first bytes announce, whatever the file is called."""
    found = _SIGNATURE.match(data)
    if found is None or found.lastgroup is None:
        listed = ", ".join(FORMATS[:-1])
        raise ImageError(
            f"{name} is not a picture in a format that is opened here ({listed} or {FORMATS[-1]}); "
            f"convert it to JPEG or PNG."
        )
    return found.lastgroup


def is_picture(data: bytes) -> bool:
    """Whether bytes begin as a picture does that can be opened; 32 of them are enough."""
    return _SIGNATURE.match(data) is not None


def _check_size(image: Image.Image, name: str, settings: Settings) -> None:
    if min(image.size) < 1:
        raise ImageError(f"{name} has no pixels; choose another picture.")
    if image.width * image.height > settings.max_image_pixels:
        raise ImageError(
            f"{name} has {image.width:,} × {image.height:,} pixels, more than the "
            f"{settings.max_image_pixels:,} that are opened; scale it down, "
            f"or raise SIGHTDESK_MAX_IMAGE_PIXELS."
        )


def _check_frames(count: int, name: str, settings: Settings) -> None:
    if count > settings.max_image_frames:
        raise ImageError(
            f"{name} has more than the {settings.max_image_frames:,} frames that are opened; "
            f"save one frame as a picture, or raise SIGHTDESK_MAX_IMAGE_FRAMES."
        )


def _gif_frames(data: bytes, most: int) -> int:
    """Count image blocks (GIF89a specification, section 20), giving up after `most` + 1.

    Pillow's own count has no bound, and a few MB can hold millions of frames.
    """
    frames, position = 0, 13 + _colour_table(data[10])
    while frames <= most and position + 9 < len(data):
        kind = data[position]
        if kind == 0x3B:  # trailer
            break
        if kind == 0x2C:  # image descriptor, local colour table, code size
            frames += 1
            position += 10 + _colour_table(data[position + 9]) + 1
        elif kind == 0x21:  # extension and its label
            position += 2
        else:  # stray bytes are skipped, as Pillow does
            position += 1
            continue
        while position < len(data) and data[position]:
            position += 1 + data[position]
        position += 1
    return frames


def _colour_table(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _tiff_frames(data: bytes, most: int) -> int:
    """Count image file directories (TIFF 6.0, section 2; BigTIFF), giving up after `most` + 1.

    Pillow's own count parses every tag of every directory, which may overlap.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = 43 in data[2:4]
    count = struct.Struct(order + ("Q" if big else "H"))
    link = struct.Struct(order + ("Q" if big else "I"))
    position: int = link.unpack_from(data, 8 if big else 4)[0]
    seen: set[int] = set()
    while position and position not in seen and len(seen) <= most:
        seen.add(position)
        if position + count.size > len(data):
            break
        position += count.size + count.unpack_from(data, position)[0] * (20 if big else 12)
        if position + link.size > len(data):
            break
        position = link.unpack_from(data, position)[0]
    return len(seen)


def _jpeg_scans(data: bytes, most: int) -> int:
    """Count start-of-scan markers up to the first end of image (ITU-T T.81, annex B)."""
    scans, position = 0, 2
    while scans <= most and (marker := _JPEG_MARKER.search(data, position)):
        kind, position = data[marker.end() - 1], marker.end()
        if kind == 0xD9:
            break
        scans += kind == 0xDA
        position += int.from_bytes(data[position : position + 2], "big")
    return scans


@contextmanager
def _decoder(name: str, settings: Settings) -> Iterator[None]:
    """Turn whatever a decoder raises on damaged data into `ImageError`, and keep it quiet."""
    with warnings.catch_warnings():
        # Only theirs: this filter is process-wide for a moment, and other threads warn too.
        warnings.filterwarnings("ignore", module=r"(PIL|pillow_heif)\.")
        try:
            yield
        except ImageError:
            raise
        except Image.DecompressionBombError as error:
            most = min(settings.max_image_pixels, 2 * (Image.MAX_IMAGE_PIXELS or 2**62))
            raise ImageError(
                f"{name} has more than {most:,} pixels, the most that are opened; scale it down."
            ) from error
        except MemoryError as error:
            raise ImageError(
                f"{name} needs more memory than is free; scale it down or close other programs."
            ) from error
        # Plug-ins answer damaged data with OSError, SyntaxError, struct.error, AssertionError and
        # more, none of it documented: any list of them is incomplete.
        except Exception as error:
            raise ImageError(
                f"{name} is damaged or cut off and cannot be decoded; "
                f"export, download or upload it again."
            ) from error


@cache
def _register_heif() -> None:
    # Side pictures are of no use here, and each is one more thing that a file can get wrong.
    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)


def _decode(data: bytes, source_format: str, name: str, settings: Settings) -> Image.Image:
    """Check what the headers say, then decode the first (in HEIF: the primary) frame."""
    if source_format == "HEIF":
        _register_heif()
    elif source_format == "GIF":
        _check_frames(_gif_frames(data, settings.max_image_frames), name, settings)
    elif source_format == "TIFF":
        _check_frames(_tiff_frames(data, settings.max_image_frames), name, settings)
    elif source_format == "JPEG" and _jpeg_scans(data, _MAX_JPEG_SCANS) > _MAX_JPEG_SCANS:
        raise ImageError(
            f"{name} is stored in more than {_MAX_JPEG_SCANS} passes; save it as a plain JPEG."
        )
    image = Image.open(BytesIO(data), formats=(source_format,))
    _check_size(image, name, settings)
    if source_format not in ("GIF", "TIFF"):
        _check_frames(int(getattr(image, "n_frames", 1)), name, settings)
    image.load()
    # Some headers understate what the data hold.
    _check_size(image, name, settings)
    return image


def _turn_upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF (or XMP) orientation.

    Not `ImageOps.exif_transpose`, which writes the remaining tags anew and fails on odd ones.
    """
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    # The tags are a second, often damaged file inside the file; the picture is good without them.
    except Exception:
        return image
    turn = _UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image) -> Image.Image:
    """A new RGB picture in sRGB, without metadata."""
    profile = image.info.get("icc_profile")
    flat = _flatten(image)
    if isinstance(profile, bytes) and profile:
        flat = _to_srgb(flat, profile)
    pixels = flat.copy() if flat is image and flat.mode == "RGB" else flat.convert("RGB")
    # Place, time and owner of a photo must not travel on with its pixels.
    pixels.info = {}
    return pixels


def _flatten(image: Image.Image) -> Image.Image:
    """Any mode to 8-bit L, RGB or CMYK without transparency, which shows white."""
    if image.mode == "F" or image.mode.startswith("I"):
        return _scale(image)
    if image.has_transparency_data:
        # Pillow converts premultiplied grey to nothing but LA.
        rgba = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        flat = Image.new("RGB", image.size, "white")
        flat.paste(rgba, mask=rgba)
        return flat
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _scale(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and float greyscale to L; `convert("L")` would clip at 255.

    16-bit values span 0..65535. Wider types have no agreed span: the narrowest of 0..1 (float),
    0..255 and 0..65535 that holds all values, else their own minimum to maximum. NaN shows black.
    """
    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        grey = np.rint(np.arange(65536) / 257).astype(np.uint8)[values]
    else:
        finite = values[np.isfinite(values)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
        spans = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
        low, high = next(((0.0, top) for top in spans if low >= 0 and high <= top), (low, high))
        wide = np.nan_to_num(values.astype(np.float64), nan=low, posinf=high, neginf=low)
        grey = np.rint((wide - low) * (255.0 / ((high - low) or 1.0))).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return Image.fromarray(grey)


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Colours of an L, RGB or CMYK picture from its embedded ICC profile to sRGB.

    A wide-gamut photo (Display P3, Adobe RGB) looks pale without it, and a CMYK one garish.
    """
    space = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}[image.mode]
    try:
        embedded = ImageCms.ImageCmsProfile(BytesIO(profile))
        description = embedded.profile.profile_description or ""
        # Most profiles are sRGB itself: converting would cost time and change pixels by rounding.
        if embedded.profile.xcolor_space.strip() != space or description.startswith("sRGB"):
            return image
        srgb = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, embedded, srgb, outputMode="RGB")
    # Viewers ignore a damaged profile, or one made for another kind of pixels, and so do we.
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return image
    return image if converted is None else converted
