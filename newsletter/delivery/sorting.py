"""Where letters are sorted to the relays in force: by newsletter, mailbox provider, priority and weight.

A relay that cannot be used, has no permits left or does not move is passed over; what waited for it goes to others, or
back. One that is merely slower than others keeps its share, and they wait for it: shares are what was asked for. The
relays may change while letters are on their way: those that stay the same are not disturbed.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from newsletter.config import Config
from newsletter.database import Database
from newsletter.delivery import dkim
from newsletter.delivery.dkim import Signer
from newsletter.delivery.intake import Errand
from newsletter.delivery.lanes import Lanes, Office
from newsletter.delivery.permits import Permits
from newsletter.delivery.relay import Relay
from newsletter.delivery.routing import Switch
from newsletter.errors import SecretError
from newsletter.providers import interleave
from newsletter.relays import RelaySettings
from newsletter.vault import Vault

# Claimed letters a lane may have before it: enough that no lane waits for the database, few enough that nobody's
# consent was checked long ago.
CLAIMS_PER_LANE: Final = 12
MOST_CLAIMS: Final = 400
# With no relay to be had for longer, letters wait in the ledger.
LONG_SECONDS: Final = 5.0
log = logging.getLogger("world_brief.worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setup:
    """What a relay's lanes were opened with."""

    settings: RelaySettings
    secret: str
    signer: Signer


class Sorting:
    """The lanes to all relays of one process."""

    def __init__(self, database: Database, vault: Vault, office: Office, share: float) -> None:
        self._database, self._vault, self._office, self._share = database, vault, office, share
        self._switch = Switch({})
        self._lanes: dict[str, Lanes] = {}
        self._setups: dict[str, _Setup] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def open(self, config: Config) -> None:
        """Make the relays those of the configuration. Raises SecretError when a key that is to sign cannot be read."""
        secrets = self._vault.relay_passwords
        setups = {
            name: _Setup(settings=one, secret=secrets.get(name, ""), signer=dkim.signer(config, one))
            for name, one in config.relays.items()
        }
        for name in [name for name, setup in self._setups.items() if setups.get(name) != setup]:
            task = asyncio.create_task(self._lanes.pop(name).close())
            self._leaving.add(task)
        for name in setups.keys() - self._lanes.keys():
            self._lanes[name] = self._opened(name, setups[name])
        self._setups, self._switch = setups, Switch(config.relays)

    def change(self, config: Config) -> None:
        """The same in mid-mailing: what cannot be opened leaves everything as it was."""
        try:
            self.open(config)
        except SecretError as error:
            log.error("the relays stay as they were: %s", error)  # noqa: TRY400 -- its one line says it all

    @property
    def _able(self) -> Mapping[str, Lanes]:
        """The relays a letter can be given to; a single one that does not move is still better than none."""
        usable = {name: one for name, one in self._lanes.items() if one.health.usable}
        return {name: one for name, one in usable.items() if not one.stuck} or usable

    @property
    def usable(self) -> bool:
        """Whether a letter can be given to any relay."""
        return bool(self._able)

    @property
    def wanting(self) -> bool:
        """Whether the relays that can be used have few letters before them."""
        able = self._able.values()
        return bool(able) and sum(one.waiting for one in able) <= sum(one.count for one in able)

    @property
    def batch(self) -> int:
        """How many letters to claim at a time."""
        return max(1, min(CLAIMS_PER_LANE * sum(one.count for one in self._lanes.values()), MOST_CLAIMS))

    @property
    def given_up(self) -> str:
        """Why no relay is of any use; empty while one is, or may be."""
        health = [one.health for one in self._lanes.values()]
        return health[0].reason if health and all(one.given_up for one in health) else ""

    def give(self, errands: Sequence[Errand]) -> None:
        """Sort letters to their relays; those no relay can take now wait in the ledger."""
        able, stranded = self._able, list[Errand]()
        for errand in interleave(errands, _provider):
            name = self._switch.choose(errand.hold.mailing.newsletter, errand.provider, able)
            if name:
                self._lanes[name].put(errand)
            else:
                stranded.append(errand)
        if stranded:
            seconds = max(1.0, min(map(self._seconds, stranded)))
            self._office.returned(stranded, self._office.clock() + timedelta(seconds=seconds))

    def tend(self) -> None:
        """Take away what waits for a relay that cannot be used, where another can, or it will take long. Raises what
        ended a lane that should have gone on.
        """
        for task in [task for task in self._leaving if task.done()]:
            self._leaving.discard(task)
            task.result()
        for lanes in self._lanes.values():
            if error := lanes.failure():
                raise error
            if lanes.waiting and lanes.name not in self._able and (self.usable or lanes.health.seconds > LONG_SECONDS):
                self.give(lanes.empty())

    async def close(self) -> None:
        """Let every lane finish its letter. Raises what ended one that should have gone on."""
        await asyncio.gather(*(lanes.close() for lanes in self._lanes.values()), *self._leaving)
        lanes, self._lanes = self._lanes, {}
        for one in lanes.values():
            if error := one.failure():
                raise error

    def _opened(self, name: str, setup: _Setup) -> Lanes:
        count = max(1, round(setup.settings.connections * self._share))
        permits = Permits(self._database, name, setup.settings.windows, self._office.clock)
        return Lanes(name, Relay(setup.settings, setup.secret), setup.signer, permits, self._office, count)

    def _seconds(self, errand: Errand) -> float:
        """How long until a relay that is for this letter may be tried again."""
        tiers = self._switch.tiers(errand.hold.mailing.newsletter, errand.provider)
        return min((self._lanes[name].health.seconds for tier in tiers for name in tier), default=0.0)


def _provider(errand: Errand) -> str:
    return errand.provider
