"""How long `sightdesk adapters validate` takes: reading, opening every picture, comparing all.

    python -m tests.benchmarks.validation --data train.jsonl --rows 1000 --json

The first ``--rows`` rows of each data set are measured as a set of their own. `seconds` is the wall
clock, in a process of its own as somebody at a terminal waits for it (`command`, imports and page
included) and without (`validate`); `cpu` is what this process used of the cores meanwhile, which
other programs on the machine do not change.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from adapters.data.formats import read_dataset
from adapters.data.validate import validate


def measure(data: Path, rows: int) -> dict[str, Any]:
    """The figures of one data set."""
    wall, cpu = time.perf_counter(), time.process_time()
    dataset = read_dataset(data)
    report = validate(replace(dataset, examples=dataset.examples[:rows]))
    found: dict[str, Any] = {
        "data": f"{data.parent.name}/{data.name}",
        "rows": report.rows,
        "pictures": report.pictures,
        "findings": len(report.findings),
        "validate": {
            "seconds": round(time.perf_counter() - wall, 2),
            "cpu": round(time.process_time() - cpu, 2),
        },
    }
    if data.suffix == ".jsonl":
        found["command"] = {"seconds": round(_command(data, rows), 2)}
    return found


def _command(data: Path, rows: int) -> float:
    """Seconds of the command with its page, on a file of the first rows."""
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "part.jsonl"
        with data.open(encoding="utf-8") as lines, part.open("w", encoding="utf-8") as some:
            for line, _ in zip(lines, range(rows), strict=False):
                row = json.loads(line)
                row["image"] = str((data.parent / row["image"]).resolve())
                some.write(json.dumps(row) + "\n")
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", "from assistant.cli import main; main()", "adapters", "validate",
             str(part), "--json", "--html", str(Path(folder) / "page.html")],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = [measure(data, given.rows) for data in given.data]
    print(json.dumps(found, indent=None if given.json else 1))


if __name__ == "__main__":
    main()
