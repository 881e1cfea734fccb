"""Several adapters on one base: how long a switch takes, what it costs, what labels cost.

    python tests/benchmarks/switching.py [--json] [--base BASE] [--quantize KIND] [--rank 8]

Two adapters with random weights are stacked on the base: LoRA on all linear layers of the language
model, for the embedded base also its last two stages, head and projector whole. `switch ms` is what
choosing another adapter adds to a request; `first use s` reads one from disk. Times are medians;
ratios on a busy machine mean something, figures do not.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from assistant.engine import Engine, Sampling, Turn
from assistant.images import LoadedImage, open_image
from assistant.vision import EfficientNetLiteModel

ROUNDS, TOKENS, PICTURES, LABELS = 15, 24, 8, 81
WORDS = ["green", "red", "ripe", "small", "large", "fresh", "dried", "sweet", "sour", "organic"]
GOODS = ["apple", "pear", "plum", "milk", "juice", "cream", "yoghurt", "pepper", "onion"]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--base", default=None)
    parser.add_argument("--quantize", default="none")
    parser.add_argument("--rank", type=int, default=8)
    options = parser.parse_args()
    results = measure(options.base, options.quantize, options.rank)
    if options.json:
        print(json.dumps(results))
        return
    for name, value in results.items():
        print(f"{name:<40}{value:>10}")


def measure(base: str | None, quantize: str, rank: int) -> dict[str, float]:
    """All figures, one engine."""
    engine = Engine.load(base, quantize=quantize)
    picture = open_image(Image.new("RGB", (260, 260), (200, 180, 40)))
    results: dict[str, float] = {"ground alone ms/token": speed(engine, picture, None)}
    with tempfile.TemporaryDirectory() as room:
        paths = [write_adapter(Path(room) / f"adapter-{n}", engine, rank, n) for n in range(2)]
        before = resident()
        started = time.perf_counter()
        names = [engine.add_adapter(path) for path in paths]
        results["first use s"] = round((time.perf_counter() - started) / len(paths), 2)
        for name in names:
            speed(engine, picture, name)
        results["resident MiB an adapter"] = round((resident() - before) / len(paths), 1)
        results["adapter MiB"] = round(engine.resolve(names[0]).nbytes / 2**20, 1)
        results["file MiB"] = round(
            (paths[0] / "adapter_model.safetensors").stat().st_size / 2**20, 1
        )
    results["switch ms"], results["switch ms (most)"] = switch(engine, [None, *names])
    results["ground beside ms/token"] = speed(engine, picture, None)
    results["adapter ms/token"] = speed(engine, picture, names[0])
    results |= batches(engine, picture, [None, *names])
    results |= labels(engine, names[0])
    return results


def switch(engine: Engine, names: list[str | None]) -> tuple[float, float]:
    """Median and longest milliseconds until the model speaks and sees as another adapter does."""
    taken = []
    for number in range(ROUNDS * len(names)):
        started = time.perf_counter()
        with engine.alone(names[number % len(names)]):
            taken.append(1e3 * (time.perf_counter() - started))
    return round(median(taken), 2), round(max(taken), 2)


def speed(engine: Engine, picture: LoadedImage, adapter: str | None) -> float:
    """Milliseconds a token of an answer to a question whose prompt is known."""
    image = engine.encode_image(picture, adapter=adapter)
    turns = [Turn("user", "What is it?", (image.id,))]
    sampling = Sampling(max_tokens=TOKENS, temperature=1.0, seed=0)
    taken = []
    for _ in range(5):
        answer = engine.generate(turns, [image], sampling=sampling, adapter=adapter)
        taken.append(1e3 * answer.seconds / max(1, answer.tokens))
    return round(median(taken[1:]), 1)


def batches(engine: Engine, picture: LoadedImage, names: list[str | None]) -> dict[str, float]:
    """Seconds for requests of different adapters in one batch, and one batch for each."""
    wanted = names * 2
    images = [engine.encode_image(picture, adapter=name) for name in wanted]
    requests = [([Turn("user", "What is it?", (image.id,))], [image]) for image in images]
    sampling = Sampling(max_tokens=TOKENS, temperature=1.0, seed=0)
    mixed, apart = [], []
    for _ in range(3):
        started = time.perf_counter()
        engine.generate_batch(requests, sampling=sampling, adapters=wanted)
        mixed.append(time.perf_counter() - started)
        started = time.perf_counter()
        for place, name in enumerate(names):
            own = requests[place :: len(names)]
            engine.generate_batch(own, sampling=sampling, adapter=name)
        apart.append(time.perf_counter() - started)
    return {
        f"{len(wanted)} requests mixed s": round(median(mixed), 2),
        "the same by adapter s": round(median(apart), 2),
    }


def labels(engine: Engine, adapter: str) -> dict[str, float]:
    """Seconds a picture to choose among 81 labels, and whole requests with another adapter each."""
    wanted = [f"{first}-{second}" for first in WORDS for second in GOODS][:LABELS]
    pictures = [
        open_image(Image.new("RGB", (64, 64), (20 * number, 180, 40))) for number in range(PICTURES)
    ]
    found = {}
    for title, name in (("ground", None), ("adapter", adapter)):
        images = engine.encode_images(pictures, adapter=name)
        engine.label(images[:1], labels=wanted, adapter=name)
        started = time.perf_counter()
        engine.label(images, labels=wanted, adapter=name)
        seconds = (time.perf_counter() - started) / len(images)
        found[f"81 labels, {title} s/picture"] = round(seconds, 3)
    return found


def write_adapter(folder: Path, engine: Engine, rank: int, seed: int) -> Path:
    """An adapter with random weights for the engine's ground."""
    from peft import LoraConfig

    torch.manual_seed(seed)
    tensors: dict[str, torch.Tensor] = {}
    whole = []
    linears = [
        name
        for name, module in engine.model.model.language_model.named_modules()
        if isinstance(module, nn.Linear)
    ]
    for name in linears:
        layer: Any = engine.model.model.language_model.get_submodule(name)
        place = f"base_model.model.model.language_model.{name}"
        tensors[f"{place}.lora_A.weight"] = 0.01 * torch.randn(rank, layer.in_features)
        tensors[f"{place}.lora_B.weight"] = 0.01 * torch.randn(layer.out_features, rank)
    if isinstance(engine.tower, EfficientNetLiteModel):
        last = len(engine.tower.stages)
        for part in (f"stages.{last - 2}", f"stages.{last - 1}", "head"):
            whole.append(f"vision_tower.{part}")
            for name, tensor in engine.tower.get_submodule(part).state_dict().items():
                tensors[f"base_model.model.model.vision_tower.{part}.{name}"] = tensor
        for part in ("linear_1", "linear_2"):
            whole.append(part)
            layer = engine.model.model.multi_modal_projector.get_submodule(part)
            for name, tensor in layer.state_dict().items():
                tensors[f"base_model.model.model.multi_modal_projector.{part}.{name}"] = tensor
    folder.mkdir()
    half = {
        name: _near(tensor).to(torch.bfloat16).contiguous()
        for name, tensor in tensors.items()
        if tensor.is_floating_point()
    }
    save_file(half, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    LoraConfig(
        r=rank,
        lora_alpha=rank,
        target_modules=r".*language_model.*\.(q|k|v|o|gate|up|down)_proj",
        modules_to_save=whole or None,
    ).save_pretrained(str(folder))
    identity = engine._stack.identity()
    assert identity is not None
    about = {"format": 2, "name": folder.name, "on": identity.on(engine.name)}
    (folder / "sightdesk.json").write_text(json.dumps(about), encoding="utf-8")
    return folder


def _near(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor with a little of noise, so that no two adapters are the same."""
    return tensor * (1 + 0.01 * torch.randn(tensor.shape))


def resident() -> float:
    """MiB that this process has in memory."""
    return float(psutil.Process().memory_info().rss / 2**20)


if __name__ == "__main__":
    main()
