"""Results as Parquet: parts that many workers write at once, and one reader to whom each is once.

    OUT/parquet/r0001-<digest>.parquet

A part has the run that wrote it and a digest of its pictures in its name, so that a worker who does
the same pictures again in that run writes the same file again. Of a picture that several parts hold
the one of the latest run counts. `compact` puts many small parts together and drops what does not
count; at any moment of it `read_results` finds the same.

>>> for annotation in read_results("s3://shop/found"): ...
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, Final

from assistant.annotate.places import Place, open_place
from assistant.annotate.values import Annotation
from assistant.errors import StoreError

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER: Final = "parquet"
_SUFFIX: Final = ".parquet"
_ROWS: Final = 50_000  # of a part that was put together
_DIGITS: Final = 24


def read_results(out: str | Place) -> Iterator[Annotation]:
    """What a job has found so far, each picture once, in the order of the parts.

    Raises:
        StoreError: a part cannot be read.
    """
    place = open_place(out) if isinstance(out, str) else out
    parts = part_names(place)
    last = _winners(place, parts)
    for number, part in enumerate(parts):
        for row in read_part(place, part):
            if last.get(row.image) == number:
                del last[row.image]  # a part that holds a picture twice gives it once
                yield row


def part_names(place: Place) -> list[str]:
    """The parts at a place, the earliest run first."""
    return [name for name in place.names(FOLDER, _SUFFIX) if _run_of(name) > 0]


def next_run(place: Place) -> int:
    """A number above those of all runs that have written there."""
    return max(map(_run_of, part_names(place)), default=0) + 1


def part_name(run: int, pictures: Iterable[tuple[str, int, int]]) -> str:
    """The part of some pictures, by path, bytes and time; the same for the same in any order."""
    digest = hashlib.sha256()
    for path, size, modified_ns in sorted(pictures):
        digest.update(f"{path}\0{size}\0{modified_ns}\0".encode())
    return f"r{run:04}-{digest.hexdigest()[:_DIGITS]}{_SUFFIX}"


def write_part(place: Place, name: str, rows: Sequence[Annotation]) -> None:
    """Write a part, whole or not at all.

    Raises:
        StoreError: it cannot be written.
    """
    place.write(f"{FOLDER}/{name}", _encoded(rows))


def read_part(place: Place, name: str) -> list[Annotation]:
    """The rows of a part; none where it is gone.

    Raises:
        StoreError: it cannot be read, or is damaged.
    """
    table = _table(place, name, None)
    return [] if table is None else [_row(each) for each in table.to_pylist()]


def compact(place: Place, rows: Iterable[Annotation] | None = None) -> int:
    """Put the parts together, and drop rows that a later run has replaced; how many parts are left.

    Whoever reads meanwhile may have to begin again; nobody may write meanwhile.

    Args:
        rows: all that counts, each picture once, in place of what the parts hold.

    Raises:
        StoreError: a part cannot be read or written; nothing is lost.
    """
    before = part_names(place)
    if rows is None and len(before) < 2:
        return len(before)
    run = _run_of(before[-1]) if before else 1
    kept, group = set(), list[Annotation]()

    def put() -> None:
        name = part_name(run, ((row.image, row.size, row.modified_ns) for row in group))
        write_part(place, name, group)
        kept.add(name)
        group.clear()

    for row in read_results(place) if rows is None else rows:
        group.append(row)
        if len(group) == _ROWS:
            put()
    if group:
        put()
    for name in before:
        if name not in kept:
            place.remove(f"{FOLDER}/{name}")
    return len(kept)


def _winners(place: Place, parts: Sequence[str]) -> dict[str, int]:
    """Of each picture the number of the last part that holds it."""
    last = {}
    for number, part in enumerate(parts):
        table = _table(place, part, ["image"])
        for image in [] if table is None else table["image"].to_pylist():
            last[image] = number
    return last


def _run_of(name: str) -> int:
    head = name.partition("-")[0]
    return int(head[1:]) if head[:1] == "r" and head[1:].isascii() and head[1:].isdigit() else 0


def _schema() -> pa.Schema:
    import pyarrow as pa

    share = pa.struct([("label", pa.string()), ("share", pa.float64())])
    kinds = {"scores": pa.list_(share), "confidence": pa.float64()}
    kinds |= dict.fromkeys(("width", "height"), pa.int32())
    kinds |= dict.fromkeys(("size", "modified_ns"), pa.int64())
    return pa.schema([(each.name, kinds.get(each.name, pa.string())) for each in _FIELDS])


def _encoded(rows: Sequence[Annotation]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    values: list[dict[str, Any]] = []
    for row in rows:
        scores = [{"label": label, "share": share} for label, share in row.scores]
        values.append(asdict(row) | {"scores": scores})
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(values, _schema()), sink, compression="zstd")
    return bytes(sink.getvalue())


def _table(place: Place, part: str, columns: list[str] | None) -> pa.Table | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = place.read(f"{FOLDER}/{part}")
    if data is None:
        return None
    try:
        return pq.read_table(pa.BufferReader(data), columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(place, part) from error


def _row(value: dict[str, Any]) -> Annotation:
    scores = tuple((each["label"], each["share"]) for each in value.pop("scores") or ())
    known = {each.name for each in _FIELDS}
    return Annotation(**{k: v for k, v in value.items() if k in known}, scores=scores)


def _damaged(place: Place, part: str) -> StoreError:
    return StoreError(
        f"{place.name}/{FOLDER}/{part} is damaged; remove it and run the command again, which does "
        "its pictures anew."
    )


_FIELDS: Final = fields(Annotation)
