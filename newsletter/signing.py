"""The signature under which letters leave, and what a relay wants of them: settings, and what they cannot be."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

# A DNS label that leaves room for the "-ed25519" of its twin, and a file's name.
SELECTOR: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,53}[a-z0-9])?")
_DOMAIN: Final = re.compile(r"[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+")
# RFC 6376 5.4 asks for the first, RFC 8058 4 for the others: a signature without them is worth nothing to us.
_ALWAYS_SIGNED: Final = frozenset({"from", "list-unsubscribe", "list-unsubscribe-post"})
# What a relay may have said beside our own headers, and what of ours it may have left out.
_ADDED: Final = re.compile(r"X-(?!(?i:Consent-Checkpoint$))[A-Za-z0-9-]+|CFBL-Address|BIMI-Selector")
_ASCII: Final = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")
_OPTIONAL: Final = frozenset(
    {"content-language", "feedback-id", "list-archive", "list-post", "precedence", "x-auto-response-suppress"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dkim:
    """What letters are signed with (RFC 6376); the keys are files in the home, see `newsletter.delivery.keyfiles`."""

    domain: str = ""
    selector: str = ""
    next_selector: str = ""
    switch_at: datetime | None = None
    ed25519: bool = False
    expire_days: int = 14

    def selector_at(self, moment: datetime) -> str:
        """Whose key signs what is frozen at that moment: a letter sent again after a switch is signed as before."""
        switched = self.next_selector and self.switch_at and moment >= self.switch_at
        return self.next_selector if switched else self.selector


def faults(dkim: Dkim, longest_hours: int) -> Iterator[tuple[str, str]]:
    """What is wrong, as (key, reason); a letter may be tried for `longest_hours`, always under the same signature."""
    if dkim.domain and not _DOMAIN.fullmatch(dkim.domain):
        yield "domain", f"{dkim.domain!r} is no domain in lower-case ASCII (xn--…)"
    for key, selector in (("selector", dkim.selector), ("next_selector", dkim.next_selector)):
        if selector and not SELECTOR.fullmatch(selector):
            yield key, f"{selector!r} is no name such as wb1"
    if dkim.next_selector and dkim.next_selector == dkim.selector:
        yield "next_selector", "is the selector that signs already"
    if dkim.switch_at and dkim.switch_at.tzinfo is None:
        yield "switch_at", "has no zone; write 2026-12-01T06:00:00Z"
    if longest_hours >= 24 * dkim.expire_days:
        yield "expire_days", f"must outlast a letter that may be tried for {longest_hours} hours"


def profile_faults(unsigned: Sequence[str], headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is wrong with a relay's profile, as (key, reason)."""
    for name in unsigned:
        if name.lower() in _ALWAYS_SIGNED:
            yield "unsigned", f"{name} must be signed"
    for name, value in headers.items():
        if value and not (_ADDED.fullmatch(name) and _ASCII.fullmatch(value)):
            yield f"headers.{name}", "must be X-…, CFBL-Address or BIMI-Selector in ASCII"
        if not value and name.lower() not in _OPTIONAL:
            yield f"headers.{name}", f"only these can be left out: {', '.join(sorted(_OPTIONAL))}"
