"""The newsroom as witness of the consent ledger: a checkpoint when an edition leaves, and once a day, kept outside.

Every letter of an edition carries the blinded line of one, so that each reader's mailbox can testify later; the notes
themselves are also appended to a file in the home, which no SQL reaches.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from sqlmodel import Session

import subscribers
from newsletter.config import Config
from newsletter.database import Database
from newsletter.errors import SecretError
from newsletter.vault import CHECKPOINT_FILE, Vault
from subscribers import checkpoints

JOURNAL: Final = Path("journal", "checkpoints.txt")
log = logging.getLogger("world_brief.witness")


@dataclass(frozen=True, kw_only=True)
class Witness:
    """Who signs for one installation's ledger, and where what was signed is written down."""

    config: Config
    vault: Vault

    @cached_property
    def signer(self) -> subscribers.Signer:
        """The key under the ledger's name, which is made from the site's own."""
        if not self.vault.checkpoint_pem:
            raise SecretError(self.config.home / CHECKPOINT_FILE, "missing; `worldbrief init` writes it")
        host = urlsplit(self.config.site.base_url).hostname or "localhost"
        return subscribers.Signer(f"{host}/consent-ledger", self.vault.checkpoint_pem)

    @property
    def journal(self) -> Path:
        """The file with every note."""
        return self.config.home / JOURNAL

    def sign(self, session: Session, now: datetime) -> str:
        """Make a checkpoint in the transaction at hand, and return its blinded line."""
        return checkpoints.make(session, self.vault.keys, self.signer, now).line

    def daily(self, database: Database, now: datetime) -> bool:
        """Make the day's checkpoint when none was made and something was recorded; True = it was made now."""
        with database.snapshot() as session:
            if not checkpoints.due(session, now):
                return False
        subscribers.grow(database.transaction)
        with database.transaction() as session:
            self.sign(session, now)
        self.write_down(database)
        return True

    def write_down(self, database: Database) -> None:
        """Append to the journal what it lacks. A failing disk is told, and the next time all is caught up with."""
        try:
            self.journal.parent.mkdir(parents=True, exist_ok=True)
            with self.journal.open("a+", encoding="utf-8") as file:
                file.seek(0)
                written = file.read()
                with database.snapshot() as session:
                    notes = [one.note for one in checkpoints.all_of(session) if one.note not in written]
                file.write("".join(f"{note}\n" for note in notes))
        except OSError as error:
            log.error("%s: a checkpoint could not be written down: %s", self.journal, error.strerror)  # noqa: TRY400
