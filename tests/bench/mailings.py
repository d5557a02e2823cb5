"""Mailings made ready once, and sent from copies as often as asked: readers, an approved edition of some size, keys."""

import shutil
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

import subscribers
from newsletter.database import Database
from newsletter.delivery import dkim, keyfiles
from newsletter.editions.edition import Edition, Section
from newsletter.rendering import letter, proving, template
from newsletter.rendering.letter import Recipient
from newsletter.rendering.proof import Proof
from tests.bench import sending
from tests.bench.engines import migrated
from tests.bench.measure import Scale
from tests.bench.peer import Reader
from tests.bench.sender import SELECTOR, Manner, Order
from tests.bench.sending import Sent
from tests.builders import MORNING
from tests.delivery.newsroom import KEYS, NEWSLETTER, VAULT, approve, make_config, printable, subscribe

UNREACHED: Final = 25  # the port of a relay nobody asks while a mailing is made ready
KILOBYTES: Final = (30, 60, 90)
BAR_KILOBYTES: Final = 60  # what the bars are set for
# What a letter of 30 KB has room for.
SLIM: Final = frozenset({"lead", "following", "odds"})
PARAGRAPH: Final = (
    "State {} decides this week whether its seabed stays closed until 2040; the draft is Fiji’s, the doubts are "
    "Nauru’s, and nobody knows yet what those without a coast will say."
)
READER: Final = Recipient(address="reader0001@inbox.test", token="t" * 40, return_token="r" * 38)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A database file with an approved edition and so many subscribers; it is copied, never sent from itself."""

    file: Path
    letters: int
    edition: Edition

    @property
    def copy(self) -> Path:
        """What was last sent from."""
        return self.file.with_suffix(".copy")

    def order(self, port: int, manner: Manner) -> Order:
        """To send a fresh copy of it."""
        url = f"sqlite:///{shutil.copy(self.file, self.copy)}"
        return Order(
            url=url,
            letters=self.letters,
            home=str(self.file.parent),
            port=port,
            manner=manner,
            at=MORNING.isoformat(),
            master=VAULT.master.hex(),
        )

    def send(self, port: int, manner: Manner) -> Sent:
        return sending.send(self.order(port, manner))

    def octets(self, manner: Manner) -> int:
        """How long a letter of it is."""
        signer = dkim.signer(self.order(UNREACHED, manner).config)
        seal = signer.seal(letter.cut(proved(self.edition), bounce_domain="", date=MORNING))
        return len(seal.sign(letter.address(seal.stencil, READER)).message)

    def readers(self, count: int) -> tuple[Reader, ...]:
        """The first readers with their tokens: what the peers are given for nothing."""
        with closing(Database(f"sqlite:///{self.file}")) as database, database.snapshot() as session:
            audience = subscribers.audience(session, NEWSLETTER.key, MORNING)
            ids = [int(one) for (one,) in session.connection().execute(audience.eligible.limit(count))]
            found = subscribers.recipients(session, KEYS, ids, NEWSLETTER.key, MORNING)
        return tuple(
            Reader(address=one.address, token=one.token, return_token=f"r{n:037}")
            for n, one in enumerate(found.values())
            if isinstance(one, subscribers.Recipient)
        )


def ready(folder: Path, letters: int, edition: Edition | None = None) -> Ready:
    """Import the subscribers, once in a folder, make the keys, and approve an edition: the standard brief, or this."""
    edition = edition or printable(MORNING.date())
    readers = folder / f"{letters}-readers.db"
    if not readers.exists():
        for selector in keyfiles.pair(SELECTOR, twin=True):
            keyfiles.create(folder, selector)
        with closing(Database(f"sqlite:///{migrated(f'sqlite:///{readers}')}")) as database:
            subscribe(database, letters, MORNING)
    file = folder / f"{letters}-{proved(edition).digest[:12]}.db"
    # The last connection to close leaves no write-ahead log behind, so a file can be copied.
    with closing(Database(f"sqlite:///{shutil.copy(readers, file)}")) as database:
        approved(database, edition)
    return Ready(file=file, letters=letters, edition=edition)


def approved(database: Database, edition: Edition) -> None:
    """Approve an edition for the subscribers of a database."""
    approve(database, make_config(UNREACHED), MORNING, edition)


def sizes(scale: Scale) -> tuple[int, ...]:
    """The kilobytes of the letters to measure with."""
    return KILOBYTES if scale.every else (BAR_KILOBYTES,)


def proved(edition: Edition) -> Proof:
    """The edition as the shipped template prints it."""
    design = template.load(template.TEMPLATES / NEWSLETTER.template, NEWSLETTER.direction)
    return proving.prove(design, edition, NEWSLETTER, make_config().site)


@cache
def of_size(kilobytes: int) -> Edition:
    """A brief whose lead story goes on until a letter has about so many kilobytes."""
    whole = printable(MORNING.date())
    slim = replace(whole, sections=tuple(section for section in whole.sections if section.slot in SLIM))
    least = _octets(slim)
    worth = (_octets(_stretched(slim, 100)) - least) / 100
    return _stretched(slim, max(0, round((1_000 * kilobytes - least) / worth)))


def _octets(edition: Edition) -> int:
    stencil = letter.cut(proved(edition), bounce_domain="", date=MORNING)
    return len(letter.address(stencil, READER).letter().message)


def _stretched(edition: Edition, paragraphs: int) -> Edition:
    more = "".join(f"\n\n{PARAGRAPH.format(n)}" for n in range(1, paragraphs + 1))

    def longer(section: Section) -> Section:
        if section.slot != "lead":
            return section
        return replace(section, stories=tuple(replace(one, body=one.body + more) for one in section.stories))

    return replace(edition, sections=tuple(longer(section) for section in edition.sections))
