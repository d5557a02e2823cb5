"""Our side of an SMTP submission (RFC 5321), made so that a loss always says in which phase it happened.

One letter is in flight per connection. Its body is with the kernel before the caller records that the dot follows; the
dot is a write of its own, so only a loss after that write leaves a letter in doubt.
"""

import asyncio
import base64
import ipaddress
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from newsletter.config import RelaySettings
from newsletter.delivery import line, replies
from newsletter.delivery.outcome import Lost, Phase, Replied, Reply, Submitted
from newsletter.delivery.replies import Extensions
from newsletter.errors import RelayError

_END: Final = b"\r\n.\r\n"
_QUIT_SECONDS: Final = 1.0
_TIDY_SECONDS: Final = 10.0
_MAILBOX: Final = re.compile(r"[\x21-\x3b\x3d\x3f-\x7e]*")
_HELO: Final = re.compile(r"[A-Za-z0-9.:\[\]_-]+")
_Step = tuple[Phase, bytes]
_T = TypeVar("_T")


class RelayRefused(RelayError):
    """The relay answered, and will not have us: no verdict on any letter."""

    def __init__(self, phase: Phase, reply: Reply, *, relay: str = "the relay") -> None:
        self.phase, self.reply = phase, reply
        super().__init__(f"{relay} refuses in {phase}: {reply}")

    @property
    def result(self) -> Submitted:
        """The same as a value `judge` takes."""
        return Replied(reply=self.reply, phase=self.phase)


class RelayUnreachable(RelayError):
    """There is no connection to the relay, or none that may be used. `permanent`: as configured there never will be."""

    def __init__(self, phase: Phase, detail: str, *, permanent: bool = False, relay: str = "the relay") -> None:
        self.phase, self.detail, self.permanent = phase, detail, permanent
        super().__init__(f"{relay} cannot be used, {phase}: {detail}")

    @property
    def result(self) -> Submitted:
        """The same as a value `judge` takes."""
        return Lost(phase=self.phase, detail=self.detail, permanent=self.permanent)


class Connection:
    """An open, greeted and authenticated connection to the relay; made by `connect`."""

    def __init__(self, settings: RelaySettings, wire: line.Line) -> None:
        self._settings = settings
        self._line = wire
        self._place = f"{settings.host}:{settings.port}"
        self._extensions = Extensions()
        self.phase = Phase.CONNECT
        self.letters = 0

    @property
    def usable(self) -> bool:
        """Whether another letter may be submitted here: the line is up and silent, and the quota is not used up."""
        fresh = self.letters < self._settings.messages_per_connection
        return fresh and self._line.open and not self._line.unread

    async def submit(self, mail_from: str, rcpt_to: str, message: bytes, before_dot: Callable[[], None]) -> Submitted:
        """Hand over one letter: 7-bit bytes with CRLF line ends, for one recipient.

        `before_dot` is called when all but the end of data is with the kernel; what it raises ends the connection with
        the letter certainly not sent. `Lost(phase=DOT)` alone means that nobody knows.
        """
        unfit = _unfit(mail_from, rcpt_to, message, self._extensions.size)
        if unfit:
            return unfit
        self.letters += 1
        offer = self._offer(mail_from, rcpt_to, message)
        ended = await self._guarded(offer) or await self._guarded(self._write_body(message))
        if ended:
            return ended
        try:
            before_dot()
        except BaseException:
            self.abort()
            raise
        return await self._guarded(self._write_dot())

    async def close(self) -> None:
        """Say QUIT, and do not wait long for the answer: no letter depends on it."""
        try:
            async with asyncio.timeout(_QUIT_SECONDS):
                if self._line.open:
                    self._line.write(b"QUIT\r\n")
                    await self._read()
        except (OSError, ValueError):
            self.abort()
        finally:
            await self._line.close()

    def abort(self) -> None:
        """Drop the connection; what the kernel has not got is not sent."""
        self._line.abort()

    async def _offer(self, mail_from: str, rcpt_to: str, message: bytes) -> Replied | None:
        """Name the sender and the recipient and ask to begin; None when the body may follow."""
        self.phase = Phase.MAIL
        if self._line.unread:
            return await self._spoke_unasked()
        size = f" SIZE={len(message)}" if self._extensions.size else ""
        steps = (
            (Phase.MAIL, f"MAIL FROM:<{mail_from}>{size}\r\n".encode("ascii")),
            (Phase.RCPT, f"RCPT TO:<{rcpt_to}>\r\n".encode("ascii")),
            (Phase.DATA, b"DATA\r\n"),
        )
        pipelining = self._extensions.pipelining
        if pipelining:
            self._line.write(b"".join(command for _, command in steps))
        for n, (phase, command) in enumerate(steps):
            self.phase = phase
            if not pipelining:
                self._line.write(command)
            reply = await self._reply(self._settings.command_timeout_seconds)
            if reply.code >= 400:
                await self._tidy(reply, steps[n + 1 :] if pipelining else ())
                return Replied(reply=reply, phase=phase)
            _expect(reply, 3 if phase is Phase.DATA else 2)
        return None

    async def _write_body(self, message: bytes) -> Replied | None:
        """Write all but the end and see it with the kernel; None when the end may follow."""
        self.phase = Phase.BODY
        self._line.write(_stuffed(message))
        async with asyncio.timeout(self._settings.command_timeout_seconds):
            await self._line.flush()
        await self._line.notice()
        if self._line.unread:
            return await self._spoke_unasked()
        if not self._line.open:
            raise ConnectionResetError("the relay closed the connection during the letter")
        return None

    async def _write_dot(self) -> Replied:
        self.phase = Phase.DOT
        self._line.write(_END)
        async with asyncio.timeout(self._settings.dot_timeout_seconds):
            await self._line.flush()
            reply = await self._read()
        if reply.code < 400:
            _expect(reply, 2)
        elif reply.code == 421:
            self.abort()
        self.phase = Phase.REPLIED
        return Replied(reply=reply, phase=Phase.DOT)

    async def _guarded(self, step: Awaitable[_T]) -> _T | Lost:
        """What a step of a submission gives, or how the connection was lost in it."""
        try:
            return await step
        except (OSError, ValueError) as error:
            return self._lost(error)
        except BaseException:
            self.abort()
            raise

    async def _tidy(self, reply: Reply, unread: Sequence[_Step]) -> None:
        """After a refusal, read the replies to what was sent ahead and reset; a line that cannot is dropped."""
        try:
            if reply.code == 421:
                raise ConnectionAbortedError("the relay closes the connection")
            async with asyncio.timeout(_TIDY_SECONDS):
                await self._drain(unread)
                self._line.write(b"RSET\r\n")
                _expect(await self._read(), 2)
        except (OSError, ValueError):
            self.abort()
        else:
            self.phase = Phase.REPLIED

    async def _drain(self, unread: Sequence[_Step]) -> None:
        for phase, _ in unread:
            reply = await self._read()
            if phase is Phase.RCPT and reply.code < 300:
                # MAIL was refused and RCPT was not: a dot might deliver nothing at all to somebody.
                raise ConnectionAbortedError("a recipient was taken without a sender")
            if phase is Phase.DATA and reply.code < 400:
                # RFC 2920 3.1: 354 without a recipient is answered with a lone dot.
                self._line.write(b".\r\n")
                await self._read()

    async def _spoke_unasked(self) -> Replied:
        """A reply to nothing: a refusal counts as one; after anything else we no longer know what answers what."""
        reply = await self._reply(self._settings.command_timeout_seconds)
        if reply.code < 400:
            raise ConnectionAbortedError(f"a reply nobody asked for: {reply}")
        self.abort()
        return Replied(reply=reply, phase=self.phase)

    def _lost(self, error: Exception) -> Lost:
        # Read before the abort below: what is still held back then is never sent.
        in_doubt = self.phase is Phase.DOT and self._line.flushed
        phase = Phase.BODY if self.phase is Phase.DOT and not in_doubt else self.phase
        self.abort()
        return Lost(phase=phase, detail=_said(error))

    async def _reply(self, seconds: float) -> Reply:
        async with asyncio.timeout(seconds):
            return await self._read()

    async def _read(self) -> Reply:
        return replies.parse(await self._read_lines())

    async def _read_lines(self) -> list[bytes]:
        lines = [await self._line.read()]
        while not replies.is_last(lines[-1]):
            if len(lines) == replies.MOST_LINES:
                raise ConnectionAbortedError(f"a reply of more than {replies.MOST_LINES} lines")
            lines.append(await self._line.read())
        return lines

    async def open(self, password: str, context: ssl.SSLContext | None) -> None:
        """Greet, secure and authenticate; only `connect` calls it."""
        if context and self._settings.tls == "implicit":
            await self._secure(context)
        self.phase = Phase.BANNER
        self._require(await self._reply(self._settings.command_timeout_seconds), 2)
        await self._greet()
        if context and self._settings.tls == "starttls":
            await self._start_tls(context)
        if self._settings.username:
            await self._authenticate(password)
        self.phase = Phase.REPLIED

    async def _greet(self) -> None:
        self.phase = Phase.EHLO
        name = self._settings.helo_name or _helo(self._line.here)
        if not _HELO.fullmatch(name):
            raise RelayUnreachable(
                self.phase, f"relay.helo_name {name!r} is no host name", permanent=True, relay=self._place
            )
        self._line.write(f"EHLO {name}\r\n".encode("ascii"))
        async with asyncio.timeout(self._settings.command_timeout_seconds):
            lines = await self._read_lines()
        reply = replies.parse(lines)
        if reply.code in {500, 501, 502, 504}:
            self._extensions = Extensions()
            reply = await self._ask(f"HELO {name}\r\n".encode("ascii"))
        else:
            self._extensions = replies.extensions(lines)
        self._require(reply, 2)

    async def _start_tls(self, context: ssl.SSLContext) -> None:
        self.phase = Phase.TLS
        if not self._extensions.starttls:
            raise RelayUnreachable(self.phase, "STARTTLS is not offered", permanent=True, relay=self._place)
        self._require(await self._ask(b"STARTTLS\r\n"), 2)
        await self._secure(context)
        # RFC 3207 4.2: what was announced before is forgotten.
        await self._greet()

    async def _secure(self, context: ssl.SSLContext) -> None:
        self.phase = Phase.TLS
        async with asyncio.timeout(self._settings.connect_timeout_seconds):
            await self._line.secure(context, self._settings.host)

    async def _authenticate(self, password: str) -> None:
        self.phase = Phase.AUTH
        offered = self._extensions.auth
        if not self._line.secured and not ipaddress.ip_address(self._line.peer).is_loopback:
            raise RelayUnreachable(
                self.phase, "no password is sent without TLS; set relay.tls", permanent=True, relay=self._place
            )
        if not offered & {"PLAIN", "LOGIN"}:
            raise RelayUnreachable(
                self.phase, "neither AUTH PLAIN nor LOGIN is offered", permanent=True, relay=self._place
            )
        user = self._settings.username
        if "PLAIN" in offered:
            self._require(await self._ask(b"AUTH PLAIN " + _encoded(f"\0{user}\0{password}")), 2)
            return
        for command, wanted in ((b"AUTH LOGIN\r\n", 3), (_encoded(user), 3), (_encoded(password), 2)):
            self._require(await self._ask(command), wanted)

    async def _ask(self, command: bytes) -> Reply:
        self._line.write(command)
        return await self._reply(self._settings.command_timeout_seconds)

    def _require(self, reply: Reply, wanted: int) -> None:
        if reply.code >= 400:
            raise RelayRefused(self.phase, reply, relay=self._place)
        _expect(reply, wanted)


async def connect(settings: RelaySettings, password: str = "") -> Connection:
    """A connection that letters can be submitted on. Raises RelayRefused and RelayUnreachable, both RelayErrors."""
    place = f"{settings.host}:{settings.port}"
    context = _context(settings, place)
    try:
        async with asyncio.timeout(settings.connect_timeout_seconds):
            wire = await line.connect(settings.host, settings.port)
    except (OSError, ValueError) as error:
        raise RelayUnreachable(Phase.CONNECT, _said(error), relay=place) from error
    connection = Connection(settings, wire)
    try:
        await connection.open(password, context)
    except BaseException as error:
        connection.abort()
        if isinstance(error, RelayError) or not isinstance(error, OSError | ValueError):
            raise
        permanent = isinstance(error, ssl.SSLCertVerificationError)
        raise RelayUnreachable(connection.phase, _said(error), permanent=permanent, relay=place) from error
    return connection


def _context(settings: RelaySettings, place: str) -> ssl.SSLContext | None:
    if settings.tls == "none":
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
    except OSError as error:
        raise RelayUnreachable(Phase.TLS, f"{settings.ca_file}: {error}", permanent=True, relay=place) from error
    # A renegotiation would make a write wait for a read; TLS 1.3 has none, and no relay needs one.
    context.options |= ssl.OP_NO_RENEGOTIATION
    if not settings.verify_certificate:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _unfit(mail_from: str, rcpt_to: str, message: bytes, most_octets: int) -> Replied | None:
    """The refusal a relay would answer, for what cannot be said to it (SMTPUTF8 and 8BITMIME are never used)."""
    if not _MAILBOX.fullmatch(mail_from):
        return _withheld(Phase.MAIL, 553, "5.1.7", "the sender's address cannot be written in an SMTP command")
    if not rcpt_to or not _MAILBOX.fullmatch(rcpt_to):
        return _withheld(Phase.RCPT, 553, "5.6.7", "the address cannot be written in an SMTP command")
    if not message.isascii() or not message.count(b"\r\n") == message.count(b"\r") == message.count(b"\n"):
        return _withheld(Phase.DATA, 554, "5.6.3", "the letter is not 7-bit text with CRLF line ends")
    if most_octets and len(message) > most_octets:
        size = f"the letter's size of {len(message)} octets is more than the {most_octets} the relay takes"
        return _withheld(Phase.MAIL, 552, "5.3.4", size)
    return None


def _withheld(phase: Phase, code: int, enhanced: str, why: str) -> Replied:
    return Replied(reply=Reply(code=code, enhanced=enhanced, text=f"not offered: {why}"), phase=phase)


def _stuffed(message: bytes) -> bytes:
    """The message with RFC 5321 4.5.2 transparency, without the last line end: the end of data brings it."""
    body = message.removesuffix(b"\r\n")
    if b"\r\n." in body:
        body = body.replace(b"\r\n.", b"\r\n..")
    return b"." + body if body.startswith(b".") else body


def _expect(reply: Reply, hundreds: int) -> None:
    if reply.code // 100 != hundreds:
        raise ConnectionAbortedError(f"an answer to something else: {reply}")


def _said(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    return str(error) or type(error).__name__


def _helo(here: str) -> str:
    """The machine's name where it is a full one, else the address literal of RFC 5321 4.1.3."""
    name = socket.gethostname()
    if "." in name:
        return name
    return f"[IPv6:{here}]" if ":" in here else f"[{here}]"


def _encoded(text: str) -> bytes:
    return base64.b64encode(text.encode()) + b"\r\n"
