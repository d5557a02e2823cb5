"""The signature under which letters leave: settings, and what they cannot be. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

# A DNS label that leaves room for the "-ed25519" of its twin, and a file's name.
SELECTOR: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,53}[a-z0-9])?")
_DOMAIN: Final = re.compile(r"[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+")


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

    def faults(self, longest_hours: int) -> Iterator[tuple[str, str]]:
        """What cannot be meant: the setting, and why; a letter may be tried for `longest_hours` under one signature."""
        if self.domain and not _DOMAIN.fullmatch(self.domain):
            yield "domain", f"{self.domain!r} is no domain in lower-case ASCII (xn--…)"
        for key, selector in (("selector", self.selector), ("next_selector", self.next_selector)):
            if selector and not SELECTOR.fullmatch(selector):
                yield key, f"{selector!r} is no name such as wb1"
        if self.next_selector and self.next_selector == self.selector:
            yield "next_selector", "is the selector that signs already"
        if self.switch_at and self.switch_at.tzinfo is None:
            yield "switch_at", "has no zone; write 2026-12-01T06:00:00Z"
        if longest_hours >= 24 * self.expire_days:
            yield "expire_days", f"must outlast a letter that may be tried for {longest_hours} hours"
