"""Databases and folders that cannot be used: one sentence each, and nothing half-stored."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

import assistant.store.database as database_module
from assistant.errors import StoreError
from assistant.settings import Settings
from assistant.store import Store
from tests.test_store.conftest import Photo
from tests.test_store.steps import ask, database_file, image_files
from tests.test_store.test_pictures import file_size_limit

ROOT = Path(__file__).parents[2]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "WAIT_SECONDS", 0.2)


def said(caught: pytest.ExceptionInfo[StoreError]) -> str:
    """The message, which is one sentence on one line."""
    message = str(caught.value)
    assert message.endswith(".")
    assert message.count(". ") == 0
    assert "\n" not in message
    return message


@pytest.fixture
def locked(sqlite_settings: Settings) -> Iterator[sqlite3.Connection]:
    """A connection of another program to a database that is there already."""
    Store.open(sqlite_settings).close()
    other = sqlite3.connect(sqlite_settings.data_dir / "sightdesk.db", isolation_level=None)
    yield other
    other.close()


@pytest.mark.usefixtures("impatient")
def test_a_database_locked_by_another_program(
    sqlite_settings: Settings, locked: sqlite3.Connection, photo: Photo
) -> None:
    with Store.open(sqlite_settings) as store:
        thread = store.create_thread("kept")
        asked = ask(store, thread.id)
        locked.execute("BEGIN IMMEDIATE")
        for write in (
            lambda: store.create_thread("lost"),
            lambda: ask(store, thread.id, "lost", after=0),
            lambda: store.set_answer(asked.id, answer="lost", state="done", details={}),
            lambda: store.put_image(photo("Banana"), name="lost.jpg"),
            lambda: store.delete_thread(thread.id),
        ):
            with pytest.raises(StoreError, match="in use by another program") as caught:
                write()
            said(caught)
        # Reading goes on, and a second window opens.
        assert store.thread(thread.id).exchanges[0].answer == ""
        with Store.open(sqlite_settings) as second:
            assert second.count_threads() == 1
        locked.execute("ROLLBACK")
        assert image_files(store) == set()
        store.set_answer(asked.id, answer="kept", state="done", details={})
        assert [line.title for line in store.threads("kept")] == ["kept"]


@pytest.mark.usefixtures("impatient")
def test_a_database_locked_for_reading_too(
    sqlite_settings: Settings, locked: sqlite3.Connection
) -> None:
    locked.execute("PRAGMA locking_mode = EXCLUSIVE")
    locked.execute("PRAGMA journal_mode = DELETE")
    locked.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="in use by another program") as caught:
        Store.open(sqlite_settings)
    said(caught)


@pytest.mark.usefixtures("impatient")
def test_a_thread_locked_in_postgres(tmp_path: Path, postgres_url: str) -> None:
    settings = Settings(data_dir=tmp_path / "data", database_url=postgres_url)
    engine = create_engine(make_url(postgres_url).set(drivername="postgresql+psycopg"))
    with Store.open(settings) as store, engine.connect() as other:
        thread = store.create_thread("kept")
        other.execute(text("SELECT * FROM threads FOR UPDATE"))
        with pytest.raises(StoreError, match="in use by another program") as caught:
            ask(store, thread.id)
        said(caught)
        other.rollback()
        assert ask(store, thread.id).position == 0
    engine.dispose()


@pytest.mark.parametrize(
    "content", [b"this is no database, but long enough to be one" * 100, b"SQLite format 3\0" * 300]
)
def test_a_file_that_is_no_database(sqlite_settings: Settings, content: bytes) -> None:
    sqlite_settings.data_dir.mkdir()
    path = sqlite_settings.data_dir / "sightdesk.db"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged or no Sightdesk database") as caught:
        Store.open(sqlite_settings)
    assert str(path) in said(caught)
    assert path.read_bytes() == content


def test_a_database_of_another_program(sqlite_settings: Settings) -> None:
    sqlite_settings.data_dir.mkdir()
    other = sqlite3.connect(sqlite_settings.data_dir / "sightdesk.db")
    other.execute("CREATE TABLE threads (mine INTEGER)")
    other.commit()
    with pytest.raises(StoreError) as caught:
        Store.open(sqlite_settings)
    said(caught)
    tables = other.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert tables == [("threads",)]
    other.close()


def test_a_database_with_damaged_pages(sqlite_settings: Settings) -> None:
    with Store.open(sqlite_settings) as store:
        for index in range(30):
            ask(store, store.create_thread(f"{index}").id, "long " * 500)
        with store.database.write() as session:
            session.execute(text("SELECT 1"))
    path = database_file(store)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 3)
        file.write(os.urandom(size // 2))
    with pytest.raises(StoreError) as caught, Store.open(sqlite_settings) as store:
        for line in store.threads(limit=100):
            store.thread(line.id)
    assert "damaged" in said(caught)


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_data_folder_that_is_a_file(tmp_path: Path, below: str) -> None:
    (tmp_path / "data").write_text("mine")
    with pytest.raises(StoreError, match="is a file and must be a folder") as caught:
        Store.open(Settings(data_dir=tmp_path / "data" / below))
    assert "SIGHTDESK_DATA_DIR" in said(caught)
    assert (tmp_path / "data").read_text() == "mine"


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_that_may_not_be_written(tmp_path: Path, there: bool) -> None:
    """As another user where the tests run as root, whom no permission stops."""
    data = tmp_path / "data"
    if there:
        Store.open(Settings(data_dir=data)).close()
    data.mkdir(exist_ok=True)
    script = (
        "import os, sys\n"
        "from assistant.settings import Settings\n"
        "from assistant.store import Store\n"
        "import alembic.command, alembic.config, alembic.ddl.sqlite, sqlite3, psutil\n"
        "if os.geteuid() == 0:\n"
        "    os.setgid(65534); os.setuid(65534)\n"
        "try:\n"
        "    store = Store.open(Settings(data_dir=sys.argv[1]))\n"
        "    store.create_thread('x')\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    changed = []
    for folder in (data, *data.parents):
        # Others must be able to go there, which pytest's folders do not allow.
        if folder.stat().st_mode & 0o005 != 0o005 and folder.is_relative_to(tmp_path.parents[2]):
            changed.append((folder, folder.stat().st_mode))
            folder.chmod(folder.stat().st_mode | 0o055)
    for path in (data, *data.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        done = subprocess.run(
            [sys.executable, "-c", script, str(data)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=120,
        )
    finally:
        for path in (data, *data.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        for folder, mode in changed:
            folder.chmod(mode)
    assert done.stderr == ""
    assert done.stdout.startswith("StoreError The database ")
    assert "cannot be written" in done.stdout


def test_a_disk_that_is_full_for_the_database(sqlite_settings: Settings) -> None:
    with Store.open(sqlite_settings) as store:
        thread = store.create_thread("kept")
        after = None
        # What the first migration wrote may still be in the log beside the database.
        files = database_file(store).parent.glob(f"{database_file(store).name}*")
        limit = max(file.stat().st_size for file in files) + 200_000
        with file_size_limit(limit), pytest.raises(StoreError) as caught:
            for _ in range(1000):
                after = ask(store, thread.id, "long " * 3000, after=after).position
        said(caught)
        assert after is not None
        found = store.thread(thread.id)
        assert found.last_position == after
        assert ask(store, thread.id, "again", after=after).position == after + 1
    check = sqlite3.connect(database_file(store))
    assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    check.close()


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("postgresql://me:geheim@127.0.0.1:1/desk", "cannot be reached"),
        ("postgresql://me:geheim@host.invalid/desk", "cannot be reached"),
        ("mysql://me:geheim@127.0.0.1/desk", "names mysql"),
        ("sqlite:///x.db", "names sqlite"),
        ("me:geheim@host", "cannot be read as a URL"),
        ("postgresql://me:geheim@host:port/desk", "cannot be read as a URL"),
    ],
)
def test_a_server_that_cannot_be_used(tmp_path: Path, url: str, part: str) -> None:
    with pytest.raises(StoreError, match=part) as caught:
        Store.open(Settings(data_dir=tmp_path / "data", database_url=url))
    message = said(caught)
    assert "SIGHTDESK_DATABASE_URL" in message
    assert "geheim" not in message


def test_a_database_that_the_server_does_not_have(tmp_path: Path, postgres_url: str) -> None:
    url = make_url(postgres_url).set(database="nowhere").render_as_string(hide_password=False)
    with pytest.raises(
        StoreError, match=r'cannot be reached \(.*"nowhere" does not exist'
    ) as caught:
        Store.open(Settings(data_dir=tmp_path / "data", database_url=url))
    said(caught)


def test_a_server_that_went_away_and_came_back(tmp_path: Path, postgres_url: str) -> None:
    with Store.open(Settings(data_dir=tmp_path / "data", database_url=postgres_url)) as store:
        thread = store.create_thread("kept")
        engine = create_engine(make_url(postgres_url).set(drivername="postgresql+psycopg"))
        kill = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        )
        with engine.connect() as other:
            other.execute(text(f"{kill} AND datname = current_database()"))
        engine.dispose()
        assert store.thread(thread.id).title == "kept"


def test_settings_do_not_show_the_password() -> None:
    assert "geheim" not in repr(Settings(database_url="postgresql://me:geheim@host/desk"))


def test_importing_the_store_is_light() -> None:
    script = (
        "import sys, assistant.store\n"
        "print(sorted({'torch', 'transformers', 'streamlit', 'alembic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr
