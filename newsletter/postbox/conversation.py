"""One SMTP conversation of a postbox, and the only importer of aiosmtpd: its commands, our replies and misbehaviour."""

import asyncio
import base64
import hmac
import logging
import re
import ssl
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Final, TypeVar

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session, TLSSetupException

from newsletter.postbox import manners
from newsletter.postbox.manners import Mouth
from newsletter.postbox.script import Act, Also, Drip, Half, Moment, Pause, Say, Script, Stage

log = logging.getLogger(__name__)
# aiosmtpd warns of every odd command and of its own deprecated names on standard error, where the demo reports.
logging.getLogger("mail.log").setLevel(logging.ERROR)

MECHANISMS: Final = ("PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER")
# 512 octets (RFC 5321 4.5.3.1.4) have no room for DSN's addresses, and none at all for a bearer token.
_COMMAND_OCTETS: Final = 2_048
_AUTH_OCTETS: Final = 12_288
_PIECE: Final = 64 * 1_024
_DSN: Final = re.compile(r"\s+((?:RET|ENVID|NOTIFY|ORCPT)=\S+)", re.IGNORECASE)
_BDAT: Final = re.compile(r"([0-9]{1,12})( LAST)?", re.IGNORECASE)
_BEARER: Final = {
    "XOAUTH2": re.compile(r"user=([^\x01]*)\x01auth=Bearer ([^\x01]*)\x01\x01"),
    "OAUTHBEARER": re.compile(r"n,a=([^\x01,]*),\x01(?:[a-z]+=[^\x01]*\x01)*auth=Bearer ([^\x01]*)\x01\x01"),
}
_PATH: Final = re.compile(r"<([A-Za-z0-9_.+=-]+@[A-Za-z0-9.-]+)>((?: .*)?)")
_Text = TypeVar("_Text", str, bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What a postbox offers: TLS by STARTTLS or from the first byte, a login that it then insists on, extensions.

    The second half of `login` is a password or a bearer token, as the mechanism wants. `also` is announced as it is.
    """

    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False
    login: tuple[str, str] | None = None
    mechanisms: tuple[str, ...] = MECHANISMS
    pipelining: bool = True
    chunking: bool = False
    dsn: bool = False
    smtputf8: bool = False
    also: tuple[str, ...] = ()
    most_octets: int = 32 * 1_024 * 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What all conversations of a postbox share: its service, its script, where a letter goes and who is still here.

    `take` keeps a letter (who from, who to, what was said beside, the bytes) and returns its number; an OSError of it
    is answered as a full disk. `busy` are the tasks, `numbers` those of the conversations.
    """

    service: Service
    script: Script
    take: Callable[[str, tuple[str, ...], tuple[str, ...], bytes], int]
    busy: dict["Conversation", asyncio.Task[None]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=partial(count, 1))


class _Hooks:
    """What aiosmtpd asks of a handler."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def handle_EHLO(  # noqa: N802, aiosmtpd calls it so
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        service = self._service
        extensions = {"PIPELINING": service.pipelining, "CHUNKING": service.chunking, "DSN": service.dsn}
        offered = ("ENHANCEDSTATUSCODES", *(name for name, on in extensions.items() if on), *service.also)
        announced = [f"250-{one}" for one in offered]
        known = [line for line in responses if self._service.login or not line.startswith("250-AUTH")]
        return [*known[:-1], *announced, known[-1]]

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: LoginPassword
    ) -> AuthResult:
        return AuthResult(success=self.believes(given.login.decode("utf-8", "replace"), given.password), handled=False)

    def believes(self, user: str, secret: bytes) -> bool:
        """Whether this is the login."""
        known = self._service.login
        return known is not None and user == known[0] and hmac.compare_digest(secret, known[1].encode())


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
            enable_SMTPUTF8=service.smtputf8,
            loop=asyncio.get_running_loop(),
        )
        # aiosmtpd keeps these in its class, where every new conversation clears them for all.
        self.command_size_limits = defaultdict(lambda: _COMMAND_OCTETS, AUTH=_AUTH_OCTETS)
        self._desk, self._hooks = desk, hooks
        self._mouth, self._number = Mouth(), next(desk.numbers)
        self._letters = 0
        self._greeting: str | None = None
        self._chunks: bytearray | None = None
        self._chunk_refused = False
        self._beside: tuple[str, ...] = ()

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
        except asyncio.CancelledError:
            # A client left. aiosmtpd hangs up on one that leaves between commands, not during the banner.
            if self.transport is not None:
                self.transport.close()
            raise

    async def push(self, status: _Text) -> None:
        """Say `status`; the script's banner stands in for aiosmtpd's, which is hard-wired."""
        greeting, self._greeting = self._greeting, None
        said = status if greeting is None else greeting
        await self._mouth.say(said.encode() if isinstance(said, str) else said, self._writer)

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
        if await self._go_on(Stage.TLS):
            await super().smtp_STARTTLS(arg)

    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802
        """AUTH."""
        if await self._go_on(Stage.AUTH, arg):
            await super().smtp_AUTH(arg)

    async def auth_XOAUTH2(self, _server: SMTP, args: list[str]) -> AuthResult:  # noqa: N802
        """A bearer token in the way older than its RFC."""
        return await self._bearer(args)

    async def auth_OAUTHBEARER(self, _server: SMTP, args: list[str]) -> AuthResult:  # noqa: N802
        """A bearer token (RFC 7628)."""
        return await self._bearer(args)

    async def _bearer(self, args: list[str]) -> AuthResult:
        mechanism, *said = args
        try:
            found = _BEARER[mechanism].fullmatch(base64.b64decode("".join(said), validate=True).decode())
        except ValueError:
            found = None
        if found:
            # RFC 5801 4 escapes these two in a name.
            user = found[1].replace("=2C", ",").replace("=3D", "=") if mechanism == "OAUTHBEARER" else found[1]
            if self._hooks.believes(user, found[2].encode()):
                return AuthResult(success=True)
        # The client must acknowledge the reason before it is refused (RFC 7628 3.2.3).
        await self.challenge_auth('{"status":"invalid_token"}')
        return AuthResult(success=False, handled=False)

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802
        """MAIL, after a login when there is one."""
        assert self.session is not None
        if not await self._go_on(Stage.MAIL, arg):
            return
        if self._desk.service.login and not self.session.authenticated:
            await self.push("530 5.7.0 Authentication required")
            return
        self._beside = ()
        await super().smtp_MAIL(self._without_dsn(arg))

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        """RCPT."""
        if await self._go_on(Stage.RCPT, arg):
            await super().smtp_RCPT(self._without_dsn(arg))

    def _without_dsn(self, arg: str | None) -> str | None:
        """What aiosmtpd understands; the parameters of DSN (RFC 3461) are noted."""
        if not self._desk.service.dsn or arg is None:
            return arg
        self._beside += tuple(_DSN.findall(arg))
        return _DSN.sub("", arg)

    async def smtp_QUIT(self, arg: str) -> None:  # noqa: N802
        """QUIT."""
        if await self._go_on(Stage.QUIT):
            await super().smtp_QUIT(arg)

    async def smtp_DATA(self, _arg: str | None) -> None:  # noqa: N802
        """DATA: read as a whole, since aiosmtpd's way line by line takes longer than all the rest."""
        assert self.envelope is not None
        if await self._go_on(Stage.DATA):
            if self.envelope.mail_from is None or not self.envelope.rcpt_tos:
                await self.push("503 5.5.1 Error: need RCPT command")
                return
            await self.push("354 End data with <CR><LF>.<CR><LF>")
        elif not self._mouth.last.startswith(b"354"):
            return
        first = await self._reader.readexactly(1)
        if await self._go_on(Stage.BODY):
            await self._judge(await self._receive(first))

    async def smtp_BDAT(self, arg: str | None) -> None:  # noqa: N802
        """BDAT (RFC 3030): a letter in counted pieces."""
        found = _BDAT.fullmatch(arg or "")
        if not self._desk.service.chunking or not found:
            await self.push("501 5.5.4 Syntax: BDAT octets [LAST]")
            return
        first = self._chunks is None
        if first and not await self._go_on(Stage.BODY):
            return
        self._chunks = bytearray() if self._chunks is None else self._chunks
        await self._read_chunk(int(found[1]), self._chunks)
        if first and not await self._go_on(Stage.DATA):
            self._chunk_refused = True
            return
        assert self.envelope is not None
        if self._chunk_refused or not self.envelope.rcpt_tos:
            await self.push("503 5.5.1 Error: need RCPT command")
            return
        if found[2]:
            await self._judge(bytes(self._chunks))
        else:
            await self.push(f"250 2.0.0 {found[1]} octets received")

    async def _read_chunk(self, octets: int, into: bytearray) -> None:
        """Read so many octets; of a letter too large one octet more than allowed is remembered."""
        while octets:
            piece = await self._reader.read(min(octets, _PIECE))
            if not piece:
                raise ConnectionResetError("the client went away in a chunk")
            octets -= len(piece)
            into += piece[: self._desk.service.most_octets + 1 - len(into)]

    def _set_rset_state(self) -> None:
        self._chunks, self._chunk_refused = None, False
        super()._set_rset_state()  # type: ignore[no-untyped-call]

    async def _judge(self, data: bytes) -> None:
        """What is said to a whole letter."""
        assert self.envelope is not None
        mail_from, rcpt_to = self.envelope.mail_from, tuple(self.envelope.rcpt_tos)
        self.envelope = self._create_envelope()
        self._chunks = None
        if mail_from is None or not rcpt_to:
            await self.push("554 5.5.1 Error: no valid recipients")
        elif len(data) > self._desk.service.most_octets:
            await self.push("552 5.3.4 Message size exceeds fixed limit")
        elif await self._go_on(Stage.DOT):
            await self._keep(mail_from, rcpt_to, data)

    async def _keep(self, mail_from: str, rcpt_to: tuple[str, ...], data: bytes) -> None:
        try:
            number = self._desk.take(mail_from, rcpt_to, self._beside, data)
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
        said = argument or ""
        address = said.partition(":")[2].partition(">")[0].strip(" <")
        moment = Moment(stage=stage, address=address, argument=said, letters=self._letters, connection=self._number)
        move = self._desk.script(moment)
        if move is None:
            return True
        if isinstance(move, Pause):
            await asyncio.sleep(move.seconds)
        elif isinstance(move, Also) and stage is Stage.BODY:
            await self.push(move.text)
        elif isinstance(move, Also | Drip) or move is Act.LATER:
            self._mouth.manner = move
        elif isinstance(move, Say) and stage is Stage.BANNER and not move.text.startswith("421"):
            self._greeting = move.text
        else:
            await self._misbehave(stage, move)
            return False
        return True

    async def _misbehave(self, stage: Stage, move: Act | Say | Half) -> None:
        transport = self.transport
        assert isinstance(transport, asyncio.Transport)
        if isinstance(move, Say):
            self._mouth.manner = Act.LATER if move.later else None
            await self.push(move.text)
            if move.text.startswith("421"):
                transport.close()
            return
        if stage is Stage.TLS and isinstance(move, Act):
            await self.push("220 Ready to start TLS")
        await manners.end(move, transport)


def _plain(stuffed: bytearray) -> bytes:
    data = bytes(stuffed)
    return data.replace(b"\r\n.", b"\r\n").removeprefix(b".")
