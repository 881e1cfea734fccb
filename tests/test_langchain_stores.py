"""LangChain's standard tests of tools, retrievers, vector stores and embeddings, all offline."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.tools import BaseTool
from langchain_tests.integration_tests import (
    EmbeddingsIntegrationTests,
    RetrieversIntegrationTests,
    ToolsIntegrationTests,
    VectorStoreIntegrationTests,
)
from langchain_tests.unit_tests import EmbeddingsUnitTests, ToolsUnitTests

from assistant.embeddings import ForeignEmbedder, TextEmbeddings, as_embedder, as_embeddings
from assistant.engine import Engine
from assistant.errors import ImageError, InputError, StoreError
from assistant.image_index import Filter, ImageIndex, Note
from assistant.image_retriever import ImageIndexRetriever
from assistant.images import open_image
from assistant.knowledge import Knowledge
from assistant.retriever import KnowledgeRetriever
from assistant.settings import Settings, get_settings
from assistant.store import Store
from assistant.tools import TOOLS, Desk, HandOver, build_tools
from assistant.vector_store import KnowledgeVectorStore
from tests import tiny
from tests.indexed_pictures import id_of, indexed
from tests.test_store.conftest import postgres_server
from tests.tiny_space import TinySpace

__all__ = ["postgres_server"]

SIX = DeterministicFakeEmbedding(size=6)

PAGES = {
    "returns.md": "# Returns\n\nBring it back within 30 days, with the receipt.\n",
    "milk.md": "# Milk\n\nOpened milk is not taken back.\n",
    "apples.md": "# Apples\n\nApples keep for a month in a cool cellar.\n",
    "hours.md": "# Opening hours\n\nWe are open from eight to eight, and closed on Sundays.\n",
}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.load(str(tiny.directory()))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One for all tests, each of which is a tenant of its own: to make one takes long."""
    with Store.open(Settings(data_dir=tmp_path_factory.mktemp("data"))) as opened:
        yield opened


@pytest.fixture
def tenant() -> str:
    return uuid4().hex


@pytest.fixture
def knowledge(store: Store, tenant: str, tmp_path: Path) -> Knowledge:
    """Four pages, embedded by a hash of their words."""
    return filled(store, tenant, tmp_path)


def filled(store: Store, tenant: str, folder: Path) -> Knowledge:
    for name, text in PAGES.items():
        (folder / name).write_text(text, encoding="utf-8")
    opened = Knowledge.open(store=store, tenant=tenant, embedder=ForeignEmbedder(SIX))
    opened.add(folder)
    return opened


@pytest.fixture(scope="module")
def desk(store: Store, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    def hand_over(_wanted: HandOver) -> None:
        return None

    knowledge = filled(store, "desk", tmp_path_factory.mktemp("pages"))
    return Desk(engine, store, knowledge, store.settings, tenant="desk", hand_over=hand_over)


# --- the embedder


class _Embeds:
    embeddings_class = TextEmbeddings


class TestEmbeddingsUnit(_Embeds, EmbeddingsUnitTests):
    """The embedder that comes with a package, not loaded."""

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return {}, {}, {}


class TestEmbeddings(_Embeds, EmbeddingsIntegrationTests):
    """The same, loaded: it is in a package, and needs no network."""


def test_an_embedder_is_the_same_on_both_sides() -> None:
    own = TextEmbeddings()
    assert as_embedder(own) is own.embedder
    foreign = as_embedder(SIX)
    assert as_embeddings(foreign) is SIX and as_embedder(foreign) is foreign
    assert foreign.name.endswith("DeterministicFakeEmbedding:6")
    vectors = foreign.encode(["a", "b"])
    assert vectors.shape == (2, 6) and abs(float((vectors[0] ** 2).sum()) - 1) < 1e-6
    assert foreign.encode([]).shape[0] == 0


@pytest.mark.parametrize(
    "vectors",
    [[[1.0], [1.0, 2.0]], [[1.0, 2.0]], [[], []], [["a"], ["b"]], [[float("nan")], [1.0]]],
    ids=["sizes", "too-few", "empty", "words", "nan"],
)
def test_embeddings_that_cannot_be_used(vectors: Any) -> None:
    class Odd(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return vectors

        def embed_query(self, text: str) -> list[float]:
            return vectors[0]

    with pytest.raises(InputError, match="use another"):
        as_embedder(Odd()).encode(["a", "b"])


# --- tools

GIVEN: dict[str, dict[str, Any]] = {
    "describe_image": {"image": "PICTURE"},
    "ask_image": {"image": "PICTURE", "question": "What colour is it?"},
    "label_image": {"image": "PICTURE"},
    "read_text": {"image": "PICTURE"},
    "search_images": {"query": "apple"},
    "search_knowledge": {"query": "milk"},
    "hand_over": {"reason": "The customer asks for a person."},
}


class _OneTool:
    """One of the tools, with arguments that it can do something with."""

    name = ""

    @pytest.fixture(autouse=True)
    def at_a_desk(self, desk: Desk) -> None:
        picture = desk.keep_image(tiny.picture(1))
        (self._tool,) = build_tools(desk, names=[self.name])
        self._given = {
            name: picture if value == "PICTURE" else value
            for name, value in GIVEN[self.name].items()
        }

    @property
    def tool_constructor(self) -> BaseTool:
        return self._tool

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return self._given


for _name in TOOLS:
    for _suite in (ToolsUnitTests, ToolsIntegrationTests):
        _title = "".join(part.title() for part in _name.split("_"))
        _title = f"Test{_title}{'Unit' if _suite is ToolsUnitTests else ''}"
        globals()[_title] = type(_title, (_OneTool, _suite), {"name": _name})


def test_every_tool_has_a_standard_test() -> None:
    assert set(GIVEN) == set(TOOLS)
    tested = [each for each in globals().values() if inspect.isclass(each)]
    assert {each.name for each in tested if issubclass(each, _OneTool)} == {*TOOLS, ""}


def test_tools_of_no_desk_are_those_of_the_settings() -> None:
    tools = build_tools(names=["search_knowledge"])
    assert "empty" in tools[0].invoke({"query": "milk"})
    with Desk.open(Settings(), tenant="other") as opened:
        assert (opened.tenant, opened.knowledge.tenant) == ("other", "other")  # type: ignore[union-attr]


def test_a_picture_that_is_kept_is_found_by_the_tools(desk: Desk, tmp_path: Path) -> None:
    (path,) = tiny.picture_files(tmp_path, 1)
    kept = desk.add_image(path)
    assert desk.load_image(kept).id == kept == desk.add_image(path.read_bytes())
    with pytest.raises(ImageError, match="does not exist"):
        desk.add_image(tmp_path / "none.png")


# --- the retriever


class TestRetriever(RetrieversIntegrationTests):
    """The desk's own search."""

    retriever_constructor = KnowledgeRetriever
    retriever_query_example = "Can I bring back milk?"

    @pytest.fixture(autouse=True)
    def of_pages(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"knowledge": self._knowledge}


def test_a_document_says_where_it_is_from(knowledge: Knowledge) -> None:
    (found,) = KnowledgeRetriever(knowledge=knowledge, k=1).invoke("opened milk")
    assert found.page_content == "Opened milk is not taken back."
    assert found.metadata["source"] == "milk.md" and found.metadata["title"] == "Milk"
    assert -1 <= found.metadata["score"] <= 1
    assert knowledge.passage(found.id or "").text == found.page_content
    assert KnowledgeRetriever(knowledge=knowledge).invoke("milk", None, label="Nothing") == []


@pytest.mark.parametrize("k", [0, -1, 10**9])
def test_a_number_of_documents_that_cannot_be(knowledge: Knowledge, k: int) -> None:
    with pytest.raises(ValueError, match="k"):
        KnowledgeRetriever(knowledge=knowledge, k=k)
    with pytest.raises(InputError, match="k is"):
        KnowledgeRetriever(knowledge=knowledge).invoke("milk", None, k=k)


def test_a_retriever_of_no_knowledge_is_that_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "milk.md").write_text(PAGES["milk.md"], encoding="utf-8")
    Knowledge.open(tenant="shop").add(tmp_path / "milk.md")
    assert KnowledgeRetriever().invoke("milk") == []
    assert len(KnowledgeRetriever(tenant="shop").invoke("milk")) == 1


# --- the retriever of pictures


class TestImageRetriever(RetrieversIntegrationTests):
    """Photos of an indexed folder."""

    retriever_constructor = ImageIndexRetriever
    retriever_query_example = "red, green, blue and black"

    @pytest.fixture(autouse=True)
    def of_photos(self, photo_index: ImageIndex) -> None:
        self._index = photo_index

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"index": self._index, "threshold": 0.0}


@pytest.fixture(scope="module")
def photo_index(store: Store, tmp_path_factory: pytest.TempPathFactory) -> ImageIndex:
    folder = tmp_path_factory.mktemp("indexed") / "photos"
    index = indexed(store, folder, tenant="photos")
    index.annotate({id_of(folder, "owl.png"): Note("Snowy-Owl", "Bird", "An owl on a branch.")})
    return index


def test_a_picture_says_what_it_is_and_where(photo_index: ImageIndex) -> None:
    retriever = ImageIndexRetriever(index=photo_index)
    (green,) = retriever.invoke("anything green")
    assert green.page_content == "forest.png"
    path = Path(green.metadata["path"])
    assert path.parts[-2:] == ("deep", "forest.png")
    assert green.id == green.metadata["image_id"] == open_image(path).id
    assert green.metadata["likelihood"] > 0.9 and green.metadata["width"] == 64
    (owl,) = asyncio.run(retriever.ainvoke("owl"))
    assert owl.page_content == "An owl on a branch." and owl.metadata["label"] == "Snowy-Owl"
    assert retriever.invoke("a zebra") == []
    same = retriever.invoke("", None, image=open_image(path))
    assert [each.id for each in same] == [green.id]
    birds = ImageIndexRetriever(index=photo_index, where=Filter(labels=("Snowy-Owl",)), threshold=0)
    assert [each.id for each in birds.invoke("anything green")] == [owl.id]
    with pytest.raises(InputError, match="k is"):
        retriever.invoke("owl", None, k=0)


def test_an_image_retriever_of_no_index_is_that_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.space.picture_embedder", lambda *_: TinySpace())
    with Store.open(get_settings()) as opened:
        indexed(opened, tmp_path / "photos", tenant="shop")
    assert ImageIndexRetriever().invoke("red") == []
    assert len(ImageIndexRetriever(tenant="shop").invoke("red")) == 1


# --- the vector store


class TestVectorStore(VectorStoreIntegrationTests):
    """On SQLite and its usearch index."""

    @pytest.fixture
    def vectorstore(self, store: Store, tenant: str) -> KnowledgeVectorStore:
        embedder = ForeignEmbedder(self.get_embeddings())
        return KnowledgeVectorStore(Knowledge.open(store=store, tenant=tenant, embedder=embedder))


class TestVectorStoreOnPostgres(VectorStoreIntegrationTests):
    """On a server with pgvector, where there is one to test with."""

    @pytest.fixture(scope="class")
    def server(
        self, postgres_server: str, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[Store]:
        data = tmp_path_factory.mktemp("postgres")
        with Store.open(Settings(database_url=postgres_server, data_dir=data)) as opened:
            yield opened

    @pytest.fixture
    def vectorstore(self, server: Store, tenant: str) -> KnowledgeVectorStore:
        embedder = ForeignEmbedder(self.get_embeddings())
        return KnowledgeVectorStore(Knowledge.open(store=server, tenant=tenant, embedder=embedder))


@pytest.fixture
def vectors(knowledge: Knowledge) -> KnowledgeVectorStore:
    return KnowledgeVectorStore(knowledge)


def texts(found: list[Document]) -> list[str]:
    return [document.page_content for document in found]


def test_files_and_documents_are_found_together_and_cited(
    vectors: KnowledgeVectorStore, knowledge: Knowledge
) -> None:
    notes = {"source": "guide/pears.pdf", "title": "Pears", "page": 3}
    (id,) = vectors.add_texts(["Pears ripen at home."], [notes])
    assert vectors.get_by_ids([id])[0].metadata == notes
    (hit,) = knowledge.search("ripen pears at home", limit=1)
    assert (hit.passage.title, hit.passage.source) == ("Pears", "pears.pdf")
    assert {each.name for each in knowledge.documents()} == {*PAGES, "entries/guide/pears.pdf"}
    assert len(vectors.similarity_search("Pears. Pears ripen at home.", k=10)) == 5
    (found,) = vectors.similarity_search("Milk. Opened milk is not taken back.", k=1)
    assert found.metadata["source"] == "milk.md"
    vectors.delete()
    assert len(vectors.similarity_search("x", k=10)) == len(PAGES)
    assert {each.name for each in knowledge.documents()} == set(PAGES)


def test_scores_are_cosines_and_thresholds_know_them(vectors: KnowledgeVectorStore) -> None:
    vectors.add_texts(["plum"], ids=["p"])
    (document, score) = vectors.similarity_search_with_score("plum", k=1)[0]
    assert document.id == "p" and abs(score - 1) < 1e-5
    all_scores = [each for _, each in vectors.similarity_search_with_score("plum", k=9)]
    assert all_scores == sorted(all_scores, reverse=True)
    sure = vectors.as_retriever(
        search_type="similarity_score_threshold", search_kwargs={"score_threshold": 0.99}
    )
    assert texts(sure.invoke("plum")) == ["plum"]
    by_vector = vectors.similarity_search_by_vector(SIX.embed_query("plum"), k=1)
    assert by_vector[0].id == "p"


def test_different_documents_come_before_the_same_again(vectors: KnowledgeVectorStore) -> None:
    vectors.add_texts(["plum", "plum", "pear"], ids=["a", "b", "c"])
    near = vectors.similarity_search("plum", k=2, filter=lambda d: len(d.page_content) == 4)
    assert texts(near) == ["plum", "plum"]
    other = vectors.max_marginal_relevance_search(
        "plum", k=2, lambda_mult=0.1, filter=lambda d: len(d.page_content) == 4
    )
    assert texts(other)[0] == "plum" and texts(other)[1] == "pear"
    assert asyncio.run(vectors.amax_marginal_relevance_search("plum", k=1))[0].id in ("a", "b")


def test_a_filter_looks_at_all_there_is(vectors: KnowledgeVectorStore) -> None:
    many = 300
    vectors.add_texts(
        [f"text {n}" for n in range(many)], [{"even": n % 2 == 0, "n": n} for n in range(many)]
    )
    (found,) = vectors.similarity_search("text 0", k=5, filter={"n": 299})
    assert found.page_content == "text 299"
    assert len(vectors.similarity_search("text 0", k=200, filter={"even": True})) == 150
    assert vectors.similarity_search("text 0", k=5, filter={"odd": True}) == []
    found_async = asyncio.run(vectors.asimilarity_search("text 7", k=1, filter={"even": False}))
    assert texts(found_async) == ["text 7"]


def test_tenants_do_not_see_each_other() -> None:
    mine = KnowledgeVectorStore.from_texts(["mine"], SIX, ids=["1"], tenant="a")
    theirs = KnowledgeVectorStore.from_texts(["theirs"], SIX, ids=["1"], tenant="b")
    assert mine.embeddings is SIX
    assert texts(mine.similarity_search("theirs", k=9)) == ["mine"]
    assert texts(theirs.get_by_ids(["1"])) == ["theirs"]
    mine.delete(["1"])
    assert texts(theirs.similarity_search("x", k=9)) == ["theirs"]
    assert mine.similarity_search("mine", k=1) == [] and mine.get_by_ids(["1"]) == []


def test_what_was_added_outlives_the_process_and_a_new_embedder(tmp_path: Path) -> None:
    first = KnowledgeVectorStore(embedding=SIX)
    first.add_texts(["plum", "pear"], [{"n": [1, {"a": None}]}, {}], ids=["1", "2"])
    first.knowledge.store.close()
    again = KnowledgeVectorStore(embedding=SIX)
    assert again.similarity_search("plum", k=1)[0].metadata == {"n": [1, {"a": None}]}
    again.knowledge.store.close()
    larger = KnowledgeVectorStore(embedding=DeterministicFakeEmbedding(size=9))
    assert larger.similarity_search("pear", k=1)[0].id == "2"


def test_a_large_document_is_found_by_each_of_its_parts(vectors: KnowledgeVectorStore) -> None:
    said = [f"Sentence number {n} is about thing {n} and nothing else at all." for n in range(40)]
    vectors.add_texts([" ".join(said), ""], ids=["long", "empty"])
    assert texts(vectors.get_by_ids(["empty"])) == [""]
    assert [d.id for d in vectors.get_by_ids(["empty", "none", "long"])] == ["empty", "long"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"texts": ["a", "b"], "ids": ["1"]}, "one for each"),
        ({"texts": ["a"], "metadatas": []}, "one for each"),
        ({"texts": ["a"], "ids": ["x" * 501]}, "id has"),
        ({"texts": ["a"], "metadatas": [{"when": date(2026, 1, 1)}]}, "cannot be kept"),
        ({"texts": ["a"], "metadatas": [{"x": float("nan")}]}, "cannot be kept"),
        ({"texts": ["a"], "metadatas": [{"x": "y" * 70_000}]}, "metadata"),
        ({"texts": ["a" * 5_000_001]}, "split it"),
    ],
    ids=["ids", "metadata", "long-id", "date", "nan", "much", "long"],
)
def test_documents_that_cannot_be_added(
    vectors: KnowledgeVectorStore, given: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        vectors.add_texts(**given)
    assert len(vectors.similarity_search("a", k=99)) == len(PAGES)


def test_searches_that_cannot_be(vectors: KnowledgeVectorStore) -> None:
    for k in (0, -3, 10**9):
        with pytest.raises(InputError, match="k is"):
            vectors.similarity_search("milk", k=k)
    for vector in ([1.0, 2.0], [[1.0]], ["a"] * 6, [float("inf")] * 6):
        with pytest.raises(InputError, match=r"[Tt]he vector"):
            vectors.similarity_search_by_vector(vector)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="filter"):
        vectors.similarity_search("milk", filter="milk")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="embedder"):
        KnowledgeVectorStore(vectors.knowledge, embedding=SIX)


def test_another_embedder_meanwhile_is_told(vectors: KnowledgeVectorStore, store: Store) -> None:
    other = ForeignEmbedder(DeterministicFakeEmbedding(size=5))
    Knowledge.open(store=store, tenant=vectors.knowledge.tenant, embedder=other)
    with pytest.raises(StoreError, match="SIGHTDESK_EMBEDDER"):
        vectors.add_texts(["late"])
    with pytest.raises(StoreError, match="SIGHTDESK_EMBEDDER"):
        vectors.similarity_search("late")


def test_odd_text_is_kept_as_the_database_can(vectors: KnowledgeVectorStore) -> None:
    vectors.add_texts(["a\0b \ud800"], ids=["odd\0"])
    assert vectors.get_by_ids(["odd\0"])[0].page_content == "ab ?"
    vectors.delete(["odd\0", "never there"])
    assert vectors.get_by_ids(["odd"]) == []
