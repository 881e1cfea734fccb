"""Self-critical training: rewards, draws and their gradient on a tiny LLaVA."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pycocoevalcap.cider.cider import Cider

from adapters.features import FeatureStore
from adapters.metrics import tokenize_caption
from adapters.mixture import CaptionSource
from adapters.objectives import Feeder, embed
from adapters.packing import PromptTokens
from adapters.publish import draw_loss
from adapters.recipe import Recipe
from adapters.self_critical import (
    MAX_TOKENS,
    CaptionReward,
    SelfCritical,
    advantages,
    draw_answers,
)
from adapters.train import prepare, train
from assistant.rerank import mean_log_likelihoods
from tests import tiny

CORPUS = [
    ["A brown dog runs on the grass .", "A dog is running outside .", "The dog runs ."],
    ["Two men play music on a street .", "Two men with guitars .", "Musicians play outside ."],
    ["A woman in a red coat is skiing .", "A skier in red .", "A woman skis down a hill ."],
    ["A boy jumps into a pool .", "A child jumps into the water .", "The boy is swimming ."],
]
RECIPE = Recipe(
    steps=4, projector_steps=0, tokens=300, rank=4, alpha=8, warmup=1, self_critical=True,
    samples=3, anchor_tokens=100, lora_rate=1e-2, projector_rate=1e-2,
)  # fmt: skip


def test_reward_is_cider_of_the_corpus_and_bleu() -> None:
    reward = CaptionReward(CORPUS)
    captions = ["A brown dog runs on the grass.", "A dog runs.", "Two men play music."]
    given = reward(0, captions)
    # Scored together with the others' own first references, CIDEr has the corpus's frequencies.
    for caption, value in zip(captions, given, strict=True):
        gold = {n: [tokenize_caption(text) for text in texts] for n, texts in enumerate(CORPUS)}
        said = {n: [texts[0]] for n, texts in gold.items()} | {0: [tokenize_caption(caption)]}
        _, cider = Cider().compute_score(gold, said)
        bleu = 1.0 if caption == captions[0] else 0.0
        assert value == pytest.approx(cider[0] + 2 * bleu, abs=1e-3)
    assert given[0] > given[1] > given[2]


def test_reward_of_nothing_is_nothing() -> None:
    assert CaptionReward(CORPUS)(1, ["", "."]).tolist() == pytest.approx([0, 0], abs=1e-6)


def test_advantages_are_over_the_others_mean() -> None:
    assert advantages(np.array([1.0, 2.0, 6.0])).tolist() == pytest.approx([-3, -1.5, 4.5])
    assert advantages(np.array([2.0, 2.0])).tolist() == [0, 0]


def prompts(llava: Any, count: int) -> torch.Tensor:
    torch.manual_seed(3)
    return torch.randn(count, 9, llava.config.text_config.hidden_size)


def test_answers_follow_the_models_distribution() -> None:
    llava: Any = tiny.model()
    embedded = prompts(llava, 2)
    generator = torch.Generator().manual_seed(0)
    answers = draw_answers(llava, embedded, 400, generator)
    assert [len(of_one) for of_one in answers] == [400, 400]
    with torch.inference_mode():
        expected = llava(inputs_embeds=embedded).logits[:, -1].softmax(-1)
    for number in range(2):
        first = torch.tensor([ids[0] for ids in answers[number]])
        shares = torch.bincount(first, minlength=expected.shape[1]) / 400
        likely = expected[number] > 0.05
        assert likely.any()
        torch.testing.assert_close(shares[likely], expected[number][likely], atol=0.08, rtol=0)


def test_answers_end_and_continue_their_own_words() -> None:
    """With one sure choice at each step, all draws equal greedy decoding."""
    llava: Any = tiny.model()
    llava.lm_head.weight.data.mul_(100)
    embedded = prompts(llava, 3)
    end = llava.generation_config.eos_token_id
    with torch.inference_mode():
        greedy = llava.generate(
            inputs_embeds=embedded, attention_mask=torch.ones(3, 9, dtype=torch.long),
            do_sample=False, max_new_tokens=MAX_TOKENS,
        )  # fmt: skip
    drawn = draw_answers(llava, embedded, 2, torch.Generator().manual_seed(0))
    for row, answers in zip(greedy.tolist(), drawn, strict=True):
        length = row.index(end) + 1 if end in row else len(row)
        assert answers == [tuple(row[:length])] * 2


def started(folder: Path, recipe: Recipe = RECIPE) -> tuple[Any, SelfCritical]:
    files = tiny.picture_files(folder, 4)
    llava: Any = tiny.model()
    source = CaptionSource("captions", files, CORPUS)
    store = FeatureStore.build(
        llava.model.vision_tower, files, folder / "features", variants=2, revision="tiny"
    )
    tokenizer = tiny.processor().tokenizer
    words = PromptTokens(tokenizer, llava.config.image_token_id, tiny.GRID**2)
    feeder = Feeder([(source, store, 1.0)], words, recipe, tokenizer.pad_token_id)
    return prepare(llava, recipe), SelfCritical(feeder, source, words, recipe, tokenizer)


def likelihoods(model: Any, objective: SelfCritical, answers: Sequence[tuple[int, ...]]) -> Any:
    """Mean log-likelihood of each answer about the first picture."""
    llava = model.get_base_model()
    ids = torch.tensor([objective._picture + objective._question])
    features = objective._feeder.features((0, 0, 0))[None]
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        prompt = embed(llava, ids, features)[0]
        return mean_log_likelihoods(llava, prompt, answers)


def test_a_step_makes_what_was_rewarded_likelier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, objective = started(tmp_path, replace(RECIPE, anchor=1e-9))
    answers = [(60, 70, 2), (61, 71, 2), (62, 72, 2)]
    monkeypatch.setattr("adapters.self_critical.draw_answers", lambda *_: [answers] * 9)
    monkeypatch.setattr(objective, "_reward", lambda *_: np.array([1.0, 0.0, 0.5]))
    monkeypatch.setattr(objective, "_pictures", 9)
    before = likelihoods(model, objective, answers)
    with torch.autocast("cpu", torch.bfloat16):
        drawn = objective.draw(model, objective.counters())
    drawn.loss.backward()
    assert drawn.reward == pytest.approx(0.5)
    assert drawn.answers == 27
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter -= 0.5 * parameter.grad
    good, bad, middling = np.array(likelihoods(model, objective, answers)) - before
    assert good > 0.01 > -0.01 > bad
    assert bad < middling < good


def test_a_run_logs_rewards(tmp_path: Path) -> None:
    model, objective = started(tmp_path)
    seen: list[float | None] = []
    train(model, objective, RECIPE, tmp_path / "run", watch=lambda r: seen.append(r.reward))
    assert len(seen) == 4
    assert all(reward is not None and reward >= 0 for reward in seen)
    with (tmp_path / "run" / "loss.csv").open() as file:
        logged = [float(row["reward"]) for row in csv.DictReader(file)]
    assert logged == pytest.approx(seen)
    draw_loss(tmp_path / "run" / "loss.csv", tmp_path / "reward.png")
    assert (tmp_path / "reward.png").read_bytes().startswith(b"\x89PNG")


def test_a_stopped_run_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    def losses(folder: str, *lengths: int) -> list[float]:
        found: list[float] = []
        for steps in lengths:
            model, objective = started(tmp_path)
            train(
                model, objective, replace(RECIPE, steps=steps, decay=0.0), tmp_path / folder,
                watch=lambda report: found.append(report.loss),
            )  # fmt: skip
        return found

    whole = losses("whole", 4)
    assert len(set(whole)) == 4
    assert losses("parts", 2, 4) == pytest.approx(whole, abs=1e-4)
