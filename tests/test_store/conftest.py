"""Stores to test with: a test that takes `settings` or `store` runs on SQLite and on Postgres."""

from __future__ import annotations

import fcntl
import importlib.util
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url, text

from assistant.images import LoadedImage, open_image
from assistant.settings import Settings
from assistant.store import Store

# Where pyproject.toml takes the package, a test that misses it fails instead of being skipped.
PGSERVER = sys.version_info < (3, 13) and (
    sys.platform != "linux" or platform.machine() == "x86_64"
)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a Postgres of this test process alone, in a folder of its own.

    Not below pytest's: a socket's path must be short, and the server runs as another user where
    the tests run as root.
    """
    if not PGSERVER and importlib.util.find_spec("pgserver") is None:
        pytest.skip("the package pgserver has no wheel for this Python or machine")
    with tempfile.TemporaryDirectory(prefix="sightdesk-pg-") as folder:
        # Workers that start at once would both add the user that it runs as.
        with (Path(tempfile.gettempdir()) / "sightdesk-test-pgserver.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with pytest.MonkeyPatch.context() as patch:
                # It settles where its own lock is when it is imported.
                patch.setenv("XDG_RUNTIME_DIR", folder)
                from pgserver.postgres_server import get_server
            # With "stop" it would clean up once more at exit, and make the folder again for that.
            server = get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            # Nothing here is to outlive a power cut.
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                server.psql(f"ALTER SYSTEM SET {setting} = off")
            server.psql("SELECT pg_reload_conf()")
            yield server.get_uri()
        finally:
            server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """URL of an empty database."""
    server = make_url(postgres_server).set(drivername="postgresql+psycopg")
    name = f"test_{uuid4().hex}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"))
    yield make_url(postgres_server).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else None
    return Settings(data_dir=tmp_path / "data", database_url=url)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with Store.open(settings) as opened:
        yield opened


@pytest.fixture
def sqlite_settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture(scope="session")
def photo(photos: Path) -> Callable[[str], LoadedImage]:
    """`photo("Banana")` opens a photo."""
    return lambda name: open_image(photos / f"{name}.webp")


Photo = Callable[[str], LoadedImage]
