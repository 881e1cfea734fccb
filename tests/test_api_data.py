"""Pictures and vectors over HTTP, and whose they are."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator

import httpx
import numpy as np
import openai
import pytest

from assistant.images import open_image
from assistant.settings import get_settings
from assistant.store import Store
from tests import tiny
from tests.api_server import Served, served
from tests.scripted_engine import SayingEngine
from tests.test_knowledge.conftest import BagOfWords


def png(seed: int = 1) -> bytes:
    written = io.BytesIO()
    tiny.pixels(seed).save(written, "PNG")
    return written.getvalue()


@pytest.fixture
def engine() -> SayingEngine:
    return SayingEngine()


@pytest.fixture
def server(engine: SayingEngine) -> Iterator[Served]:
    with served(engine) as server:
        yield server


@pytest.fixture
def client(server: Served) -> openai.OpenAI:
    return openai.OpenAI(base_url=server.v1, api_key="any", max_retries=0)


def test_a_picture_is_sent_once_and_asked_about(
    server: Served, client: openai.OpenAI, engine: SayingEngine
) -> None:
    sent = httpx.post(f"{server.v1}/images", files={"file": ("my dog.png", png())})
    assert sent.status_code == 200, sent.text
    told = sent.json()
    id = told["id"]
    assert id == tiny.picture(1).id and told["name"] == "my dog.png"
    assert (told["width"], told["height"]) == (40, 30) and told["url"] == f"sightdesk:{id}"
    assert told["expires_at"] - told["created_at"] > 29 * 86_400
    for part in (
        {"type": "image_url", "image_url": {"url": f"sightdesk:{id}"}},
        {"type": "image_url", "image_url": {"url": id}},
        {"type": "file", "file": {"file_id": id}},
        {"type": "image_file", "image_file": {"file_id": id}},
    ):
        client.chat.completions.create(
            model="embedded",
            messages=[{"role": "user", "content": [part]}],  # type: ignore[misc, list-item]
        )
        assert [image.id for image in engine.asked[-1]["images"]] == [id]
    content = httpx.get(f"{server.v1}/images/{id}/content")
    assert content.headers["content-type"] == "image/webp"
    assert open_image(content.content).id == id
    small = httpx.get(f"{server.v1}/images/{id}/content?size=thumbnail")
    assert open_image(small.content).width == 40
    assert [i["id"] for i in httpx.get(f"{server.v1}/images").json()["data"]] == [id]
    gone = httpx.delete(f"{server.v1}/images/{id}").json()
    assert gone["deleted"] is True
    for path in ("", "/content"):
        assert httpx.get(f"{server.v1}/images/{id}{path}").status_code == 404
    with pytest.raises(openai.NotFoundError, match="/v1/images"):
        client.chat.completions.create(
            model="embedded",
            messages=[
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": f"sightdesk:{id}"}}],
                }
            ],
        )


def test_a_picture_may_come_as_json_or_as_itself(server: Served) -> None:
    plain = base64.b64encode(png(2)).decode()
    ways = [
        httpx.post(f"{server.v1}/images", json={"image": plain, "name": "a.png"}),
        httpx.post(f"{server.v1}/images", json={"image": f"data:image/png;base64,{plain}"}),
        httpx.post(f"{server.v1}/images", content=png(2), headers={"content-type": "image/png"}),
        httpx.post(f"{server.v1}/images", files={"image": ("b.png", png(2))}),
    ]
    assert {way.json()["id"] for way in ways} == {tiny.picture(2).id}
    assert httpx.get(f"{server.v1}/images").json()["total"] == 1


def test_an_upload_outlives_the_clearing_of_what_was_forgotten(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assistant.store import pictures, room, uploads

    id = httpx.post(f"{server.v1}/images", files={"file": ("a.png", png(3))}).json()["id"]
    later = room.now() + uploads.KEPT * 0.9
    monkeypatch.setattr(pictures, "now", lambda: later)
    server.service.store.sweep()
    assert httpx.get(f"{server.v1}/images/{id}").status_code == 200
    later += uploads.KEPT * 0.2
    server.service.store.sweep()
    assert httpx.get(f"{server.v1}/images/{id}").status_code == 404


def test_a_picture_that_a_conversation_shows_stays(server: Served) -> None:
    from assistant.store import NewExchange

    store = server.service.store
    id = httpx.post(f"{server.v1}/images", files={"file": ("a.png", png(4))}).json()["id"]
    thread = store.create_thread()
    store.add_exchange(thread.id, NewExchange("What?", images=(id,)), after=None)
    answer = httpx.delete(f"{server.v1}/images/{id}")
    assert answer.status_code == 409 and answer.json()["error"]["code"] == "image_in_use"
    shown = httpx.get(f"{server.v1}/images/{id}").json()
    assert shown["expires_at"] is None


@pytest.mark.parametrize(
    ("body", "kind", "param"),
    [
        (b"not a picture", "image/png", "image"),
        (b'{"image": "%%%"}', "application/json", "image"),
        (b'{"image": 5}', "application/json", "image"),
        (b"{}", "application/json", "image"),
        (b"[1]", "application/json", None),
        (b'{"image": ', "application/json", None),
        (b"", "application/json", None),
        (b"a=b", "application/x-www-form-urlencoded", None),
        (b"--x\r\n", "multipart/form-data; boundary=x", "file"),
        (b"--x--\r\n", "multipart/form-data; boundary=x", "file"),
        (b"x", "multipart/form-data", None),
    ],
)
def test_what_is_no_picture_is_refused(
    server: Served, body: bytes, kind: str, param: str | None
) -> None:
    answer = httpx.post(f"{server.v1}/images", content=body, headers={"content-type": kind})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["message"]
    assert answer.json()["error"]["param"] == param


@pytest.mark.parametrize("id", ["x", "0" * 64, "..%2f..%2fetc", "A" * 64, "%00"])
def test_no_picture_is_not_found(server: Served, id: str) -> None:
    for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        answer = httpx.request(method, f"{server.v1}/images/{id}{path}")
        assert answer.status_code == 404, answer.text


def test_texts_become_vectors(client: openai.OpenAI, server: Served) -> None:
    texts = ["a red apple", "a green pear"]
    wanted = BagOfWords().encode(texts)
    found = client.embeddings.create(model="embedded", input=texts)
    assert np.allclose([each.embedding for each in found.data], wanted, atol=1e-6)
    assert [each.index for each in found.data] == [0, 1] and found.usage.prompt_tokens > 0
    floats = client.embeddings.create(
        model=BagOfWords().name, input=texts[0], encoding_format="float"
    )
    assert np.allclose(floats.data[0].embedding, wanted[0], atol=1e-6)
    many = client.embeddings.create(model="embedded", input=[f"text {n}" for n in range(100)])
    assert len(many.data) == 100


def test_what_cannot_be_embedded(client: openai.OpenAI, server: Served) -> None:
    for given in ([1, 2, 3], [[1, 2], [3]], "", [], ["a", ""], ["a"] * 3000, "a" * 200_000):
        with pytest.raises(openai.BadRequestError) as told:
            client.embeddings.create(model="embedded", input=given)
        assert told.value.param == "input"
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="text-embedding-3-small", input="a")
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(model="embedded", input="a", dimensions=3)


def test_tenants_see_nothing_of_each_other() -> None:
    with Store.open(get_settings()) as store:
        ours = store.create_key("ours", tenant="a", scopes=("chat", "images", "threads"))[1]
        theirs = store.create_key("theirs", tenant="b", scopes=("chat", "images", "threads"))[1]
    with served(SayingEngine()) as server:
        mine = {"Authorization": f"Bearer {ours}"}
        other = {"Authorization": f"Bearer {theirs}"}
        id = httpx.post(
            f"{server.v1}/images", files={"file": ("a.png", png())}, headers=mine
        ).json()["id"]
        thread = httpx.post(f"{server.v1}/threads", headers=mine).json()["id"]
        for path in (f"images/{id}", f"images/{id}/content", f"threads/{thread}"):
            assert httpx.get(f"{server.v1}/{path}", headers=mine).status_code == 200
            assert httpx.get(f"{server.v1}/{path}", headers=other).status_code == 404
            assert httpx.get(f"{server.v1}/{path}").status_code == 401
        question = {
            "model": "embedded",
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": f"sightdesk:{id}"}}],
                }
            ],
        }
        ask = f"{server.v1}/chat/completions"
        assert httpx.post(ask, json=question, headers=mine).status_code == 200
        assert httpx.post(ask, json=question, headers=other).status_code == 404
        goes_on = {
            "model": "sightdesk-agent",
            "messages": [{"role": "user", "content": "Hello"}],
            "sightdesk": {"thread_id": thread},
        }
        assert httpx.post(ask, json=goes_on, headers=other).status_code == 404
        assert httpx.delete(f"{server.v1}/threads/{thread}", headers=other).status_code == 404
        assert httpx.get(f"{server.v1}/tickets", headers=mine).status_code == 403
