"""The server asked by schemathesis what its OpenAPI page allows, and what it does not.

    python -m tests.benchmarks.fuzz_api --requests 10000 --json

An instant scripted engine and agent stand behind the real server, so that what is measured is the
server: `requests` that it answered, `failures` with a status of 500 or more (none is good),
`statuses` and how many of each, and `complaints`: answers that differ from what the page says of
them, in how many rounds. That of data which fits its schema and is refused tells of what a schema
cannot say: base64 that is no picture, a tool's result without a call.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import Progress

from assistant.settings import Settings
from tests.api_server import Served, served
from tests.scripted_engine import SayingEngine
from tests.scripted_model import ScriptedChat

PHASES = "examples,coverage,fuzzing"
ROUND = 30
"""Examples of an operation in a round."""

_LINE = re.compile(r'sightdesk_requests_total\{.*?route="([^"]*)",status="(\d+)"\} ([\d.e+]+)')


def counted(server: Served) -> Counter[int]:
    """How many answers of each status the server has given, but for those to this question."""
    found: Counter[int] = Counter()
    for route, status, count in _LINE.findall(httpx.get(f"{server.url}/metrics").text):
        if route not in ("/metrics", "/openapi.json"):
            found[int(status)] += int(float(count))
    return found


def run(server: Served, folder: Path, examples: int, seed: int, phases: str) -> dict[str, int]:
    """One run of schemathesis; returns what it complains of, and how often.

    Raises:
        RuntimeError: it could not run.
    """
    report = folder / f"{seed}.json"
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json",
        "--no-color", "--checks", "all", "--phases", phases, "--seed", str(seed),
        "--max-examples", str(examples), "--continue-on-failure", "--no-shrink",
        "--generation-database", "none", "--suppress-health-check", "all", "--warnings", "off",
        "--request-timeout", "60", "--report", "json", "--report-json-path", str(report),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode not in (0, 1) or not report.exists():
        raise RuntimeError(f"schemathesis failed: {done.stdout[-2000:]} {done.stderr[-2000:]}")
    return complaints(json.loads(report.read_text(encoding="utf-8")))


def complaints(report: Any) -> dict[str, int]:
    """What schemathesis' report says of answers, and for how many operations."""
    found: Counter[str] = Counter()
    for failure in report["failures"]:
        for operation in failure["operations"]:
            found[f"{failure['title']}: {operation}"] += 1
    return dict(found)


def fuzz(requests: int, *, examples: int = ROUND, phases: str = PHASES) -> dict[str, Any]:
    """See the module's text."""
    began = time.perf_counter()
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings(data_dir=folder / "data", cache_dir=folder / "cache", audit="off")
        chat = ScriptedChat(replies=["unknown"])
        with (
            served(SayingEngine(), settings=settings, agent_model=chat) as server,
            Progress(console=Console(stderr=True), transient=True) as bars,
        ):
            bar = bars.add_task("Asking", total=requests)
            statuses = counted(server)
            seed = 0
            while statuses.total() < requests:
                seed += 1
                found.update(run(server, folder, examples, seed, phases))
                statuses = counted(server)
                bars.update(bar, completed=min(requests, statuses.total()))
    return {
        "requests": statuses.total(),
        "failures": sum(count for status, count in statuses.items() if status >= 500),
        "statuses": {str(status): statuses[status] for status in sorted(statuses)},
        "complaints": dict(found),
        "seconds": round(time.perf_counter() - began, 1),
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    result = fuzz(options.requests)
    if options.json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"{key:<12} {value}")
    if result["failures"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
