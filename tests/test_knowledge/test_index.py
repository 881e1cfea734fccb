"""SQLite's index beside the database: lost, damaged, behind; and processes that are killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from assistant.knowledge import Knowledge
from assistant.knowledge.finders import nearest
from assistant.store import Store
from assistant.store.knowledge_rows import KnowledgeStateRow, KnowledgeVectorRow
from tests.test_knowledge.conftest import BagOfWords, Write

PAGE = "# Page {0}\n\nIt is about topic{0}.\n\n## More\n\nAnd about side{0} too."


def index_file(knowledge: Knowledge) -> Path:
    (path,) = knowledge.store.settings.data_dir.glob("knowledge-*/*.usearch")
    return path


def fill(knowledge: Knowledge, write: Write, count: int = 5) -> None:
    for number in range(count):
        knowledge.add(write(f"page{number}.md", PAGE.format(number)))


def first(knowledge: Knowledge, query: str) -> str:
    return knowledge.search(query)[0].passage.document


def reopened(knowledge: Knowledge) -> Knowledge:
    return Knowledge.open(store=knowledge.store, embedder=knowledge.embedder)


def by_vector(knowledge: Knowledge, query: str) -> int | None:
    """The passage that the vectors alone find."""
    vector = knowledge.embedder.encode([query], query=True)[0]
    with knowledge.store.database.read() as session:
        state = session.get(KnowledgeStateRow, "")
        assert state is not None
        return next(iter(knowledge._finder.by_vector(session, state, vector, 5, None)), None)


def test_the_file_is_read_and_not_made_again(
    lite: Knowledge, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(lite, write)
    expected = by_vector(lite, "topic3")
    made = []
    monkeypatch.setattr(nearest.Nearest, "_catch_up", lambda *_: made.append(1))
    assert by_vector(reopened(lite), "topic3") == expected
    assert not made


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"not an index",
        lambda data: data[: len(data) // 2],
        lambda data: data[:-9] + b"\xff" + data[-8:],
        lambda data: data.replace(b'"generation": ', b'"generation": 9'),
        lambda data: data.replace(b'"dimensions": ', b'"dimensions": 9'),
        lambda data: data.replace(b'"embedder"', b'"embedded"'),
        lambda data: data.replace(b"{", b"[", 1),
        None,
    ],
)
def test_a_file_that_is_damaged_or_lost_is_made_again(
    lite: Knowledge, write: Write, damage: object
) -> None:
    fill(lite, write)
    path = index_file(lite)
    whole = path.read_bytes()
    if callable(damage):
        path.write_bytes(damage(whole))
    else:
        path.unlink()
    again = reopened(lite)
    assert by_vector(again, "topic3") == by_vector(lite, "topic3")
    assert first(again, "topic3") == "page3.md"
    again.add(write("page9.md", PAGE.format(9)))
    assert first(reopened(lite), "topic9") == "page9.md"
    assert index_file(lite).read_bytes() != whole


def test_a_file_that_is_behind_is_brought_up_to_date(lite: Knowledge, write: Write) -> None:
    fill(lite, write, 3)
    old = index_file(lite).read_bytes()
    lite.add(write("page7.md", PAGE.format(7)))
    lite.remove("page1.md")
    index_file(lite).write_bytes(old)
    again = reopened(lite)
    assert first(again, "topic7") == "page7.md"
    assert by_vector(again, "topic1") != by_vector(again, "topic7")
    assert {hit.passage.document for hit in again.search("topic1 side1", limit=10)} == {
        "page0.md",
        "page2.md",
        "page7.md",
    }


def test_another_process_sees_what_came_and_went(lite: Knowledge, write: Write) -> None:
    fill(lite, write, 2)
    other = reopened(lite)
    assert first(other, "topic1") == "page1.md"
    lite.add(write("page5.md", PAGE.format(5)))
    assert first(other, "topic5") == "page5.md"
    lite.remove("page1.md")
    assert {hit.passage.document for hit in other.search("topic1", limit=10)} == {
        "page0.md",
        "page5.md",
    }


def test_words_are_indexed_anew_where_they_are_lost(lite: Knowledge, write: Write) -> None:
    fill(lite, write, 2)
    with lite.store.database.write() as session:
        session.execute(text("DROP TABLE knowledge_words"))
    again = reopened(lite)
    with lite.store.database.read() as session:
        assert len(again._finder.by_words(session, ["topic1"], 5, None)) == 1


def test_the_index_is_the_same_as_comparing_all(
    lite: Knowledge, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearest, "_EXACT", 0)
    chance = random.Random(0)
    words = [f"word{number}" for number in range(60)]
    rows = [" ".join(chance.choices(words, k=12)) for _ in range(300)]
    lite.add(write("many.csv", "text\n" + "\n".join(rows)))
    with lite.store.database.read() as session:
        state = session.get(KnowledgeStateRow, "")
        assert state is not None
        found = session.query(KnowledgeVectorRow.passage_key, KnowledgeVectorRow.vector).all()
        matrix = nearest.stack([vector for _, vector in found])
        right = 0
        for _ in range(20):
            vector = lite.embedder.encode([" ".join(chance.choices(words, k=5))])[0]
            near = dict(zip([key for key, _ in found], matrix @ vector, strict=True))
            tenth = sorted(near.values())[-10]
            keys = lite._finder.by_vector(session, state, vector, 10, None)
            # Half precision may swap what is as near to three places.
            right += sum(near[key] > tenth - 1e-3 for key in keys)
    assert right >= 195


def run(source: str, *arguments: str) -> subprocess.Popen[bytes]:
    script = textwrap.dedent(source)
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


ADDER = """
    import sys
    from pathlib import Path
    from assistant.knowledge import Knowledge
    from assistant.settings import Settings
    from assistant.store import Store
    from tests.test_knowledge.conftest import BagOfWords
    data, *paths = sys.argv[1:]
    with Store.open(Settings(data_dir=Path(data))) as store:
        knowledge = Knowledge.open(store=store, embedder=BagOfWords())
        print("ready", flush=True)
        for path in paths:
            added = knowledge.add(path)
            assert not added.troubles, added.troubles
            print(path, flush=True)
"""


def check(store: Store, bag: BagOfWords, documents: int | None = None) -> None:
    """Every document is whole, and the index finds all that is there and nothing else."""
    knowledge = Knowledge.open(store=store, embedder=bag)
    names = [document.name for document in knowledge.documents()]
    assert documents is None or len(names) == documents
    for document in knowledge.documents():
        assert document.passages == 2
        assert first(knowledge, f"topic{document.name[4:-3]}") == document.name
    with store.database.read() as session:
        passages = session.scalar(text("SELECT count(*) FROM knowledge_passages"))
        words = session.scalar(text("SELECT count(*) FROM knowledge_words"))
        vectors = session.scalar(text("SELECT count(*) FROM knowledge_vectors"))
    assert passages == words == vectors == 2 * len(names)


def test_two_processes_add_at_once(lite: Knowledge, write: Write, bag: BagOfWords) -> None:
    paths = [str(write(f"page{number}.md", PAGE.format(number))) for number in range(8)]
    data = str(lite.store.settings.data_dir)
    processes = [run(ADDER, data, *paths[start::2], *paths[:3]) for start in range(2)]
    for process in processes:
        _, told = process.communicate(timeout=120)
        assert process.returncode == 0, told.decode()
    check(lite.store, bag, 8)


def test_killed_while_adding(lite: Knowledge, write: Write, bag: BagOfWords) -> None:
    paths = [str(write(f"page{number}.md", PAGE.format(number))) for number in range(20)]
    data = str(lite.store.settings.data_dir)
    chance = random.Random(0)
    killed = 0
    for _ in range(3):
        process = run(ADDER, data, *paths)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(chance.uniform(0.01, 0.25))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
        check(lite.store, bag)
    assert killed
    for path in paths:
        lite.add(path)
    check(lite.store, bag, 20)
    leftover = lite.store.settings.data_dir.glob("knowledge-*/*.part")
    assert len(list(leftover)) <= 1
