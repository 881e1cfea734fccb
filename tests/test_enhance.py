"""Enhancing: each knob does what it says, and whatever is asked for gives a picture."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import fields
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from assistant.cli import answers, app
from assistant.engine import Engine, Sampling, Turn
from assistant.enhance import BOUNDS, WORKING_PIXELS, Enhancement, before_after, enhance
from assistant.errors import InputError
from assistant.images import LoadedImage, image_id, open_image
from assistant.settings import Settings
from tests import test_cli, tiny

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def photo(photos: Path) -> LoadedImage:
    return open_image(photos / "Carrots.webp")


def array(image: LoadedImage) -> np.ndarray:
    return np.asarray(image.pixels, dtype=np.float64)


def noisy(image: LoadedImage, deviation: float) -> LoadedImage:
    grainy = array(image) + np.random.default_rng(1).normal(0, deviation, array(image).shape)
    return open_image(Image.fromarray(np.clip(np.rint(grainy), 0, 255).astype(np.uint8)))


def decibels(one: LoadedImage, other: LoadedImage) -> float:
    """Peak signal to noise."""
    return float(10 * np.log10(255**2 / np.mean((array(one) - array(other)) ** 2)))


def edges(image: LoadedImage) -> float:
    """Mean squared difference between neighbours."""
    grey = array(image).mean(axis=2)
    return float(np.mean(np.diff(grey, axis=0) ** 2) + np.mean(np.diff(grey, axis=1) ** 2))


# --- each knob


@pytest.mark.parametrize(
    ("deviation", "strength", "least"), [(10, 0.25, 3.5), (20, 0.5, 6.0), (40, 1.0, 7.0)]
)
def test_denoise_brings_a_noisy_photo_closer_to_the_clean_one(
    photo: LoadedImage, deviation: float, strength: float, least: float
) -> None:
    grainy = noisy(photo, deviation)
    clearer = enhance(grainy, Enhancement(denoise=strength))
    assert clearer.pixels.size == photo.pixels.size
    assert decibels(clearer, photo) >= decibels(grainy, photo) + least


def test_denoise_keeps_an_edge() -> None:
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:, 16:] = 255
    sides = array(enhance(open_image(Image.fromarray(pixels)), Enhancement(denoise=0.5)))
    assert sides[:, :16].max() < 8
    assert sides[:, 16:].min() > 247


@pytest.mark.parametrize("factor", [0.5, 1.3])
def test_brightness_is_a_factor(factor: float) -> None:
    grey = open_image(Image.new("RGB", (20, 10), (100, 60, 40)))
    pixels = array(enhance(grey, Enhancement(brightness=factor)))
    assert np.abs(pixels - np.array([100, 60, 40]) * factor).max() <= 1


def test_contrast_spreads_the_values_around_their_mean(photo: LoadedImage) -> None:
    flat, steep = (enhance(photo, Enhancement(contrast=factor)) for factor in (0.5, 1.5))
    assert array(flat).std() < 0.6 * array(photo).std()
    assert array(steep).std() > 1.2 * array(photo).std()
    assert abs(array(flat).mean() - array(photo).mean()) < 5


def test_saturation_goes_from_grey_to_colourful(photo: LoadedImage) -> None:
    grey, vivid = (enhance(photo, Enhancement(saturation=factor)) for factor in (0.0, 1.5))
    assert np.ptp(array(grey), axis=2).max() == 0
    assert np.ptp(array(vivid), axis=2).mean() > 1.2 * np.ptp(array(photo), axis=2).mean()


def test_sharpen_strengthens_edges_the_more_the_higher(photo: LoadedImage) -> None:
    half, whole = (enhance(photo, Enhancement(sharpen=strength)) for strength in (0.5, 1.0))
    assert 1.2 * edges(photo) < edges(half) < edges(whole) / 1.1


def test_sharpening_a_large_photo_shows_at_the_size_that_a_model_sees(photos: Path) -> None:
    large = open_image(photos / "phone-landscape-watermelon.jpg")
    sharper = enhance(large, Enhancement(sharpen=2.0))
    seen = [enhance(image, Enhancement(longest=260)) for image in (large, sharper)]
    assert edges(seen[1]) > 1.05 * edges(seen[0])


@pytest.mark.parametrize(
    ("size", "longest", "expected"),
    [
        ((400, 300), 200, (200, 150)),
        ((300, 400), 100, (75, 100)),
        ((40, 30), 160, (160, 120)),
        ((400, 1), 16, (16, 1)),
    ],
)
def test_longest_is_the_longest_side(
    size: tuple[int, int], longest: int, expected: tuple[int, int]
) -> None:
    image = open_image(tiny.pixels(0, *size))
    assert enhance(image, Enhancement(longest=longest)).pixels.size == expected


# --- sizes


@pytest.mark.parametrize("how", [Enhancement(contrast=1.2), Enhancement(longest=4096)])
def test_a_large_photo_is_brought_to_the_working_size(how: Enhancement) -> None:
    result = enhance(open_image(tiny.pixels(1, 4000, 3000)), how)
    area = result.width * result.height
    assert 0.99 * WORKING_PIXELS < area <= WORKING_PIXELS
    assert result.width / result.height == pytest.approx(4 / 3, abs=0.01)


@pytest.mark.parametrize("size", [(5000, 1), (1, 5000), (100, 80)])
def test_no_result_exceeds_the_limit_of_the_settings(size: tuple[int, int]) -> None:
    image = open_image(tiny.pixels(1, *size))
    settings = Settings(max_image_pixels=1000)
    result = enhance(image, Enhancement(longest=4096), settings=settings)
    assert 700 < result.width * result.height <= 1000


def test_denoising_comes_after_a_reduction_and_sharpening_last(photo: LoadedImage) -> None:
    grainy = noisy(photo, 20)
    together = enhance(grainy, Enhancement(denoise=0.5, contrast=1.5, sharpen=1.0, longest=128))
    step = enhance(grainy, Enhancement(longest=128))
    for how in (Enhancement(denoise=0.5), Enhancement(contrast=1.5), Enhancement(sharpen=1.0)):
        step = enhance(step, how)
    assert together == step


def test_enlarging_comes_after_denoising(photo: LoadedImage) -> None:
    grainy = noisy(photo, 20)
    together = enhance(grainy, Enhancement(denoise=0.5, longest=512))
    first = enhance(grainy, Enhancement(denoise=0.5))
    assert together == enhance(first, Enhancement(longest=512))


# --- identity


def test_nothing_asked_for_gives_the_same_object(photo: LoadedImage) -> None:
    assert not Enhancement().active
    assert enhance(photo, Enhancement()) is photo


@pytest.mark.parametrize("name", BOUNDS)
def test_every_field_alone_makes_another_picture_and_leaves_the_given_one(
    photo: LoadedImage, name: str
) -> None:
    low, high = BOUNDS[name]
    value = 100 if name == "longest" else (low + high) / 2
    how = Enhancement(**{name: value})  # type: ignore[arg-type]
    result = enhance(photo, how)
    assert how.active
    assert result != photo
    assert image_id(photo.pixels) == photo.id


def test_the_same_settings_give_the_same_picture_again(photo: LoadedImage) -> None:
    how = Enhancement(0.4, 1.1, 1.2, 0.9, 0.7, 200)
    again = Enhancement.from_dict(json.loads(json.dumps(how.to_dict())))
    copy = open_image(photo.pixels)
    assert again == how
    assert enhance(photo, how).id == enhance(copy, again).id


def test_every_field_has_bounds_and_a_default_within_them() -> None:
    assert list(BOUNDS) == [field.name for field in fields(Enhancement)]


# --- values that cannot be used


@pytest.mark.parametrize("name", BOUNDS)
def test_a_value_beyond_its_bounds_is_refused_by_name_and_range(name: str) -> None:
    low, high = BOUNDS[name]
    for bound in (low, high):
        value = int(bound) if name == "longest" else bound
        assert Enhancement(**{name: value}).to_dict()[name] == bound  # type: ignore[arg-type]
    for value in (low - 1, high + 1):
        with pytest.raises(InputError, match=rf"^{name} must be .* from {low:g} to {high:g}, not"):
            Enhancement(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), -float("inf"), True, "0.5", [], 10**5000, -(10**400), 1j],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_number_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"^{name} must be") as caught:
        Enhancement.from_dict({name: value})
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"blur": 1}, "'blur'; choose from denoise, brightness"),
        ({1: 1}, "There is no enhancement 1;"),
        ({"x" * 5000: 1}, "'xxx"),
        ({"denoise": None}, "denoise must be a number"),
        ({"longest": 100.0}, "longest must be a whole number"),
        ([("denoise", 0.5)], "not a list"),
        (None, "not a NoneType"),
    ],
)
def test_from_dict_refuses_what_it_does_not_know(values: Any, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        Enhancement.from_dict(values)
    assert len(str(caught.value)) < 200


def enhancements() -> st.SearchStrategy[Enhancement]:
    def values(name: str) -> st.SearchStrategy[Any]:
        low, high = BOUNDS[name]
        if name == "longest":
            return st.none() | st.integers(int(low), int(high))
        return st.floats(low, high)

    return st.builds(Enhancement, **{name: values(name) for name in BOUNDS})


@hypothesis_settings(max_examples=60, deadline=None, database=None)
@given(
    how=enhancements(),
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    seed=st.integers(0, 1000),
)
def test_any_enhancement_gives_a_picture_within_the_limits(
    how: Enhancement, size: tuple[int, int], seed: int
) -> None:
    settings = Settings(max_image_pixels=20_000)
    image = open_image(tiny.pixels(seed, *size), settings=settings)
    result = enhance(image, how, settings=settings)
    assert result.pixels.mode == "RGB"
    assert min(result.pixels.size) >= 1
    assert result.width * result.height <= 20_000
    assert result.id == image_id(result.pixels)
    assert result == enhance(image, how, settings=settings)
    assert Enhancement.from_dict(how.to_dict()) == how


# --- before and after


def test_before_and_after_stand_side_by_side(photo: LoadedImage) -> None:
    grey = enhance(photo, Enhancement(saturation=0.0))
    sheet = np.asarray(before_after([photo], [grey]))
    assert (sheet[:, : photo.width] == np.asarray(photo.pixels)).all()
    assert (sheet[:, -photo.width :] == np.asarray(grey.pixels)).all()
    assert (sheet[:, photo.width : -photo.width] == 255).all()


def test_before_and_after_have_one_size_and_a_row_each() -> None:
    wide, tall = open_image(tiny.pixels(1, 2000, 500)), open_image(tiny.pixels(2, 30, 60))
    small = [enhance(image, Enhancement(longest=16)) for image in (wide, tall)]
    sheet = before_after([wide, tall], small)
    assert sheet.size == (2 * 1024 + 8, 256 + 8 + 60)
    for box in ((0, 0, 1024, 256), (1032, 0, 2056, 256), (38, 264, 68, 324)):
        assert np.asarray(sheet.crop(box)).std() > 10


# --- the command line


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> test_cli.ScriptedEngine:
    """Stands in for assistant.engine and records the pictures that it was given."""
    scripted = test_cli.ScriptedEngine()
    module = ModuleType("assistant.engine")
    names = {name: getattr(test_cli, name) for name in ("Turn", "Sampling", "Answer")}
    module.__dict__.update(Engine=scripted, **names)
    monkeypatch.setitem(sys.modules, "assistant.engine", module)
    return scripted


def ask(*options: str) -> Any:
    result = RUNNER.invoke(app, ["ask", *options, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("command", [answers.ask, answers.describe])
def test_options_have_the_bounds_of_the_fields(command: Callable[..., None]) -> None:
    hints = get_type_hints(command, include_extras=True)
    parameters = signature(command).parameters
    defaults = Enhancement().to_dict()
    for name, bounds in BOUNDS.items():
        option = "resize" if name == "longest" else name
        (info,) = hints[option].__metadata__
        assert (info.min, info.max) == bounds
        assert parameters[option].default == defaults[name]


def test_ask_gives_the_enhanced_picture_to_the_model(
    engine: test_cli.ScriptedEngine, photos: Path, photo: LoadedImage
) -> None:
    row = ask(str(photos / "Carrots.webp"), "What?", "--saturation", "0", "--resize", "100")
    how = Enhancement(saturation=0, longest=100)
    assert row["enhancement"] == how.to_dict()
    assert row["image_id"] == photo.id
    assert row["enhanced_image_id"] == enhance(photo, how).id
    ((turns, given_ids, _),) = engine.named("generate")
    assert turns[0].images == tuple(given_ids) == (row["enhanced_image_id"],)


def test_without_an_option_the_output_is_as_before(
    engine: test_cli.ScriptedEngine, photos: Path, photo: LoadedImage
) -> None:
    row = ask(str(photos / "Carrots.webp"), "What?", "--denoise", "0", "--contrast", "1")
    assert not {"enhancement", "enhanced_image_id"} & set(row)
    ((turns, _, _),) = engine.named("generate")
    assert turns[0].images == (photo.id,)


def test_every_picture_is_enhanced(engine: test_cli.ScriptedEngine, photos: Path) -> None:
    other = str(photos / "Kiwi.webp")
    row = ask(str(photos / "Carrots.webp"), "What?", "--image", other, "--brightness", "1.5")
    ((turns, _, _),) = engine.named("generate")
    assert turns[0].images == tuple(each["enhanced_image_id"] for each in row["images"])
    assert row["images"][1]["image_id"] == open_image(other).id


def test_describe_enhances_too(engine: test_cli.ScriptedEngine, photos: Path) -> None:
    paths = [str(photos / name) for name in ("Carrots.webp", "Kiwi.webp")]
    result = RUNNER.invoke(app, ["describe", *paths, "--denoise", "0.3", "--json"])
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    for path, row in zip(paths, rows, strict=True):
        enhanced = enhance(open_image(path), Enhancement(denoise=0.3))
        assert row["enhanced_image_id"] == enhanced.id != row["image_id"]
        assert row["enhancement"]["denoise"] == 0.3
        assert enhanced.id[:4] in row["description"]


def test_before_after_writes_the_two(
    engine: test_cli.ScriptedEngine, photos: Path, photo: LoadedImage, tmp_path: Path
) -> None:
    path = tmp_path / "both.png"
    ask(str(photos / "Carrots.webp"), "What?", "--contrast", "2", "--before-after", str(path))
    expected = before_after([photo], [enhance(photo, Enhancement(contrast=2))])
    assert open_image(path).id == image_id(expected)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--before-after", "{tmp}/x.png"], "add an option such as --denoise 0.3"),
        (["--sharpen", "1", "--before-after", "{tmp}/x.jpg"], "give it a name in .png"),
        (["--sharpen", "1", "--before-after", "{tmp}/no/x.png"], "cannot be written (No such file"),
        (["--sharpen", "1", "--before-after", "{tmp}/photo.png"], "is the picture itself"),
        (["--denoise", "nan"], "--denoise"),
        (["--resize", "9999"], "less than or equal to 4096"),
        (["--contrast", "0"], "greater than or equal to 0.1"),
    ],
)
def test_what_cannot_be_done_is_said_before_a_model_loads(
    engine: test_cli.ScriptedEngine, tmp_path: Path, options: list[str], said: str
) -> None:
    photo = tmp_path / "photo.png"
    tiny.pixels(3).save(photo)
    unchanged = photo.read_bytes()
    filled = [option.format(tmp=tmp_path) for option in options]
    result = RUNNER.invoke(app, ["ask", str(photo), "What is it?", *filled])
    assert result.exit_code == 2
    # A usage error is framed and wrapped to the terminal.
    assert said.replace(" ", "") in "".join(result.stderr.split())
    assert not engine.calls
    assert photo.read_bytes() == unchanged
    assert [path.name for path in tmp_path.glob("*.*")] == ["photo.png"]


# --- the answer


def test_an_enhanced_picture_gets_another_answer() -> None:
    loaded = Engine.load(base=str(tiny.directory()), settings=Settings(device="cpu"))
    loaded.model.float()
    sampling = Sampling(max_tokens=24)

    def answer(image: LoadedImage) -> str:
        (encoded,) = loaded.encode_images([image])
        turn = Turn("user", "What is it?", (image.id,))
        return loaded.generate([turn], [encoded], sampling=sampling).text

    def changed(alter: Callable[[LoadedImage], LoadedImage]) -> int:
        pictures = [tiny.picture(seed) for seed in range(4)]
        return sum(answer(alter(picture)) != answer(picture) for picture in pictures)

    assert changed(lambda picture: enhance(picture, Enhancement())) == 0
    assert changed(lambda picture: enhance(picture, Enhancement(saturation=0.0))) >= 2


@pytest.mark.weights
def test_a_pepper_without_colour_is_no_longer_called_red(photos: Path) -> None:
    pepper = str(photos / "Red-Bell-Pepper.webp")
    coloured = ask(pepper, "What colour is it?")
    grey = ask(pepper, "What colour is it?", "--saturation", "0")
    assert "red" in coloured["answer"].lower()
    assert "red" not in grey["answer"].lower()
