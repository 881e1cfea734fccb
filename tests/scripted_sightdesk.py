"""Stands in for `sightdesk adapters train`, `evaluate` and `index`: the same words, no model.

python tests/scripted_sightdesk.py adapters train DATA --name NAME --preset quick --json
python tests/scripted_sightdesk.py index FOLDER --json

A step takes `SCRIPTED_STEP` seconds. Data whose name holds "broken" fail as the command would.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from adapters.tune.lock import training_folder
from assistant.errors import DataError, SightdeskError
from assistant.settings import get_settings

STEPS = {"encoder": 60, "language": 40}
FIELDS = "step,loss,rate,seconds,scores\n"


class Stop:
    """As adapters.tune.loop.StopRequest."""

    def __init__(self) -> None:
        self.asked = False
        signal.signal(signal.SIGINT, self._ask)
        signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked = True


def option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1] if name in words else ""


def tell(event: str, **values: Any) -> None:
    print(json.dumps({"event": event, **values}), flush=True)


def train(words: list[str]) -> int:
    data, name = words[2], option(words, "--name")
    seconds = float(os.environ.get("SCRIPTED_STEP", "0.02"))
    out = get_settings().data_dir / "trainings" / name
    with training_folder(out, resume="--resume" in words):
        stop = Stop()
        if "broken" in data:
            raise DataError(
                f"All labelled pictures of {data} are 'kiwi'; give at least two labels."
            )
        tell("progress", message="Opening pictures: training", fraction=0.5)
        planned = {stage: steps * seconds for stage, steps in STEPS.items()}
        tell("plan", pictures=240, held_out=24, left_out=1, labels=4, replay=0, steps=STEPS,
             trainable={"encoder": 3_451_000, "projector": 1_069_056, "language model": 2_442_240},
             seconds=planned, memory_bytes=2_254_857_830)  # fmt: skip
        (out / "recipe.toml").write_text('preset = "quick"\n', encoding="utf-8")
        for stage, steps in STEPS.items():
            if not run_stage(out, stage, steps, seconds, stop):
                print(f"Stopped; go on with: {' '.join(words)} --resume", file=sys.stderr)
                raise Stopped
        write_adapter(out / "adapter", name)
        write_adapter(get_settings().data_dir / "adapters" / name, name)
        tell("done", name=name, told=[f"The adapter {name!r} is there."])
    return 0


class Stopped(Exception):
    """As typer.Exit(130)."""

    exit_code = 130


def run_stage(out: Path, stage: str, steps: int, seconds: float, stop: Stop) -> bool:
    file = out / f"{stage}.csv"
    if not file.exists():
        file.write_text(FIELDS, encoding="utf-8")
    with file.open("r+", encoding="utf-8") as stream:
        whole = [line for line in stream.readlines() if line.endswith("\n")]
        done = len(whole) - 1
        for step in range(done + 1, steps + 1):
            if stop.asked:
                return False
            time.sleep(seconds)
            loss = 0.4 + 3.6 * math.exp(-step / 15) + 0.1 * math.sin(step)
            scores = ""
            if step % 10 == 0:
                score = 1 - math.exp(-step / 20)
                name = "accuracy" if stage == "encoder" else "cross_entropy"
                scores = '"{""score"": %f, ""%s"": %f}"' % (score, name, score)  # noqa: UP031
            stream.write(f"{step},{loss:.6f},1.0,{step * seconds:.1f},{scores}\n")
            stream.flush()
            if step % 10 == 0:
                tell("step", stage=stage, step=step, steps=steps, loss=loss)
    return True


def write_adapter(folder: Path, name: str) -> None:
    """Enough of an adapter to be listed and to show its scores."""
    import numpy as np
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    config = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file({"x": np.zeros(1, np.float32)}, folder / "adapter_model.safetensors")
    scores = {"accuracy_fine": 0.8412, "accuracy_coarse": 0.9123, "calibration_error": 0.031}
    about = {"name": name, "scores": {"held out of the training data": {**scores, "n": 24}}}
    (folder / "sightdesk.json").write_text(json.dumps(about), encoding="utf-8")


def evaluate(words: list[str]) -> int:
    time.sleep(float(os.environ.get("SCRIPTED_COMPARE", "0.5")))
    Path(option(words, "--html")).write_text("<!doctype html><title>Report</title>", "utf-8")
    part = {"value": 0.84, "low": 0.79, "high": 0.88, "n": 24}
    figure = {"own": part, "against": {**part, "value": 0.31}, "difference": part, "p": 0.001}
    judgement = {"data": "val", "kind": "labels", "n": 24, "scores": {"accuracy_fine": figure}}
    finding = "fruit is right about 84 % of the labels, the base about 31 %."
    print(json.dumps({"findings": [finding], "judgements": [judgement], "forgetting": []}))
    return 0


def index(words: list[str]) -> int:
    """The real index with an embedder of colours; a report takes `SCRIPTED_STEP` seconds."""
    from assistant.image_index import ImageIndex
    from tests.tiny_space import TinySpace

    stop = Stop()

    def report(message: str, fraction: float | None) -> None:
        print(f"{message} {fraction or 0:.0%}", file=sys.stderr, flush=True)
        time.sleep(float(os.environ.get("SCRIPTED_STEP", "0")))

    opened = ImageIndex.open(embedder=TinySpace())
    done = opened.add(Path(words[1]), progress=report, cancelled=lambda: stop.asked)
    if stop.asked:
        raise Stopped
    print(json.dumps({"folder": words[1], **asdict(done), "error": None}))
    return 2 if done.troubles else 0


def main(words: list[str]) -> int:
    try:
        if words[0] == "index":
            return index(words)
        return (train if words[1] == "train" else evaluate)(words)
    except SightdeskError as error:
        print(error, file=sys.stderr)
        return 2
    except Stopped:
        return 130


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
