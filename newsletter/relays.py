"""How a relay is configured: where it is, how it is trusted and logged in to, how letters are handed over. Pure.

And what it wants of the letters themselves: who signs, what it rewrites, and the headers it asks for. Where there are
several: which letters each is for, what share of them, and how many it takes in a time.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal

from newsletter.providers import PROVIDERS
from newsletter.typed import nearest

# What the relay of `[relay]` is called where it stands alone.
ONLY: Final = "relay"
# Part of a file's name, of a variable's and of a key in the database.
NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_RATE: Final = re.compile(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,2})?([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_SHA256: Final = re.compile(r"(?:[0-9a-f]{2}:?){31}[0-9a-f]{2}", re.IGNORECASE)
_TOKENS: Final = frozenset({"xoauth2", "oauthbearer"})
# RFC 6376 5.4 asks for the first, RFC 8058 4 for the others: a signature without them is worth nothing to us.
_ALWAYS_SIGNED: Final = frozenset({"from", "list-unsubscribe", "list-unsubscribe-post"})
# What a relay may have said beside our own headers, and what of ours it may have left out.
_ADDED: Final = re.compile(r"X-(?!(?i:Consent-Checkpoint$))[A-Za-z0-9-]+|CFBL-Address|BIMI-Selector")
_ASCII: Final = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")
_OPTIONAL: Final = frozenset(
    {"content-language", "feedback-id", "list-archive", "list-post", "precedence", "x-auto-response-suppress"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """At most so many letters in any stretch of so many seconds; `text` is the rate as it is configured."""

    letters: int
    seconds: int
    text: str = ""


# What is configured for a relay's TLS and login is none of a postbox's business that stands in for it.
STAND_IN: Final[Mapping[str, Any]] = {
    "tls": "none",
    "auth": "auto",
    "username": "",
    "token_command": (),
    "token_file": "",
    "token_url": "",
    "pinned_certificates": (),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySettings:
    """The server letters are submitted to (RFC 5321); its secret comes from the environment or a 0600 file."""

    host: str = "127.0.0.1"
    port: int = 25
    tls: Literal["none", "starttls", "implicit"] = "none"
    verify_certificate: bool = True
    ca_file: str = ""
    pinned_certificates: tuple[str, ...] = ()
    username: str = ""
    auth: Literal["auto", "plain", "login", "xoauth2", "oauthbearer"] = "auto"
    token_command: tuple[str, ...] = ()
    token_file: str = ""
    token_url: str = ""
    token_client: str = ""
    token_scope: str = ""
    helo_name: str = ""
    pipelining: Literal["auto", "one-write", "off"] = "auto"
    chunking: bool = False
    dsn: bool = True
    connections: int = 4
    messages_per_connection: int = 500
    connect_timeout_seconds: float = 30.0
    command_timeout_seconds: float = 300.0
    data_timeout_seconds: float = 120.0
    block_timeout_seconds: float = 180.0
    dot_timeout_seconds: float = 600.0
    dkim: Literal["self", "relay", "both"] = "self"
    unsigned: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    weight: int = 1
    priority: int = 0
    newsletters: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    rates: tuple[str, ...] = ()

    @property
    def windows(self) -> tuple[Window, ...]:
        """The rates as numbers, the shortest window first."""
        found = [match for match in map(_RATE.fullmatch, self.rates) if match]
        windows = [
            Window(letters=int(one[1]), seconds=int(one[2] or 1) * _SECONDS[one[3]], text=one[0]) for one in found
        ]
        return tuple(sorted(windows, key=lambda window: window.seconds))

    @property
    def takes_everybody(self) -> bool:
        """Whether no reader's mailbox provider is one it is not for."""
        return not self.providers

    def is_for(self, newsletter: str, provider: str) -> bool:
        """Whether it is for letters of this newsletter to readers at this provider."""
        return self.carries(newsletter) and (self.takes_everybody or provider in self.providers)

    def carries(self, newsletter: str) -> bool:
        """Whether it is for this newsletter, be it for some providers alone."""
        return not self.newsletters or newsletter in self.newsletters

    @property
    def bears_token(self) -> bool:
        """Whether the relay is logged in to with an OAuth token instead of a password."""
        return bool(self.token_command or self.token_file or self.token_url)

    def faults(self) -> Iterator[tuple[str, str]]:
        """What cannot be meant: the setting, and why."""
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name != "priority" and type(value) in {int, float} and value <= 0:
                yield one.name, "must be more than 0"
        yield from self._faults_of_trust()
        yield from self._faults_of_letters()
        yield from self._faults_of_use()

    def _faults_of_trust(self) -> Iterator[tuple[str, str]]:
        for pin in self.pinned_certificates:
            if not _SHA256.fullmatch(pin):
                yield "pinned_certificates", f"{pin[:80]!r} is no SHA-256 fingerprint (64 hexadecimal digits)"
        if self.pinned_certificates and self.tls == "none":
            yield "pinned_certificates", "without tls there is no certificate"
        if self.token_url and not self.token_url.startswith("https://"):
            yield "token_url", "must start with https://, since a secret is sent there"
        if self.auth in _TOKENS and not self.bears_token:
            yield "auth", f"{self.auth} needs token_command, token_file or token_url"
        if self.auth in {"plain", "login"} and self.bears_token:
            yield "auth", f"{self.auth} is for a password, and a token is configured"
        if self.bears_token and not self.username:
            yield "username", "a token is configured, and nobody it would be for"

    def _faults_of_letters(self) -> Iterator[tuple[str, str]]:
        for name in self.unsigned:
            if name.lower() in _ALWAYS_SIGNED:
                yield "unsigned", f"{name} must be signed"
        for name, value in self.headers.items():
            if value and not (_ADDED.fullmatch(name) and _ASCII.fullmatch(value)):
                yield f"headers.{name}", "must be X-…, CFBL-Address or BIMI-Selector in ASCII"
            if not value and name.lower() not in _OPTIONAL:
                yield f"headers.{name}", f"only these can be left out: {', '.join(sorted(_OPTIONAL))}"

    def _faults_of_use(self) -> Iterator[tuple[str, str]]:
        if self.priority < 0:
            yield "priority", "must not be negative"
        for provider in self.providers:
            if provider not in PROVIDERS:
                yield "providers", f"no provider is called {provider!r}{nearest(provider, PROVIDERS)}"
        for rate in self.rates:
            if not _RATE.fullmatch(rate):
                yield "rates", f"{rate!r} is no rate such as 14/s or 50000/24h (s, m, h or d)"
        seconds = [window.seconds for window in self.windows]
        if len(set(seconds)) < len(seconds):
            yield "rates", "two of them are for the same time; the lower one is enough"


def faults(relays: Mapping[str, RelaySettings], newsletters: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """What cannot be meant of the relays for these newsletters: the relay (or nobody), the setting, and why."""
    for name, one in relays.items():
        if not NAME.fullmatch(name):
            yield name, "", "a relay's name is up to 32 lower-case letters, digits and hyphens"
        for setting, reason in one.faults():
            yield name, setting, reason
        for key in one.newsletters:
            if key not in newsletters:
                yield name, "newsletters", f"no newsletter is called {key!r}{nearest(key, newsletters)}"
    for key in newsletters:
        if not any(one.takes_everybody and one.carries(key) for one in relays.values()):
            yield "", "", f"none takes {key} to every reader; leave `newsletters` and `providers` of one of them empty"
