"""The knowledge base: adding, finding, removing; on SQLite and on Postgres alike."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from assistant.errors import InputError, StoreError
from assistant.images import open_image
from assistant.knowledge import Knowledge
from assistant.store import Store
from tests.test_knowledge.conftest import BagOfWords, Write
from tests.test_store.steps import ask, image_files

RETURNS = """# Returns

Bring it back within fourteen days with the receipt.

## Opened food

Opened food cannot be returned, for reasons of hygiene.
"""

BANANA = {
    "label": "Banana",
    "coarse_label": "Banana",
    "image": "photos/Banana.webp",
    "description": "Store in room temperature.",
    "information": ["Country: Ecuador", "Description: Store in room temperature."],
}
SMITH = {
    "label": "Granny-Smith",
    "coarse_label": "Apple",
    "image": "photos/Granny-Smith.webp",
    "description": "A green apple with a clear acidity.",
    "information": ["Country and volume: Italy, ca 180g"],
}


@pytest.fixture
def products(write: Write, photos: Path) -> Path:
    for name in ("Banana", "Granny-Smith"):
        write(f"photos/{name}.webp", (photos / f"{name}.webp").read_bytes())
    return write("products.jsonl", "\n".join(map(json.dumps, (BANANA, SMITH))))


def titles(knowledge: Knowledge, query: str) -> list[str]:
    return [hit.passage.title for hit in knowledge.search(query)]


def test_a_page_is_found_and_cited(knowledge: Knowledge, write: Write) -> None:
    assert knowledge.is_empty
    added = knowledge.add(write("returns.md", RETURNS))
    assert (added.documents, added.passages, added.troubles) == (1, 2, ())
    best = knowledge.search("can I return opened food?")[0]
    assert best.passage.title == "Returns – Opened food"
    assert best.passage.text == "Opened food cannot be returned, for reasons of hygiene."
    assert (best.passage.source, best.passage.place) == ("returns.md", "Opened food")
    assert 0 < best.score <= 1
    assert knowledge.passage(best.passage.id) == best.passage
    assert not knowledge.is_empty
    document = knowledge.documents()[0]
    assert (document.name, document.kind, document.passages) == ("returns.md", "markdown", 2)


def test_products_are_passages_and_pictures(
    knowledge: Knowledge, products: Path, photos: Path
) -> None:
    added = knowledge.add(products)
    assert (added.documents, added.passages, added.troubles) == (1, 2, ())
    banana, smith = knowledge.products()
    assert banana.image_id == open_image(photos / "Banana.webp").id
    assert knowledge.store.load_image(banana.image_id).id == banana.image_id
    assert (smith.label, smith.coarse_label) == ("Granny-Smith", "Apple")
    assert knowledge.labels() == {"Banana", "Granny-Smith"}
    passage = knowledge.passage(smith.passage_ids[0])
    assert (passage.title, passage.label) == ("Granny Smith", "Granny-Smith")
    assert "Italy" in passage.text
    assert passage.image_id == smith.image_id
    assert knowledge.passage(banana.passage_ids[0]).text.count("room temperature") == 1


def test_the_product_that_is_named_comes_first(knowledge: Knowledge, products: Path) -> None:
    knowledge.add(products)
    for query in ("Granny Smith", "is granny smith from italy or ecuador", "grany smith country"):
        assert titles(knowledge, query)[0] == "Granny Smith"
    hits = knowledge.search("where is it from", label="Banana")
    assert [hit.passage.label for hit in hits] == ["Banana"]
    assert knowledge.search("banana", label="Pear") == []


@pytest.mark.parametrize(
    "query",
    ["", "   ", '"', "NEAR(", "title:x AND *", "' | ! & ( :*", "a" * 100_000, "\0", "\ud800 milk",
     "-", "%", "'; DROP TABLE knowledge_passages; --"],
)  # fmt: skip
def test_any_query_can_be_asked(knowledge: Knowledge, write: Write, query: str) -> None:
    knowledge.add(write("returns.md", RETURNS))
    assert len(knowledge.search(query)) <= 4
    assert len(knowledge.documents()) == 1


def test_what_did_not_change_is_left_alone(
    knowledge: Knowledge, bag: BagOfWords, write: Write
) -> None:
    path = write("returns.md", RETURNS)
    knowledge.add(path)
    first, second = (hit.passage for hit in knowledge.search("fourteen days opened food"))
    again = knowledge.add(path)
    assert (again.documents, again.unchanged) == (0, 1)
    bag.texts.clear()
    knowledge.add(write("returns.md", RETURNS.replace("fourteen", "thirty")))
    assert len(bag.texts) == 1, "only what changed is embedded"
    kept, gone = (first, second) if "Opened" in first.title else (second, first)
    assert knowledge.passage(kept.id) == kept
    with pytest.raises(StoreError, match="not there any more"):
        knowledge.passage(gone.id)
    assert knowledge.search("thirty days")[0].passage.text.startswith("Bring it back within thirty")
    assert not any("fourteen" in hit.passage.text for hit in knowledge.search("fourteen days"))


def test_deleted_means_gone(knowledge: Knowledge, products: Path, write: Write) -> None:
    knowledge.add(products)
    knowledge.add(write("returns.md", RETURNS))
    thread = knowledge.store.create_thread().id
    shown = knowledge.products()[0].image_id
    ask(knowledge.store, thread, images=(shown,))
    knowledge.remove("products.jsonl")
    assert knowledge.products() == []
    assert [each.name for each in knowledge.documents()] == ["returns.md"]
    assert all(hit.passage.document == "returns.md" for hit in knowledge.search("green acidity"))
    assert {name[:64] for name in image_files(knowledge.store)} == {shown}, "a thread shows it"
    knowledge.store.delete_thread(thread)
    assert image_files(knowledge.store) == set()
    with pytest.raises(InputError, match=r"no document 'products.jsonl'.*returns.md"):
        knowledge.remove("products.jsonl")


def test_a_picture_stays_while_a_passage_shows_it(knowledge: Knowledge, products: Path) -> None:
    knowledge.add(products)
    image = knowledge.products()[0].image_id
    thread = knowledge.store.create_thread().id
    ask(knowledge.store, thread, images=(image,))
    knowledge.store.delete_thread(thread)
    assert knowledge.store.load_image(image).id == image


def test_nothing_of_what_was_deleted_is_on_the_disk(lite: Knowledge, write: Write) -> None:
    secret = "xylophonequartz"
    lite.add(write("secret.md", f"# Secret\n\nThe word is {secret}, and no other."))
    lite.add(write("returns.md", RETURNS))
    folder = lite.store.settings.data_dir
    lite.remove("secret.md")
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    assert not [path.name for path in files if secret.encode() in path.read_bytes().lower()]


def test_tenants_do_not_see_each_other(store: Store, bag: BagOfWords, write: Write) -> None:
    mine = Knowledge.open(store=store, tenant="a", embedder=bag)
    yours = Knowledge.open(store=store, tenant="b", embedder=bag)
    mine.add(write("returns.md", RETURNS))
    found = mine.search("opened food")[0].passage
    assert yours.search("opened food") == []
    assert yours.documents() == []
    assert yours.is_empty
    with pytest.raises(StoreError, match="not there"):
        yours.passage(found.id)
    with pytest.raises(InputError, match="empty"):
        yours.remove("returns.md")
    yours.add(write("returns.md", "# Returns\n\nNothing can be returned."))
    assert mine.search("opened food")[0].passage == found
    mine.remove("returns.md")
    assert yours.search("can it be returned")[0].passage.text == "Nothing can be returned."


def test_another_embedder_embeds_all_anew(store: Store, bag: BagOfWords, write: Write) -> None:
    old = Knowledge.open(store=store, embedder=bag)
    old.add(write("returns.md", RETURNS))
    other = BagOfWords("other", 64)
    told: list[str] = []
    new = Knowledge.open(
        store=store, embedder=other, progress=lambda message, _: told.append(message)
    )
    assert len(other.texts) == 2
    assert told
    assert new.search("opened food")[0].passage.title == "Returns – Opened food"
    with pytest.raises(StoreError, match="embedded with other meanwhile"):
        old.search("opened food")
    with pytest.raises(StoreError, match="SIGHTDESK_EMBEDDER"):
        old.add(write("more.md", "# More\n\nMore text."))
    other.texts.clear()
    assert Knowledge.open(store=store, embedder=other).search("opened food")
    assert other.texts == []


def test_a_folder_is_followed(knowledge: Knowledge, write: Write, tmp_path: Path) -> None:
    write("shop/returns.md", RETURNS)
    gone = write("shop/pages/hours.txt", "We are open from nine to five.")
    write("shop/.hidden.md", "# Hidden\n\nNobody sees this.")
    write("shop/.git/config.txt", "Nor this.")
    write("shop/photo.webp", b"RIFF")
    (tmp_path / "files/shop/loop").symlink_to(tmp_path / "files/shop")
    added = knowledge.add(tmp_path / "files/shop")
    assert (added.documents, added.troubles) == (2, ())
    assert [each.name for each in knowledge.documents()] == ["pages/hours.txt", "returns.md"]
    assert knowledge.search("when are you open")[0].passage.source == "hours.txt"
    gone.unlink()
    added = knowledge.add(tmp_path / "files/shop")
    assert (added.documents, added.unchanged, added.removed) == (0, 1, 1)
    assert [each.name for each in knowledge.documents()] == ["returns.md"]


def test_what_cannot_be_read_is_told_and_the_rest_goes_on(
    knowledge: Knowledge, write: Write, tmp_path: Path
) -> None:
    write("shop/a.pdf", b"%PDF-1.7\nnothing")
    write("shop/b.docx", b"PK\x03\x04nothing")
    write("shop/c.txt", b"\0\1\2")
    write("shop/d.md", "")
    write("shop/e.md", RETURNS)
    added = knowledge.add(tmp_path / "files/shop")
    assert added.documents == 1
    assert len(added.troubles) == 4
    for name, trouble in zip("abcd", added.troubles, strict=True):
        assert trouble.startswith(f"{name}.")
        assert trouble.endswith(".")
    with pytest.raises(InputError, match="no file or folder"):
        knowledge.add(tmp_path / "nowhere")


def test_pictures_outside_the_folder_are_not_taken(
    knowledge: Knowledge, write: Write, photos: Path
) -> None:
    write("Banana.webp", (photos / "Banana.webp").read_bytes())
    rows = [
        BANANA | {"image": "../Banana.webp"},
        SMITH | {"image": str(photos / "Granny-Smith.webp")},
        BANANA | {"label": "Lemon", "image": "nothing.webp"},
        BANANA | {"label": "Lime", "image": "page.txt"},
        BANANA | {"label": "Plum", "image": 7},
    ]
    write("shop/page.txt", "no picture")
    added = knowledge.add(write("shop/products.jsonl", "\n".join(map(json.dumps, rows))))
    assert added.passages == 5
    assert len(added.troubles) == 4
    assert image_files(knowledge.store) == set()
    assert all(product.image_id == "" for product in knowledge.products())


def test_two_threads_add_and_search_at_once(knowledge: Knowledge, write: Write) -> None:
    paths = [
        write(f"page{number}.md", f"# Page {number}\n\nIt is about topic{number}.")
        for number in range(8)
    ]
    failures: list[BaseException] = []

    def work(own: list[Path]) -> None:
        try:
            for path in own:
                knowledge.add(path)
                assert (
                    titles(knowledge, f"topic{path.stem[4:]}")[0]
                    == path.stem.capitalize()[:4] + " " + path.stem[4:]
                )
        except BaseException as error:
            failures.append(error)

    people = [threading.Thread(target=work, args=(paths[start::2],)) for start in range(2)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert not failures
    assert len(knowledge.documents()) == 8
