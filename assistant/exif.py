"""What a camera noted in a picture: when it was taken; nothing else is read."""

from __future__ import annotations

from datetime import UTC, datetime

from PIL import ExifTags, Image

# EXIF 2.32, section 4.6.5, D and H; the second of each pair is the zone's, as in "+02:00".
_TIMES = (
    (ExifTags.Base.DateTimeOriginal, ExifTags.Base.OffsetTimeOriginal),
    (ExifTags.Base.DateTimeDigitized, ExifTags.Base.OffsetTimeDigitized),
)
_EARLIEST = 1900


def when_taken(image: Image.Image) -> datetime | None:
    """When a photo was taken, in UTC; a time without a zone is by this machine's.

    None where nothing says so, or nothing that can be read.
    """
    try:
        tags = image.getexif().get_ifd(ExifTags.IFD.Exif)
        for time, zone in _TIMES:
            if isinstance(said := tags.get(time), str) and (taken := _read(said, tags.get(zone))):
                return taken
    # The tags are a second, often damaged file inside the file; the picture is good without them.
    except Exception:
        return None
    return None


def _read(said: str, zone: object) -> datetime | None:
    said = said.strip("\0 ")
    try:
        taken = datetime.strptime(said, "%Y:%m:%d %H:%M:%S")
    except ValueError:  # cameras whose clock was never set write zeros or spaces
        return None
    if taken.year < _EARLIEST:
        return None
    if isinstance(zone, str):
        try:
            return datetime.strptime(f"{said}{zone.strip()}", "%Y:%m:%d %H:%M:%S%z").astimezone(UTC)
        except ValueError:
            pass
    return taken.astimezone(UTC)
