"""Re-ranking: likelihoods, agreement, and the engine's choice on a tiny LLaVA."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from assistant.engine import Engine, Sampling, describing
from assistant.rerank import (
    AGREEMENT_WEIGHT,
    HABIT_WEIGHT,
    Evidence,
    agreement,
    mean_log_likelihoods,
    score,
)
from assistant.settings import Settings
from tests import tiny

WARM = Sampling(max_tokens=5, temperature=1.0)


@pytest.fixture(scope="module")
def engine() -> Engine:
    loaded = Engine.load(base=str(tiny.directory()), settings=Settings(device="cpu"))
    loaded.model.float()
    return loaded


def test_likelihoods_equal_those_of_separate_rows() -> None:
    model: Any = tiny.model()
    torch.manual_seed(0)
    prompt = torch.randn(7, model.config.text_config.hidden_size)
    answers = [(40, 50, 60, 2), (41, 2), (2,)]
    found = mean_log_likelihoods(model, prompt, answers)
    for answer, value in zip(answers, found, strict=True):
        words = model.get_input_embeddings()(torch.tensor(answer))
        with torch.inference_mode():
            logits = model(inputs_embeds=torch.cat([prompt, words])[None]).logits[0]
        each = logits[6:-1].log_softmax(-1)[torch.arange(len(answer)), torch.tensor(answer)]
        assert value == pytest.approx(float(each.mean()), abs=1e-4)


def test_agreement_is_with_the_others() -> None:
    texts = [
        "A dog runs on the grass.",
        "A dog runs on grass.",
        "The dog runs on the grass.",
        "Two men play music.",
    ]
    first, second, third, odd = agreement(texts)
    assert odd == 0
    assert min(first, second, third) > 0.3
    assert first == max(first, second, third)
    assert agreement(["A dog.", "a dog"]) == [pytest.approx(0.5), pytest.approx(0.5)]
    assert agreement(["Alone."]) == [0.0]
    assert agreement(["", ""]) == [0.0, 0.0]


def test_score_counts_habit_against_a_candidate() -> None:
    habit = Evidence(seen=-1.0, habit=-0.5, agreement=0.2)
    fresh = Evidence(seen=-1.0, habit=-2.5, agreement=0.2)
    assert score(fresh, 0.3, 1.0) - score(habit, 0.3, 1.0) == pytest.approx(0.6)
    assert score(habit, 0.0, 2.0) == pytest.approx(-0.6)


def test_the_best_candidate_is_told(engine: Engine) -> None:
    images = engine.encode_images([tiny.picture(seed) for seed in range(2)])
    for image in images:
        candidates = engine.candidates(image, seed=4)
        texts = [text for text, _ in candidates]
        assert 4 <= len(texts) == len(set(texts)) <= 10
        (answer,) = engine.describe([image], mode="rerank", seed=4)
        best = max(candidates, key=lambda c: score(c[1], HABIT_WEIGHT, AGREEMENT_WEIGHT))
        assert answer.text == best[0]
        assert answer.tokens >= 1
    assert engine.describe([], mode="rerank") == []


def test_a_grey_picture_tells_nothing(engine: Engine) -> None:
    """Of the grey picture itself, evidence and habit are the same."""
    grey = describing._grey(engine)
    for _, evidence in engine.candidates(grey, seed=0):
        assert evidence.seen == pytest.approx(evidence.habit, abs=1e-4)
    other = engine.encode_image(tiny.picture(1))
    gaps = [abs(e.seen - e.habit) for _, e in engine.candidates(other, seed=0)]
    assert max(gaps) > 0.01


def test_a_candidate_that_was_cut_says_so(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.model.generation_config, "eos_token_id", None)
    monkeypatch.setattr(
        describing, "SAMPLING", {"beam": Sampling(max_tokens=5, beams=4), "sample": WARM}
    )
    (answer,) = engine.describe(engine.encode_images([tiny.picture(0)]), mode="rerank", seed=0)
    assert (answer.finish, answer.tokens) == ("length", 5)
