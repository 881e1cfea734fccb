"""Where results appear: whole, under a name that nothing had before, or not at all."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from assistant.adapter_files import NAME, own_adapters, shipped_adapters
from assistant.errors import AdapterError, InputError
from assistant.settings import Settings

_ABANDONED_S = 24 * 3600


def adapters_folder(settings: Settings) -> Path:
    """Where the user's adapters are."""
    return settings.data_dir / "adapters"


def checked_name(name: str, settings: Settings, *, replace: bool = False) -> str:
    """A name that a new adapter can have.

    Raises:
        InputError: it cannot be a folder's name everywhere, or it is taken.
    """
    reserved = name.endswith((".", ".partial"))
    if not NAME.fullmatch(name) or reserved:
        raise InputError(
            f"An adapter cannot be called {name[:100]!r}; give --name with letters, digits, '.', "
            "'_' and '-', a letter or digit first."
        )
    if name in shipped_adapters():
        raise InputError(f"{name!r} is the adapter that ships; give another --name.")
    taken = {other.casefold(): other for other in own_adapters(settings)}
    if not replace and name.casefold() in taken:
        raise InputError(
            f"There is an adapter {taken[name.casefold()]!r} already; give another --name, or "
            f"remove it first: sightdesk adapters remove {taken[name.casefold()]}."
        )
    return name


def beside(target: Path) -> Path:
    """A name beside ``target`` that nobody takes for an adapter; `sweep` removes it one day."""
    return target.with_name(f"{target.name}.{secrets.token_hex(4)}.partial")


def sweep(folder: Path) -> None:
    """Remove what processes that were killed have left in the adapters' folder."""
    for left in folder.glob("*.partial"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(left, ignore_errors=True)


def check_free(target: Path) -> None:
    """Whether a result may appear here.

    Raises:
        InputError: something is there already.
    """
    if target.is_symlink() or (target.exists() and not _empty(target)):
        raise InputError(f"{target} exists already; choose another place, or remove it first.")


def check_room(target: Path, needed: int) -> None:
    """Whether the disk holds ``needed`` more bytes; what fills up meanwhile fails in writing.

    Raises:
        AdapterError: it does not.
    """
    place = target
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        free = shutil.disk_usage(place).free
    except OSError:
        return
    if free < needed:
        raise AdapterError(
            f"{target} needs {needed / 2**20:,.0f} MiB and {free / 2**20:,.0f} are free there; "
            "free some space, or choose another place."
        )


@contextmanager
def appearing_folder(target: Path) -> Iterator[Path]:
    """A folder to fill, which becomes ``target`` at the end; what is there is never replaced.

    Raises:
        InputError: there is something already.
        AdapterError: it cannot be written, because the disk is full say.
    """
    from assistant.llava import appearing_whole  # torch, which most commands here do without

    check_free(target)
    with _written(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with appearing_whole(target, replace=False) as folder:
            yield folder


@contextmanager
def appearing_file(target: Path) -> Iterator[Path]:
    """A file to write, which becomes ``target`` at the end; as `appearing_folder`."""
    check_free(target)
    partial = beside(target)
    with _written(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            check_free(target)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def _written(target: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise InputError(
            f"{target} exists already; choose another place, or remove it first."
        ) from error
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AdapterError(
            f"{target} cannot be written ({reason[:200]}); free some space, or choose another "
            "place. Nothing was left there."
        ) from error


def _empty(folder: Path) -> bool:
    return folder.is_dir() and next(folder.iterdir(), None) is None
