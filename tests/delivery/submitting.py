"""What the tests of the SMTP client share: letters, patient and hasty settings, and servers that say anything."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from newsletter.delivery import outcome
from newsletter.delivery.outcome import Outcome, Submitted
from newsletter.delivery.relay import Relay
from newsletter.delivery.submission import Connection
from newsletter.postbox import Postbox, Service
from newsletter.relays import RelaySettings
from newsletter.rendering.letter import Envelope, Letter
from tests.delivery import certificates

NOW: Final = datetime(2026, 11, 23, 5, 30, tzinfo=UTC)
SENDER, READER = "b+token@bounces.worldbrief.test", "reader@example.test"
BODY: Final = b"From: World Brief <brief@worldbrief.test>\r\nSubject: Monday\r\n\r\nGood morning.\r\n"
# More than the kernel's buffers of both ends hold, so that the sender must wait for the reader.
LARGE: Final = b"Subject: Monday\r\n\r\n" + b"x" * 76 * 1024 * 256 + b"\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How letters are handed over: what the postbox offers, and what the settings want."""

    name: str
    service: Service
    settings: dict[str, object]

    @property
    def ahead(self) -> bool:
        """Whether more than one command is on its way at a time."""
        return self.service.pipelining


STEP_BY_STEP: Final = Manner(name="step by step", service=Service(pipelining=False), settings={})
PIPELINING: Final = Manner(name="pipelining", service=Service(), settings={})
ONE_WRITE: Final = Manner(name="one write", service=Service(), settings={"pipelining": "one-write"})
CHUNKS: Final = Manner(name="chunks", service=Service(chunking=True), settings={"chunking": True})
MANNERS: Final = (STEP_BY_STEP, PIPELINING, ONE_WRITE, CHUNKS)


def letter(body: bytes = BODY, reader: str = READER, sender: str = SENDER) -> Letter:
    return Letter(
        envelope=Envelope(mail_from=sender, rcpt_to=reader), message=body, message_id="<token@worldbrief.test>"
    )


def patient(box: Postbox, **changes: object) -> RelaySettings:
    return settings(box.port, 10, **changes)


def hasty(box: Postbox, **changes: object) -> RelaySettings:
    return settings(box.port, 0.2, **changes)


def settings(port: int, seconds: float, **changes: object) -> RelaySettings:
    """A relay on loopback that may take so long for anything but the connection."""
    one = RelaySettings(
        port=port,
        connect_timeout_seconds=10,
        command_timeout_seconds=seconds,
        data_timeout_seconds=seconds,
        block_timeout_seconds=seconds,
        dot_timeout_seconds=seconds,
    )
    return replace(one, **changes)  # type: ignore[arg-type]


async def nothing() -> None:
    """What a caller does before the end of a letter when nobody keeps books."""


@asynccontextmanager
async def connected(one: RelaySettings, secret: str = "") -> AsyncIterator[Connection]:
    connection = await Relay(one, secret).connect()
    try:
        yield connection
    finally:
        await connection.close()


async def send(connection: Connection, body: bytes = BODY, reader: str = READER) -> Submitted:
    return await connection.submit(letter(body, reader), nothing)


def usable(connection: Connection) -> bool:
    """Whether any other letter may be submitted here."""
    return connection.takes(letter())


def judged(result: Submitted) -> Outcome:
    expires = NOW + timedelta(hours=20)
    return outcome.judge(result, attempts=0, now=NOW, expires_at=expires, schedule=(5, 15), chance=0.0)


def offering(certificate: Path, **changes: object) -> Service:
    return replace(Service(tls=certificates.served(certificate)), **changes)  # type: ignore[arg-type]


@asynccontextmanager
async def served(
    converse: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[RelaySettings]:
    """A server that says what no scripted one would."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await converse(reader, writer)
        except (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield settings(server.sockets[0].getsockname()[1], 10)
    finally:
        server.close()
        await server.wait_closed()
