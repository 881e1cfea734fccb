"""The audit log: who asked for what kind of thing, and what came of it, one JSON object a line.

    {"time": "2026-01-02T03:04:05.678+00:00", "request": "req_…", "key": "7k2m9xq4r0ht",
     "tenant": "acme", "method": "POST", "route": "/v1/chat/completions", "status": 200,
     "ms": 812, "received": 40213, "sent": 913, "model": "embedded", "prompt_tokens": 611, …}

Nothing that a person wrote or a model said is in it, no picture, no key, no address on the network,
and no path as it was asked for, since that could be anything. It is in `data_dir`/audit, 10 files
of 10 MB; a second process there writes files of its own.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from assistant.settings import Settings

_BYTES: Final = 10 * 10**6
_FILES: Final = 10
_PROCESSES: Final = 1_000

_NUMBERS: Final = ("prompt_tokens", "completion_tokens", "images")
_WORDS: Final = ("model", "outcome")
_WORD: Final = re.compile(r"[\w ./:@+-]{1,100}", re.ASCII)
_LOG = logging.getLogger(__name__)


class Audit:
    """Writes lines where the settings say.

    Args:
        settings: `audit` and `data_dir`.
    """

    def __init__(self, settings: Settings) -> None:
        self._handler: logging.Handler | None = None
        self._lock: FileLock | None = None
        if settings.audit == "stderr":
            self._handler = _Quiet(sys.stderr)
        elif settings.audit == "file":
            try:
                self._lock, path = _free(settings.data_dir / "audit")
                self._handler = _Rotating(path)
            except OSError as error:
                self.close()
                _LOG.warning("There is no audit log (%s); it goes on without.", error)
        if self._handler is not None:
            self._handler.setFormatter(logging.Formatter("%(message)s"))

    def write(self, **told: Any) -> None:
        """Add a line; one that cannot be written is lost, and the request is not."""
        if self._handler is None:
            return
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds")} | told
        record = logging.LogRecord("audit", logging.INFO, "", 0, json.dumps(line), None, None)
        self._handler.handle(record)

    def close(self) -> None:
        """Close the file."""
        if self._handler is not None:
            self._handler.close()
        self._handler = None
        if self._lock is not None:
            self._lock.release()


def harmless(noted: Mapping[str, Any]) -> dict[str, Any]:
    """Of what a route noted, the numbers and short words that the log has names for."""
    kept: dict[str, Any] = {}
    for name in _NUMBERS:
        if isinstance(noted.get(name), int):
            kept[name] = noted[name]
    for name in _WORDS:
        value = noted.get(name)
        if isinstance(value, str) and _WORD.fullmatch(value):
            kept[name] = value
    return kept


class _Rotating(RotatingFileHandler):
    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=_BYTES, backupCount=_FILES - 1, encoding="utf-8")

    def _open(self) -> Any:
        stream = super()._open()
        Path(self.baseFilename).chmod(0o600)
        return stream

    def handleError(self, record: logging.LogRecord) -> None:
        _complain()


class _Quiet(logging.StreamHandler[Any]):
    def handleError(self, record: logging.LogRecord) -> None:
        """A closed standard error is nobody's to read."""


def _complain() -> None:
    _LOG.warning("A line of the audit log is lost: %s", sys.exc_info()[1])


def _free(folder: Path) -> tuple[FileLock, Path]:
    """The first file that no other process writes, and the lock that says so."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, _PROCESSES):
        name = "audit" if number == 1 else f"audit-{number}"
        lock = FileLock(folder / f"{name}.lock", thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        return lock, folder / f"{name}.jsonl"
    raise OSError("too many processes write one")
