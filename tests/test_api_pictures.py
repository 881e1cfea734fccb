"""Pictures over HTTP: as vectors in every form that is common, and found in indexed folders."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from PIL import Image

from assistant.image_index import Note
from assistant.images import open_image
from assistant.settings import Settings
from assistant.store import Store
from tests.api_server import Served, served
from tests.indexed_pictures import id_of, indexed
from tests.scripted_engine import SayingEngine
from tests.tiny_space import COLOURS, TinySpace

SPACE = TinySpace("tiny@1234")


def png(colour: str) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (12, 10), COLOURS[colour]).save(written, "PNG")
    return written.getvalue()


def packed(colour: str) -> str:
    return base64.b64encode(png(colour)).decode()


def uri(colour: str) -> str:
    return f"data:image/png;base64,{packed(colour)}"


def vector(colour: str) -> Any:
    return SPACE.encode_pictures([Image.new("RGB", (8, 8), COLOURS[colour])])[0]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    base = tmp_path_factory.mktemp("server")
    return Settings(data_dir=base / "data", cache_dir=base / "cache", audit="off")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("secret") / "photos"


@pytest.fixture(scope="module")
def keys(settings: Settings, folder: Path) -> dict[str, dict[str, str]]:
    """Headers of two tenants, of whom the first has indexed a folder, and of one without scopes."""
    with Store.open(settings) as store:
        index = indexed(store, folder, tenant="a", embedder=SPACE)
        owl = Note("Snowy-Owl", "Bird", "An owl on a branch.")
        index.annotate({id_of(folder, "owl.png"): owl})
        made = {
            tenant: store.create_key(tenant, tenant=tenant, scopes=("chat", "images"))[1]
            for tenant in ("a", "b")
        }
        made["chat"] = store.create_key("chat", tenant="a", scopes=("chat",))[1]
    return {name: {"Authorization": f"Bearer {key}"} for name, key in made.items()}


@pytest.fixture(scope="module")
def server(settings: Settings, keys: dict[str, dict[str, str]]) -> Iterator[Served]:
    with served(SayingEngine(), settings=settings, picture_embedder=SPACE) as server:
        yield server


@pytest.fixture
def ours(server: Served, keys: dict[str, dict[str, str]]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.v1, headers=keys["a"], timeout=60) as client:
        yield client


@pytest.fixture
def sdk(server: Served, keys: dict[str, dict[str, str]]) -> openai.OpenAI:
    key = keys["a"]["Authorization"].removeprefix("Bearer ")
    return openai.OpenAI(base_url=server.v1, api_key=key, max_retries=0)


def embedded(client: httpx.Client, **body: Any) -> Any:
    answer = client.post("/embeddings", json={"model": "tiny", **body})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert [each["index"] for each in told["data"]] == list(range(len(told["data"])))
    return np.array([each["embedding"] for each in told["data"]])


# --- vectors


@pytest.mark.parametrize(
    "one",
    [
        {"image": uri("red")},
        {"image": packed("red")},
        {"image": {"url": uri("red")}},
        {"type": "image_url", "image_url": {"url": uri("red")}},
        {"type": "image_url", "image_url": uri("red")},
        {"content": [{"type": "image_url", "image_url": uri("red")}]},
        {"content": [{"type": "image_base64", "image_base64": uri("red")}]},
        uri("red"),
    ],
    ids=["jina", "jina-base64", "cohere", "openai-part", "bare-part", "voyage", "voyage-base64",
         "infinity"],
)  # fmt: skip
def test_a_picture_in_every_form(ours: httpx.Client, one: Any) -> None:
    found = embedded(ours, input=["anything green", one, {"text": "red"}])
    assert np.allclose(found[1], vector("red"), atol=1e-5)
    assert np.allclose(found[[0, 2]], SPACE.encode_texts(["anything green", "red"]), atol=1e-5)
    assert found[1] @ found[2] > 0.9 > found[1] @ found[0]


def test_vllms_messages_and_infinitys_modality(ours: httpx.Client) -> None:
    parts = [{"type": "image_url", "image_url": {"url": uri("blue")}}]
    (alone,) = embedded(ours, messages=[{"role": "user", "content": parts}])
    assert np.allclose(alone, vector("blue"), atol=1e-5)
    (bare,) = embedded(ours, input=[packed("blue")], modality="image")
    assert np.allclose(bare, alone, atol=1e-6)
    words = [{"role": "system", "content": "red"}, {"role": "user", "content": parts}]
    (both,) = embedded(ours, messages=words)
    assert math.isclose(float(np.linalg.norm(both)), 1, abs_tol=1e-5)
    red = SPACE.encode_texts(["red"])[0]
    assert np.allclose(both @ red, both @ vector("blue"), atol=1e-5)
    (azure,) = embedded(ours, input=[{"image": uri("blue"), "text": "red"}])
    assert np.allclose(azure, both, atol=1e-6)


def test_the_openai_sdk_gets_pictures_embedded(sdk: openai.OpenAI) -> None:
    assert "tiny" in [model.id for model in sdk.models.list()]
    assert sdk.models.retrieve("tiny").id == "tiny"
    found = sdk.embeddings.create(model="tiny", input=[uri("green"), "green"])  # in base64
    assert found.model == "tiny" and found.usage.prompt_tokens > 0
    assert np.allclose(found.data[0].embedding, vector("green"), atol=1e-6)
    short = sdk.embeddings.create(model="tiny@1234", input=uri("green"), dimensions=4)
    wanted = vector("green")[:4]
    assert np.allclose(short.data[0].embedding, wanted / np.linalg.norm(wanted), atol=1e-5)
    with pytest.raises(openai.NotFoundError, match="/v1/embeddings"):
        sdk.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "a"}])


def test_pictures_by_id(ours: httpx.Client, folder: Path) -> None:
    sent = ours.post("/images", files={"file": ("a.png", png("yellow"))}).json()
    ids = [sent["id"], sent["url"], id_of(folder, "sea.png")]
    found = embedded(ours, input=[{"image": id} for id in ids])
    assert np.allclose(found[0], found[1]) and np.allclose(found[0], vector("yellow"), atol=1e-5)
    assert np.allclose(found[2], vector("blue"), atol=1e-5)


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"model": "embedded", "input": [{"image": "PICTURE"}]}, 400, "input.0"),
        ({"model": "nobody", "input": ["a"]}, 404, "model"),
        ({"input": [{"image": "data:image/png;base64,%%%"}]}, 400, "input.0"),
        ({"input": ["a", {"image": "data:image/png;base64,YWJj"}]}, 400, "input.1"),
        ({"input": [{"image": "https://127.0.0.1/a.png"}]}, 400, "input.0"),
        ({"input": [{"image": "file:///etc/passwd"}]}, 400, "input.0"),
        ({"input": [{"image": "f" * 64}]}, 404, "input.0"),
        ({"input": [{"image": ""}]}, 400, "input.0"),
        ({"input": [{}]}, 400, "input"),
        ({"input": [{"content": []}]}, 400, "input"),
        ({"input": []}, 400, "input"),
        ({}, 400, "input"),
        ({"messages": []}, 400, "input"),
        ({"input": "a", "messages": [{"role": "user", "content": "a"}]}, 400, "messages"),
        ({"input": [{"image": "PICTURE"}] * 257}, 400, "input"),
        ({"input": [{"content": [{"text": "a"}] * 17}]}, 400, "input.0"),
        ({"input": [{"text": "a" * 100_001}]}, 400, "input"),
        ({"input": [{"image": 5}]}, 400, None),
        ({"input": "red", "dimensions": 17}, 400, "dimensions"),
        ({"input": "red", "dimensions": 0}, 400, "dimensions"),
        ({"input": [1, 2]}, 400, "input"),
    ],
)  # fmt: skip
def test_what_cannot_be_embedded(
    ours: httpx.Client, body: dict[str, Any], status: int, param: str | None
) -> None:
    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: filled(each) for name, each in value.items()}
        if isinstance(value, list):
            return [filled(each) for each in value]
        return uri("red") if value == "PICTURE" else value

    answer = ours.post("/embeddings", json={"model": "tiny", **filled(body)})
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["message"] and (param is None or error["param"] == param), error


# --- finding


def test_pictures_are_found_by_words(ours: httpx.Client, folder: Path) -> None:
    found = ours.post("/images/search", json={"query": "a red evening"})
    assert found.status_code == 200, found.text
    (hit,) = found.json()["data"]
    id = id_of(folder, "sunset.png")
    assert hit["id"] == id and hit["name"] == "sunset.png" and hit["likelihood"] > 0.9
    assert (hit["width"], hit["height"], hit["copies"]) == (64, 48, 0)
    assert found.json()["has_more"] is False
    deep = ours.post("/images/search", json={"query": "green"})
    assert deep.json()["data"][0]["name"] == "forest.png"
    for answer in (found, deep):
        assert "secret" not in answer.text and "photos" not in answer.text
        assert "deep" not in answer.text
    assert ours.post("/images/search", json={"query": "a zebra"}).json()["data"] == []
    all_ = ours.post("/images/search", json={"query": "a zebra", "threshold": 0}).json()
    assert len(all_["data"]) == 4 and not all_["has_more"]
    first = ours.post("/images/search", json={"query": "x", "threshold": 0, "limit": 3}).json()
    rest = {"query": "x", "threshold": 0, "limit": 3, "offset": 3}
    assert first["has_more"] and len(ours.post("/images/search", json=rest).json()["data"]) == 1


def test_a_found_picture_is_shown_and_asked_about(
    server: Served, ours: httpx.Client, sdk: openai.OpenAI, folder: Path
) -> None:
    (hit,) = ours.post("/images/search", json={"query": "a red evening"}).json()["data"]
    with httpx.Client(base_url=server.url, headers=ours.headers, timeout=60) as client:
        whole = client.get(hit["content_url"])
        assert whole.status_code == 200 and open_image(whole.content).id == hit["id"]
        small = client.get(hit["thumbnail_url"])
        assert small.headers["content-type"] == "image/webp"
        assert open_image(small.content).width == 64
    told = ours.get(f"/images/{hit['id']}").json()
    assert told["name"] == "sunset.png" and told["expires_at"] is None
    part = {"type": "image_url", "image_url": {"url": hit["url"]}}
    answer = sdk.chat.completions.create(
        model="embedded",
        messages=[{"role": "user", "content": [part]}],  # type: ignore[misc, list-item]
    )
    assert answer.choices[0].message.content


def test_pictures_are_found_by_a_picture_and_by_both(ours: httpx.Client, folder: Path) -> None:
    for image in (uri("blue"), id_of(folder, "sea.png"), f"sightdesk:{id_of(folder, 'sea.png')}"):
        found = ours.post("/images/search", json={"image": image}).json()["data"]
        assert [hit["name"] for hit in found] == ["sea.png"]
    both = {"query": "red", "image": uri("blue"), "threshold": 0.2, "limit": 4}
    names = [hit["name"] for hit in ours.post("/images/search", json=both).json()["data"]]
    assert set(names) == {"sea.png", "sunset.png"}


def test_filters(ours: httpx.Client) -> None:
    def names(**where: Any) -> list[str]:
        body = {"query": "owl red green", "threshold": 0, "filter": where}
        answer = ours.post("/images/search", json=body)
        assert answer.status_code == 200, answer.text
        return sorted(hit["name"] for hit in answer.json()["data"])

    everything = names()
    assert len(everything) == 4
    assert names(labels=["Snowy-Owl"]) == names(coarse_labels=["Bird"]) == ["owl.png"]
    (owl,) = ours.post("/images/search", json={"query": "owl"}).json()["data"]
    assert (owl["label"], owl["coarse_label"]) == ("Snowy-Owl", "Bird")
    assert owl["caption"] == "An owl on a branch."
    assert names(folder=owl["folder"]) == names(max_side=64, min_side=48) == everything
    assert names(min_side=49) == names(until=1) == names(max_bytes=3) == []
    assert names(since=1, min_bytes=1) == everything


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "query"),
        ({"query": "  "}, "query"),
        ({"query": "a" * 2_001}, "query"),
        ({"query": 5}, "query"),
        ({"image": "data:image/png;base64,YWJj"}, "image"),
        ({"image": "https://127.0.0.1/a.png"}, "image"),
        ({"image": "/etc/passwd"}, "image"),
        ({"query": "a", "limit": 0}, "limit"),
        ({"query": "a", "limit": 101}, "limit"),
        ({"query": "a", "offset": -1}, "offset"),
        ({"query": "a", "offset": 10_001}, "offset"),
        ({"query": "a", "threshold": 1.5}, "threshold"),
        ({"query": "a", "filter": {"folder": "/etc"}}, "filter.folder"),
        ({"query": "a", "filter": {"folder": "0" * 32}}, None),
        ({"query": "a", "filter": {"labels": ["x"] * 101}}, "filter.labels"),
        ({"query": "a", "filter": {"since": 9, "until": 3}}, None),
        ({"query": "a", "filter": {"min_side": 2**60}}, "filter.min_side"),
    ],
)
def test_what_cannot_be_searched(
    ours: httpx.Client, body: dict[str, Any], param: str | None
) -> None:
    answer = ours.post("/images/search", json=body)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["message"].endswith(".") and error["param"] == param, error


def test_tenants_see_nothing_of_each_other(
    server: Served, keys: dict[str, dict[str, str]], folder: Path
) -> None:
    id = id_of(folder, "sunset.png")
    with httpx.Client(base_url=server.v1, headers=keys["b"], timeout=60) as theirs:
        found = theirs.post("/images/search", json={"query": "a red evening", "threshold": 0})
        assert found.status_code == 200 and found.json()["data"] == []
        assert theirs.post("/images/search", json={"image": id}).status_code == 404
        for path in ("", "/content", "/content?size=thumbnail"):
            assert theirs.get(f"/images/{id}{path}").status_code == 404
        body: dict[str, Any] = {"model": "tiny", "input": [{"image": id}]}
        assert theirs.post("/embeddings", json=body).status_code == 404
    for headers, status in ((keys["chat"], 403), ({}, 401)):
        search = httpx.post(
            f"{server.v1}/images/search", json={"query": "red"}, headers=headers, timeout=60
        )
        assert search.status_code == status


def test_it_is_counted_and_documented(server: Served, ours: httpx.Client) -> None:
    before = server.service.metrics.text().decode()
    embedded(ours, input=[uri("red"), uri("blue")])
    ours.post("/images/search", json={"query": "a red evening"})
    ours.post("/images/search", json={"query": "a zebra"})
    after = server.service.metrics.text().decode()

    def value(text: str, name: str) -> float:
        lines = [line for line in text.splitlines() if line.startswith(f"{name} ")]
        return float(lines[0].rpartition(" ")[2]) if lines else 0.0

    for name, count in (
        ("sightdesk_images_embedded_total", 2),
        ('sightdesk_image_searches_total{found="yes"}', 1),
        ('sightdesk_image_searches_total{found="no"}', 1),
    ):
        assert value(after, name) - value(before, name) == count, name
    schema = httpx.get(f"{server.url}/openapi.json", timeout=60).json()
    search = schema["paths"]["/v1/images/search"]["post"]
    assert search["summary"] == "Find indexed pictures" and search["security"]
    assert "likelihood" in schema["components"]["schemas"]["FoundImage"]["properties"]
    assert "/v1/images/search" in httpx.get(f"{server.url}/docs", timeout=60).text
