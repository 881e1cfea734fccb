"""Who is judged: adapters found by name, loaded into as few engines as will do, and their scores.

Adapters that are stacked on the same base share one engine; one that is relative to the raw parts
of a base needs an engine of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.judge.figures import Judgement, as_scores
from adapters.judge.run import Contender
from adapters.judge.writing import write_whole
from assistant.adapter_files import (
    ABOUT_FILE,
    WEIGHTS_FILE,
    AdapterFiles,
    find_adapter,
    read_adapter,
)
from assistant.errors import AdapterError, InputError
from assistant.settings import Settings
from assistant.weights import shipped_adapter

if TYPE_CHECKING:
    from assistant.engine import Engine
    from assistant.weights import Progress


def find_pair(
    adapter: str, against: str | None, base: str | None, settings: Settings
) -> tuple[AdapterFiles, AdapterFiles | None, str]:
    """The adapter, the one to compare it with (None for the base as it loads), and their base.

    Raises:
        AdapterError: one of them is unknown or cannot be used.
    """
    files = find_adapter(adapter, settings)
    stacked_on = (files.on or {}).get("base")
    name = base or stacked_on or settings.base
    if against is None or against in ("base", name):
        other = find_adapter("embedded", settings) if name == "embedded" else None
    else:
        other = find_adapter(against, settings)
    return files, other, name


class Loader:
    """Loads contenders; engines are shared where they can be.

    Args:
        base: of the adapters that are stacked, and of those that are not.
    """

    def __init__(
        self, base: str, settings: Settings, *, quantize: str, progress: Progress | None = None
    ) -> None:
        self.base = base
        self._settings = settings
        self._quantize = quantize
        self._progress = progress
        self._engines: dict[str | None, Engine] = {}

    def load(self, files: AdapterFiles | None) -> Contender:
        """An adapter that answers; None is the base as it loads."""
        if files is None or (self.base == "embedded" and ships(files)):
            engine = self._engine(None)
            name = files.name if files is not None else self.base
            labels = dict(engine.labels)
            return Contender(name, engine, None, labels, facts(files, self.base))
        from assistant.engine.adapters import only_merged

        if not files.stacked or only_merged(files):
            engine = self._engine(str(files.path))
            return Contender(files.name, engine, None, dict(engine.labels), facts(files, self.base))
        engine = self._engine(None)
        added = engine.add_adapter(files.path)
        return Contender(files.name, engine, added, files.labels, facts(files, self.base))

    def _engine(self, adapter: str | None) -> Engine:
        from assistant.engine import Engine

        if adapter not in self._engines:
            settings = self._settings.model_copy(update={"adapter": None})
            self._engines[adapter] = Engine.load(
                self.base,
                adapter,
                quantize=self._quantize,
                settings=settings,
                progress=self._progress,
            )
        return self._engines[adapter]


def ships(files: AdapterFiles) -> bool:
    """Whether it is the adapter that the embedded base always has."""
    return files.path.resolve() == shipped_adapter().resolve()


def facts(files: AdapterFiles | None, base: str) -> tuple[tuple[str, str], ...]:
    """What an adapter is, for people: where it comes from and how to tell it from others."""
    if files is None:
        return (("base", base),)
    about, on = files.about, files.on or {}
    known: dict[str, Any] = {
        "base": on.get("base") or about.get("base") or base,
        "base fingerprint": on.get("fingerprint"),
        "weights SHA-256": _digest(files.path / WEIGHTS_FILE),
        "made": about.get("made"),
        "labels": f"{len(files.labels):,}" if files.labels else None,
        "trained on": _data(about.get("data")),
    }
    return tuple((name, str(value)) for name, value in known.items() if value)


def write_scores(files: AdapterFiles, judgements: Sequence[Judgement]) -> None:
    """Put the scores into the adapter's ``sightdesk.json``, for its card and for gates.

    They are kept by data set, ``grocery/val`` say; earlier ones of the same set are replaced.

    Raises:
        AdapterError: the file cannot be written.
    """
    now = read_adapter(files.path, files.name)  # an evaluation takes long; others write as well
    about, scores = dict(now.about), dict(now.scores)
    kinds: dict[str, set[str]] = {}
    for judgement in judgements:
        kinds.setdefault(judgement.data, set()).add(judgement.kind)
    for judgement in judgements:
        several = len(kinds[judgement.data]) > 1
        name = f"{judgement.data} {judgement.kind}" if several else judgement.data
        scores[name] = as_scores(judgement)
    about["scores"] = scores
    text = json.dumps(about, indent=1, ensure_ascii=False) + "\n"
    try:
        write_whole(files.path / ABOUT_FILE, text.encode("utf-8"))
    except InputError as error:
        raise AdapterError(
            f"The scores cannot be written into the adapter {files.name!r} in {files.path}; give "
            "a copy of it that can be changed."
        ) from error


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _data(data: object) -> str | None:
    """``train.jsonl (2,640 rows)`` from what an adapter says of its data."""
    if not isinstance(data, Mapping) or not isinstance(data.get("files"), list):
        return None
    names = [
        f"{file.get('name')} ({file.get('rows')} rows)"
        for file in data["files"][:10]
        if isinstance(file, Mapping)
    ]
    return ", ".join(names) or None
