"""What users hand in by mistake or on purpose, through the real command and a real model.

Odd pictures are answered; bad ones get one sentence, exit code 2 and no trace. The model is the
tiny random one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from adapters.publish import save_adapter
from adapters.recipe import Recipe
from adapters.train import prepare
from assistant.cli import app
from tests import tiny
from tests.test_images import blocks, encode, gif, png

RUNNER = CliRunner()
RECIPE = Recipe(rank=2, alpha=4)


def ask(picture: Path, *options: str, question: str = "What is this?") -> Result:
    arguments = ["ask", str(picture), question, "--base", str(tiny.directory()), *options]
    return RUNNER.invoke(app, arguments)


def refused(result: Result, *words: str) -> None:
    """One sentence on stderr that has these words, exit code 2, nothing on stdout."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    message = result.stderr.strip()
    assert len(message.splitlines()) == 1, message
    assert message.endswith(".")
    assert "Traceback" not in message
    for word in words:
        assert word in message


def truncated(path: Path) -> None:
    data = encode(blocks(), "JPEG")
    path.write_bytes(data[: len(data) // 2])


def text(path: Path) -> None:
    path.write_text("This is not a picture.\n", encoding="utf-8")


def giant(path: Path) -> None:
    path.write_bytes(png((30_000, 30_000), 8, 2, bytes(1_000_000)))
    assert path.stat().st_size < 4_000


def gif_bomb(path: Path) -> None:
    path.write_bytes(gif((1, 1), 200_000))


@pytest.mark.parametrize(
    ("make", "name", "words"),
    [
        (truncated, "cut.jpg", ("damaged",)),
        (text, "note.jpg", ("is not a picture", "convert it")),
        (giant, "bomb.png", ("more than 50,000,000 pixels", "scale it down")),
        (gif_bomb, "bomb.gif", ("frames",)),
    ],
)
def test_bad_pictures_are_refused(
    make: Callable[[Path], None], name: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    make(tmp_path / name)
    refused(ask(tmp_path / name), name, *words)
    described = RUNNER.invoke(app, ["describe", str(tmp_path / name)])
    refused(described, name, *words)


def cmyk(path: Path) -> None:
    blocks().convert("CMYK").save(path, "JPEG")


def deep(path: Path) -> None:
    Image.new("I;16", (40, 30), 40_000).save(path, "PNG")


def palette(path: Path) -> None:
    blocks().quantize(16).save(path, "PNG", transparency=3)


def dot(path: Path) -> None:
    Image.new("RGB", (1, 1), "red").save(path, "PNG")


def animated(path: Path) -> None:
    frames = [tiny.pixels(seed) for seed in range(3)]
    frames[0].save(path, "WEBP", save_all=True, append_images=frames[1:])


@pytest.mark.parametrize("make", [cmyk, deep, palette, dot, animated])
def test_odd_pictures_are_answered(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "odd")
    result = ask(tmp_path / "odd", "--max-tokens", "3")
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("\n")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    (path,) = tiny.picture_files(tmp_path, 1)
    return path


@pytest.mark.parametrize("question", ["", "  \n"])
def test_an_empty_question(photo: Path, question: str) -> None:
    refused(ask(photo, question=question), "question is empty")


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    save_adapter(prepare(tiny.model(), RECIPE), folder, RECIPE, base="tiny", labels={})
    return folder


def test_an_adapter_that_is_not_there(photo: Path) -> None:
    refused(ask(photo, "--adapter", "nowhere"), "no adapter 'nowhere'", "give one of: embedded")


def test_a_damaged_adapter(photo: Path, adapter: Path) -> None:
    weights = adapter / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    refused(ask(photo, "--adapter", str(adapter)), "is damaged", "restore it")


def test_a_pickled_adapter(photo: Path, adapter: Path) -> None:
    (adapter / "adapter_model.safetensors").unlink()
    (adapter / "adapter_model.bin").write_bytes(b"\x80\x04.")
    refused(ask(photo, "--adapter", str(adapter)), "pickle", "save it again as safetensors")


def test_an_adapter_of_another_model(photo: Path, adapter: Path) -> None:
    import torch

    save_file({"base_model.model.x": torch.zeros(2)}, adapter / "adapter_model.safetensors")
    config = adapter / "adapter_config.json"
    config.write_text(config.read_text().replace("q_proj", "no_such_layer"))
    result = ask(photo, "--adapter", str(adapter))
    refused(result, "does not fit the base")


def test_a_cache_folder_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SIGHTDESK_CACHE_DIR", str(tmp_path / "file" / "cache"))
    refused(RUNNER.invoke(app, ["fetch"]), "make the folder writable", "SIGHTDESK_CACHE_DIR")
