"""Cold start and memory, in processes of their own: what somebody who starts from nothing has.

The clock runs from before Python starts until the first word is there. The cache folder is filled,
since the benchmark itself has loaded the model before; the network is not asked.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Final

from assistant.bench.values import SAID
from assistant.errors import SightdeskError

_LONGEST_S: Final = 600.0


class ProcessError(SightdeskError):
    """A process that was to be measured did not get to its end."""


def start(contender: str, path: Path, options: dict[str, str | None]) -> dict[str, float]:
    """Start a process that loads a model and answers about a photo.

    Args:
        contender: whose model, see `assistant.bench.child`.
        options: ``base``, ``adapter`` and ``quantize``; None is what the settings say.

    Returns:
        Seconds to the first word, and bytes: steady and peak.

    Raises:
        ProcessError: it failed, or was ended after ten minutes.
    """
    given = json.dumps({"contender": contender, "photo": str(path), **options})
    root = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"PYTHONPATH": paths, "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as told:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "assistant.bench.child", given],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=told,
            env=environment,
            text=True,
        )
        assert process.stdout is not None
        watch = threading.Timer(_LONGEST_S, process.kill)
        watch.start()
        try:
            process.stdout.readline()
            first_word = time.perf_counter() - began
            rest, _ = process.communicate()
        finally:
            watch.cancel()
            process.kill()
            process.wait()
        if process.returncode or not rest.strip():
            told.seek(0)
            lines = [line.strip() for line in told.read().splitlines() if line.strip()]
            reason = lines[-1][:200] if lines else f"exit code {process.returncode}"
            raise ProcessError(
                f"Cold start and memory of {SAID[contender]} are left out: its process failed "
                f"({reason.rstrip('.')})."
            )
    memory: dict[str, Any] = json.loads(rest.splitlines()[-1])
    return {
        "cold_start": first_word,
        "memory_steady": float(memory["steady"]),
        "memory_peak": float(memory["peak"]),
    }
