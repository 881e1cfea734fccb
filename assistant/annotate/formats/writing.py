"""Writing what a job found, in one of the formats that other programs read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from assistant.annotate.formats import placing
from assistant.annotate.formats.coco import write_coco
from assistant.annotate.formats.imagefolder import ImageFolder
from assistant.annotate.formats.iptc import with_iptc
from assistant.annotate.formats.rows import Final as FinalRow
from assistant.annotate.formats.rows import final_rows, is_there, label_numbers
from assistant.annotate.formats.tables import CsvWriter, write_jsonl
from assistant.annotate.formats.xmp import is_own, sidecar
from assistant.errors import InputError, StoreError
from assistant.image_index.names import on_disk
from assistant.settings import Settings, get_settings

if TYPE_CHECKING:
    from assistant.annotate.job import Job

FILES: Final = ("jsonl", "csv", "coco")
FOLDERS: Final = ("imagefolder", "xmp", "xmp-short", "iptc")
FORMATS: Final = (*FILES, *FOLDERS)
"""What `write_as` writes: files, and folders."""

_GONE: Final = "The file is gone, or was changed since the job saw it; run the job again."

Told = Callable[[str, float | None], None]


@dataclass
class Written:
    """What was written.

    Attributes:
        count: pictures in it.
        left_out: path and sentence of those that could not be.
    """

    format: str
    path: Path
    count: int = 0
    left_out: list[tuple[str, str]] = field(default_factory=list)


def write_as(
    job: Job,
    format: str,
    path: Path,
    *,
    aside: bool = False,
    link: bool = False,
    force: bool = False,
    progress: Told | None = None,
    settings: Settings | None = None,
) -> Written:
    """Write what a job found and people decided; the pictures themselves are never changed.

    Args:
        format: one of `FORMATS`. ``xmp`` writes ``photo.jpg.xmp``, ``xmp-short`` ``photo.xmp``,
            below ``path`` as the pictures are below the job's folder, which ``path`` may be.
        aside: also what is set aside and nobody has decided about, with the likeliest label.
        link: ``imagefolder`` gives the pictures a second name instead of copying them.
        force: replace a file that is there.

    Raises:
        InputError: there is no such format, nothing to write, or the place is taken.
        StoreError: it cannot be written; what is there then is whole.
    """
    if format not in FORMATS:
        raise InputError(f"There is no format {format[:40]!r}; choose one of {', '.join(FORMATS)}.")
    done = Written(format, path)
    total = sum(1 for _ in final_rows(job, aside=aside))
    if not total:
        raise InputError(
            f"The job in {job.path} has nothing to write yet; run it, review what it set aside, or "
            "give --all."
        )

    def rows() -> Iterator[FinalRow]:
        for number, row in enumerate(final_rows(job, aside=aside)):
            if progress is not None:
                progress(f"Writing {total:,} pictures", number / total)
            yield row

    if format in FILES:
        # A mark of byte order makes spreadsheets read UTF-8 as such.
        encoding = "utf-8-sig" if format == "csv" else "utf-8"
        with placing.new_file(path, encoding=encoding, replace=force) as out:
            if format == "coco":
                about = f"{job.kind.capitalize()} job {job.id}"
                done.count = write_coco(
                    out, lambda: final_rows(job, aside=aside), label_numbers(job), about
                )
            else:
                table = CsvWriter(out) if format == "csv" else None
                for row in rows():
                    table.write(row) if table is not None else write_jsonl(out, row)
                    done.count += 1
    elif format == "imagefolder":
        with placing.new_folder(path) as folder, _metadata(folder, link) as images:
            _each(rows(), done, images.write)
    elif format == "iptc":
        most = (settings or get_settings()).max_image_bytes
        names = placing.Names()
        with placing.new_folder(path) as folder:
            _each(rows(), done, lambda row: _write_iptc(row, folder, names, most))
    else:
        _check_sidecars(job, path)
        taken: set[Path] = set()
        short = format == "xmp-short"
        _each(rows(), done, lambda row: _write_sidecar(row, path, taken, short))
    return done


def _each(rows: Iterator[FinalRow], done: Written, write: Callable[[FinalRow], None]) -> None:
    """Write each picture that is as the job saw it; one that cannot be does not stop the rest."""
    for row in rows:
        if not is_there(row):
            done.left_out.append((row.annotation.image, _GONE))
            continue
        try:
            write(row)
        except _LeftOut as error:
            done.left_out.append((row.annotation.image, str(error)))
        except OSError as error:
            if not _is_about(error, row.path):
                raise _unwritable(done.path, error) from error
            reason = f"The file cannot be read ({error.strerror or error}); check it."
            done.left_out.append((row.annotation.image, reason))
        else:
            done.count += 1


class _LeftOut(Exception):
    """A sentence on why a picture cannot be in an export."""


def _is_about(error: OSError, path: Path) -> bool:
    return error.filename is not None and Path(str(error.filename)) == path


def _unwritable(path: Path, error: OSError) -> StoreError:
    reason = error.strerror or str(error)
    return StoreError(f"{path} cannot be written ({reason}); make room or give another place.")


@contextmanager
def _metadata(folder: Path, link: bool) -> Iterator[ImageFolder]:
    images = ImageFolder(folder, link=link)
    try:
        yield images
    finally:
        images.close()


def _write_iptc(row: FinalRow, folder: Path, names: placing.Names, most: int) -> None:
    with row.path.open("rb") as opened:
        data = opened.read(most + 1)
    if len(data) > most:
        raise _LeftOut("The file is larger than pictures that are opened here may be.")
    try:
        written = with_iptc(data, caption=row.caption, keywords=row.words)
    except ValueError as error:
        raise _LeftOut(
            f"IPTC needs a JPEG file and {error}; write XMP sidecars, which go with any picture."
        ) from error
    target = folder / names.take(*PurePosixPath(row.annotation.image).parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(written)


def _check_sidecars(job: Job, path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file; give the folder for the sidecars.")
    if path.resolve() == job.path:
        raise InputError(f"{path} is the job itself; give another folder.")


def _write_sidecar(row: FinalRow, folder: Path, taken: set[Path], short: bool) -> None:
    picture = folder / on_disk(row.annotation.image)
    name = f"{picture.stem if short else picture.name}.xmp"
    target = picture.with_name(name)
    if target in taken:
        raise _LeftOut(f"Another picture has the sidecar {name}; write the long names (xmp).")
    if target.is_symlink() or (target.exists() and not is_own(target)):
        raise _LeftOut(f"{name} is another program's work and stays as it is.")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{name}.part")
    try:
        part.write_bytes(sidecar(row.label, row.words, row.caption))
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    taken.add(target)
