"""The error tree of the newsroom. Expected results are values; these are for what a caller cannot go on from.

NewsletterError
├─ ConfigError(file, key, reason)        also ValueError; names the file and the key, never caught below cli
├─ DatabaseError(reason)                 full, missing, from a newer version
│  └─ DatabaseBusy                       another process writes, and did not finish in time
├─ Overloaded(reason)                    more waits than can be promised; the same again in a moment
├─ SecretError(file, reason)             a secret is missing, short or readable by others
├─ StoryError(item, reason)              also ValueError; one item cannot become a story
├─ FeedError(source, reason)             also ValueError; the whole source is no feed, or could not be had
├─ EditionError(newsletter, on, reason)  nothing stored for that date, or not in a state that allows it
├─ IllegalMove(state, event)             the workflow has no such transition
├─ NotReady(findings)                    approval or sending is refused by the preflight
├─ TemplateError(template, reason)       a template is missing, does not compile, or asks with a box ticked beforehand
├─ MessageError(field, reason)           also ValueError; a header or part cannot be serialised safely
├─ LedgerError(reason)                   the accounts of a mailing do not balance, or its frozen proof is missing
├─ RelayError(reason)                    also ConnectionError; the relay cannot be used at all: its leaves,
│                                        RelayRefused and RelayUnreachable, stand in delivery/relay.py
├─ ReturnPathError                       also ValueError; no return path of ours; in delivery/returns.py
├─ RuleError                             also ValueError; a rule for returned mail is wrong; in delivery/rules.py
├─ PostboxError                          also OSError; the postbox cannot be opened; in postbox/server.py
├─ JournalError(reason)                  also OSError; who left cannot be written outside the database
├─ CopyError(reason)                     one database cannot be copied into another
├─ BackupError(file, reason)             a backup cannot be written, or a file is none
├─ Idle(newsletter, last)                not sent for years, and nobody has decided whether its readers still want it
├─ Disarmed                              a restored copy sends nothing until it was reconciled
└─ AccountError(reason)                  a desk account or session is refused

Messages are one line for a person. `subscribers` has its own tree, since it never imports this package.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path


class NewsletterError(Exception):
    """Something the newsroom cannot go on from."""


class ConfigError(NewsletterError, ValueError):
    """A setting is unknown, missing or wrong."""

    def __init__(self, file: str | Path, key: str, reason: str) -> None:
        self.file, self.key, self.reason = str(file), key, reason
        super().__init__(f"{file}: {key}: {reason}" if key else f"{file}: {reason}")


class DatabaseError(NewsletterError):
    """The database cannot be used."""


class DatabaseBusy(DatabaseError):
    """Another process writes to it, and did not finish in time."""


class Overloaded(NewsletterError):
    """More waits already than can be promised."""


class SecretError(NewsletterError):
    """A secret is missing, too short or readable by others."""

    def __init__(self, file: str | Path, reason: str) -> None:
        self.file, self.reason = str(file), reason
        super().__init__(f"{file}: {reason}")


class StoryError(NewsletterError, ValueError):
    """One item cannot become a story."""

    def __init__(self, item: str, reason: str) -> None:
        self.item, self.reason = item, reason
        super().__init__(f"{item}: {reason}")


class FeedError(NewsletterError, ValueError):
    """A whole source is no feed, or could not be fetched."""

    def __init__(self, source: str, reason: str) -> None:
        self.source, self.reason = source, reason
        super().__init__(f"{source}: {reason}")


class EditionError(NewsletterError):
    """An edition does not exist, or is not in a state that allows what was asked."""

    def __init__(self, newsletter: str, on: date, reason: str) -> None:
        self.newsletter, self.on, self.reason = newsletter, on, reason
        super().__init__(f"{newsletter} {on}: {reason}")


class IllegalMove(NewsletterError):
    """The workflow has no such transition."""

    def __init__(self, state: str, event: str) -> None:
        self.state, self.event = state, event
        super().__init__(f"an edition that is {state.replace('_', ' ')} cannot {event.replace('_', ' ')}")


class NotReady(NewsletterError):
    """Approval or sending is refused by the preflight."""

    def __init__(self, findings: Sequence[str]) -> None:
        self.findings = tuple(findings)
        count = len(self.findings)
        super().__init__(f"{count} blocking finding{'s' * (count != 1)}: {'; '.join(self.findings)}")


class TemplateError(NewsletterError):
    """A template is missing, does not compile, or asks for consent with a box that is ticked beforehand."""

    def __init__(self, template: str | Path, reason: str) -> None:
        self.template, self.reason = str(template), reason
        super().__init__(f"{template}: {reason}")


class MessageError(NewsletterError, ValueError):
    """A header or part cannot be serialised safely."""

    def __init__(self, field: str, reason: str) -> None:
        self.field, self.reason = field, reason
        super().__init__(f"{field}: {reason}")


class LedgerError(NewsletterError):
    """The accounts of a mailing do not balance, or what it is made from is missing."""


class RelayError(NewsletterError, ConnectionError):
    """The relay cannot be used at all: not a verdict on any letter."""


class AccountError(NewsletterError):
    """A desk account or session is refused."""


class JournalError(NewsletterError, OSError):
    """The restore journal cannot be written, so nothing that belongs in it was kept either."""


class CopyError(NewsletterError):
    """One database cannot be copied into another."""


class BackupError(NewsletterError):
    """A backup cannot be written, or a file is no backup that can be put in place."""

    def __init__(self, file: str | Path, reason: str) -> None:
        self.file, self.reason = str(file), reason
        super().__init__(f"{file}: {reason}")


class Disarmed(NewsletterError):
    """The database is a restored copy that does not know who left since it was made: nothing is sent."""

    def __init__(self) -> None:
        super().__init__(
            "this database was restored from a backup, and people have left since: nothing is sent; "
            "run `worldbrief restore --reconcile`"
        )


class Idle(NewsletterError):
    """A newsletter was not sent for so long that its readers' consent is in doubt."""

    def __init__(self, newsletter: str, last: date) -> None:
        self.newsletter, self.last = newsletter, last
        super().__init__(
            f"{newsletter}: was last sent on {last}, and its readers may not remember it: nothing is sent; decide with "
            f"`worldbrief privacy idle {newsletter}`"
        )
