"""The relay as it is configured: how a connection to it is opened, greeted, secured and authenticated.

What is said of letters on that connection is `submission`'s; where an OAuth token comes from is `bearer`'s.
"""

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import re
import socket
import ssl
from dataclasses import dataclass, replace
from typing import Final

from newsletter.delivery import line, replies
from newsletter.delivery.bearer import Bearer, NoToken
from newsletter.delivery.dialogue import Dialogue
from newsletter.delivery.line import Line
from newsletter.delivery.outcome import Lost, Phase, Replied, Reply, Submitted
from newsletter.delivery.replies import Extensions
from newsletter.delivery.submission import Connection, Quota
from newsletter.errors import RelayError
from newsletter.relays import RelaySettings

_HELO: Final = re.compile(r"[A-Za-z0-9.:\[\]_-]+")
_NO_EHLO: Final = frozenset({500, 501, 502, 504})
_PASSWORDS: Final = ("PLAIN", "LOGIN")
_TOKENS: Final = ("OAUTHBEARER", "XOAUTH2")


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


@dataclass(slots=True, kw_only=True)
class Seen:
    """What a relay showed of itself on the way to a connection, however far that came."""

    banner: str = ""
    offers: tuple[str, ...] = ()
    tls: str = ""
    cipher: str = ""
    certificate: bytes = b""
    login: str = ""
    round_trip_seconds: float | None = None


class Relay:
    """One relay and all connections to it: they share its TLS context, its token and what was learned of it."""

    def __init__(self, settings: RelaySettings, secret: str = "") -> None:
        self.settings = settings
        self.place = f"{settings.host}:{settings.port}"
        self.secret = secret
        self.bearer = Bearer(settings, secret)
        self.quota = Quota(settings.messages_per_connection)
        self._context: ssl.SSLContext | None = None

    async def connect(self, seen: Seen | None = None) -> Connection:
        """A connection that letters can be submitted on. Raises RelayRefused and RelayUnreachable, both RelayErrors.

        What the relay showed is written into `seen`, also when there will be no connection.
        """
        known, seen = self.bearer.known, seen or Seen()
        try:
            return await self._connect(seen)
        except RelayRefused as refused:
            if refused.phase is Phase.AUTH:
                self.bearer.forget(known or self.bearer.known)
            # A token may have been withdrawn before its time: a fresh one decides.
            if refused.phase is not Phase.AUTH or not known:
                raise
        return await self._connect(seen)

    async def _connect(self, seen: Seen) -> Connection:
        context = self._tls_context()
        seconds = self.settings.connect_timeout_seconds
        try:
            wire = await line.connect(self.settings.host, self.settings.port, seconds)
        except (OSError, ValueError) as error:
            raise RelayUnreachable(Phase.CONNECT, line.said(error), relay=self.place) from error
        greeting = _Greeting(self, wire, context, seen)
        try:
            offered = await greeting.perform()
        except BaseException as error:
            wire.close()
            if isinstance(error, RelayError) or not isinstance(error, OSError | ValueError):
                raise
            permanent = isinstance(error, ssl.SSLCertVerificationError)
            detail = line.said(error)
            raise RelayUnreachable(greeting.phase, detail, permanent=permanent, relay=self.place) from error
        if offered.most_letters:
            self.quota.most = min(self.quota.most, offered.most_letters)
        return Connection(self.settings, greeting.dialogue, offered, self.quota)

    def _tls_context(self) -> ssl.SSLContext | None:
        """Made once: reading the system's authorities takes longer than a handshake."""
        settings = self.settings
        if settings.tls == "none" or self._context:
            return self._context
        try:
            context = ssl.create_default_context(cafile=settings.ca_file or None)
        except OSError as error:
            detail = f"{settings.ca_file}: {error}"
            raise RelayUnreachable(Phase.TLS, detail, permanent=True, relay=self.place) from error
        # A renegotiation would make a write wait for a read; TLS 1.3 has none, and no relay needs one.
        context.options |= ssl.OP_NO_RENEGOTIATION
        if settings.pinned_certificates or not settings.verify_certificate:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        self._context = context
        return context


class _Greeting:
    """All that is said on a connection before the first letter."""

    def __init__(self, relay: Relay, wire: Line, context: ssl.SSLContext | None, seen: Seen) -> None:
        self.dialogue, self._seen = Dialogue(wire), seen
        self._relay, self._settings, self._line, self._context = relay, relay.settings, wire, context
        self._offered = Extensions()

    @property
    def phase(self) -> Phase:
        return self.dialogue.phase

    async def perform(self) -> Extensions:
        """Greet, secure and authenticate; what is offered and wanted then."""
        settings = self._settings
        if self._context and settings.tls == "implicit":
            await self._secure(self._context)
        self.dialogue.phase = Phase.BANNER
        banner = replies.parse(await self.dialogue.hear(settings.command_timeout_seconds))
        self._seen.banner = str(banner)
        self._require(banner, 2)
        await self._greet()
        if self._context and settings.tls == "starttls":
            await self._start_tls(self._context)
        if settings.username:
            await self._authenticate()
        self.dialogue.phase = Phase.REPLIED
        return replace(
            self._offered,
            pipelining=self._offered.pipelining and settings.pipelining != "off",
            chunking=self._offered.chunking and settings.chunking,
            dsn=self._offered.dsn and settings.dsn,
        )

    async def _greet(self) -> None:
        self.dialogue.phase = Phase.EHLO
        name = self._settings.helo_name or _helo(self._line.here)
        if not _HELO.fullmatch(name):
            raise self._unusable(f"relay.helo_name {name!r} is no host name")
        asked_at = asyncio.get_running_loop().time()
        self._line.write(f"EHLO {name}\r\n".encode("ascii"))
        lines = await self.dialogue.hear(self._settings.command_timeout_seconds)
        self._seen.round_trip_seconds = asyncio.get_running_loop().time() - asked_at
        reply = replies.parse(lines)
        if reply.code in _NO_EHLO:
            self._offered = Extensions()
            reply = await self._ask(f"HELO {name}\r\n".encode("ascii"))
        else:
            self._offered = replies.extensions(lines)
            self._seen.offers = replies.words(lines)
        self._require(reply, 2)

    async def _start_tls(self, context: ssl.SSLContext) -> None:
        self.dialogue.phase = Phase.TLS
        if not self._offered.starttls:
            raise self._unusable("STARTTLS is not offered")
        self._require(await self._ask(b"STARTTLS\r\n"), 2)
        await self._secure(context)
        # RFC 3207 4.2: what was announced before is forgotten.
        await self._greet()

    async def _secure(self, context: ssl.SSLContext) -> None:
        self.dialogue.phase = Phase.TLS
        until = asyncio.get_running_loop().time() + self._settings.connect_timeout_seconds
        await self._line.secure(context, self._settings.host, until)
        self._seen.tls, self._seen.cipher = self._line.protection
        self._seen.certificate = self._line.certificate
        pins = [pin.replace(":", "").lower() for pin in self._settings.pinned_certificates]
        found = hashlib.sha256(self._line.certificate).hexdigest()
        if pins and not any(hmac.compare_digest(found, pin) for pin in pins):
            raise self._unusable(f"its certificate is none of relay.pinned_certificates; it is {found}")

    async def _authenticate(self) -> None:
        self.dialogue.phase = Phase.AUTH
        if not self._line.secured and not ipaddress.ip_address(self._line.peer).is_loopback:
            raise self._unusable("no password is sent without TLS; set relay.tls")
        mechanism = self._seen.login = self._mechanism()
        user, secret = self._settings.username, self._relay.secret
        if mechanism in _TOKENS:
            await self._bear(mechanism)
        elif mechanism == "PLAIN":
            self._require(await self._ask(b"AUTH PLAIN " + _encoded(f"\0{user}\0{secret}")), 2)
        else:
            for command, wanted in ((b"AUTH LOGIN\r\n", 3), (_encoded(user), 3), (_encoded(secret), 2)):
                self._require(await self._ask(command), wanted)

    def _mechanism(self) -> str:
        """The one that is configured, or the first offered one of those that fit what secret we have."""
        wanted = self._settings.auth.upper()
        fitting = _TOKENS if self._settings.bears_token else _PASSWORDS
        candidates = fitting if wanted == "AUTO" else (wanted,)
        for one in candidates:
            if one in self._offered.auth:
                return one
        raise self._unusable(f"AUTH {' or '.join(candidates)} is not offered")

    async def _bear(self, mechanism: str) -> None:
        """Show the token (RFC 7628, or the way older than it). A no comes with a reason that must be acknowledged."""
        settings = self._settings
        try:
            token = await self._relay.bearer.token()
        except NoToken as error:
            raise RelayUnreachable(
                self.phase, str(error), permanent=error.permanent, relay=self._relay.place
            ) from error
        who = settings.username
        if mechanism == "XOAUTH2":
            first, acknowledged = f"user={who}\1auth=Bearer {token}\1\1", b"\r\n"
        else:
            # RFC 5801 4: the name is an authzid in which `,` and `=` are escaped.
            name = who.replace("=", "=3D").replace(",", "=2C")
            place = f"host={settings.host}\1port={settings.port}"
            first, acknowledged = f"n,a={name},\1{place}\1auth=Bearer {token}\1\1", _encoded("\1")
        reply = await self._ask(f"AUTH {mechanism} ".encode() + _encoded(first))
        if reply.code == 334:
            reply = await self._ask(acknowledged)
        self._require(reply, 2)

    async def _ask(self, command: bytes) -> Reply:
        return await self.dialogue.ask(command, self._settings.command_timeout_seconds)

    def _require(self, reply: Reply, wanted: int) -> None:
        if reply.code >= 400:
            raise RelayRefused(self.phase, reply, relay=self._relay.place)
        if reply.code // 100 != wanted:
            raise ConnectionAbortedError(f"an answer to something else: {reply}")

    def _unusable(self, detail: str) -> RelayUnreachable:
        """As configured this relay cannot be used."""
        return RelayUnreachable(self.phase, detail, permanent=True, relay=self._relay.place)


def _helo(here: str) -> str:
    """The machine's name where it is a full one, else the address literal of RFC 5321 4.1.3."""
    name = socket.gethostname()
    if "." in name:
        return name
    return f"[IPv6:{here}]" if ":" in here else f"[{here}]"


def _encoded(text: str) -> bytes:
    return base64.b64encode(text.encode()) + b"\r\n"
