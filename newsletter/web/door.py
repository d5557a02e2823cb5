"""Who may sign up, before anybody looks at whom: limits by network, traps for programs, proof of work. All counted.

A network over its limits is told so, alike for every address. Whoever falls into a trap is answered as everybody is.
"""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlmodel import Session

import subscribers
from newsletter.config import Signup
from newsletter.web import proof_of_work, stamps
from subscribers import Keys

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(hours=24)
# Nobody reads the form, types an address and presses the button in less.
QUICKEST: Final = timedelta(seconds=2)
TRAPS_KEPT: Final = timedelta(days=8)


class Trap(StrEnum):
    """By what a program gave itself away."""

    HONEYPOT = "honeypot"
    TOO_QUICK = "too quick"
    STAMP = "stamp used again"
    PROOF = "proof of work"


class Verdict(StrEnum):
    """What becomes of a post."""

    WELCOME = "welcome"
    TRAPPED = "trapped"
    TOO_MANY = "too many"


@dataclass(frozen=True, slots=True, kw_only=True)
class Knock:
    """A sign-up as it arrives. `shown_at` is when its form was shown; programs of the API have none."""

    host: str
    proof: str
    stamp: str = ""
    shown_at: datetime | None = None
    honeypot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One house's door."""

    keys: Keys
    settings: Signup
    proof_key: bytes

    def admit(self, session: Session, knock: Knock, now: datetime) -> Verdict:
        """Count the post and judge it; the caller keeps what was counted, whatever the verdict."""
        proof, sound = self._proof(knock, now)
        for what, lasts, most in _sources(knock.host, self.settings, proved=bool(proof)):
            if not subscribers.take(session, self.keys, what, now, lasts, most):
                return Verdict.TOO_MANY
        trap = self._trap(session, knock, proof, now, sound=sound)
        if trap is None:
            return Verdict.WELCOME
        subscribers.take(session, self.keys, _trapped(trap, now), now, TRAPS_KEPT, 1)
        return Verdict.TRAPPED

    def trapped(self, session: Session, now: datetime) -> dict[Trap, int]:
        """How many fell into each trap on this day (UTC)."""
        return {trap: subscribers.counted(session, self.keys, _trapped(trap, now), now) for trap in Trap}

    def _proof(self, knock: Knock, now: datetime) -> tuple[str, bool]:
        """The challenge that was solved, and whether what was sent is sound; nothing sent is."""
        if not knock.proof:
            return "", True
        try:
            proof = proof_of_work.verify(self.proof_key, knock.proof, now)
        except Exception:  # noqa: BLE001 -- whatever goes wrong here, the door stays shut
            proof = ""
        return proof, bool(proof)

    def _trap(self, session: Session, knock: Knock, proof: str, now: datetime, *, sound: bool) -> Trap | None:
        if knock.honeypot:
            return Trap.HONEYPOT
        if not sound or (proof and not self._once(session, f"proof/{proof}", now, proof_of_work.LIVES)):
            return Trap.PROOF
        if knock.shown_at is None:
            return None
        if now - knock.shown_at < QUICKEST:
            return Trap.TOO_QUICK
        return None if self._once(session, f"stamp/{knock.stamp}", now, stamps.LIVES) else Trap.STAMP

    def _once(self, session: Session, what: str, now: datetime, lasts: timedelta) -> bool:
        return subscribers.take(session, self.keys, what, now, lasts, 1)


def networks(host: str) -> tuple[str, str]:
    """The network that counts as one caller, and the wider one that names nobody.

    Of IPv4 they are the address and its /24, of IPv6 the /64 and the /48.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "local", "local"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return _cut(address, 64), _cut(address, 48)
        address = address.ipv4_mapped
    return str(address), _cut(address, 24)


def _sources(host: str, settings: Signup, *, proved: bool) -> Iterator[tuple[str, timedelta, int]]:
    """What is counted, the narrowest first: a caller who is refused does not use up its neighbours' share."""
    caller, network = networks(host)
    if not proved:
        yield f"unproved/{caller}", HOUR, settings.unproved_posts_per_hour
    yield f"hour/{caller}", HOUR, settings.posts_per_hour
    yield f"day/{caller}", DAY, settings.posts_per_day
    yield f"network/{network}", HOUR, settings.network_posts_per_hour


def _cut(address: ipaddress.IPv4Address | ipaddress.IPv6Address, bits: int) -> str:
    return str(ipaddress.ip_network((address, bits), strict=False))


def _trapped(trap: Trap, now: datetime) -> str:
    return f"trapped/{trap}/{now:%Y-%m-%d}"
