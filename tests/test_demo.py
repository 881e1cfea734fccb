"""The demo shop and the command that opens a desk on it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from assistant.adapter_files import shipped_adapters
from assistant.cli import app, page
from assistant.cli.demo import demo_settings, fill
from assistant.demo import SHOP
from assistant.errors import InputError
from assistant.images import open_image
from assistant.knowledge import Knowledge
from assistant.settings import get_settings
from assistant.store import Store
from assistant.tools.desk import adapter_for_labels
from tests import tiny
from tests.test_agent_cases import Hashed

RUNNER = CliRunner()
PAGES = ("allergies", "delivery", "opening-hours", "payment", "returns", "storage")


@pytest.fixture(autouse=True)
def hashed(monkeypatch: pytest.MonkeyPatch) -> Hashed:
    """An embedder that costs nothing."""
    embedder = Hashed()
    monkeypatch.setattr("assistant.knowledge.core.text_embedder", lambda *_: embedder)
    return embedder


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str]]]:
    """The commands that the page would have been started with, and their environment."""
    found: list[tuple[list[str], dict[str, str]]] = []

    def run(command: Any) -> int:
        found.append((list(command), dict(os.environ)))
        return 0

    monkeypatch.setattr(page, "run_child", run)
    monkeypatch.setenv("SIGHTDESK_DATA_DIR", os.environ["SIGHTDESK_DATA_DIR"])  # put back after
    return found


def rows() -> list[dict[str, Any]]:
    text = (SHOP / "products.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_the_shop_is_small_and_whole() -> None:
    assert {page.stem for page in SHOP.glob("*.md")} == set(PAGES)
    assert sum(file.stat().st_size for file in SHOP.rglob("*") if file.is_file()) <= 400_000
    assert len(rows()) == 10
    pictures = {file.name for file in (SHOP / "pictures").glob("*.webp")}
    assert {Path(row["image"]).name for row in rows()} == pictures
    for row in rows():
        assert set(row) == {"label", "coarse_label", "image", "description", "information"}
        assert max(open_image(SHOP / row["image"]).pixels.size) <= 288
    notice = (SHOP / "pictures" / "LICENSE").read_text(encoding="utf-8")
    assert "MIT License" in notice and "Grocery Store Dataset" in notice


def test_the_photos_are_those_of_the_tests(photos: Path) -> None:
    """No more of the data set than is there already."""
    for row in rows():
        name = Path(row["image"]).name
        assert (SHOP / row["image"]).read_bytes() == (photos / name).read_bytes()


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_written_well(name: str) -> None:
    text = (SHOP / f"{name}.md").read_text(encoding="utf-8")
    assert text.startswith("# ") and len(re.findall(r"(?m)^## ", text)) >= 4
    assert len(re.findall(r"\d", text)) >= 3, "say it in figures"
    assert max(map(len, text.splitlines())) <= 100


def test_the_shops_products_are_known_to_an_adapter_that_ships() -> None:
    labels = {row["label"] for row in rows()}
    name = adapter_for_labels(labels, get_settings())
    assert name == "grocery" and name in shipped_adapters()
    assert adapter_for_labels({"Banana", "no such"}, get_settings()) is None
    assert adapter_for_labels((), get_settings()) is None


def test_the_demo_is_filled_once_and_apart(hashed: Hashed) -> None:
    settings = demo_settings(get_settings(), None)
    assert settings.data_dir == get_settings().data_dir / "demo" / "shop"
    told: list[str] = []
    added = fill(settings, None, lambda message, fraction: told.append(message))
    assert added.documents == 7 and not added.troubles and told
    with Store.open(settings) as store:
        knowledge = Knowledge.open(settings, store=store)
        assert len(knowledge.products()) == 10
        assert all(product.image_id for product in knowledge.products())
        found = knowledge.search("delivery costs on Sundays", limit=5)
        assert "delivery.md" in {hit.passage.source for hit in found}
    texts = hashed.texts
    again = fill(settings, None, lambda message, fraction: None)
    assert again.documents == 0 and again.unchanged == 7 and hashed.texts == texts
    with Store.open() as own:
        assert Knowledge.open(store=own).is_empty and own.image_ids() == []


def test_the_command_opens_the_page_on_it(
    started: list[tuple[list[str], dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTDESK_DATABASE_URL", "postgresql://none@localhost:1/none")
    monkeypatch.setenv("SIGHTDESK_WEBHOOK_URL", "https://shop.example/hook")
    own = get_settings().data_dir
    result = RUNNER.invoke(app, ["demo", "--no-browser", "--port", "18765"])
    assert result.exit_code == 0, result.output
    ((command, environment),) = started
    assert "--server.headless=true" in command and "--server.port=18765" in command
    assert environment["SIGHTDESK_DATA_DIR"] == str(own / "demo" / "shop")
    assert not {"SIGHTDESK_DATABASE_URL", "SIGHTDESK_WEBHOOK_URL"} & environment.keys()


def test_a_products_file_makes_that_desk(
    tmp_path: Path, started: list[tuple[list[str], dict[str, str]]]
) -> None:
    tiny.pixels(3).save(tmp_path / "a.png")
    file = tmp_path / "products.jsonl"
    row = {"label": "Red-Thing", "coarse_label": "Thing", "image": "a.png", "description": "Red."}
    file.write_text(json.dumps(row | {"information": ["Country: Peru"]}) + "\n")
    assert RUNNER.invoke(app, ["demo", str(file), "--no-browser"]).exit_code == 0
    ((_, environment),) = started
    folder = Path(environment["SIGHTDESK_DATA_DIR"])
    assert folder.name.startswith("products-") and folder.parent.name == "demo"
    get_settings.cache_clear()
    with Store.open() as store:
        (product,) = Knowledge.open(store=store).products()
        assert product.label == "Red-Thing"
        assert store.load_image(product.image_id).id == tiny.picture(3).id


def test_two_files_are_two_desks(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text("{}\n")
    first, second = (demo_settings(get_settings(), tmp_path / f"{x}.jsonl") for x in "ab")
    assert first.data_dir != second.data_dir
    assert first == demo_settings(get_settings(), tmp_path / "a.jsonl")


def test_files_that_cannot_be_used(
    tmp_path: Path, started: list[tuple[list[str], dict[str, str]]]
) -> None:
    with pytest.raises(InputError, match="There is no file"):
        demo_settings(get_settings(), tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="There is no file"):
        demo_settings(get_settings(), tmp_path)
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    for name in ("none.jsonl", "empty.jsonl"):
        result = RUNNER.invoke(app, ["demo", str(tmp_path / name), "--no-browser"])
        assert result.exit_code == 2 and not started
        assert str(tmp_path / name) in result.stderr
        assert len(result.stderr.strip().splitlines()[-1]) < 400


def test_the_users_adapters_are_seen(tmp_path: Path) -> None:
    own = get_settings().data_dir / "adapters"
    (own / "mine").mkdir(parents=True)
    settings = demo_settings(get_settings(), None)
    fill(settings, None, lambda message, fraction: None)
    link = settings.data_dir / "adapters"
    if link.exists():  # a system without links has only those that ship
        assert (link / "mine").is_dir()
    fill(settings, None, lambda message, fraction: None)
