"""One TCP connection read by lines, plain or TLS, that knows what of the written has left for the kernel. No SMTP here.

TLS runs here over memory buffers instead of asyncio's own layer, whose buffers hide whether the last byte has left.
All that goes wrong with the connection is a ConnectionError (or an ssl.SSLError in the handshake).
"""

import asyncio
import ssl
from typing import Final

# RFC 5321 4.5.3.1.5 asks for 512 octets; real relays are wordier.
MOST_LINE_OCTETS: Final = 2_048
_MOST_UNREAD_OCTETS: Final = 256 * 1_024
_CHUNK: Final = 64 * 1_024


class Line(asyncio.Protocol):
    """A connection for one reader; made by `connect`."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._received = bytearray()
        self._ended = ""
        self._held_back = False
        self._refused = False
        self._changed: asyncio.Future[None] | None = None
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        self._secured = False

    @property
    def open(self) -> bool:
        """Whether the other side has neither ended nor lost the connection, as far as we were told."""
        return not self._ended

    @property
    def unread(self) -> bool:
        """Whether something arrived that nobody has read yet."""
        return bool(self._received)

    @property
    def flushed(self) -> bool:
        """Whether every written byte is with the kernel: before that the other side cannot have had the last one."""
        return not self._held_back and not self._refused

    @property
    def peer(self) -> str:
        """The other side's IP address."""
        return self._address("peername")

    @property
    def here(self) -> str:
        """Our side's IP address."""
        return self._address("sockname")

    @property
    def secured(self) -> bool:
        """Whether all that is said now is said under TLS."""
        return self._secured

    async def secure(self, context: ssl.SSLContext, server_name: str) -> None:
        """Shake hands as a TLS client. Raises ssl.SSLError, for one when the certificate is not trusted."""
        # What was said in the clear behind the reply to STARTTLS may be an injection (CVE-2011-0411): forget it.
        self._received.clear()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        while not self._shaken(self._tls):
            self._require_open()
            await self._wait()
        self._secured = True
        self._decrypt()

    async def read(self) -> bytes:
        """The next line without its end. Lines that came before the connection ended are still read."""
        while (end := self._received.find(b"\n")) < 0:
            if len(self._received) > MOST_LINE_OCTETS:
                break
            self._require_open()
            await self._wait()
        if not 0 <= end <= MOST_LINE_OCTETS:
            raise ConnectionAbortedError(f"a line of more than {MOST_LINE_OCTETS} octets")
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line.removesuffix(b"\r")

    def write(self, data: bytes) -> None:
        """Hand `data` to the kernel, or hold back what it does not take; `flushed` tells which."""
        if self._tls is not None:
            self._encrypt(self._tls, data)
            data = self._outgoing.read()
        if not self._transport.is_closing():
            self._transport.write(data)
        # A send that fails closes the transport at once and raises nothing.
        self._refused = self._refused or self._transport.is_closing()

    async def flush(self) -> None:
        """Wait until everything written is with the kernel."""
        while self._held_back:
            self._require_open()
            await self._wait()
        if self._refused:
            raise ConnectionResetError(self._ended or "the connection is closed")

    async def notice(self) -> None:
        """Let what has arrived by now (a reply, an end) be noticed."""
        # Two turns of the loop: the first only polls the socket, its callback runs before the second.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def abort(self) -> None:
        """Drop the connection and all that was held back."""
        self._end("dropped by us")
        self._transport.abort()

    async def close(self) -> None:
        """End the connection and wait until it is gone."""
        self._end("closed by us")
        if self._held_back:
            self._transport.abort()
        self._transport.close()
        await self._gone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hold back nothing that the kernel would take, and say so at the first byte it does not."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=0)

    def data_received(self, data: bytes) -> None:
        """Keep what arrived, up to a limit no honest relay reaches."""
        if self._tls is None:
            self._received += data
        else:
            self._incoming.write(data)
            self._decrypt()
        if len(self._received) > _MOST_UNREAD_OCTETS:
            self._end(f"more than {_MOST_UNREAD_OCTETS} octets nobody asked for")
            self._transport.abort()
        self._wake()

    def eof_received(self) -> bool:
        """Note the end, but keep the transport: closing it would still send what `flushed` says is held back."""
        self._end("the other side closed the connection")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Note why."""
        self._refused = self._refused or self._held_back
        self._end(str(exc) if exc else "the connection was lost")
        if not self._gone.done():
            self._gone.set_result(None)

    def pause_writing(self) -> None:
        """Some bytes are held back now."""
        self._held_back = True

    def resume_writing(self) -> None:
        """All are with the kernel."""
        self._held_back = False
        self._wake()

    def _address(self, which: str) -> str:
        # Without the zone of a link-local IPv6 address, which is this machine's own affair.
        return str(self._transport.get_extra_info(which)[0]).partition("%")[0]

    def _end(self, why: str) -> None:
        self._ended = self._ended or why
        self._wake()

    def _require_open(self) -> None:
        if self._ended:
            raise ConnectionResetError(self._ended)

    def _wake(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    async def _wait(self) -> None:
        self._changed = asyncio.get_running_loop().create_future()
        await self._changed

    def _shaken(self, tls: ssl.SSLObject) -> bool:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            # An alert, too, is worth telling the other side.
            if not self._transport.is_closing():
                self._transport.write(self._outgoing.read())
        return True

    def _encrypt(self, tls: ssl.SSLObject, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[tls.write(rest) :]

    def _decrypt(self) -> None:
        if self._tls is None or not self._secured:
            return
        try:
            while data := self._tls.read(_CHUNK):
                self._received += data
            self._end("the other side closed the connection")
        except ssl.SSLWantReadError:
            return
        except ssl.SSLError as error:
            self._end(f"TLS: {error.reason or error}")


async def connect(host: str, port: int) -> Line:
    """A connection to a host's port. Raises OSError."""
    _, line = await asyncio.get_running_loop().create_connection(Line, host, port)
    return line
