"""The postbox itself: a listening socket, what arrived, and the two ways to run it (in a loop, or in a thread)."""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from newsletter.errors import NewsletterError
from newsletter.postbox import manners
from newsletter.postbox.conversation import Conversation, Desk, Service
from newsletter.postbox.script import Moment, Script, Stage, behave
from newsletter.postbox.shelf import Arrived, Shelf

log = logging.getLogger(__name__)

_MOST_AT_THE_DOOR: Final = 128


class PostboxError(NewsletterError, OSError):
    """A postbox cannot listen where it was told to, or keep its letters there."""


class Postbox:
    """A relay that keeps what it takes and sends nothing on: `async with` it, or `with running(it)`.

    With a `folder` every letter becomes one .eml file; with `keep` it is in `messages` too, and `tell` is told of each.
    `port` 0 becomes the one the system chose. What it offers is the `service`, how it misbehaves the `script`.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        script: Script = behave,
        folder: Path | None = None,
        keep: bool = True,
        service: Service | None = None,
    ) -> None:
        self.host, self.port, self.count = host, port, 0
        self.clock: Callable[[], datetime] = partial(datetime.now, UTC)
        self.tell: Callable[[Arrived], object] = lambda _arrived: None
        self.shelf = Shelf(folder) if folder else None
        self._keep = keep
        self._messages: list[Arrived] = []
        self._desk = Desk(service=service or Service(), script=script, take=self._take)
        self._door: socket.socket | None = None
        self._entering: dict[asyncio.Task[None], socket.socket] = {}

    @property
    def messages(self) -> tuple[Arrived, ...]:
        """The letters kept in memory, in the order of their arrival."""
        return tuple(self._messages)

    async def __aenter__(self) -> Self:
        try:
            if self.shelf:
                self.shelf.open()
            self._door = _listen(self.host, self.port)
        except (OSError, OverflowError, ValueError) as error:  # a port above 65535 overflows, a host may be no name
            raise PostboxError(f"the postbox cannot be opened: {getattr(error, 'strerror', None) or error}") from error
        self.port = self._door.getsockname()[1]
        asyncio.get_running_loop().add_reader(self._door, self._let_in, self._door)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._door is not None
        asyncio.get_running_loop().remove_reader(self._door)
        self._door.close()
        entering = dict(self._entering)
        for entry in entering:
            entry.cancel()
        await asyncio.gather(*entering, return_exceptions=True)
        for connection in entering.values():
            connection.close()
        busy = dict(self._desk.busy)
        for conversation, task in busy.items():
            if isinstance(conversation.transport, asyncio.Transport):
                conversation.transport.abort()
            task.cancel()
        await asyncio.gather(*busy.values(), return_exceptions=True)

    def _let_in(self, door: socket.socket) -> None:
        """Begin a conversation with who is at the door.

        asyncio’s own server does not say who is between the door and a conversation (a TLS handshake may take a
        minute), so it cannot close on them; we remember them.
        """
        try:
            connection, _ = door.accept()
        except OSError:  # gone again, or too many are open: the loop asks again
            return
        # asyncio does it only for sockets that name their protocol; without it three short replies wait for an ACK.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        entry = asyncio.get_running_loop().create_task(self._enter(connection))
        self._entering[entry] = connection
        entry.add_done_callback(self._entered)

    async def _enter(self, connection: socket.socket) -> None:
        service = self._desk.service
        tls = service.tls if service.implicit_tls else None
        for stage in (Stage.CONNECT, Stage.TLS) if tls else (Stage.CONNECT,):
            if not await manners.receive(self._desk.script(Moment(stage=stage)), connection):
                connection.close()
                return
        conversation = partial(Conversation, self._desk)
        await asyncio.get_running_loop().connect_accepted_socket(conversation, connection, ssl=tls)

    def _entered(self, entry: asyncio.Task[None]) -> None:
        connection = self._entering.pop(entry)
        if not entry.cancelled() and (error := entry.exception()):
            log.debug("a client did not get in: %s", error)
            connection.close()

    def _take(self, mail_from: str, rcpt_to: tuple[str, ...], beside: tuple[str, ...], data: bytes) -> int:
        arrived = Arrived(mail_from=mail_from, rcpt_to=rcpt_to, data=data, at=self.clock(), beside=beside)
        if self.shelf:
            self.shelf.put(arrived)
        if self._keep:
            self._messages.append(arrived)
        self.tell(arrived)
        self.count += 1
        return self.count


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only where the protocol is named; without it every reply waits 40 ms.
    door = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((host, port))
        door.listen(_MOST_AT_THE_DOOR)
        door.setblocking(False)
    except BaseException:
        # `socket.create_server` would leave it open when the address is none at all.
        door.close()
        raise
    return door


@contextmanager
def running(postbox: Postbox) -> Iterator[Postbox]:
    """The postbox in a thread of its own, for callers without an event loop."""
    opened: Future[Callable[[], object]] = Future()

    async def serve() -> None:
        stop = asyncio.Event()
        try:
            async with postbox:
                opened.set_result(partial(asyncio.get_running_loop().call_soon_threadsafe, stop.set))
                await stop.wait()
        except BaseException as error:
            # Whatever it is: the caller waits for it.
            if opened.done():
                raise
            opened.set_exception(error)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="postbox", daemon=True)
    thread.start()
    close = opened.result()
    try:
        yield postbox
    finally:
        close()
        thread.join()
