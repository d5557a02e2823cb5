"""What a relay shows when somebody looks: its banner, what it offers, its TLS and certificate, whether it logs us in.

A connection is opened, greeted and closed as for a letter, and no letter is sent. Nobody waits for longer than a person
would.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from cryptography import x509

from newsletter.delivery.relay import Relay, Seen
from newsletter.errors import RelayError
from newsletter.relays import RelaySettings

PATIENCE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """One relay as it answered; `failure` is empty when letters could be submitted, and else says what is wrong.

    `login` is the mechanism that was tried, whether it succeeded or is the failure.
    """

    relay: str
    failure: str
    banner: str
    offers: tuple[str, ...]
    tls_version: str
    cipher: str
    certificate_ends_at: datetime | None
    login: str
    round_trip_ms: float | None

    @property
    def usable(self) -> bool:
        """Whether letters could be submitted."""
        return not self.failure


def examine(relays: Mapping[str, RelaySettings], passwords: Mapping[str, str]) -> list[Examined]:
    """Look at all of these relays at the same time."""

    async def all_of_them() -> list[Examined]:
        looks = (_examined(name, one, passwords.get(name, "")) for name, one in relays.items())
        return list(await asyncio.gather(*looks))

    return asyncio.run(all_of_them())


async def _examined(name: str, settings: RelaySettings, password: str) -> Examined:
    seen, failure = Seen(), ""
    hurried = replace(
        settings,
        connect_timeout_seconds=min(settings.connect_timeout_seconds, PATIENCE_SECONDS),
        command_timeout_seconds=min(settings.command_timeout_seconds, PATIENCE_SECONDS),
    )
    try:
        connection = await Relay(hurried, password).connect(seen)
        await connection.close()
    except RelayError as error:
        failure = str(error)
    return Examined(
        relay=name,
        failure=failure,
        banner=seen.banner,
        offers=seen.offers,
        tls_version=seen.tls,
        cipher=seen.cipher,
        certificate_ends_at=_end(seen.certificate),
        login=seen.login,
        round_trip_ms=None if seen.round_trip_seconds is None else round(seen.round_trip_seconds * 1_000, 1),
    )


def _end(certificate: bytes) -> datetime | None:
    """When a certificate ends; None without one, or when it is none that can be read."""
    try:
        return x509.load_der_x509_certificate(certificate).not_valid_after_utc if certificate else None
    except ValueError:
        return None
