"""The embedder: what it refuses, and with its real weights, what it finds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from assistant.embedder import DEFAULT, PairScorer, text_embedder
from assistant.errors import WeightsError
from assistant.knowledge import Knowledge
from assistant.settings import Settings
from assistant.store import Store
from tests.test_knowledge.conftest import Write

PRODUCTS = [
    {"label": "Granny-Smith", "coarse_label": "Apple",
     "description": "Granny Smith is a green apple with white, firm pulp and a clear acidity."},
    {"label": "Red-Delicious", "coarse_label": "Apple",
     "description": "Red Delicious is a dark red apple with soft pulp and sweet taste."},
    {"label": "Oatly-Oat-Milk", "coarse_label": "Oat-Milk", "description": "An oat drink.",
     "information": ["Nutrition values per 100 gram:", "fett ca 1.5 gram"]},
]  # fmt: skip


def test_a_model_that_cannot_be_loaded_is_one_sentence(tmp_path: Path) -> None:
    for model in (str(tmp_path), str(tmp_path / "nowhere/at-all/x")):
        with pytest.raises(WeightsError, match="SIGHTDESK_EMBEDDER") as caught:
            text_embedder(model).encode(["text"])
        assert "\n" not in str(caught.value)
    with pytest.raises(WeightsError, match="SIGHTDESK_RERANKER"):
        PairScorer(str(tmp_path)).scores("a question", ["a text"])


def test_a_name_is_one_embedder(tmp_path: Path) -> None:
    assert text_embedder() is text_embedder(DEFAULT)
    chosen = text_embedder(None, Settings(embedder="someone/some-model"))
    assert chosen.name == "someone/some-model"
    (tmp_path / "config.json").write_text("{}")
    before = text_embedder(str(tmp_path)).name
    assert before.startswith(f"{tmp_path.name}@")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text("{ }")
    other = text_embedder(str(tmp_path / "other")).name
    assert other.rpartition("@")[2] != before.rpartition("@")[2]


@pytest.mark.weights
def test_the_default_embedder_knows_what_is_meant() -> None:
    embedder = text_embedder()
    vectors = embedder.encode(["a sour fruit", "an acid fruit", "the shop opens at nine"])
    assert vectors.shape == (3, 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > 0.6 > 0.3 > vectors[0] @ vectors[2]
    assert embedder.encode([]).shape == (0, 384)


@pytest.mark.weights
def test_products_are_found_by_what_customers_call_them(write: Write, tmp_path: Path) -> None:
    with Store.open(Settings(data_dir=tmp_path / "data")) as store:
        knowledge = Knowledge.open(store=store)
        knowledge.add(write("products.jsonl", "\n".join(map(json.dumps, PRODUCTS))))
        for question, title in (
            ("the green sour apple", "Granny Smith"),
            ("grany smth", "Granny Smith"),
            ("that sweet dark one", "Red Delicious"),
            ("how fat is the milk made of oats", "Oatly Oat Milk"),
        ):
            best = knowledge.search(question)[0]
            assert best.passage.title == title, question
            assert 0.2 < best.score <= 1
        assert knowledge.search("how do I install a printer driver")[0].score < 0.25
