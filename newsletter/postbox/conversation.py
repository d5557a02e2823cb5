"""One SMTP conversation of a postbox, and the only importer of aiosmtpd: its commands, our replies and misbehaviour."""

import asyncio
import logging
import re
import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session, TLSSetupException

from newsletter.postbox.script import Act, Half, Moment, Move, Pause, Say, Script, Stage

log = logging.getLogger(__name__)
# aiosmtpd warns of every odd command and of its own deprecated names on standard error, where the demo reports.
logging.getLogger("mail.log").setLevel(logging.ERROR)

MECHANISMS: Final = ("PLAIN", "LOGIN")
_LINGER_NOT: Final = struct.pack("ii", 1, 0)
_PATH: Final = re.compile(r"<([A-Za-z0-9_.+=-]+@[A-Za-z0-9.-]+)>((?: .*)?)")
_Text = TypeVar("_Text", str, bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What a postbox offers: TLS by STARTTLS or from the first byte, a login that it then insists on, extensions."""

    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False
    login: tuple[str, str] | None = None
    mechanisms: tuple[str, ...] = MECHANISMS
    pipelining: bool = True
    most_octets: int = 32 * 1_024 * 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What all conversations of a postbox share: its service, its script, where a letter goes and who is still here.

    `take` keeps a letter and returns its number; an OSError of it is answered as a full disk. `busy` are the tasks.
    """

    service: Service
    script: Script
    take: Callable[[str, tuple[str, ...], bytes], int]
    busy: dict["Conversation", asyncio.Task[None]] = field(default_factory=dict)


class _Hooks:
    """What aiosmtpd asks of a handler."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def handle_EHLO(  # noqa: N802, aiosmtpd calls it so
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        announced = ["250-ENHANCEDSTATUSCODES"] + ["250-PIPELINING"] * self._service.pipelining
        known = [line for line in responses if self._service.login or not line.startswith("250-AUTH")]
        return [*known[:-1], *announced, known[-1]]

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: LoginPassword
    ) -> AuthResult:
        login = (given.login.decode("utf-8", "replace"), given.password.decode("utf-8", "replace"))
        return AuthResult(success=login == self._service.login, handled=False)


class Conversation(SMTP):
    """A conversation that asks the script before each of its replies."""

    def __init__(self, desk: Desk) -> None:
        service = desk.service
        # aiosmtpd's limit of 1,001 octets loses letters and bounces with long lines that real relays take.
        self.line_length_limit = service.most_octets
        hooks = _Hooks(service)
        super().__init__(
            hooks,
            hostname="postbox.test",
            ident="ESMTP World Brief postbox",
            data_size_limit=service.most_octets,
            tls_context=None if service.implicit_tls else service.tls,
            authenticator=hooks.authenticate,
            auth_require_tls=False,
            auth_exclude_mechanism=[one for one in MECHANISMS if one not in service.mechanisms],
            loop=asyncio.get_running_loop(),
        )
        self._desk = desk
        self._letters = 0
        self._greeting: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; after STARTTLS aiosmtpd comes here again."""
        super().connection_made(transport)
        task = self._handler_coroutine
        assert task is not None
        if self not in self._desk.busy:
            self._desk.busy[self] = task
            task.add_done_callback(lambda _: self._desk.busy.pop(self))

    async def _handle_client(self) -> None:
        try:
            if await self._go_on(Stage.BANNER):
                await super()._handle_client()
        except ConnectionError:
            log.debug("a client went away")

    async def push(self, status: _Text) -> None:
        """Say `status`; the script's banner stands in for aiosmtpd's, which is hard-wired."""
        if self._greeting is not None:
            greeting, self._greeting = self._greeting, None
            await super().push(greeting)
            return
        await super().push(status)

    async def handle_exception(self, error: Exception) -> str:
        """Answer an error of ours without telling strangers what it was, as aiosmtpd would."""
        if not isinstance(error, TLSSetupException):
            log.error("the postbox failed", exc_info=error)
        return "451 4.3.0 Local error in processing"

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802
        """EHLO."""
        if await self._go_on(Stage.EHLO):
            await super().smtp_EHLO(hostname)

    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802
        """STARTTLS."""
        if await self._go_on(Stage.STARTTLS):
            await super().smtp_STARTTLS(arg)

    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802
        """AUTH."""
        if await self._go_on(Stage.AUTH):
            await super().smtp_AUTH(arg)

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802
        """MAIL, after a login when there is one."""
        assert self.session is not None
        if not await self._go_on(Stage.MAIL, arg):
            return
        if self._desk.service.login and not self.session.authenticated:
            await self.push("530 5.7.0 Authentication required")
            return
        await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        """RCPT."""
        if await self._go_on(Stage.RCPT, arg):
            await super().smtp_RCPT(arg)

    async def smtp_QUIT(self, arg: str) -> None:  # noqa: N802
        """QUIT."""
        if await self._go_on(Stage.QUIT):
            await super().smtp_QUIT(arg)

    async def smtp_DATA(self, _arg: str | None) -> None:  # noqa: N802
        """DATA: read as a whole, since aiosmtpd's way line by line takes longer than all the rest."""
        if not await self._go_on(Stage.DATA):
            return
        assert self.envelope is not None
        mail_from, rcpt_to = self.envelope.mail_from, tuple(self.envelope.rcpt_tos)
        if mail_from is None or not rcpt_to:
            await self.push("503 5.5.1 Error: need RCPT command")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        first = await self._reader.readexactly(1)
        if not await self._go_on(Stage.BODY):
            return
        data = await self._receive(first)
        self.envelope = self._create_envelope()
        if len(data) > self._desk.service.most_octets:
            await self.push("552 5.3.4 Message size exceeds fixed limit")
        elif await self._go_on(Stage.DOT):
            await self._keep(mail_from, rcpt_to, data)

    async def _keep(self, mail_from: str, rcpt_to: tuple[str, ...], data: bytes) -> None:
        try:
            number = self._desk.take(mail_from, rcpt_to, data)
        except OSError as error:
            log.error("a letter could not be kept: %s", error)  # noqa: TRY400, a full disk needs no traceback
            await self.push("452 4.3.1 Insufficient system storage")
            return
        self._letters += 1
        if await self._go_on(Stage.ANSWER):
            await self.push(f"250 2.0.0 Ok: queued as {number}")

    async def _receive(self, first: bytes) -> bytes:
        """The letter whose first byte is given, as it was before dot-stuffing."""
        data = bytearray(first)
        while first in {b".", b"\r"}:
            # The end may straddle what is read line by line and what is searched at once, until a line begins plainly.
            rest = await self._reader.readuntil(b"\n")
            data += rest
            if first + rest == b".\r\n":
                return _plain(data[:-3])
            if not data.endswith(b"\r\n"):
                break
            first = await self._reader.readexactly(1)
            data += first
        data += await self._read_to_end()
        return _plain(data)

    async def _read_to_end(self) -> bytes:
        read = bytearray()
        while True:
            try:
                return bytes(read) + (await self._reader.readuntil(b"\r\n.\r\n"))[:-3]
            except asyncio.LimitOverrunError as error:
                # Too large already: one octet more than allowed is remembered, the rest is read and forgotten.
                read += await self._reader.readexactly(error.consumed)
                del read[self._desk.service.most_octets + 1 :]

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        # aiosmtpd's full grammar takes a third of a conversation's time, and nearly all addresses are plain.
        found = _PATH.fullmatch(arg)
        return (found[1], found[2]) if found else super()._getaddr(arg)

    async def _go_on(self, stage: Stage, argument: str | None = None) -> bool:
        """Whether the usual reply may follow; anything else the script wants has been done."""
        address = (argument or "").partition(":")[2].partition(">")[0].strip(" <")
        move = self._desk.script(Moment(stage=stage, address=address, letters=self._letters))
        if isinstance(move, Pause):
            await asyncio.sleep(move.seconds)
        elif isinstance(move, Say) and stage is Stage.BANNER and not move.text.startswith("421"):
            self._greeting = move.text
        elif move is not None:
            await self._misbehave(move)
            return False
        return True

    async def _misbehave(self, move: Move) -> None:
        transport = self.transport
        assert isinstance(transport, asyncio.Transport)
        if isinstance(move, Say):
            await super().push(move.text)
        elif isinstance(move, Half):
            transport.write(move.text.encode())
        elif move is Act.RESET:
            connection: socket.socket = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            transport.abort()
        elif move is Act.HANG:
            transport.pause_reading()
            await asyncio.Event().wait()
        if not isinstance(move, Say) or move.text.startswith("421"):
            transport.close()


def _plain(stuffed: bytearray) -> bytes:
    data = bytes(stuffed)
    return data.replace(b"\r\n.", b"\r\n").removeprefix(b".")
