"""The least a relay can do: `python -m tests.bench.drain LATENCY_MS [EXTENSION ...]` reads letters and forgets them.

With `--certificate FILE` it does so under TLS from the first octet. It says its port, then at every line of its
standard input how many letters it took. It understands one client, ours: every command is answered by its first four
letters alone, every answer so many milliseconds late.
"""

import argparse
import asyncio
import socket
import sys
from collections import deque
from pathlib import Path
from typing import Final

from tests.delivery import certificates

_BUFFER: Final = 256 * 1_024
_ANSWERS: Final = {b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}


class Drain(asyncio.BufferedProtocol):
    """One connection; `letters` counts those of all."""

    letters = 0

    def __init__(self, latency: float, extensions: list[str]) -> None:
        self._latency = latency
        self._greeting = "".join(f"250-{one}\r\n" for one in ("drain", *extensions)).encode() + b"250 SIZE 0\r\n"
        # A view: asyncio reads TLS into slices of it, which of the bytes themselves would be copies.
        self._space = memoryview(bytearray(_BUFFER))
        self._received = bytearray()
        self._chunk = 0
        self._in_letter = self._last = False
        self._late: deque[bytes] = deque()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport = transport
        self._answer(b"220 drain\r\n")

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._space

    def buffer_updated(self, nbytes: int) -> None:
        self._received += self._space[:nbytes]
        said = b"".join(iter(self._next, b""))
        if said:
            self._answer(said)

    def _next(self) -> bytes:
        """The answer to what comes next, or nothing while it is not all there."""
        if self._in_letter:
            return self._letter()
        if self._chunk:
            return self._rest_of_chunk()
        end = self._received.find(b"\r\n")
        if end < 0:
            return b""
        line = bytes(self._received[:end])
        del self._received[: end + 2]
        command = line[:4].upper()
        if command == b"BDAT":
            self._last = line.endswith(b"LAST")
            self._chunk = int(line.split()[1]) + 1
            return self._rest_of_chunk()
        self._in_letter = command == b"DATA"
        return self._greeting if command == b"EHLO" else _ANSWERS.get(command, b"250 ok\r\n")

    def _letter(self) -> bytes:
        end = self._received.find(b"\r\n.\r\n")
        if end < 0:
            return b""
        del self._received[: end + 5]
        self._in_letter = False
        return self._taken()

    def _rest_of_chunk(self) -> bytes:
        if len(self._received) < self._chunk - 1:
            return b""
        del self._received[: self._chunk - 1]
        self._chunk = 0
        return self._taken() if self._last else b"250 chunk\r\n"

    def _taken(self) -> bytes:
        Drain.letters += 1
        return b"250 2.0.0 Ok: queued as %d\r\n" % Drain.letters

    def _answer(self, said: bytes) -> None:
        if not self._latency:
            self._transport.write(said)
            return
        self._late.append(said)
        asyncio.get_running_loop().call_later(self._latency, self._answer_late)

    def _answer_late(self) -> None:
        said = self._late.popleft()
        if not self._transport.is_closing():
            self._transport.write(said)


async def serve(latency: float, certificate: Path | None, extensions: list[str]) -> None:
    """Until standard input ends."""
    loop = asyncio.get_running_loop()
    tls = certificates.served(certificate) if certificate else None
    server = await loop.create_server(lambda: Drain(latency, extensions), "127.0.0.1", 0, backlog=1_024, ssl=tls)
    _say(server.sockets[0].getsockname()[1])
    asked = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(asked), sys.stdin)
    async with server:
        while await asked.readline():
            _say(Drain.letters)


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.drain")
    parser.add_argument("latency_ms", type=float)
    parser.add_argument("extensions", nargs="*")
    parser.add_argument("--certificate", type=Path)
    asked = parser.parse_args()
    asyncio.run(serve(asked.latency_ms / 1_000, asked.certificate, asked.extensions))


if __name__ == "__main__":
    main()
