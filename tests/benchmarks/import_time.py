"""How long ``import assistant`` and ``sightdesk --help`` take, in processes of their own.

    python -m tests.benchmarks.import_time --json

The names of the package are loaded when they are used; what each of them costs is told as well.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

import assistant

TIMES = 5


def seconds(*command: str, times: int = TIMES) -> float:
    """The median of so many runs."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def measured(*, names: bool) -> dict[str, float]:
    """Seconds by what was done; those of Python itself are taken off."""
    python = seconds(sys.executable, "-c", "pass")

    def cost(statement: str, times: int = TIMES) -> float:
        return round(max(0.0, seconds(sys.executable, "-c", statement, times=times) - python), 3)

    found = {
        "import assistant": cost("import assistant"),
        "sightdesk --help": cost(
            "import sys; sys.argv = ['sightdesk', '--help']; from assistant.cli import main; main()"
        ),
    }
    for name in assistant.__all__ if names else ():
        found[f"from assistant import {name}"] = cost(f"from assistant import {name}", times=1)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="One JSON object.")
    parser.add_argument("--names", action="store_true", help="Each name of the package, too.")
    options = parser.parse_args()
    found = measured(names=options.names)
    if options.json:
        print(json.dumps(found))
        return
    for what, took in found.items():
        print(f"{what:45} {took:.2f} s")


if __name__ == "__main__":
    main()
