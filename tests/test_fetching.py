"""Pictures by their address: what is fetched, and all that must never be called."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from assistant.errors import InputError
from assistant.fetching import Fetcher, fetch_picture
from assistant.fetching.addresses import is_public
from assistant.images import open_image
from assistant.settings import Settings

PRIVATE = "is not one of the public internet"
Answer = Callable[[socket.socket, str], None]


@dataclass
class Site:
    """A server on the loopback, which says to each path what a test tells it."""

    port: int
    answers: dict[str, Answer] = field(default_factory=dict)
    heads: list[str] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        """What was asked for."""
        return [head.split(" ")[1] for head in self.heads]

    @property
    def own(self) -> frozenset[tuple[str, int]]:
        """What a test allows."""
        return frozenset({("127.0.0.1", self.port)})


@contextmanager
def site(wrap: Callable[[socket.socket], socket.socket] | None = None) -> Iterator[Site]:
    """A site until the end of the block."""
    listening = socket.create_server(("127.0.0.1", 0))
    here = Site(listening.getsockname()[1])

    def serve(connection: socket.socket) -> None:
        try:
            with connection, wrap(connection) if wrap else connection as talk:
                head = b""
                while b"\r\n\r\n" not in head and (piece := talk.recv(4096)):
                    head += piece
                if head:
                    here.heads.append(head.decode())
                    path = head.split(b" ")[1].decode()
                    here.answers.get(path, says(b"", status="404 Not Found"))(talk, path)
        except OSError:
            pass  # the client has gone, as it should

    def run() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=run, daemon=True).start()
    try:
        yield here
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def says(body: bytes, *headers: str, status: str = "200 OK") -> Answer:
    lines = [f"HTTP/1.1 {status}", *headers]
    if not any(line.lower().startswith("content-length") for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return lambda talk, _: talk.sendall("\r\n".join([*lines, "", ""]).encode() + body)


def leads_to(url: str, status: str = "302 Found") -> Answer:
    return says(b"", f"Location: {url}", status=status)


def drips(first: bytes, each: bytes, pause_s: float) -> Answer:
    def answer(talk: socket.socket, _path: str) -> None:
        talk.sendall(first)
        while True:
            talk.sendall(each)
            time.sleep(pause_s)

    return answer


@pytest.fixture
def here() -> Iterator[Site]:
    with site() as opened:
        yield opened


@pytest.fixture
def photo(photos: Path) -> bytes:
    return (photos / "Banana.webp").read_bytes()


def allowing(**more: object) -> Settings:
    return Settings(**({"fetch_urls": True, "fetch_seconds": 3} | more))  # type: ignore[arg-type]


def resolves(*addresses: str) -> Callable[[str, int], Sequence[str]]:
    return lambda _name, _port: addresses


def get(here: Site, path: str = "/p", **more: object) -> bytes:
    """Fetch by a name that resolves to the site."""
    fetcher = Fetcher(allowing(**more), resolver=resolves("127.0.0.1"), allowed=here.own)
    return fetcher.fetch(f"http://shop.test:{here.port}{path}")


def test_a_picture_is_fetched(here: Site, photo: bytes) -> None:
    here.answers["/p?size=1"] = says(photo, "Content-Type: text/plain")
    assert get(here, "/p?size=1#part") == photo
    assert open_image(photo).width > 0
    (head,) = here.heads
    told = [line.split(": ") for line in head.lower().split("\r\n")[1:] if line]
    assert dict(told) == {
        "host": f"shop.test:{here.port}",
        "accept": "image/*",
        "accept-encoding": "identity",
        "user-agent": "sightdesk",
        "connection": "close",
    }


def test_it_is_off_unless_it_is_allowed(here: Site) -> None:
    with pytest.raises(InputError, match="SIGHTDESK_FETCH_URLS"):
        fetch_picture(f"http://127.0.0.1:{here.port}/p", Settings())
    assert here.heads == []


def test_no_setting_opens_the_loopback(here: Site) -> None:
    settings = allowing(fetch_ports=f"{here.port};80")
    for host in ("127.0.0.1", "localhost"):
        with pytest.raises(InputError, match=PRIVATE):
            fetch_picture(f"http://{host}:{here.port}/p", settings)
    assert here.heads == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "127.0.1", "2130706433", "017700000001", "0177.0.0.1", "0x7f.1",
        "0x7f000001", "0X7F.0.0.1", "127.0.0.1.", "0", "0.0.0.0", "00.0.0.0", "127.0.0.01",
        "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
        "169.254.1.1", "100.64.0.1", "100.100.100.200", "192.0.0.192", "168.63.129.16",
        "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.88.99.1",
        "134744072", "8.8", "010.8.8.8", "0x08.8.8.8", "1.2.3.4.5", "999.1.1.1",
        "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
        "[::ffff:8.8.8.8]", "[::ffff:0:127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::8.8.8.8]",
        "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2002:808:808::1]", "[2001:0:7f00:1::1]",
        "[2001::1]", "[fe80::1]", "[fec0::1]", "[fd00:ec2::254]", "[fc00::1]", "[ff02::1]",
        "[2001:db8::1]", "[3fff::1]", "[100::1]", "[5f00::1]",
    ],
)  # fmt: skip
def test_addresses_that_are_not_everybodys(host: str) -> None:
    asked: list[str] = []

    def never(name: str, _port: int) -> Sequence[str]:
        asked.append(name)
        return ["93.184.215.14"]

    with pytest.raises(InputError, match=rf"{PRIVATE}|cannot be read"):
        fetch_picture(f"http://{host}/p", allowing(), resolver=never)
    assert asked == []


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254", "fd00:ec2::254",
     "fe80::1%eth0", "0.0.0.0", "not an address", ""],
)  # fmt: skip
def test_names_of_such_addresses(address: str) -> None:
    with pytest.raises(InputError, match=PRIVATE):
        fetch_picture("https://shop.test/p", allowing(), resolver=resolves(address))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_each_of_several_addresses_is_judged(here: Site, place: int) -> None:
    addresses = ["127.0.0.1", "127.0.0.1"]
    addresses.insert(place, "10.0.0.1")
    fetcher = Fetcher(allowing(), resolver=resolves(*addresses), allowed=here.own)
    with pytest.raises(InputError, match=PRIVATE):
        fetcher.fetch(f"http://shop.test:{here.port}/p")
    assert here.heads == []


def test_public_addresses() -> None:
    for address in ("8.8.8.8", "93.184.215.14", "1.1.1.1", "2606:2800:220:1::1", "2a00:1450::1"):
        assert is_public(address)
    for address in ("2001:1::1", "fe80::1%1", "127.0.0.1", "192.0.0.9", "2001:4:112::1", "x"):
        assert not is_public(address)


def test_a_name_is_resolved_once_and_its_answer_used(here: Site, photo: bytes) -> None:
    """DNS rebinding: a name that is harmless when it is checked and the loopback afterwards."""
    here.answers["/p"] = says(photo)
    asked: list[str] = []

    def rebinding(name: str, _port: int) -> Sequence[str]:
        asked.append(name)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    fetcher = Fetcher(allowing(), resolver=rebinding, allowed=here.own)
    url = f"http://shop.test:{here.port}/p"
    assert fetcher.fetch(url) == photo
    assert asked == ["shop.test"]
    with pytest.raises(InputError, match=PRIVATE):
        fetcher.fetch(url)
    assert len(here.heads) == 1


def test_the_next_address_is_tried_where_one_is_silent(here: Site, photo: bytes) -> None:
    here.answers["/p"] = says(photo)
    closed = frozenset({*here.own, ("127.0.0.2", here.port)})
    fetcher = Fetcher(allowing(), resolver=resolves("127.0.0.2", "127.0.0.1"), allowed=closed)
    assert fetcher.fetch(f"http://shop.test:{here.port}/p") == photo


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 T", "308 P"])
def test_redirects_are_followed(here: Site, photo: bytes, status: str) -> None:
    here.answers["/p"] = leads_to("/next?x=1", status)
    here.answers["/next?x=1"] = leads_to(f"//other.test:{here.port}/last", status)
    here.answers["/last"] = says(photo)
    assert get(here) == photo
    assert here.paths == ["/p", "/next?x=1", "/last"]


def test_three_redirects_are_enough(here: Site, photo: bytes) -> None:
    for number in range(9):
        here.answers[f"/{number}"] = leads_to(f"/{number + 1}")
    here.answers["/4"] = says(photo)
    assert get(here, "/1") == photo
    with pytest.raises(InputError, match="leads on too often"):
        get(here, "/0")
    here.answers["/loop"] = leads_to("/loop")
    with pytest.raises(InputError, match="leads on too often"):
        get(here, "/loop")


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:{other}/secret", "http://localhost:{other}/secret",
        "http://[::1]:{other}/secret", "http://[::ffff:127.0.0.1]:{port}/secret",
        "http://2130706433:{port}/secret", "http://0.0.0.0:{port}/secret",
        "http://169.254.169.254/latest/meta-data/", "https://10.0.0.1/", "//10.0.0.1/",
        "file:///etc/passwd", "ftp://shop.test/p", "gopher://127.0.0.1:70/_x", "data:image/png,x",
        "http://user@shop.test:{port}/secret", "http://shop.test:22/", "http://\\127.0.0.1/", "",
        "http://:{port}/", "https://shop.test:{port}\t/",
    ],
)  # fmt: skip
def test_redirects_to_where_nobody_may_look(here: Site, target: str) -> None:
    with site() as other:
        other.answers["/secret"] = here.answers["/secret"] = says(b"\x89PNG\r\n\x1a\n" + b"0" * 50)
        here.answers["/p"] = leads_to(target.format(port=here.port, other=other.port))
        with pytest.raises(InputError):
            get(here)
        assert other.heads == []
    assert here.paths == ["/p"]


@pytest.mark.parametrize(
    "url",
    [
        "", " ", "shop.test/p", "//shop.test/p", "file:///etc/passwd", "FILE:///etc/passwd",
        "ftp://shop.test/p", "gopher://shop.test/", "unix:/var/run/docker.sock", "javascript:1",
        "data:image/png;base64,AAAA", "http://", "http:///p", "http:p", "https://:443/p",
        "http://shop.test:0/p", "http://shop.test:22/p", "http://shop.test:99999/p",
        "http://shop.test:x/p", "http://user@shop.test/p", "http://user:word@shop.test/p",
        "http://shop.test@10.0.0.1/p", "http://@shop.test/p", "http://shop.test:80@10.0.0.1/p",
        "http://10.0.0.1\\@shop.test/p", "http://shop.test\\.evil/p", "http://shop.test/p\r\nX: y",
        "http://shop.test/\tp", "http://shop.test/p p", "http://\0shop.test/p", "http://[::1",
        "http://[fe80::1%25eth0]/p", "http://[::1%25lo]/", "http://shop..test/p",
        "http://" + "a" * 300 + ".test/p", "http://shop.test/" + "a" * 5_000, "http://\ud800/p",
        "http://\uff11\uff12\uff17.\uff10.\uff10.\uff11/p", "http://127\u30020\u30020\u30021/p",
        "http://\u24dbocalhost/p", "http://%31%32%37.1/p",
    ],
)  # fmt: skip
def test_addresses_that_are_none(url: str) -> None:
    def local(_name: str, _port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    with pytest.raises(InputError) as caught:
        fetch_picture(url, allowing(), resolver=local)
    assert str(caught.value).endswith(".")


def test_what_is_told_maps_no_network(here: Site) -> None:
    """A port that listens and one that does not are refused in the same words, at once."""
    told = set()
    for port in (here.port, 1):
        settings = allowing(fetch_ports=f"{port}")
        with pytest.raises(InputError) as caught:
            fetch_picture(f"http://127.0.0.1:{port}/secret-path", settings)
        told.add(str(caught.value))
    assert len(told) == 1
    assert "127.0.0.1" not in told.pop()


def test_a_name_that_nobody_knows() -> None:
    def unknown(_name: str, _port: int) -> Sequence[str]:
        raise socket.gaierror(-2, "Name or service not known")

    for resolver in (unknown, resolves()):
        with pytest.raises(InputError, match="not known by that name"):
            fetch_picture("https://shop.test/p", allowing(), resolver=resolver)


def test_a_look_up_that_does_not_end() -> None:
    began = time.monotonic()
    release = threading.Event()

    def slow(_name: str, _port: int) -> Sequence[str]:
        release.wait(20)
        return []

    with pytest.raises(InputError, match=r"within 0.5 s"):
        fetch_picture("https://shop.test/p", allowing(fetch_seconds=0.5), resolver=slow)
    release.set()
    assert time.monotonic() - began < 3


HEAD = b"HTTP/1.1 200 OK\r\n"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


@pytest.mark.parametrize(
    ("first", "each"),
    [
        pytest.param(b"", b"", id="silent"),
        pytest.param(HEAD + b"X: ", b"a", id="a header that does not end"),
        pytest.param(HEAD + b"Content-Length: 999999\r\n\r\n" + PNG, b"a", id="a slow body"),
        pytest.param(HEAD + b"\r\n" + PNG, b"a", id="a slow body without a length"),
        pytest.param(b"", b"HTTP/1.1 100 Continue\r\n\r\n", id="be patient"),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n48\r\n" + PNG + b"\r\n",
            b"1\r\na\r\n",
            id="slow chunks",
        ),
    ],
)
def test_slow_servers_are_left_in_time(here: Site, first: bytes, each: bytes) -> None:
    here.answers["/p"] = drips(first, each, 0.05)
    began = time.monotonic()
    with pytest.raises(InputError, match=r"within 0.6 s"):
        get(here, fetch_seconds=0.6)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    "head",
    [b"\r\n", b"Content-Length: 99999999999\r\n\r\n", b"Content-Length: 5000000\r\n\r\n"],
)
def test_endless_bodies_are_cut_at_the_limit(here: Site, head: bytes) -> None:
    here.answers["/p"] = drips(HEAD + head + PNG, bytes(2**16), 0)
    with pytest.raises(InputError, match="larger than 1 MiB"):
        get(here, max_image_bytes=2**20)


def test_an_endless_body_that_is_no_picture_ends_at_its_first_bytes(here: Site) -> None:
    here.answers["/p"] = drips(HEAD + b"\r\n", b"root:x:0:0:root:/root:/bin/bash\n" * 100, 0)
    began = time.monotonic()
    with pytest.raises(InputError, match="is no picture"):
        get(here)
    assert time.monotonic() - began < 2


def test_headers_without_end(here: Site) -> None:
    here.answers["/p"] = drips(HEAD, b"X: " + b"a" * 1000 + b"\r\n", 0)
    with pytest.raises(InputError, match="does not speak as web servers do"):
        get(here)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "x-odd", "identity, gzip"])
def test_compressed_bombs_are_not_unpacked(here: Site, encoding: str) -> None:
    bomb = gzip.compress(bytes(30_000_000))
    here.answers["/p"] = says(bomb, f"Content-Encoding: {encoding}")
    with pytest.raises(InputError, match="compressed, unasked"):
        get(here)


def test_a_bomb_without_a_word_is_no_picture(here: Site) -> None:
    here.answers["/p"] = says(gzip.compress(bytes(30_000_000)))
    with pytest.raises(InputError, match="is no picture"):
        get(here)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"AccessKeyId": "x"}', b"%PDF-1.7", b"\x89PN", b"<svg/>"]
)
def test_the_type_is_told_by_the_content(here: Site, body: bytes) -> None:
    here.answers["/p"] = says(body, "Content-Type: image/png")
    with pytest.raises(InputError, match="is no picture"):
        get(here)


@pytest.mark.parametrize("status", ["204 No", "206 Part", "304 Not", "401 U", "404 N", "500 E"])
def test_other_statuses(here: Site, status: str) -> None:
    here.answers["/p"] = says(b"", status=status)
    with pytest.raises(InputError, match=f"answers {status[:3]}"):
        get(here)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\x16\x03\x01\x02\x00" * 9,
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        HEAD + b"Content-Length: 500\r\n\r\n" + PNG,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)  # fmt: skip
def test_servers_that_speak_no_http(here: Site, raw: bytes) -> None:
    here.answers["/p"] = lambda talk, _: talk.sendall(raw)
    with pytest.raises(InputError, match="cannot be reached or does not speak"):
        get(here)


def test_nothing_listens(here: Site) -> None:
    own = frozenset({("127.0.0.1", 1)})
    fetcher = Fetcher(allowing(), resolver=resolves("127.0.0.1"), allowed=own)
    with pytest.raises(InputError, match="cannot be reached"):
        fetcher.fetch("http://shop.test:1/p")


def test_no_proxy_of_the_environment_is_used(
    here: Site, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.answers["/p"] = says(photo, "Set-Cookie: a=b")
    with site() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert get(here) == photo
        assert get(here) == photo
        assert proxy.heads == []
    assert not any("cookie" in head.lower() for head in here.heads)


def test_the_certificate_is_checked_against_the_name(tmp_path: Path, photo: bytes) -> None:
    authority, server = _certificates(tmp_path, "shop.test")
    names: list[str | None] = []
    server.sni_callback = lambda _socket, name, _context: names.append(name)
    with site(lambda plain: server.wrap_socket(plain, server_side=True)) as here:
        here.answers["/p"] = says(photo)
        trusting = Fetcher(
            allowing(),
            resolver=resolves("127.0.0.1"),
            allowed=here.own,
            certificates=authority,
        )
        assert trusting.fetch(f"https://shop.test:{here.port}/p") == photo
        assert names == ["shop.test"]
        with pytest.raises(InputError, match="cannot be reached"):
            trusting.fetch(f"https://other.test:{here.port}/p")
        strange = Fetcher(allowing(), resolver=resolves("127.0.0.1"), allowed=here.own)
        with pytest.raises(InputError, match="cannot be reached"):
            strange.fetch(f"https://shop.test:{here.port}/p")
    assert len(here.heads) == 1


def _certificates(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A client that trusts, and a server that has, a certificate for a name."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "both.pem"
    pem.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return ssl.create_default_context(cafile=str(pem)), server


def test_settings_take_ports_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTDESK_FETCH_PORTS", "443; 8443")
    assert Settings().fetch_ports == (443, 8443)
    for wrong in ("0", "70000", "x", "-1"):
        monkeypatch.setenv("SIGHTDESK_FETCH_PORTS", wrong)
        with pytest.raises(ValueError):
            Settings()
