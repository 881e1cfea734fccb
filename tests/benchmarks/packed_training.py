"""How many times faster packed training is than a plain `Trainer` loop over the same pairs.

    python -m tests.benchmarks.packed_training --captions train.jsonl --pictures 24 --json

Both train projector and LoRA of the embedded base on the same question-answer pairs, in bfloat16,
one after the other in this process. The plain loop is transformers' own: one row a pair, padded to
the longest of its batch, each picture encoded anew, logits for every token. Packed training is
`adapters.train.train`; what encoding the pictures once costs it is reported apart, since a real run
encodes them once and reads them for many epochs. The first step of either is left out.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch.utils.data import Dataset
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from adapters.features import FeatureStore
from adapters.mixture import CaptionSource
from adapters.objectives import Counters, Drawn, packed_loss
from adapters.packing import Branch, PromptTokens, Tree, collate, fill_rows
from adapters.recipe import Recipe
from adapters.train import StepReport, prepare, train, tune_allocator
from assistant.llava import ensure_embedded, load_base
from assistant.settings import get_settings

BATCH = 8


class Pairs(Dataset[Any]):
    """One row a question and answer: (picture, earlier turns and question, answer)."""

    def __init__(self, asked: list[tuple[Path, list[Branch]]]) -> None:
        self.rows: list[tuple[Path, list[str], str]] = []
        for path, branches in asked:
            for branch in branches:
                self.rows += [(path, [branch.question], answer) for answer in branch.answers]
                if branch.follow_up is not None:
                    question, answer = branch.follow_up
                    turns = [branch.question, branch.answers[-1], question]
                    self.rows.append((path, turns, answer))
        random.Random(0).shuffle(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Path, list[str], str]:
        return self.rows[index]


class Collator:
    """The processor's batch with labels on the last answer's tokens alone."""

    def __init__(self, processor: Any, image_token_id: int) -> None:
        self._processor, self._image_token_id = processor, image_token_id

    def __call__(self, rows: list[tuple[Path, list[str], str]]) -> dict[str, torch.Tensor]:
        texts, pictures, answers = [], [], []
        for path, turns, answer in rows:
            messages: list[dict[str, Any]] = []
            for number, text in enumerate(turns):
                parts = [{"type": "image"}] if number == 0 else []
                role = "assistant" if number % 2 else "user"
                messages.append({"role": role, "content": [*parts, {"type": "text", "text": text}]})
            asked = self._processor.apply_chat_template(messages, add_generation_prompt=True)
            texts.append(f"{asked}{answer}<|im_end|>")
            answers.append(answer)
            with Image.open(path) as picture:
                pictures.append(picture.convert("RGB"))
        batch = self._processor(
            images=pictures, text=texts, padding=True, padding_side="right", return_tensors="pt"
        )
        labels = torch.full_like(batch["input_ids"], -100)
        for row, answer in enumerate(answers):
            ids = self._processor.tokenizer.encode(answer, add_special_tokens=False)
            end = int(batch["attention_mask"][row].sum())
            start = end - len(ids) - 1
            labels[row, start:end] = batch["input_ids"][row, start:end]
        return {**batch, "labels": labels}


class Clock(TrainerCallback):
    """When each step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.ends.append(time.perf_counter())


class Fixed:
    """An objective over trees that were drawn before."""

    def __init__(self, trees: list[Tree], features: dict[Any, torch.Tensor], pad_id: int) -> None:
        self._trees, self._features, self._pad_id = trees, features, pad_id
        self.pairs: list[int] = []

    def counters(self) -> Counters:
        return Counters([0], [0])

    def draw(self, model: Any, counters: Counters) -> Drawn:
        start = counters.visits[0]
        trees = self._trees[start : start + BATCH]
        counters.visits[0] += len(trees)
        batch = collate(fill_rows(trees), self._pad_id)
        features = torch.stack([self._features[image] for image in batch.images])
        pairs = sum(segment.weight > 0 for tree in trees for segment in tree.segments)
        self.pairs.append(pairs)
        loss = packed_loss(model, batch, features)
        return Drawn(loss, pairs, sum(map(len, trees)))


def plain(base: Any, recipe: Recipe, pairs: Pairs) -> tuple[int, float]:
    """Pairs after the first step, and the seconds that they took."""
    model: Any = prepare(base.model, recipe)
    model.get_base_model().set_attn_implementation("sdpa")  # the default, as a plain loop has it
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, bf16=True, use_cpu=not torch.cuda.is_available(),
            per_device_train_batch_size=BATCH, num_train_epochs=1, learning_rate=recipe.lora_rate,
            report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True,
            remove_unused_columns=False, dataloader_drop_last=True,
        )  # fmt: skip
        trainer = Trainer(
            model=model, args=arguments, train_dataset=pairs, callbacks=[clock],
            data_collator=Collator(base.processor, base.model.config.image_token_id),
        )  # fmt: skip
        trainer.remove_callback(PrinterCallback)  # it would write to stdout
        trainer.train()
    return (len(clock.ends) - 1) * BATCH, clock.ends[-1] - clock.ends[0]


def packed(
    base: Any, recipe: Recipe, trees: list[Tree], features: dict[Any, torch.Tensor], compiled: bool
) -> tuple[int, float]:
    """Pairs after the first step, and the seconds that they took."""
    model = prepare(base.model, recipe)
    objective = Fixed(trees, features, base.processor.tokenizer.pad_token_id)
    ends: list[float] = []

    def watch(_: StepReport) -> None:
        ends.append(time.perf_counter())

    steps = len(trees) // BATCH
    with tempfile.TemporaryDirectory() as folder:
        train(
            model, objective, replace(recipe, steps=steps), Path(folder),
            compiled=compiled, watch=watch,
        )  # fmt: skip
    return sum(objective.pairs[1:]), ends[-1] - ends[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--captions", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=40)
    parser.add_argument("--compile", action="store_true", help="compile the packed loop's layers")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.pictures < 3 * BATCH:
        parser.error(f"--pictures must be {3 * BATCH} or more: the first step is left out")

    tune_allocator()  # for both loops alike
    settings = get_settings()
    path = ensure_embedded(settings)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    recipe = Recipe(projector_steps=0, seed=0)

    def fresh() -> Any:
        return load_base(path, "embedded", device, torch.bfloat16)

    source = CaptionSource.read(given.captions)
    rng = random.Random(0)
    chosen = rng.sample(range(len(source.paths)), given.pictures)
    asked = [(source.paths[index], source.branches(index, rng)) for index in chosen]

    base = fresh()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        store = FeatureStore.build(
            base.model.model.vision_tower, [picture for picture, _ in asked], Path(folder),
            variants=1, revision="benchmark",
        )  # fmt: skip
        features = {index: store[index, 0] for index in range(len(asked))}
    encoding = time.perf_counter() - started
    config = base.model.config
    prompts = PromptTokens(base.processor.tokenizer, config.image_token_id, config.image_seq_length)
    trees = [prompts.tree(index, branches) for index, (_, branches) in enumerate(asked)]

    pairs, seconds = plain(fresh(), recipe, Pairs(asked))
    plain_rate = pairs / seconds
    pairs, seconds = packed(base, recipe, trees, features, given.compile)
    packed_rate = pairs / seconds
    result = {
        "threads": torch.get_num_threads(),
        "pictures": len(asked),
        "plain_pairs_per_second": round(plain_rate, 2),
        "packed_pairs_per_second": round(packed_rate, 2),
        "ratio": round(packed_rate / plain_rate, 2),
        "encoding_seconds_per_picture": round(encoding / len(asked), 4),
    }
    if given.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name.replace('_', ' '):32} {value}")


if __name__ == "__main__":
    main()
