"""Adapters come in and go: imported from a folder or an archive, published, removed."""

from __future__ import annotations

import json
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from adapters.registry.gate import Requirement, check_requirements, parse_requirement
from adapters.registry.places import (
    adapters_folder,
    appearing_folder,
    beside,
    check_room,
    checked_name,
    sweep,
)
from assistant.adapter_files import (
    ABOUT_FILE,
    CONFIG_FILE,
    LABEL_HEAD_FILE,
    WEIGHTS_FILE,
    AdapterFiles,
    own_adapters,
    read_adapter,
    shipped_adapters,
)
from assistant.errors import AdapterError, InputError
from assistant.settings import Settings, get_settings

# Only these are taken along; whatever else lies in a folder stays where it is.
NEEDED = (WEIGHTS_FILE, CONFIG_FILE)
TAKEN = (*NEEDED, ABOUT_FILE, LABEL_HEAD_FILE, "README.md")
_ALSO = (".csv", ".png", ".toml")
_LARGEST_EXTRA = 16 * 2**20
LARGEST = 4 * 2**30  # bytes of a whole adapter
_MOST_MEMBERS = 1_000
_PORTION = 2**20


def import_adapter(
    source: Path,
    name: str | None = None,
    require: Sequence[str | Requirement] = (),
    *,
    terms: str | None = None,
    settings: Settings | None = None,
) -> AdapterFiles:
    """Take in an adapter from a folder or a zip archive, after a check of everything in it.

    Args:
        name: by default the one that it gives itself, else that of the folder or archive.
        require: what must hold of its scores, see `adapters.registry.gate`.
        terms: under which its data may be used; they go into its card.

    Raises:
        InputError: no such path, no archive, a name that cannot be used or is taken.
        AdapterError: it is incomplete, damaged, unsafe or too large, or misses a requirement.
    """
    settings = settings or get_settings()
    if source.is_dir():
        return _install(source, name, require, terms, settings)
    if not source.is_file():
        raise InputError(f"{source} is neither a folder nor an archive; correct the path.")
    if not zipfile.is_zipfile(source):
        raise InputError(
            f"{source} is no zip archive; give one, or the folder that holds {WEIGHTS_FILE}."
        )
    with _unpacked(source, settings) as folder:
        return _install(folder, name, require, terms, settings)


def publish(
    folder: Path,
    name: str,
    require: Sequence[str | Requirement] = (),
    *,
    terms: str | None = None,
    settings: Settings | None = None,
    replace: bool = False,
) -> AdapterFiles:
    """Take in a finished adapter under a name, with a new card, if it meets what is required.

    Args:
        replace: an adapter of this name gives way, once the new one is whole and passed.

    Raises:
        InputError: the name cannot be used or is taken.
        AdapterError: it is damaged, or misses a requirement; nothing is changed then.
    """
    settings = settings or get_settings()
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; give the one that holds {WEIGHTS_FILE}.")
    return _install(folder, name, require, terms, settings, replace=replace, own_card=True)


def remove(name: str, settings: Settings | None = None) -> Path:
    """Delete one of the user's adapters and return where it was; its name is free at once.

    Raises:
        InputError: it ships with the product, or there is none.
        AdapterError: it cannot be deleted.
    """
    settings = settings or get_settings()
    if name in shipped_adapters():
        raise InputError(f"{name!r} ships with Sightdesk and stays; remove one of your own.")
    path = own_adapters(settings).get(name)
    if path is None:
        own = ", ".join(own_adapters(settings)) or "none yet"
        raise InputError(f"You have no adapter {name!r}; yours are: {own}.")
    try:
        _set_aside(path)
    except OSError as error:
        raise AdapterError(
            f"{path} cannot be removed ({error.strerror}); make the folder writable."
        ) from error
    return path


def _set_aside(path: Path) -> None:
    """Rename, so that no half-deleted adapter ever has the name, then delete."""
    aside = beside(path)
    path.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


def _install(
    source: Path,
    name: str | None,
    require: Sequence[str | Requirement],
    terms: str | None,
    settings: Settings,
    *,
    replace: bool = False,
    own_card: bool = False,
) -> AdapterFiles:
    from adapters.card import write_card

    requirements = [parse_requirement(r) if isinstance(r, str) else r for r in require]
    files = read_adapter(source, source.resolve().name)
    if name is None:
        name = str(files.about.get("name") or source.resolve().name)
    name = checked_name(name, settings, replace=replace)
    check_requirements(AdapterFiles(name, files.path, files.about), requirements, settings)
    taken = files_to_take(source)
    size = sum(path.stat().st_size for path in taken)
    if size > LARGEST:
        raise AdapterError(
            f"The adapter in {source} has {size / 2**30:.1f} GiB; at most {LARGEST // 2**30} are "
            "taken."
        )
    target = adapters_folder(settings) / name
    check_room(target, size)
    sweep(target.parent)
    before = target if replace and target.is_dir() else None
    # What it replaces keeps the name until the new one is whole.
    arriving = beside(target) if before else target
    with appearing_folder(arriving) as folder:
        for path in taken:
            shutil.copyfile(path, folder / path.name)
        copied = read_adapter(folder, name)  # what was copied, whatever happens to the source
        _check_values(folder)
        about = {**copied.about, "name": name} if copied.about else {}
        if terms is not None:
            about["data"] = {**about.get("data", {}), "terms": terms}
        if about != copied.about:
            text = json.dumps(about, indent=1, ensure_ascii=False, allow_nan=False)
            (folder / ABOUT_FILE).write_text(text + "\n", encoding="utf-8")
        if own_card or terms is not None or not (folder / "README.md").is_file():
            write_card(folder, AdapterFiles(name, folder, about))
    if before is not None:
        _swap(arriving, target)
    return read_adapter(target, name)


def _swap(arriving: Path, target: Path) -> None:
    """Put a whole folder in the place of another one, which comes back if that fails."""
    aside = beside(target)
    try:
        target.rename(aside)
        try:
            arriving.rename(target)
        except OSError:
            aside.rename(target)
            raise
    except OSError as error:
        shutil.rmtree(arriving, ignore_errors=True)
        raise AdapterError(
            f"{target} cannot be replaced ({error.strerror}); make its folder writable."
        ) from error
    shutil.rmtree(aside, ignore_errors=True)


def files_to_take(source: Path) -> list[Path]:
    """Known files, and pictures and tables of a bounded size; no links that lead elsewhere."""
    found = []
    for path in sorted(source.iterdir()):
        inside = path.resolve().is_relative_to(source.resolve())
        if not inside or not path.is_file():
            continue
        extra = path.suffix in _ALSO and path.stat().st_size <= _LARGEST_EXTRA
        if path.name in TAKEN or extra:
            found.append(path)
    return found


def _check_values(folder: Path) -> None:
    """Refuse weights that are not finite numbers: one of them would make every answer empty."""
    import torch
    from safetensors import safe_open

    for name in (WEIGHTS_FILE, LABEL_HEAD_FILE):
        if not (folder / name).is_file():
            continue
        with safe_open(folder / name, "pt") as file:
            for key in file.keys():  # noqa: SIM118 (it is no mapping)
                tensor = file.get_tensor(key)
                if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                    raise AdapterError(
                        f"{name} holds values that are no finite numbers ({key[:100]}); train the "
                        "adapter again."
                    )


@contextmanager
def _unpacked(archive: Path, settings: Settings) -> Iterator[Path]:
    """The adapter's folder of an archive, in a temporary place."""
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _members(opened, archive)
            total = sum(member.file_size for member in members.values())
            folder = adapters_folder(settings)
            folder.mkdir(parents=True, exist_ok=True)
            check_room(folder, 2 * total)  # unpacked here, then copied to its name
            with tempfile.TemporaryDirectory(
                prefix="import.", suffix=".partial", dir=folder, ignore_cleanup_errors=True
            ) as room:
                place = Path(room) / _stem(archive)
                place.mkdir()
                for name, member in members.items():
                    _extract(opened, member, place / name)
                yield place
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise AdapterError(
            f"{archive} is damaged, encrypted or packed in an unusual way; pack it again."
        ) from error
    except OSError as error:
        raise AdapterError(
            f"{archive} cannot be unpacked ({error.strerror or error}); free some space in "
            f"{settings.data_dir}, or make it writable."
        ) from error


def _members(opened: zipfile.ZipFile, archive: Path) -> dict[str, zipfile.ZipInfo]:
    """The files of the archive that are an adapter's, by their plain names.

    They lie at the top or in one folder. Names that lead out of it and links condemn all of it.
    """
    entries = opened.infolist()
    if len(entries) > _MOST_MEMBERS:
        raise AdapterError(f"{archive} has {len(entries):,} files; an adapter has a dozen.")
    homes: set[PurePosixPath] = set()
    for entry in entries:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        drive = path.parts and ":" in path.parts[0]
        if path.is_absolute() or ".." in path.parts or drive:
            raise AdapterError(
                f"{archive} has a name that leads out of it ({entry.filename[:100]!r}); do not use "
                "this file."
            )
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise AdapterError(
                f"{archive} has a link in it ({entry.filename[:100]!r}); pack the files themselves."
            )
        if path.name == CONFIG_FILE:
            homes.add(path.parent)
    if len(homes) != 1:
        found = "no adapter" if not homes else "several adapters"
        raise AdapterError(f"{archive} holds {found}; pack one folder with {CONFIG_FILE} in it.")
    (home,) = homes
    members: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        extra = path.suffix in _ALSO and entry.file_size <= _LARGEST_EXTRA
        pickled = path.suffix in (".bin", ".pt", ".pth", ".pkl", ".ckpt")
        if path.parent != home or entry.is_dir():
            continue
        if path.name in TAKEN or extra:
            members[path.name] = entry
        elif pickled and WEIGHTS_FILE not in {PurePosixPath(e.filename).name for e in entries}:
            raise AdapterError(
                f"{archive} holds a pickle, no safetensors ({path.name[:80]}), which can run "
                "code when it is opened; save it again as safetensors."
            )
    if sum(member.file_size for member in members.values()) > LARGEST:
        raise AdapterError(f"{archive} unpacks to more than {LARGEST // 2**30} GiB.")
    return members


def _extract(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    """Unpack one file, never more bytes than the archive's directory promised."""
    left = member.file_size
    with opened.open(member) as packed, target.open("xb") as out:
        while portion := packed.read(min(_PORTION, left + 1)):
            left -= len(portion)
            if left < 0:
                raise AdapterError(f"{member.filename[:100]} is larger than its archive says.")
            out.write(portion)


def _stem(archive: Path) -> str:
    stem = archive.stem
    return stem if stem not in ("", ".", "..") else "adapter"
