"""The guarded door to the web (shell): one GET, bounded in time, size and redirects, that never reaches a private host.

The only importer of httpx2. Names are resolved here, every answer is checked, and the connection goes to the checked
address itself, so a name that changes its mind between check and connect gains nothing.
"""

import ipaddress
import itertools
import queue
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import httpcore2
import httpx2

from newsletter.config import Wire
from newsletter.errors import FeedError
from newsletter.stories.story import ascii_host

Resolve = Callable[[str, int], Sequence[str]]

PORTS: Final = {"http": 80, "https": 443}
HEADERS: Final = {
    "User-Agent": "WorldBrief/1 (newsletter desk)",
    "Accept": "application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.9, */*;q=0.5",
    "Accept-Encoding": "gzip, deflate",
    "Connection": "close",
}
# What `is_global` lets through and no feed lives on. IPv6's global unicast is 2000::/3 (RFC 4291, 2.4): all else goes,
# and in it the tunnels that can wrap a private address (6to4, Teredo) and documentation space. 192.88.99.0/24 is 6to4.
EXTRA: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "224.0.0.0/4",
        "192.88.99.0/24",
        "::/3",
        "4000::/2",
        "8000::/1",
        "2001::/23",
        "2002::/16",
        "3fff::/20",
    )
)
REFUSED: Final = "its host is not on the public internet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What an address answered; `unchanged` when it said so to our ETag or date, and then `data` is empty."""

    url: str
    data: bytes
    content_type: str
    etag: str = ""
    last_modified: str = ""
    unchanged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the last answer called itself, to be asked for changes only (RFC 9110, 13.1)."""

    etag: str = ""
    last_modified: str = ""


def resolve_host(host: str, port: int) -> Sequence[str]:
    """Every address the machine's resolver knows for a name."""
    return [str(answer[4][0]) for answer in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def fetch(
    url: str,
    settings: Wire,
    resolve: Resolve = resolve_host,
    *,
    known: Known | None = None,
    loopback: bool = False,
) -> Fetched:
    """GET `url` and its redirects within the limits of `settings`; raises FeedError in one generic line.

    `loopback` lets tests reach a server of their own on 127.0.0.1 at any port; nothing in the configuration sets it.
    """
    door = _Door(resolve=resolve, until=time.monotonic() + settings.timeout_seconds, loopback=loopback)
    headers = dict(HEADERS)
    if known and known.etag:
        headers["If-None-Match"] = known.etag
    if known and known.last_modified:
        headers["If-Modified-Since"] = known.last_modified
    try:
        with httpx2.Client(transport=_Transport(door), trust_env=False, follow_redirects=False) as client:
            return _follow(client, url, headers, settings, door)
    except _Refused as error:
        raise FeedError(url, REFUSED) from error
    except (httpx2.TimeoutException, TimeoutError) as error:
        raise FeedError(url, f"did not answer within {settings.timeout_seconds:g} seconds") from error
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError, UnicodeError, ValueError) as error:
        # FeedError is a ValueError too: what was said precisely stays so.
        if isinstance(error, FeedError):
            raise
        raise FeedError(url, "could not be fetched") from error


def _follow(client: httpx2.Client, url: str, headers: Mapping[str, str], settings: Wire, door: "_Door") -> Fetched:
    """The answer at the end of the redirects, each checked like the first address."""
    here = url
    for _ in range(settings.max_redirects + 1):
        _check_url(here, url, loopback=door.loopback)
        client.cookies.clear()
        with client.stream("GET", here, headers=headers, timeout=settings.timeout_seconds) as response:
            if not response.has_redirect_location:
                return _answer(response, url, settings, door)
            here = urljoin(here, response.headers["Location"])
    raise FeedError(url, f"redirects more than {settings.max_redirects} times")


def _check_url(here: str, url: str, *, loopback: bool) -> None:
    try:
        parts = urlsplit(here)
        port = parts.port
    except ValueError as error:
        raise FeedError(url, "is no address") from error
    if parts.scheme.lower() not in PORTS:
        raise FeedError(url, "only http and https addresses are fetched")
    if parts.username is not None or parts.password is not None:
        raise FeedError(url, "an address with a user name or password is not fetched")
    if not ascii_host(parts.hostname or ""):
        raise FeedError(url, "is no address")
    if port not in {None, *PORTS.values()} and not loopback:
        raise FeedError(url, "only ports 80 and 443 are fetched")


def is_public(address: str) -> bool:
    """Whether an IP address may be connected to."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    ip = (ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None) or ip
    return ip.is_global and not any(ip.version == network.version and ip in network for network in EXTRA)


def _answer(response: httpx2.Response, url: str, settings: Wire, door: "_Door") -> Fetched:
    headers = response.headers
    unchanged = response.status_code == httpx2.codes.NOT_MODIFIED
    if not unchanged and response.status_code != httpx2.codes.OK:
        raise FeedError(url, f"answered {response.status_code}")
    return Fetched(
        url=str(response.url),
        data=b"" if unchanged else b"".join(_bounded(response, url, settings, door)),
        content_type=headers.get("Content-Type", ""),
        etag=headers.get("ETag", "")[:500],
        last_modified=headers.get("Last-Modified", "")[:100],
        unchanged=unchanged,
    )


def _bounded(response: httpx2.Response, url: str, settings: Wire, door: "_Door") -> Iterator[bytes]:
    """The body, counted as it arrives and again as it unfolds, so that neither a flood nor a bomb is ever held."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    unpack = _unpacker(encoding, url)
    arrived = unfolded = 0
    for chunk in itertools.chain(response.iter_raw(65_536), (b"",)):
        door.remaining()
        arrived += len(chunk)
        if arrived > settings.max_bytes:
            raise FeedError(url, f"is larger than {settings.max_bytes:,} bytes")
        for piece in unpack(chunk):
            unfolded += len(piece)
            if unfolded > settings.max_decompressed_bytes:
                raise FeedError(url, f"unfolds to more than {settings.max_decompressed_bytes:,} bytes")
            yield piece


def _unpacker(encoding: str, url: str) -> Callable[[bytes], Iterator[bytes]]:
    if encoding in {"", "identity"}:
        return lambda chunk: iter((chunk,))
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise FeedError(url, "came in an encoding we did not ask for")
    # 32 lets zlib tell gzip from zlib by the header; some servers call raw deflate "deflate", which no feed needs.
    machine = zlib.decompressobj(zlib.MAX_WBITS | 32)

    def unpack(chunk: bytes) -> Iterator[bytes]:
        if not chunk:
            yield machine.flush()
        try:
            while chunk and not machine.eof:
                yield machine.decompress(chunk, 65_536)
                chunk = machine.unconsumed_tail
        except zlib.error as error:
            raise FeedError(url, "came damaged") from error

    return unpack


class _Refused(Exception):
    """An answer of the resolver may not be connected to. Inherits nothing httpx2 would translate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Door:
    """What every connection of one fetch shares: the resolver, the moment by which all is over, the test's leave."""

    resolve: Resolve
    until: float
    loopback: bool

    def remaining(self) -> float:
        """Seconds left; raises TimeoutError when there are none."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of `host`, all of them permitted; one that is not refuses them all."""
        answers = [host] if _is_address(host) else self._resolved(host, port)
        if not answers or not all(is_public(one) or (self.loopback and one == "127.0.0.1") for one in answers):
            raise _Refused
        return list(dict.fromkeys(answers))

    def _resolved(self, host: str, port: int) -> Sequence[str]:
        """The resolver has a patience of its own, half a minute and more: it waits in a thread, we do not."""
        answers: queue.SimpleQueue[Sequence[str] | OSError | UnicodeError] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self.resolve(host, port))
            except (OSError, UnicodeError) as error:
                answers.put(error)

        threading.Thread(target=ask, daemon=True, name="resolve").start()
        try:
            answer = answers.get(timeout=self.remaining())
        except queue.Empty as error:
            raise TimeoutError from error
        if isinstance(answer, Exception):
            raise httpcore2.ConnectError("the name does not resolve") from answer
        return answer


def _is_address(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


class _Transport(httpx2.HTTPTransport):
    """httpx2's own transport over a pool whose every connection goes through the door, without proxies."""

    def __init__(self, door: _Door) -> None:
        context = httpx2.create_ssl_context(trust_env=False)
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=context, max_connections=1, max_keepalive_connections=0, network_backend=_Backend(door)
        )


class _Backend(httpcore2.NetworkBackend):
    """Connects to a checked address; the name above it stays what TLS verifies and the Host header says."""

    def __init__(self, door: _Door) -> None:
        self.door = door
        self.sockets = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 -- the door knows better
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        failure: Exception = httpcore2.ConnectError("no address")
        for address in self.door.addresses(host, port):
            try:
                stream = self.sockets.connect_tcp(address, port, self.door.remaining(), local_address, socket_options)
            except httpcore2.ConnectError as error:
                failure = error
                continue
            return _Stream(stream, self.door)
        raise failure


class _Stream(httpcore2.NetworkStream):
    """A stream whose every wait ends at the deadline: a server that drips a byte a second wins nothing."""

    def __init__(self, stream: httpcore2.NetworkStream, door: _Door) -> None:
        self.stream, self.door = stream, door

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self.stream.read(max_bytes, self.door.remaining())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self.stream.write(buffer, self.door.remaining())

    def close(self) -> None:
        self.stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore2.NetworkStream:
        return _Stream(self.stream.start_tls(ssl_context, server_hostname, self.door.remaining()), self.door)

    def get_extra_info(self, info: str) -> Any:
        return self.stream.get_extra_info(info)
