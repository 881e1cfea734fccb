"""What it is worth that the desk's instructions are shared and outlive the process.

    python -m tests.benchmarks.prefixes --json

Median seconds over --rounds, each in a process of its own, turn about:

- `system_first_word`: the desk's first question after a start, to its first word, with what an
  earlier process kept of the instructions; `system_first_word_anew` without; `ratio` of the two;
- `system`: tokens of the instructions.

And for --threads conversations that begin with the instructions, each a tenant's own with
`OWN` tokens behind them: `bytes`, that the prefix cache takes for them, `bytes_whole`, that as many
whole copies would, and `longest_s`, to put one together from its blocks.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import torch
from langchain_core.messages import HumanMessage
from rich.console import Console
from rich.progress import track

from assistant.chat_model import ChatLlava
from assistant.engine import Engine
from assistant.engine.caches import Layers
from assistant.engine.prefix_files import Shape
from assistant.engine.prefixes import PrefixCache
from assistant.settings import Settings, get_settings
from assistant.store import Store
from assistant.tools import Desk, build_tools

OWN: Final = 60
QUESTION: Final = "Hello!"


def asked(threads: int) -> dict[str, float]:
    """One process: its first question, and the bytes of many threads."""
    engine = Engine.load()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder))
        desk = Desk(engine, Store.open(settings), None, settings)
        tools = build_tools(desk)
        model = ChatLlava(engine=engine)
        model.share_tools(tools)
        assert model.uses_desk_form()  # and its adapter is ready
        bound = model.bind_tools(tools)
        began = time.perf_counter()
        first, last = None, None
        for chunk in bound.stream([HumanMessage(QUESTION)]):
            if first is None and chunk.text:
                first = time.perf_counter() - began
            last = chunk
        desk.close()
    assert first is not None and last is not None
    engine.prefixes.settle()
    (revision, beginning), *_ = engine.prefixes._shared
    told = engine.prefixes.longest((revision, "somebody else"), beginning)[0]
    assert told == len(beginning), "it was not the desk's own prompt that was asked"
    found = {"first_word": first, "system": float(told)}
    return found | stored(Shape.of(engine.model), len(beginning), threads)


def stored(shape: Shape, system: int, threads: int) -> dict[str, float]:
    """Bytes of conversations that begin alike."""
    cache = PrefixCache(2**40)
    keys = tuple(range(system))
    cache.share("", keys)
    whole, took = 0, []
    sides = 1, shape.heads, system + OWN, shape.width
    layers: Layers = tuple(
        (torch.ones(sides, dtype=shape.dtype), torch.ones(sides, dtype=shape.dtype))
        for _ in range(shape.layers)
    )
    for number in range(threads):
        text = (*keys, *range(10_000 * (number + 1), 10_000 * (number + 1) + OWN))
        cache.put(("", str(number)), text, layers)
        whole += sum(tensor.nbytes for layer in layers for tensor in layer)
        began = time.perf_counter()
        length, _ = cache.longest(("", str(number)), text)
        took.append(time.perf_counter() - began)
        assert length == len(text)
    return {"bytes": cache.size, "bytes_whole": whole, "longest_s": statistics.median(took)}


def child(threads: int, cache: Path) -> dict[str, float]:
    """What `asked` tells in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.prefixes", "--child", str(threads)]
    told = subprocess.run(
        command,
        env={**os.environ, "SIGHTDESK_CACHE_DIR": str(cache)},
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, float] = json.loads(told.stdout.splitlines()[-1])
    return found


def measure(rounds: int, threads: int) -> dict[str, float]:
    """See the module's text."""
    kept, anew = [], []
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        real = get_settings().cache_dir
        real.mkdir(parents=True, exist_ok=True)
        for place in real.iterdir():  # all but what is measured
            if place.name != "prefixes":
                (cache / place.name).symlink_to(place)
        child(1, cache)  # whatever else is kept from start to start
        for _ in track(range(rounds), "Starting", console=Console(stderr=True)):
            shutil.rmtree(cache / "prefixes", ignore_errors=True)
            anew.append(child(1, cache))
            kept.append(child(threads, cache))
    found = {
        "system_first_word": statistics.median(each["first_word"] for each in kept),
        "system_first_word_anew": statistics.median(each["first_word"] for each in anew),
    }
    found["ratio"] = found["system_first_word"] / found["system_first_word_anew"]
    found |= {name: kept[-1][name] for name in ("system", "bytes", "bytes_whole", "longest_s")}
    return {name: round(value, 5) for name, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child is not None:
        print(json.dumps(asked(given.child)))
        return
    found = measure(given.rounds, given.threads)
    print(json.dumps(found, indent=None if given.json else 1))


if __name__ == "__main__":
    main()
