"""When no confirmation letter is sent although one was asked for, and when all of them wait for a person's word.

The strongest guard against list bombing is that one mailbox gets one letter, whoever asks and by whichever way; what
makes asking dear (proof of work, traps, limits by network) stands in front of it, at the door.
"""

import statistics
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlmodel import Session

from subscribers import limits, requests
from subscribers.addresses import Address
from subscribers.keys import Keys

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(hours=24)
MONTH: Final = timedelta(days=30)
BLOCKED: Final = timedelta(days=90)
TRAILING: Final = timedelta(days=14)
SURGE: Final = 5
SAMPLE: Final = 200
LEAST_CONFIRMED: Final = 0.1
# Where so many strangers have a mailbox that many may sign up within one hour.
PROVIDERS: Final = frozenset(
    {
        *(
            "gmail.com",
            "googlemail.com",
            "outlook.com",
            "hotmail.com",
            "live.com",
            "msn.com",
            "yahoo.com",
            "yahoo.co.jp",
        ),
        *("ymail.com", "aol.com", "icloud.com", "me.com", "mac.com", "proton.me", "protonmail.com", "fastmail.com"),
        *("gmx.de", "gmx.net", "gmx.at", "gmx.ch", "web.de", "t-online.de", "freenet.de", "mail.ru", "yandex.ru"),
        *(
            "yandex.com",
            "qq.com",
            "163.com",
            "126.com",
            "naver.com",
            "orange.fr",
            "free.fr",
            "laposte.net",
            "libero.it",
        ),
        *("wp.pl", "seznam.cz", "comcast.net", "zoho.com"),
    }
)


class Silence(StrEnum):
    """Why no letter is due."""

    SUPPRESSED = "suppressed"
    BLOCKED = "blocked"
    ACTIVE = "active"
    PENDING = "pending"
    DAILY_CAP = "daily cap"
    MONTHLY_CAP = "monthly cap"
    DOMAIN_CAP = "domain cap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """The most letters to one mailbox a day and in thirty, to one domain and to everybody in an hour."""

    letters_per_day: int = 1
    letters_per_month: int = 3
    letters_per_domain: int = 10
    letters_per_provider: int = 100
    letters_per_hour: int = 60


def silence(session: Session, keys: Keys, address: Address, caps: Caps, now: datetime) -> Silence | None:
    """Whether one more letter would be too many for the mailbox or its domain."""
    if limits.counted(session, keys, _block(keys, address), now):
        return Silence.BLOCKED
    if limits.letters_to(session, keys, address, now - DAY) >= caps.letters_per_day:
        return Silence.DAILY_CAP
    if limits.letters_to(session, keys, address, now - MONTH) >= caps.letters_per_month:
        return Silence.MONTHLY_CAP
    most = caps.letters_per_provider if address.domain in PROVIDERS else caps.letters_per_domain
    if limits.letters_to_domain(session, keys, address, now - HOUR) >= most:
        return Silence.DOMAIN_CAP
    return None


def block(session: Session, keys: Keys, fingerprint: bytes, now: datetime) -> None:
    """Ask this address nothing for ninety days: its holder said that it was not them."""
    limits.take(session, keys, f"block/{fingerprint.hex()}", now, BLOCKED, 1)


def alarm(session: Session, caps: Caps, now: datetime) -> str:
    """Why letters are held at this moment, as a person should read it; empty when they are not.

    Either more are due than five times what is usual in an hour, or hardly anybody confirms: both are what it looks
    like when a form is used to flood other people's mailboxes.
    """
    hour = limits.letters_since(session, now - HOUR)
    if hour >= caps.letters_per_hour:
        # The hours before this one; most houses know many without any sign-up, and for them the floor alone counts.
        usual = statistics.median(limits.letters_by_hour(session, now - TRAILING, now - HOUR))
        if hour >= max(caps.letters_per_hour, SURGE * usual):
            return f"{hour} confirmation letters became due within an hour, {usual:g} are usual"
    asked, confirmed = requests.confirmed_of_last(session, SAMPLE, now - HOUR)
    if asked == SAMPLE and confirmed < LEAST_CONFIRMED * asked:
        return f"only {confirmed} of the last {asked} sign-ups were confirmed"
    return ""


def _block(keys: Keys, address: Address) -> str:
    return f"block/{keys.fingerprint(address).hex()}"
