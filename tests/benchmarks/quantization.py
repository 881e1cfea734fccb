"""What quantization does on this machine: speed, memory and the time to load, in every form.

    python tests/benchmarks/quantization.py [--json] [--base BASE] [--adapter ADAPTER]

Each form is loaded in a process of its own, so that nobody's memory counts twice. `imported` is
what Python and its libraries take before a model is loaded, `loading` the most that was resident
until it was loaded, `steady` what is resident after answers were given, `answering` the most in
between. Memory in MiB; ratios on a busy machine mean something, figures do not.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import psutil

KINDS = ("none", "nf4", "int8", "w8")
PROMPT, ANSWER, ROUNDS = 256, 32, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--base", default=None)
    parser.add_argument("--adapter", default=None)
    parser.add_argument("--kind", choices=KINDS, help="only this one, in this process, as JSON")
    options = parser.parse_args()
    if options.kind:
        print(json.dumps(measure(options.kind, options.base, options.adapter)))
        return
    results = {kind: in_a_process(kind, options.base, options.adapter) for kind in KINDS}
    if options.json:
        print(json.dumps(results))
        return
    names = list(results["none"])
    print(" " * 24 + "".join(f"{kind:>10}" for kind in KINDS))
    for name in names:
        print(f"{name:<24}" + "".join(f"{results[kind][name]:>10}" for kind in KINDS))


def in_a_process(kind: str, base: str | None, adapter: str | None) -> dict[str, float]:
    command = [sys.executable, str(Path(__file__).resolve()), "--kind", kind]
    command += ["--base", base] if base else []
    command += ["--adapter", adapter] if adapter else []
    root = str(Path(__file__).resolve().parents[2])
    environment = os.environ | {"PYTHONPATH": root}
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def measure(kind: str, base: str | None, adapter: str | None) -> dict[str, float]:
    """Load, answer and time in this process."""
    from PIL import Image

    from assistant.engine import Engine, Sampling, Turn
    from assistant.images import open_image

    imported = resident()
    started = time.perf_counter()
    engine = Engine.load(base, adapter, quantize=kind)
    seconds = time.perf_counter() - started
    loaded, loading = resident(), peak()
    picture = engine.encode_image(open_image(Image.new("RGB", (260, 260), (200, 180, 40))))
    for question in ("What is it?", "What colour is it?", "Is there a dog?"):
        turns = [Turn("user", question, (picture.id,))]
        engine.generate(turns, [picture], sampling=Sampling(max_tokens=ANSWER))
    steady, answering = resident(), peak()
    prefill, decode = speeds(engine.model)
    return {
        "prefill tokens/s": round(prefill),
        "decode tokens/s": round(decode, 1),
        "load s": round(seconds, 1),
        "imported MiB": imported,
        "loading MiB": loading,
        "loaded MiB": loaded,
        "steady MiB": steady,
        "answering MiB": answering,
    }


def speeds(model: Any) -> tuple[float, float]:
    """Tokens a second of the language model: a prompt at once, then word by word after it."""
    import torch

    from assistant.engine.decoding import reader_of

    table = model.get_input_embeddings()
    prompts, tokens = [], []
    with torch.inference_mode():
        prompt = table(torch.arange(100, 100 + PROMPT, device=model.device))
        for _ in range(ROUNDS + 1):
            reader = reader_of(model)
            started = time.perf_counter()
            logits = reader.read(prompt)
            settle(model.device)
            prompts.append(time.perf_counter() - started)
            started = time.perf_counter()
            for _ in range(ANSWER):
                logits = reader.read(table(logits.argmax(-1)))
            settle(model.device)
            tokens.append(time.perf_counter() - started)
    return PROMPT / median(prompts[1:]), ANSWER / median(tokens[1:])


def settle(device: Any) -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)


def resident() -> int:
    return int(psutil.Process().memory_info().rss / 2**20)


def peak() -> int:
    """The most that was resident so far."""
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text(encoding="ascii")
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) // 1024
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset / 2**20)
    import resource

    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)


if __name__ == "__main__":
    main()
