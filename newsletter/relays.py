"""How one relay is configured: where it is, how it is trusted and logged in to, how letters are handed over. Pure.

And what it wants of the letters themselves: who signs, what it rewrites, and the headers it asks for.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Final, Literal

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

    @property
    def bears_token(self) -> bool:
        """Whether the relay is logged in to with an OAuth token instead of a password."""
        return bool(self.token_command or self.token_file or self.token_url)

    def faults(self) -> Iterator[tuple[str, str]]:
        """What cannot be meant: the setting, and why."""
        for one in fields(self):
            value = getattr(self, one.name)
            if type(value) in {int, float} and value <= 0:
                yield one.name, "must be more than 0"
        yield from self._faults_of_trust()
        yield from self._faults_of_letters()

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
