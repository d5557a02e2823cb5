"""The guarded door: what is private is refused without a connection, what floods or stalls is cut off."""

import gzip
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from newsletter.config import Wire
from newsletter.errors import FeedError
from newsletter.stories.fetch import Known, fetch, is_public

CORPUS = Path(__file__).parents[1] / "corpus" / "feeds"
QUICK = Wire(timeout_seconds=5.0, max_bytes=20_000, max_decompressed_bytes=100_000, max_redirects=3)
FEED = b'<rss version="2.0"><channel><title>T</title></channel></rss>'

PRIVATE = """
127.0.0.1 127.1.2.3 0.0.0.0 10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 169.254.169.254 169.254.0.1
100.64.0.1 192.0.0.1 192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
192.88.99.1 ::1 :: ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 fe80::1 fe80::1%eth0 fc00::1
fd00:ec2::254 fec0::1 ff02::1 64:ff9b::7f00:1 64:ff9b:1::7f00:1 2002:7f00:1:: 2001::1 2001:db8::1 3fff::1 5f00::1
100::1 ::ffff:0:127.0.0.1 2001:10::1 nonsense
""".split()  # noqa: SIM905 -- a table to be read
SPELLINGS = (
    "127.1",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "localhost",
    "LOCALHOST.",
    "[::1]",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
)


class Page(BaseHTTPRequestHandler):
    """Misbehaves as its path says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.seen.append((self.path, dict(self.headers)))  # type: ignore[attr-defined]
        try:
            getattr(self, "on_" + self.path.strip("/").split("/")[0].replace("-", "_"))()
        except (ConnectionError, ssl.SSLError):
            self.close_connection = True

    def answer(self, body: bytes, **headers: str) -> None:
        self.send_response(200)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def redirect(self, location: str) -> None:
        self.send_response(302)
        self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def on_feed(self) -> None:
        if self.headers.get("If-None-Match") == '"1"':
            self.send_response(304)
            self.end_headers()
        else:
            self.answer(FEED, Content_Type="application/rss+xml; charset=utf-8", ETag='"1"', Last_Modified="Mon")

    def on_real(self) -> None:
        if self.headers.get("If-None-Match") == '"2"':
            self.send_response(304)
            self.end_headers()
        else:
            self.answer((CORPUS / "heise.atom").read_bytes(), Content_Type="text/xml; charset=iso-8859-1", ETag='"2"')

    def on_gzip(self) -> None:
        self.answer(gzip.compress(FEED), Content_Encoding="gzip")

    def on_deflate(self) -> None:
        self.answer(zlib.compress(FEED), Content_Encoding="deflate")

    def on_bomb(self) -> None:
        self.answer(gzip.compress(bytes(5_000_000)), Content_Encoding="gzip")

    def on_damaged(self) -> None:
        self.answer(b"not gzip at all", Content_Encoding="gzip")

    def on_brotli(self) -> None:
        self.answer(b"x", Content_Encoding="br")

    def on_flood(self) -> None:
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        for _ in range(2_000):
            self.wfile.write(bytes(1_000))

    def on_missing(self) -> None:
        self.send_error(404)

    def on_away(self) -> None:
        self.redirect("/feed")

    def on_loop(self) -> None:
        self.redirect("/loop")

    def on_metadata(self) -> None:
        self.redirect("http://169.254.169.254/latest/meta-data/")

    def on_file(self) -> None:
        self.redirect("file:///etc/passwd")

    def on_userinfo(self) -> None:
        self.redirect("http://a:b@127.0.0.1/")

    def on_inside(self) -> None:
        self.redirect("http://inside.test/")

    def on_slow(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        for _ in range(100):
            self.wfile.write(b"x")
            time.sleep(0.05)

    def on_drip(self) -> None:
        for one in b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Long: " + b"x" * 100:
            self.wfile.write(bytes([one]))
            time.sleep(0.02)

    def on_garbage(self) -> None:
        self.wfile.write(b"\x00\x01 no protocol\r\n\r\n")

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass

    def log_error(self, template: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Page)
        self.seen: list[tuple[str, dict[str, str]]] = []

    def handle_error(self, request: object, client_address: object) -> None:
        pass

    @property
    def address(self) -> str:
        return f"http://feeds.test:{self.server_port}"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as one:
        thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield one
        one.shutdown()
        thread.join()


def loopback(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"] if host == "feeds.test" else ["10.0.0.1"]


def get(server: Server, path: str, settings: Wire = QUICK) -> bytes:
    return fetch(server.address + path, settings, loopback, loopback=True).data


@contextmanager
def listening() -> Iterator[tuple[int, Callable[[], bool]]]:
    """A port nobody should connect to, and whether somebody did."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)

        def touched() -> bool:
            try:
                listener.accept()[0].close()
            except TimeoutError:
                return False
            return True

        yield listener.getsockname()[1], touched


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(FeedError, match="not on the public internet"):
        fetch("http://feeds.test/", QUICK, lambda host, port: [address])
    with pytest.raises(FeedError, match="not on the public internet"):
        fetch("http://feeds.test/", QUICK, lambda host, port: ["93.184.215.14", address])


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "::ffff:1.1.1.1", "2a00:1450::1"]
)
def test_a_public_address_is_permitted(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", SPELLINGS)
def test_no_spelling_of_loopback_is_connected_to(host: str) -> None:
    with pytest.raises(FeedError):
        fetch(f"http://{host}/", QUICK)


def test_a_private_address_is_refused_without_a_connection() -> None:
    with listening() as (port, touched):
        redirected = Wire(timeout_seconds=2.0)
        for url in (f"http://127.0.0.1:{port}/", f"http://localhost:{port}/", f"http://feeds.test:{port}/"):
            with pytest.raises(FeedError):
                fetch(url, redirected, lambda host, port: ["127.0.0.1"])
        assert not touched()


def test_a_name_that_changes_its_mind_is_asked_once_and_gains_nothing(server: Server) -> None:
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    assert fetch(server.address + "/feed", QUICK, lambda host, port: next(answers), loopback=True).data == FEED
    assert next(answers) == ["10.0.0.1"]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("file:///etc/passwd", "only http and https"),
        ("ftp://feeds.test/", "only http and https"),
        ("gopher://feeds.test/", "only http and https"),
        ("http://user:secret@feeds.test/", "user name or password"),
        ("http://feeds.test:22/", "ports 80 and 443"),
        ("http://feeds.test:99999/", "is no address"),
        ("http://[::1/", "is no address"),
        ("http:///x", "is no address"),
        ("http://", "is no address"),
    ],
)
def test_an_address_of_another_kind_is_refused(url: str, reason: str) -> None:
    with pytest.raises(FeedError, match=reason):
        fetch(url, QUICK, loopback)


def test_a_feed_is_fetched_with_its_type_and_its_real_address(server: Server) -> None:
    fetched = fetch(server.address + "/away", QUICK, loopback, loopback=True)
    assert (fetched.data, fetched.url) == (FEED, server.address + "/feed")
    assert fetched.content_type == "application/rss+xml; charset=utf-8"
    assert server.seen[-1][1]["Host"] == f"feeds.test:{server.server_port}"


def test_packed_answers_are_unpacked(server: Server) -> None:
    assert get(server, "/gzip") == get(server, "/deflate") == FEED


def test_what_is_known_is_only_asked_for_changes(server: Server) -> None:
    first = fetch(server.address + "/feed", QUICK, loopback, loopback=True)
    known = Known(etag=first.etag, last_modified=first.last_modified)
    again = fetch(server.address + "/feed", QUICK, loopback, known=known, loopback=True)
    assert again.unchanged
    assert again.data == b""


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/bomb", "unfolds to more than 100,000 bytes"),
        ("/flood", "larger than 20,000 bytes"),
        ("/damaged", "came damaged"),
        ("/brotli", "encoding we did not ask for"),
        ("/missing", "answered 404"),
        ("/loop", "redirects more than 3 times"),
        ("/metadata", "not on the public internet"),
        ("/inside", "not on the public internet"),
        ("/file", "only http and https"),
        ("/userinfo", "user name or password"),
        ("/garbage", "could not be fetched"),
    ],
)
def test_a_server_that_misbehaves_is_one_clear_error(server: Server, path: str, reason: str) -> None:
    with pytest.raises(FeedError, match=reason) as caught:
        get(server, path)
    assert caught.value.source == server.address + path


@pytest.mark.parametrize("path", ["/slow", "/drip"])
def test_a_server_that_drips_is_cut_off_at_the_deadline(server: Server, path: str) -> None:
    began = time.monotonic()
    with pytest.raises(FeedError, match=r"did not answer within 0\.2 seconds"):
        get(server, path, Wire(timeout_seconds=0.2))
    assert time.monotonic() - began < 2


def test_a_resolver_that_hangs_or_fails_is_not_waited_for() -> None:
    never = threading.Event()

    def hangs(host: str, port: int) -> Sequence[str]:
        never.wait(5)
        return []

    def fails(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(FeedError, match="did not answer within"):
        fetch("http://feeds.test/", Wire(timeout_seconds=0.1), hangs)
    never.set()
    with pytest.raises(FeedError, match="could not be fetched"):
        fetch("http://feeds.test/", QUICK, fails)
    with pytest.raises(FeedError, match="not on the public internet"):
        fetch("http://feeds.test/", QUICK, lambda host, port: [])


def test_a_closed_port_and_a_private_host_do_not_differ_in_kind() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(FeedError, match="could not be fetched"):
        fetch(f"http://feeds.test:{port}/", QUICK, loopback, loopback=True)


def test_tls_asks_for_the_name_and_trusts_no_stranger() -> None:
    asked: list[str] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = lambda connection, name, context: asked.append(name)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            raw = listener.accept()[0]
            try:
                context.wrap_socket(raw, server_side=True).close()
            except OSError:
                raw.close()

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(FeedError, match="could not be fetched"):
            fetch(f"https://feeds.test:{listener.getsockname()[1]}/", QUICK, loopback, loopback=True)
        thread.join()
    assert asked == ["feeds.test"]


def test_the_environment_names_no_proxy(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://10.0.0.1:3128")
    assert get(server, "/feed") == FEED
