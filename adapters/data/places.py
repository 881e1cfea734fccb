"""Where the pictures of a row are: paths, ``file:`` addresses, and pictures inside the text.

A picture inside the text (a data URI) is written to a file in the cache, named by the hash of its
bytes, so that everything after the readers knows paths only. Nothing is fetched from a network.
No picture is opened here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit
from urllib.request import url2pathname

from adapters.data.notes import MAX_IMAGES, Notes, RowProblem, need_text, shown
from assistant.errors import DataError
from assistant.settings import Settings

_SUFFIXES = {
    "jpeg": ".jpg", "jpg": ".jpg", "png": ".png", "webp": ".webp", "gif": ".gif", "bmp": ".bmp",
    "tiff": ".tif", "heic": ".heic", "heif": ".heic",
}  # fmt: skip
_HEADER = re.compile(r"data:image/([a-z0-9.+-]{1,20})((?:;[^,;]{0,80}){0,4}),", re.IGNORECASE)
_MAX_PATH = 4096
_MAX_UNPACKED = 16 * 2**30


class Places:
    """Finds the pictures of one data set.

    Args:
        folder: what relative paths are relative to.
        settings: where unpacked pictures go (`cache_dir`) and how large one may be.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder = folder
        self._limit = settings.max_image_bytes
        self._unpacked = settings.cache_dir / "pictures"
        self._left = _MAX_UNPACKED

    def find(self, value: object) -> Path:
        """The path of one picture, whether or not there is such a file.

        Raises:
            RowProblem: the text names no file.
            DataError: a picture inside the text cannot be written to the cache.
        """
        if not isinstance(value, str):
            raise RowProblem("bad-image-field", "A picture is no text; write the path of its file.")
        if value[:5].lower() == "data:":
            return self._unpack(value)
        text = need_text(value, "The path of a picture", _MAX_PATH)
        if "\0" in text:
            raise RowProblem(
                "bad-image-field", "The path of a picture has a null character in it; correct it."
            )
        scheme = text.partition("://")[0].lower() if "://" in text else ""
        if scheme == "file":
            return self._local(text)
        if scheme in ("http", "https", "ftp", "s3", "gs", "hf"):
            raise RowProblem(
                "remote-image",
                f"{shown(text)} is on the network, from which nothing is fetched; "
                f"download the picture and write the path of the file.",
            )
        return self.folder / text

    def find_all(self, value: object) -> tuple[Path, ...]:
        """The pictures of a row, given as one text or a list of them; none where it is None.

        Raises:
            RowProblem: it is neither, an empty list or a long one, or as `find` does.
        """
        if value is None:
            return ()
        given = [value] if isinstance(value, str) else value
        if not isinstance(given, list) or not given:
            raise RowProblem(
                "bad-image-field",
                "'image' is neither a text nor a list of texts; write the path of a picture.",
            )
        check_count(len(given))
        return tuple(self.find(one) for one in given)

    def _local(self, address: str) -> Path:
        try:
            parts = urlsplit(address)
            path = url2pathname(parts.path)
        except ValueError:
            parts, path = None, ""
        if parts is None or parts.netloc not in ("", "localhost") or not path or "\0" in path:
            raise RowProblem(
                "bad-image-field",
                f"{shown(address)} names no file of this machine; write file:///path/of/the/file.",
            )
        return Path(path)

    def _unpack(self, address: str) -> Path:
        header = _HEADER.match(address)
        suffix = _SUFFIXES.get(header[1].lower()) if header else None
        if header is None or suffix is None:
            raise RowProblem(
                "bad-data-uri",
                "A picture inside the text has no header of the form "
                "data:image/png;base64, with a known format; write its path instead.",
            )
        packed = address[header.end() :]
        if len(packed) > 3 * self._limit:  # percent signs: three characters a byte
            raise self._too_large()
        try:
            if ";base64" in header[2].lower():
                data = base64.b64decode(packed, validate=True)
            else:
                data = unquote_to_bytes(packed)
        except (binascii.Error, ValueError):
            raise RowProblem(
                "bad-data-uri", "A picture inside the text is cut off or no base64; encode it anew."
            ) from None
        if len(data) > self._limit:
            raise self._too_large()
        if not data:
            raise RowProblem("bad-data-uri", "A picture inside the text is empty; encode it anew.")
        name = hashlib.sha256(data).hexdigest()
        return self._write(self._unpacked / name[:2] / f"{name}{suffix}", data)

    def _too_large(self) -> RowProblem:
        return RowProblem(
            "bad-data-uri",
            f"A picture inside the text is larger than {self._limit / 2**20:,.4g} MiB, the most "
            f"that is opened; scale it down, or raise SIGHTDESK_MAX_IMAGE_BYTES.",
        )

    def _write(self, file: Path, data: bytes) -> Path:
        self._left -= len(data)
        if self._left < 0:
            raise RowProblem(
                "bad-data-uri",
                f"The pictures inside the text are more than {_MAX_UNPACKED // 2**30} GiB "
                f"together; save them as files and write their paths.",
            )
        try:
            # Named by what is in it, so one of the right size is whole: it was renamed into place.
            if file.is_file() and file.stat().st_size == len(data):
                return file
            file.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=".", suffix=".part")
            try:
                with os.fdopen(handle, "wb") as stream:
                    stream.write(data)
                os.replace(temporary, file)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise DataError(
                f"{file.parent} cannot be written ({error.strerror}); make room there, "
                f"or set SIGHTDESK_CACHE_DIR to another folder."
            ) from error
        return file


def check_count(number: int) -> None:
    """Refuse more pictures than a row may have.

    Raises:
        RowProblem: there are more.
    """
    if number > MAX_IMAGES:
        raise RowProblem(
            "too-many-images",
            f"The row has {number:,} pictures; keep {MAX_IMAGES} or fewer, or split the row.",
        )


def image_value(record: dict[str, Any], notes: Notes, where: str) -> object:
    """What a row says of its pictures, under ``image`` or ``images``; None where it says nothing.

    A file in which some rows have a text and others a list is read, and told: other programs that
    give every column one type refuse it.
    """
    value: object = record.get("image")
    if value is None:
        value = record.get("images")
    if isinstance(value, str | list):
        notes.seen_types.add(type(value))
        if len(notes.seen_types) > 1:
            notes.warn_once(
                "mixed-image-field",
                where,
                "'image' is a text in some rows and a list in others; both are read here, but "
                "many programs want one of them in a whole file.",
            )
    return value
