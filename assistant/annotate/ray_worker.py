"""What a worker does with a shard of a job: open its pictures, ask the model, publish a part.

It knows nothing of Ray, which only makes an `Annotator` in each worker and hands it tables. A shard
is done when its part is there, see `assistant.annotate.parquet`: whoever does it again, since a
worker died, writes the same file. Before a shard is begun a mark is left beside the results; one
that took a worker with it several times is done picture by picture, and the picture that ends
workers is noted as bad.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Final

from assistant.annotate.parquet import part_name, write_part
from assistant.annotate.places import Place, open_place
from assistant.annotate.values import Annotation, Task
from assistant.errors import ImageError, InputError, SightdeskError
from assistant.image_index.scanning import OnDisk
from assistant.settings import Settings, get_settings

if TYPE_CHECKING:
    import pyarrow as pa

    from assistant.engine import Engine
    from assistant.images import LoadedImage

TRIES: Final = ".tries"
"""Below the results: how often a shard was begun that is not done."""

_MOST_TRIES: Final = 2
_THREADS: Final = 4
_DEADLY: Final = "The worker ended each time it did this picture; convert it, or leave it out."


@dataclass(frozen=True)
class Order:
    """What each worker is told.

    Attributes:
        folder, out: where the pictures are and the results go, as `open_place` takes them.
        run: the number of the run, which its parts bear.
        base, quantize: of the engine, in place of the settings'.
        threads: that the model computes with.
        made_by: model and adapter that the job was begun with; others may not go on with it.
        settings: in place of the worker's own.
    """

    folder: str
    out: str
    run: int
    task: Task
    base: str | None = None
    quantize: str | None = None
    threads: int = 1
    made_by: tuple[str, str | None] | None = None
    settings: Settings | None = None


@dataclass(frozen=True)
class Receipt:
    """What became of a shard.

    Attributes:
        part: the name of what was published; empty where nothing was.
        done, same, bad: pictures, as `assistant.annotate.running.Report` counts them.
        troubles: path and sentence of the bad ones.
        model, adapter: what answered.
        pid, host: of the worker.
        error: one sentence where the worker cannot work at all.
    """

    part: str = ""
    done: int = 0
    same: int = 0
    bad: int = 0
    troubles: tuple[tuple[str, str], ...] = ()
    model: str = ""
    adapter: str | None = None
    pid: int = 0
    host: str = ""
    error: str = ""

    def to_json(self) -> str:
        """One line, for the way to whoever gave the order."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, line: str) -> Receipt:
        """What `to_json` gave."""
        values = json.loads(line)
        return cls(**values | {"troubles": tuple(map(tuple, values["troubles"]))})


class Annotator:
    """Does one shard a call; one call opens its pictures while the model has those of another."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._source: Place = open_place(order.folder)
        self._target: Place = open_place(order.out)
        self._loading = threading.Lock()
        self._model: _Model | None = None
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="sightdesk-open")

    def __call__(self, shard: pa.Table) -> dict[str, list[str]]:
        """Do the pictures of a table with the columns of `OnDisk`; one row, `Receipt.to_json`."""
        seen = [OnDisk(**row) for row in shard.to_pylist()]
        try:
            receipt = self.annotate(seen)
        except SightdeskError as error:
            receipt = Receipt(error=str(error))
        receipt = replace(receipt, pid=os.getpid(), host=socket.gethostname())
        return {"receipt": [receipt.to_json()]}

    def annotate(self, shard: Sequence[OnDisk]) -> Receipt:
        """Do a shard and publish it.

        Raises:
            SightdeskError: the model cannot be loaded, or nothing can be published.
        """
        name = part_name(self._order.run, ((s.path, s.size, s.modified_ns) for s in shard))
        mark = f"{TRIES}/{name}"
        if self._begun(mark) < _MOST_TRIES:
            rows = self._rows(shard)
        else:
            rows = [row for each in shard for row in self._alone(each, mark)]
        # A file that changed since it was listed has the stamp that it had when it was read.
        write_part(self._target, name, rows)
        self._target.remove(mark)
        bad = [row for row in rows if row.status == "bad"]
        done = len({row.image_id for row in rows if row.status != "bad"})
        return Receipt(
            name,
            done,
            len(rows) - len(bad) - done,
            len(bad),
            tuple((row.image, row.trouble or "") for row in bad),
            self._loaded().engine.name,
            self._loaded().engine.adapter,
        )

    def _begun(self, mark: str) -> int:
        """How often it was begun before; counts this time."""
        before = int(self._target.read(mark) or b"0")
        self._target.write(mark, str(before + 1).encode())
        return before

    def _alone(self, seen: OnDisk, mark: str) -> list[Annotation]:
        """One picture of a shard in which one may be deadly."""
        own = f"{mark}-{part_name(0, [(seen.path, seen.size, seen.modified_ns)])}"
        rows = [Annotation.bad(seen, _DEADLY)] if self._begun(own) else self._rows([seen])
        self._target.remove(own)
        return rows

    def _rows(self, shard: Sequence[OnDisk]) -> list[Annotation]:
        """What is found of each picture, in the order of the shard."""
        from assistant.annotate.running import BATCH, BATCH_WHOLE

        rows, model = list[Annotation](), self._loaded()
        size = BATCH if model.shrink is not None else BATCH_WHOLE
        for start in range(0, len(shard), size):
            rows += self._batch(model, shard[start : start + size])
        return rows

    def _batch(self, model: _Model, seen: Sequence[OnDisk]) -> Iterator[Annotation]:
        from assistant.annotate.running import annotated

        opened = list(self._pool.map(lambda each: self._open(each, model), seen))
        new = {each.picture.id: each.picture for each in opened if each.picture is not None}
        with model.lock:
            found = annotated(model.engine, list(new.values()), self._order.task)
        by_id = {row.image_id: row for row in found}
        for each in opened:
            row = by_id.get(each.picture.id) if each.picture is not None else None
            if row is None or row.status == "bad":
                trouble = each.trouble or (row.trouble if row is not None else None)
                yield Annotation.bad(each.seen, trouble)
                continue
            yield row.of_file(each.seen, each.width, each.height)

    def _open(self, seen: OnDisk, model: _Model) -> _Opened:
        try:
            picture, seen = self._source.open_picture(seen, model.settings)
        except ImageError as error:
            return _Opened(seen, trouble=str(error))
        small = picture if model.shrink is None else model.shrink(picture)
        return _Opened(seen, small, picture.width, picture.height)

    def _loaded(self) -> _Model:
        """The model, which the first call loads."""
        with self._loading:
            if self._model is None:
                self._model = self._load()
            return self._model

    def _load(self) -> _Model:
        import torch

        from assistant.annotate.seeing import engine_for
        from assistant.annotate.shrinking import shrinker

        order = self._order
        settings = order.settings or get_settings()
        torch.set_num_threads(order.threads)
        engine = engine_for(order.task, base=order.base, quantize=order.quantize, settings=settings)
        if order.made_by not in (None, (engine.name, engine.adapter)):
            raise InputError(
                f"The job in {order.out} was begun with another model or adapter than "
                f"{engine.name}; go on with the same, or give another --out."
            )
        return _Model(engine, settings, shrinker(engine))


@dataclass(frozen=True)
class _Model:
    """What a worker loads once."""

    engine: Engine
    settings: Settings
    shrink: Callable[[LoadedImage], LoadedImage] | None
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class _Opened:
    """A file that was read, or what came of it."""

    seen: OnDisk
    picture: LoadedImage | None = None
    width: int = 0
    height: int = 0
    trouble: str | None = None
