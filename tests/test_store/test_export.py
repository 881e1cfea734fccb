"""Feedback as training rows, and conversations as zip files that load nothing."""

from __future__ import annotations

import html
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Literal

import pytest

from assistant.errors import InputError, StoreError
from assistant.images import open_image
from assistant.store import NewExchange, Store
from assistant.store.export import escape_markdown
from tests.test_store.conftest import Photo
from tests.test_store.steps import ask

HOSTILE = (
    "![x](http://evil.example/a.png) <img src=http://evil.example/b.png onerror=alert(1)>\n"
    "[a]: http://evil.example/c\n<script>alert(1)</script> &lt;b&gt; `code`\n"
    "    indented <img src=x>\n# heading\n- item\n1. one\n| a | b |\n~~~\nfence\n"
    "<http://evil.example> \\![y](z) \\<i>\n---\n<!-- hidden\n***bold***"
)


def opened(data: bytes) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert archive.testzip() is None
    return archive


def test_thumbs_and_corrections_become_training_rows(store: Store, photo: Photo) -> None:
    shown = store.put_image(photo("Banana"), name="banana.jpg").id
    used = store.put_image(photo("Lemon"), name="enhanced").id
    other = store.put_image(photo("Kiwi"), name="kiwi.jpg").id
    thread = store.create_thread().id

    def answered(question: str, after: int | None, *images: str, given: str = "") -> str:
        exchange = NewExchange(
            question=f"Put: {question}",
            shown=question,
            images=images,
            used=(given,) if given else images,
            answer=f"About {question}",
            state="done",
        )
        return store.add_exchange(thread, exchange, after=after).id

    none = answered("nothing in view", None)
    good = answered("good", 0, shown, given=used)
    plain = answered("not judged", 1)
    bad = answered("bad", 2)
    wrong = answered("wrong", 3, other)
    both = answered("two pictures", 4, shown, other)
    after_both = answered("still two", 5)
    for id, thumb, correction in (
        (none, 1, None),
        (good, 1, None),
        (bad, -1, None),
        (wrong, -1, " A kiwi. "),
        (both, 1, None),
        (after_both, 1, None),
        (plain, 1, "x"),
        (plain, None, "  "),
    ):
        store.set_feedback(id, thumb=thumb, correction=correction)  # type: ignore[arg-type]

    def row(
        image: str, question: str, answer: str, thumb: int, corrected: bool
    ) -> dict[str, object]:
        path = str(store.files.path(image, ".webp").absolute())
        return {
            "image": path,
            "question": f"Put: {question}",
            "answer": answer,
            "thumb": thumb,
            "corrected": corrected,
        }

    rows = list(store.training_rows())
    assert rows == [
        row(used, "good", "About good", 1, False),
        row(used, "bad", "About bad", -1, False),
        row(other, "wrong", "A kiwi.", 1, True),
    ]
    assert open_image(rows[0]["image"]).id == used
    judged = store.thread(thread).exchanges
    assert [(e.thumb, e.correction) for e in judged[3:5]] == [(-1, None), (-1, "A kiwi.")]
    assert (judged[2].thumb, judged[2].correction) == (None, None)
    with pytest.raises(InputError, match="thumb"):
        store.set_feedback(good, thumb=2, correction=None)  # type: ignore[arg-type]
    store.delete_thread(thread)
    assert list(store.training_rows()) == []


@pytest.fixture
def conversation(store: Store, photo: Photo) -> str:
    shown = store.put_image(photo("Banana"), name="../my ![x] (banana).jpg").id
    used = store.put_image(photo("Lemon"), name="enhanced").id
    thread = store.create_thread("<b>香蕉</b> ![t](http://evil.example)").id
    first = NewExchange(
        question=f"Hint. {HOSTILE}",
        shown=HOSTILE,
        images=(shown, shown),
        used=(used, shown),
        enhancement={"denoise": 0.3},
    )
    asked = store.add_exchange(thread, first, after=None)
    store.set_answer(
        asked.id, answer=f"是香蕉。\n{HOSTILE}", state="failed", details={"a": 1}, error=HOSTILE
    )
    store.set_feedback(asked.id, thumb=-1, correction=HOSTILE)
    ask(store, thread, "", after=0)
    return thread


def test_markdown_shows_everything_and_loads_nothing(store: Store, conversation: str) -> None:
    archive = opened(store.export_thread(conversation, form="markdown"))
    names = archive.namelist()
    assert names[-1] == "conversation.md"
    assert names[:-1] == ["images/001-my-x-banana.webp", "images/002-my-x-banana-enhanced.webp"]
    text = archive.read("conversation.md").decode()
    # Every picture is one of the archive's, and nothing else is a link, a tag or a reference.
    assert re.findall(r"(?<!\\)\]\((.*?)\)", text) == [names[0], names[1], names[0]]
    assert not re.search(r"<", text)
    assert not re.search(r"(?<!\\)[:`~|]", re.sub(r" \d\d:\d\d UTC", "", text))
    assert not re.search(r"^( {4}|\t)", text, re.MULTILINE)
    assert "是香蕉" in text
    assert "The answer is failed" in text


@pytest.mark.parametrize("text", [HOSTILE, "a & b < c", "1. x\n\n\n2. y", "", "x\\", "\\\n\\"])
def test_escaping_keeps_every_letter(text: str) -> None:
    """Undone as CommonMark reads it: escapes and entities to the letters they stand for."""
    shown = re.sub(r"\\$", "", escape_markdown(text), flags=re.MULTILINE)
    read = re.sub(r"\\([!-/:-@\[-`{-~])|(&\w+;)", lambda m: m[1] or html.unescape(m[2]), shown)
    # A backslash that ends a line is the break, unless it is escaped itself.
    expected = "\n".join(line.strip() for line in text.splitlines())
    assert re.sub(r"\\", "", read) == re.sub(r"\\", "", expected)


def test_json_holds_what_the_thread_holds(store: Store, conversation: str) -> None:
    archive = opened(store.export_thread(conversation, form="json"))
    document = json.loads(archive.read("conversation.json"))
    thread = store.thread(conversation)
    assert document["title"] == thread.title
    first = document["exchanges"][0]
    expected = thread.exchanges[0]
    for name in ("question", "shown", "answer", "state", "details", "correction", "enhancement"):
        assert first[name] == getattr(expected, name)
    assert first["created"] == expected.created.isoformat()
    for kind in ("images", "used"):
        ids = [open_image(archive.read(entry["path"])).id for entry in first[kind]]
        assert ids == list(getattr(expected, kind)) == [entry["id"] for entry in first[kind]]


@pytest.mark.parametrize("form", ["markdown", "json"])
def test_a_missing_photo_does_not_keep_the_rest(
    store: Store, conversation: str, form: Literal["markdown", "json"]
) -> None:
    id = store.thread(conversation).exchanges[0].images[0]
    store.files.path(id, ".webp").unlink()
    archive = opened(store.export_thread(conversation, form=form))
    assert len(archive.namelist()) == 2
    if form == "markdown":
        assert "is missing" in archive.read("conversation.md").decode()


def test_there_are_two_forms(store: Store) -> None:
    thread = store.create_thread("empty").id
    assert opened(store.export_thread(thread, form="markdown")).namelist() == ["conversation.md"]
    with pytest.raises(InputError, match="markdown or json"):
        store.export_thread(thread, form="pdf")  # type: ignore[arg-type]
    with pytest.raises(StoreError):
        store.export_thread("0" * 32, form="json")


def test_a_photo_of_the_export_is_the_stored_one(store: Store, photos: Path) -> None:
    image = open_image(photos / "phone-portrait-banana.jpg")
    store.put_image(image, name="banana.jpg")
    thread = store.create_thread().id
    ask(store, thread, images=(image.id,))
    archive = opened(store.export_thread(thread, form="markdown"))
    assert archive.namelist()[0] == "images/001-banana.webp"
    assert archive.read("images/001-banana.webp") == store.image_bytes(image.id)
