"""Where the model looked: maps word by word, and whether hiding what they show costs the word."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from assistant.engine import Engine, Sampling, Turn
from assistant.engine.gaze import GRID, _words, hide
from assistant.errors import InputError
from assistant.images import LoadedImage, open_image
from assistant.settings import Settings
from tests import tiny
from tests.benchmarks.gaze import measure


@pytest.fixture(scope="module")
def engine() -> Engine:
    loaded = Engine.load(base=str(tiny.directory()), settings=Settings(device="cpu"))
    loaded.model.float()
    return loaded


@pytest.fixture(scope="module")
def pictures() -> list[LoadedImage]:
    return [tiny.picture(seed) for seed in range(2)]


def test_every_word_has_a_map_of_every_picture(engine: Engine, pictures: list[LoadedImage]) -> None:
    first, second = pictures
    turns = [
        Turn("user", "What is it?", (first.id,)),
        Turn("assistant", "A dog."),
        Turn("user", "And this?", (second.id,)),
    ]
    told: list[float] = []
    gazes = engine.look(turns, pictures, "A brown  dog runs.", progress=told.append)
    assert [gaze.word for gaze in gazes[::2]] == ["A", "brown", "dog", "runs."]
    assert [gaze.image for gaze in gazes] == [first.id, second.id] * 4
    for one, other in zip(gazes[::2], gazes[1::2], strict=True):
        cells = [value for gaze in (one, other) for row in gaze.grid for value in row]
        assert len(cells) == 2 * GRID**2
        assert min(cells) >= 0
        assert sum(cells) == pytest.approx(1, abs=1e-4)
    assert max(gaze.weight for gaze in gazes) > 0
    assert told == sorted(told)
    assert 0 <= told[0] < told[-1] < 1


def test_the_maps_tell_words_and_pictures_apart(
    engine: Engine, pictures: list[LoadedImage]
) -> None:
    maps = set()
    for picture in pictures:
        turns = [Turn("user", "What is it?", (picture.id,))]
        maps |= {gaze.grid for gaze in engine.look(turns, [picture], "A brown dog.")}
    assert len(maps) == 6


def test_the_models_own_tokens_are_explained(engine: Engine, pictures: list[LoadedImage]) -> None:
    turns = [Turn("user", "What is it?", (pictures[0].id,))]
    encoded = engine.encode_images(pictures)
    answer = engine.generate(turns, encoded, sampling=Sampling(max_tokens=10)).text
    words = [gaze.word for gaze in engine.look(turns, pictures[:1], answer)]
    assert " ".join(words) == " ".join(answer.split())


def test_words_are_whole(engine: Engine) -> None:
    ids = engine.prompts.answer_ids("Two men play music.")
    words = _words(engine, ids)
    assert [word for word, _, _ in words] == ["Two", "men", "play", "music."]
    assert words[0][1] == 0
    assert words[-1][2] == len(ids)
    assert all(before[2] == after[1] for before, after in pairwise(words))


def test_a_window_hides_its_part_only(pictures: list[LoadedImage]) -> None:
    hidden = hide(pictures[0], 0, GRID - 2)
    width, height = hidden.pixels.size
    assert hidden.pixels.size == pictures[0].pixels.size
    left = (0, 0, width * 4 // 6, height)
    assert hidden.pixels.crop(left).tobytes() == pictures[0].pixels.crop(left).tobytes()
    corner = hidden.pixels.crop((width * 4 // 6, 0, width, height * 2 // 6))
    assert len(corner.getcolors() or []) == 1


@pytest.mark.parametrize("answer", ["", "  "])
def test_nothing_said_is_nothing_to_explain(
    engine: Engine, pictures: list[LoadedImage], answer: str
) -> None:
    with pytest.raises(InputError, match="no answer about a picture to explain"):
        engine.look([Turn("user", "What?", (pictures[0].id,))], pictures, answer)
    with pytest.raises(InputError, match="no answer about a picture to explain"):
        engine.look([Turn("user", "What?")], [], "A dog.")


@pytest.mark.weights
def test_hiding_what_it_looked_at_costs_the_word(photos: Path) -> None:
    """With another mask than the maps are made with: a blur of ninths, against chance."""
    names = ("Banana", "Red-Bell-Pepper", "Carrots", "Lemon")
    images = [open_image(photos / f"{name}.webp") for name in names]
    found = measure(Engine.load(quantize="none"), images)["occlusion"]
    assert found["words"] >= 4
    assert found["rank"] > 0.6
    assert found["top"] > 1.3 * found["mean"]
