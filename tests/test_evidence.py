"""The second opinion: names, familiarity, and answers that own up to a guess."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from adapters.domain import fit, pooled_features
from assistant.errors import WeightsError
from assistant.evidence import (
    NOTABLE,
    THRESHOLD,
    UNFAMILIAR,
    Domain,
    Evidence,
    hint,
    imagenet_names,
    judge,
    likeliest,
    modest,
    needed_caution,
    shipped_domain,
    with_hint,
)
from assistant.llava import ensure_embedded, load_base
from assistant.prompts import CANT_TELL
from assistant.settings import get_settings
from tests import tiny
from tests.unlike import KINDS, draw

# What ImageNet calls the product, where it has a class for it that the photo shows clearly.
SHOWN = {
    "Banana": "banana",
    "Lemon": "lemon",
    "Granny-Smith": "Granny Smith",
    "Orange": "orange",
    "Pineapple": "pineapple",
    "Red-Bell-Pepper": "bell pepper",
    "Yellow-Bell-Pepper": "bell pepper",
}


def of(*names: tuple[str, float], familiar: bool = False) -> Evidence:
    return Evidence(names, 0.5 if familiar else 0.0, familiar)


def cloud(seed: int, count: int, channels: int = 16) -> torch.Tensor:
    """Pooled features about two patterns, as a tower's: never negative."""
    generator = torch.Generator().manual_seed(seed)
    patterns = torch.rand(2, channels, generator=torch.Generator().manual_seed(0))
    which = torch.randint(2, (count,), generator=generator)
    return (patterns[which] + 0.1 * torch.randn(count, channels, generator=generator)).relu()


@pytest.fixture(scope="module")
def tower(base_cache: Path) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGHTDESK_CACHE_DIR", str(base_cache))
        get_settings.cache_clear()
        folder = ensure_embedded(get_settings())
    base: Any = load_base(folder, "embedded", torch.device("cpu"), torch.bfloat16)
    get_settings.cache_clear()
    return base.model.model.vision_tower


def test_a_name_for_each_class() -> None:
    names = imagenet_names()
    assert len(names) == 1000
    assert all(name == name.strip() and name for name in names)
    # The places are those of ILSVRC 2012, from the first to the last.
    known = {0: "tench", 1: "goldfish", 207: "golden retriever", 281: "tabby cat", 954: "banana"}
    assert {place: names[place] for place in known} == known
    assert names[999] == "toilet paper"


@pytest.mark.weights
def test_names_are_right_on_photos(tower: Any, photos: Path) -> None:
    paths = [photos / f"{label}.webp" for label in SHOWN]
    for pooled, name in zip(pooled_features(tower, paths), SHOWN.values(), strict=True):
        found = judge(pooled, tower, shipped_domain()).names
        assert found[0][0] == name
        assert len(found) == 5 and 0 < sum(share for _, share in found) <= 1


@pytest.mark.weights
def test_groceries_are_familiar_and_documents_are_not(tower: Any, photos: Path) -> None:
    domain = shipped_domain()
    rows = [json.loads(line) for line in (photos / "labels.jsonl").read_text().splitlines()]
    known = pooled_features(tower, [photos / row["image"] for row in rows])
    assert (domain.familiarity(known) >= THRESHOLD).float().mean() >= 0.9
    pages = pooled_features(tower, [draw("document", 100 + number) for number in range(8)])
    assert (domain.familiarity(pages) < THRESHOLD).all()


def test_half_of_what_is_held_out_is_less_familiar_than_the_middle() -> None:
    domain = fit([(cloud(1, 400), cloud(2, 400))], dimensions=8, centres=4)
    shares = domain.familiarity(cloud(3, 2000))
    assert shares.mean() == pytest.approx(0.5, abs=0.05)
    assert (shares < THRESHOLD).float().mean() == pytest.approx(THRESHOLD, abs=0.03)
    assert shares.min() >= 0 and shares.max() <= 1


def test_what_lies_elsewhere_is_unfamiliar() -> None:
    domain = fit([(cloud(1, 400), cloud(2, 400))], dimensions=8, centres=4)
    elsewhere = torch.rand(50, 16, generator=torch.Generator().manual_seed(9)).flip(1)
    assert (domain.familiarity(elsewhere) < THRESHOLD).float().mean() > 0.9


def test_each_kind_has_its_own_usual_distance() -> None:
    """A picture near a tight kind is judged by that kind, not by what is usual in a loose one."""
    tight = [5 + 0.001 * cloud(seed, 400) for seed in (4, 5, 6)]
    domain = fit([(cloud(1, 400), cloud(2, 400)), (tight[0], tight[1])], dimensions=8, centres=4)
    assert (domain.familiarity(tight[2]) < THRESHOLD).float().mean() < 0.12
    assert (domain.familiarity(cloud(3, 400)) < THRESHOLD).float().mean() < 0.12
    beside = tight[2].clone()
    beside[:, :8] += 0.2  # as far apart as pictures of the loose kind are
    assert (domain.familiarity(beside) < THRESHOLD).all()


def test_brightness_of_the_features_does_not_matter() -> None:
    domain = fit([(cloud(1, 400), cloud(2, 400))], dimensions=8, centres=4)
    torch.testing.assert_close(domain.distances(cloud(3, 9)), domain.distances(cloud(3, 9) * 7))


def test_the_fit_is_seeded() -> None:
    first, again, other = (
        fit([(cloud(1, 400), cloud(2, 50))], dimensions=8, centres=4, seed=seed)
        for seed in (0, 0, 1)
    )
    assert first.centres.equal(again.centres)
    assert not first.centres.equal(other.centres)


def test_a_saved_domain_judges_as_before(tmp_path: Path) -> None:
    domain = fit([(cloud(1, 400), cloud(2, 400))], dimensions=8, centres=4)
    domain.save(tmp_path / "domain.safetensors")
    loaded = Domain.load(tmp_path / "domain.safetensors")
    # Not to the bit: where a tensor lies in memory decides how its sums are split.
    torch.testing.assert_close(loaded.familiarity(cloud(3, 99)), domain.familiarity(cloud(3, 99)))


@pytest.mark.parametrize("content", [None, b"", b"no tensors at all"])
def test_a_damaged_domain_says_what_to_do(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "domain.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match="install Sightdesk again"):
        Domain.load(path)


def test_the_shipped_file_is_small_and_fits_the_tower() -> None:
    domain = shipped_domain()
    assert domain.mean.shape == (1280,)
    assert (Path(__file__).parent.parent / "assistant/domain.safetensors").stat().st_size < 1 << 20


def test_likeliest_adds_up_classes_of_one_name() -> None:
    logits = torch.tensor([1.0, 1.0, 1.2, -9.0])
    (first, share), (second, _), _ = likeliest(logits, ("missile", "missile", "kite", "pen"))
    assert (first, second) == ("missile", "kite")
    assert 0.5 < share < 1


def test_judge_on_a_tower_of_any_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.evidence.imagenet_names", lambda: ("a", "b", "c", "d", "e"))
    small = tiny.tower()
    pooled = pooled_features(small, [tiny.pixels(seed) for seed in range(40)])
    evidence = judge(pooled[0], small, fit([(pooled[10:], pooled[:10])], dimensions=4, centres=2))
    assert [name for name, _ in evidence.names] != []
    assert sum(share for _, share in evidence.names) == pytest.approx(1, abs=1e-5)
    assert json.loads(json.dumps(evidence.to_dict()))["familiar"] is evidence.familiar


def test_a_familiar_picture_is_answered_as_it_is() -> None:
    assert modest("A dog runs.", of(("dog", 0.9), familiar=True)) == "A dog runs."


def test_a_guess_is_followed_by_a_caution_and_likely_names() -> None:
    evidence = of(("website", 0.5), ("menu", NOTABLE), ("pen", NOTABLE - 0.01))
    said = modest("A man sits. ", evidence)
    assert said == f"A man sits. {UNFAMILIAR} It may show: website, menu."
    assert modest(said, evidence) == said


def test_unlikely_names_are_not_told() -> None:
    assert modest("A man sits.", of(("pen", 0.1))) == f"A man sits. {UNFAMILIAR}"


@pytest.mark.parametrize("answer", [CANT_TELL, f" {CANT_TELL}\n", ""])
def test_a_refusal_stays_a_refusal(answer: str) -> None:
    assert modest(answer, of(("website", 0.9))) == answer


def test_the_prompt_is_told_only_what_helps() -> None:
    sure, unsure = (("hen", 0.9), ("ox", 0.05)), (("hen", 0.4), ("ox", 0.4))
    assert hint(of(*sure)) == "The picture may show: hen."
    assert hint(of(*unsure)) is None
    assert hint(of(*sure, familiar=True)) is None


def test_one_unfamiliar_picture_is_enough_for_a_caution() -> None:
    known, strange = of(("dog", 0.9), familiar=True), of(("hen", 0.9))
    assert needed_caution("A dog.", [known]) is None
    assert needed_caution("A dog.", [known, strange]) == f"{UNFAMILIAR} It may show: hen."
    assert needed_caution(CANT_TELL, [strange]) is None
    assert needed_caution("A dog.", []) is None


def test_hints_come_before_the_question_once() -> None:
    strange = of(("hen", 0.9))
    assert with_hint("What is it?", [strange, strange]) == "The picture may show: hen. What is it?"
    assert with_hint("What is it?", []) == "What is it?"


@pytest.mark.parametrize("kind", KINDS)
def test_drawn_pictures_are_the_same_every_time_and_all_differ(kind: str) -> None:
    first, again, other = draw(kind, 0), draw(kind, 0), draw(kind, 1)
    assert isinstance(first, Image.Image) and first.mode == "RGB"
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()
