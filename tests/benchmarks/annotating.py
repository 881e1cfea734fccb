"""A folder labelled and described, against plain transformers one picture at a time.

    python -m tests.benchmarks.annotating --photos flickr8k/images --groceries grocery/images --json

Both are measured in one process, turn about, --rounds times, on the same photos. *Plain* is the
same composed model through transformers' own processor and `generate`, one picture at a time, in
float32 or bfloat16, whichever is quicker here; each of its answers is as long as ours. For labels
it writes the label's text. *Ours* is a whole job, files on the disk to results on the disk, with
the model loaded. It does --count pictures a round, plain the first --plain of them.

- `ours`, `plain`: pictures a second, best round; `ratio` of the two;
- `ratio_cpu`: the same of seconds of the processor, which others on a busy machine change less;
- `dtypes`: seconds that a picture takes plain in each precision;
- `same`: share of pictures for which both say the same.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from assistant.adapter_files import find_adapter
from assistant.annotate import Annotation, Job, Task, engine_for
from assistant.engine import Engine
from assistant.image_index.scanning import SUFFIXES
from assistant.llava import attach_adapter, ensure_embedded, load_base
from assistant.prompts import DESCRIBE, LABEL_QUESTION, spoken_label
from assistant.settings import get_settings

DTYPES = (torch.float32, torch.bfloat16)


@dataclass
class Taken:
    """Pictures a second, and seconds of the processor for each, of each round."""

    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def note(self, count: int, work: Callable[[], Any]) -> Any:
        """What some work gives."""
        began, cpu = time.perf_counter(), time.process_time()
        given = work()
        self.cpu.append((time.process_time() - cpu) / count)
        self.rates.append(count / (time.perf_counter() - began))
        return given


class Plain:
    """The composed model as transformers has it.

    Args:
        adapters: are merged into the base, one after the other.
    """

    def __init__(self, adapters: Sequence[str], dtype: torch.dtype) -> None:
        settings = get_settings()
        base = load_base(ensure_embedded(settings), "embedded", torch.device("cpu"), "auto")
        for name in adapters:
            base = attach_adapter(base, find_adapter(name, settings).path, name)
        model: Any = base.model
        self.model = model.to(dtype).eval()
        self.processor: Any = base.processor

    def ask(self, path: Path, question: str, tokens: int) -> str:
        """The answer about one picture, of so many tokens, its end included."""
        content = [{"type": "image"}, {"type": "text", "text": question}]
        text = self.processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )
        with Image.open(path) as opened:
            given = self.processor(images=opened.convert("RGB"), text=text, return_tensors="pt")
        given["pixel_values"] = given["pixel_values"].to(self.model.dtype)
        with torch.inference_mode():
            said = self.model.generate(
                **given, do_sample=False, min_new_tokens=tokens, max_new_tokens=tokens
            )
        new = said[0, given["input_ids"].shape[1] :]
        return str(self.processor.tokenizer.decode(new, skip_special_tokens=True)).strip()


def quickest(adapters: Sequence[str], path: Path, question: str) -> tuple[Plain, dict[str, float]]:
    """The plain model in the precision that is quicker, and the seconds that each takes."""
    seconds: dict[torch.dtype, float] = {}
    for dtype in DTYPES:
        plain = Plain(adapters, dtype)
        plain.ask(path, question, 2)
        began = time.process_time()
        plain.ask(path, question, 12)
        seconds[dtype] = time.process_time() - began
    best = min(seconds, key=lambda dtype: seconds[dtype])
    shown = {str(dtype).removeprefix("torch."): round(each, 3) for dtype, each in seconds.items()}
    return Plain(adapters, best), shown


def measure(
    task: Task, files: Sequence[Path], adapters: Sequence[str], plain_count: int, rounds: int
) -> dict[str, Any]:
    """See the module's text."""
    engine = engine_for(task)
    question = DESCRIBE[task.detail] if task.kind == "describe" else LABEL_QUESTION
    plain, dtypes = quickest(adapters, files[0], question)
    ours, theirs = Taken(), Taken()
    said: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "photos"
        folder.mkdir()
        copies = [folder / f"{number:04}{file.suffix}" for number, file in enumerate(files)]
        for file, copy in zip(files, copies, strict=True):
            shutil.copyfile(file, copy)
        run_job(engine, folder, Path(place) / "first", task)  # what is only done once
        plain.ask(copies[0], question, 4)
        for number in range(rounds):
            engine.forget()
            out = Path(place) / f"out-{number}"
            rows = ours.note(len(files), lambda out=out: run_job(engine, folder, out, task))  # type: ignore[misc]
            words = {row.image: wording(row) for row in rows}
            said |= theirs.note(
                plain_count,
                lambda words=words: {  # type: ignore[misc]
                    copy.name: plain.ask(copy, question, length(engine, words[copy.name]))
                    for copy in copies[:plain_count]
                },
            )
    same = sum(said[name] == words[name] for name in said) / len(said)
    return {
        "ours": round(max(ours.rates), 3),
        "plain": round(max(theirs.rates), 3),
        "ratio": round(max(ours.rates) / max(theirs.rates), 2),
        "ratio_cpu": round(min(theirs.cpu) / min(ours.cpu), 2),
        "dtypes": dtypes,
        "pictures": len(files),
        "words": round(sum(len(each.split()) for each in words.values()) / len(words), 1),
        "same": round(same, 3),
        "model": str(engine.model.dtype).removeprefix("torch."),
        "quantization": engine.quantization,
    }


def run_job(engine: Engine, folder: Path, out: Path, task: Task) -> list[Annotation]:
    """One whole job."""
    job = Job.start(folder, out, task)
    job.run(engine)
    return list(job.annotations())


def wording(row: Annotation) -> str:
    """What the model would write."""
    return row.caption or f"{spoken_label(row.guess or '')}."


def length(engine: Engine, text: str) -> int:
    """Tokens of an answer, its end included."""
    return len(engine.tokenizer.encode(text, add_special_tokens=False)) + 1


def pictures(place: Path, count: int) -> list[Path]:
    """The first ones below a folder."""
    found = sorted(path for path in place.rglob("*") if path.suffix.lower()[1:] in SUFFIXES)
    return found[:count]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, help="a folder to describe")
    parser.add_argument("--groceries", type=Path, help="a folder to label")
    parser.add_argument("--adapter", default="grocery", help="whose labels they have")
    parser.add_argument("--count", type=int, default=256)
    parser.add_argument("--plain", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    os.environ.setdefault("SIGHTDESK_DATA_DIR", tempfile.mkdtemp())
    get_settings.cache_clear()
    found: dict[str, Any] = {"threads": torch.get_num_threads()}
    if given.photos is not None:
        files = pictures(given.photos, given.count)
        found["describe"] = measure(
            Task("describe"), files, ["embedded"], min(given.plain, len(files)), given.rounds
        )
    if given.groceries is not None:
        files = pictures(given.groceries, given.count)
        task = Task("label", adapter=given.adapter)
        found["label"] = measure(
            task, files, ["embedded", given.adapter], min(given.plain, len(files)), given.rounds
        )
    print(json.dumps(found, indent=None if given.json else 1))


if __name__ == "__main__":
    main()
