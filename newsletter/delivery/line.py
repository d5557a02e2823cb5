"""One TCP connection read by lines, plain or TLS, that knows which of the written octets the kernel has. No SMTP here.

It works on the socket itself, and runs TLS over memory buffers: asyncio's transports hide how far the kernel has got,
and that is what tells a letter in doubt from one that certainly did not leave. All that goes wrong with the connection
is a ConnectionError or a TimeoutError (or an ssl.SSLError in the handshake). Moments are those of the loop's clock.
"""

import asyncio
import socket
import ssl
from functools import partial
from typing import Final

# RFC 5321 4.5.3.1.5 asks for 512 octets; real relays are wordier.
MOST_LINE_OCTETS: Final = 2_048
_MOST_UNREAD_OCTETS: Final = 256 * 1_024
_CHUNK: Final = 16 * 1_024
_CLOSED: Final = "the other side closed the connection"


class Line:
    """A connection for one reader; made by `connect`. Once it has ended, nothing more is handed to the kernel."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket, self._loop = connection, asyncio.get_running_loop()
        self._received = bytearray()
        self._held: list[memoryview] = []
        self._written = self._handed = 0
        self._ended = ""
        self._changed: asyncio.Future[bool] | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        self._secured = False
        self._loop.add_reader(connection, self._readable)

    @property
    def open(self) -> bool:
        """Whether the other side has neither ended nor lost the connection, as far as we were told."""
        return not self._ended

    @property
    def unread(self) -> bool:
        """Whether something arrived that nobody has read yet."""
        return bool(self._received)

    @property
    def peer(self) -> str:
        """The other side's IP address."""
        return _ip(self._socket.getpeername())

    @property
    def here(self) -> str:
        """Our side's IP address."""
        return _ip(self._socket.getsockname())

    @property
    def secured(self) -> bool:
        """Whether all that is said now is said under TLS."""
        return self._secured

    @property
    def protection(self) -> tuple[str, str]:
        """The version of TLS and the cipher; empty words without it."""
        cipher = self._tls.cipher() if self._tls else None
        return ((self._tls and self._tls.version()) or "", cipher[0] if cipher else "")

    @property
    def certificate(self) -> bytes:
        """The other side's certificate (DER), trusted or not; empty without TLS."""
        return (self._tls and self._tls.getpeercert(binary_form=True)) or b""

    def handed_over(self, place: int) -> bool:
        """Whether the kernel has every octet up to a place that `write` returned; before that nobody can have it."""
        return self._handed >= place

    async def secure(self, context: ssl.SSLContext, server_name: str, until: float) -> None:
        """Shake hands as a TLS client. Raises ssl.SSLError, for one when the certificate is not trusted."""
        # What was said in the clear behind the reply to STARTTLS may be an injection (CVE-2011-0411): forget it.
        self.look()
        self._received.clear()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        while not self._shaken(self._tls):
            await self._wait(until)
        self._secured = True
        self._decrypt(self._tls)

    async def read(self, until: float) -> bytes:
        """The next line without its end. Lines that came before the connection ended are still read."""
        while (end := self._received.find(b"\n", 0, MOST_LINE_OCTETS)) < 0:
            if len(self._received) >= MOST_LINE_OCTETS:
                raise ConnectionAbortedError(f"a line of more than {MOST_LINE_OCTETS} octets")
            await self._wait(until)
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line.removesuffix(b"\r")

    def write(self, data: bytes, behind: bytes = b"") -> int:
        """Hand `data`, and `behind` in the same write, to the kernel; what it does not take is held back until it does.

        Returns the place in the stream at which the other side can have all of `data`.
        """
        if self._tls is not None:
            data, behind = self._encrypt(self._tls, data), self._encrypt(self._tls, behind)
        place = self._written + len(data)
        self._hand_over([part for part in (data, behind) if part])
        return place

    async def flush(self, place: int, seconds: float, *, interruptible: bool = False) -> None:
        """Wait until the kernel has all up to a place; it may take so long for each piece.

        One that is `interruptible` ends when the other side speaks, which then may have stopped listening.
        """
        while self._handed < place and not (interruptible and self._received):
            await self._wait(self._loop.time() + seconds)

    def hurry(self) -> None:
        """Acknowledge at once what arrives next: a server that waits for that before it goes on loses 40 ms."""
        if hasattr(socket, "TCP_QUICKACK") and not self._ended:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def look(self) -> None:
        """Take in what has arrived by now, without waiting for the loop to tell of it."""
        while not self._ended and self._take_in():
            pass

    def close(self) -> None:
        """Drop the connection and all that was held back; what the kernel has, it still sends."""
        self._end("closed by us")
        self._socket.close()

    def _readable(self) -> None:
        self._take_in()

    def _take_in(self) -> bool:
        """Read once; False when there was nothing to read."""
        try:
            data = self._socket.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            self._end(error.strerror or str(error))
            return False
        if not data:
            self._end(_CLOSED)
        elif self._tls is None:
            self._received += data
        else:
            self._incoming.write(data)
            self._decrypt(self._tls)
        if len(self._received) > _MOST_UNREAD_OCTETS:
            self._end(f"more than {_MOST_UNREAD_OCTETS} octets nobody asked for")
        self._wake()
        return True

    def _hand_over(self, parts: list[bytes]) -> None:
        self._written += sum(map(len, parts))
        views = [memoryview(part) for part in parts]
        if self._held:
            self._held += views
        elif views and not self._ended:
            self._send(views)

    def _send(self, parts: list[memoryview]) -> None:
        """Let the kernel take what it can, and hold back the rest."""
        try:
            taken = self._socket.sendmsg(parts)
        except (BlockingIOError, InterruptedError):
            taken = 0
        except OSError as error:
            # The last words of the other side may say why.
            self.look()
            self._end(error.strerror or str(error))
            return
        self._handed += taken
        for part in parts:
            if taken < len(part):
                self._held.append(part[taken:])
            taken = max(0, taken - len(part))
        if self._held:
            self._loop.add_writer(self._socket, self._writable)

    def _writable(self) -> None:
        parts, self._held = self._held, []
        self._loop.remove_writer(self._socket)
        self._send(parts)
        self._wake()

    def _end(self, why: str) -> None:
        if self._ended:
            return
        self._ended = why
        self._held.clear()
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._wake()

    def _wake(self, *, in_time: bool = True) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(in_time)

    async def _wait(self, until: float) -> None:
        """Wait until something arrives, leaves or ends."""
        if self._ended:
            raise ConnectionResetError(self._ended)
        self._changed = self._loop.create_future()
        timer = self._loop.call_at(until, partial(self._wake, in_time=False))
        try:
            in_time = await self._changed
        finally:
            timer.cancel()
        if not in_time:
            raise TimeoutError("no answer in time")

    def _shaken(self, tls: ssl.SSLObject) -> bool:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            # An alert, too, is worth telling the other side.
            if said := self._outgoing.read():
                self._hand_over([said])
        return True

    def _encrypt(self, tls: ssl.SSLObject, data: bytes) -> bytes:
        rest = memoryview(data)
        while rest:
            rest = rest[tls.write(rest) :]
        return self._outgoing.read()

    def _decrypt(self, tls: ssl.SSLObject) -> None:
        if not self._secured:
            return
        try:
            while data := tls.read(_CHUNK):
                self._received += data
            self._end(_CLOSED)
        except ssl.SSLWantReadError:
            return
        except ssl.SSLError as error:
            self._end(f"TLS: {error.reason or error}")


async def connect(host: str, port: int, seconds: float) -> Line:
    """A connection to a host's port; each of its addresses gets its share of the time. Raises OSError."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(seconds):
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in found:
        one = socket.socket(family, kind, protocol)
        try:
            one.setblocking(False)
            # Without it a short write waits 40 ms for the acknowledgement of the one before.
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(seconds / len(found)):
                await loop.sock_connect(one, address)
            return Line(one)
        except OSError as error:
            failure = error
            one.close()
        except BaseException:
            one.close()
            raise
    raise failure


def said(error: Exception) -> str:
    """What went wrong, in the words of one line."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    return str(error) or type(error).__name__


def _ip(address: tuple[str, int]) -> str:
    # Without the zone of a link-local IPv6 address, which is this machine's own affair.
    return address[0].partition("%")[0]
