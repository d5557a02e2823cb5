"""One installation for the tests of its pages: real databases, a clock to turn, people who sign up, editions sent."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import uvicorn
from sqlmodel import SQLModel
from starlette.testclient import TestClient

import subscribers
from newsletter.config import Config, Newsletter, Signup
from newsletter.database import Database
from newsletter.delivery.dispatch import Terms
from newsletter.delivery.witness import Witness
from newsletter.desk import accounts
from newsletter.desk.accounts import Role
from newsletter.editions import store
from newsletter.editions.edition import Edition
from newsletter.editions.store import EditionRecord
from newsletter.editions.workflow import Event, State
from newsletter.scheduling import routine, timetable
from newsletter.vault import Vault
from newsletter.web.app import application
from newsletter.web.pages import Pages
from subscribers import Address, Evidence
from tests.builders import MONDAY, SITE, make_edition, make_newsletter, make_site
from tests.keyring import RING

# For tests of a page alone: what it reads is under test on both databases in its own room.
ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
VAULT = Vault(master=bytes(range(32)), ring=RING, checkpoint_pem=subscribers.new_key(bytes(32)))
PASSWORD = "a dozen quiet printers"
READER = "ana@reader.test"
# Monday 23 November 2026, 05:00 in New York: the draft stands, the slot is in half an hour.
MORNING = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(40)


@dataclass
class Clock:
    now: datetime = MORNING

    def __call__(self) -> datetime:
        return self.now


@dataclass
class House:
    """The pages of one installation, and what the tests do around them."""

    pages: Pages
    client: TestClient
    clock: Clock = field(default_factory=Clock)

    @property
    def database(self) -> Database:
        return self.pages.database

    @property
    def paper(self) -> Newsletter:
        return self.pages.config.newsletters["world-brief"]

    @property
    def terms(self) -> Terms:
        return Terms(witness=Witness(config=self.pages.config, vault=self.pages.vault))

    def form(self, address: str = READER, **changes: str) -> dict[str, str]:
        """What a browser posts when a person fills in the sign-up form."""
        # A person takes a moment to fill it in.
        self.clock.now -= timedelta(seconds=5)
        page = self.client.get("/").text
        self.clock.now += timedelta(seconds=5)
        shown = {name: hidden(page, name) for name in ("newsletter", "wording", "shown", "stamp", "altcha")}
        return {"address": address, "weekday_tea": ""} | shown | changes

    def press(self, path: str, **fields: str) -> Any:
        """Press the button of the page at `path`."""
        return self.client.post(path, data={"stamp": hidden(self.client.get(path).text, "stamp")} | fields)

    def trapped(self) -> int:
        """How many posts fell into a trap today."""
        with self.database.snapshot() as session:
            return sum(self.pages.door.trapped(session, self.clock.now).values())

    def settle(self) -> None:
        """Wait for the work behind the answers."""
        assert self.pages.joinings.drain(30)

    def requests(self) -> list[int]:
        """The sign-up requests a confirmation letter is queued for, in order."""
        self.settle()
        query = "SELECT recipient_id FROM delivery JOIN mailing ON mailing.id = mailing_id WHERE kind = 'confirm'"
        with self.database.snapshot() as session:
            rows = session.connection().execute(sa.text(f"{query} ORDER BY mailing_id")).all()
        return [row[0] for row in rows]

    def confirm_token(self) -> str:
        """The token in the newest confirmation letter."""
        with self.database.snapshot() as session:
            found = subscribers.requester(session, self.pages.keys, self.requests()[-1], self.clock.now)
        assert isinstance(found, subscribers.Requester)
        return found.token

    def subscribe(self, address: str = READER) -> str:
        """Sign up and confirm; returns the token of the letters that follow."""
        assert self.client.post("/signup", data=self.form(address)).status_code == 200
        with self.database.transaction() as session:
            evidence = Evidence(method="confirm button", source="form")
            subscribers.confirm(session, self.pages.keys, self.confirm_token(), self.clock.now, evidence)
        return self.leave_token(address)

    def leave_token(self, address: str = READER) -> str:
        for found in self.recipients().values():
            if isinstance(found, subscribers.Recipient) and found.address == address:
                return found.token
        raise AssertionError(f"{address} is not in the audience")

    def recipients(self) -> dict[int, Any]:
        """Everybody the next edition would be sent to."""
        with self.database.snapshot() as session:
            audience = subscribers.audience(session, "world-brief", self.clock.now)
            ids = [row[0] for row in session.connection().execute(audience.eligible).all()]
            return dict(subscribers.recipients(session, self.pages.keys, ids, "world-brief", self.clock.now))

    def readers(self) -> int:
        return len(self.recipients())

    def suppress(self, address: str) -> None:
        reason = subscribers.SuppressionReason.COMPLAINED
        with self.database.transaction() as session:
            subscribers.suppress(session, self.pages.keys, Address.parse(address), reason, "test", self.clock.now)

    def draft(self, on: date = MONDAY, edition: Edition | None = None) -> EditionRecord:
        """An edition in review, without a fault the preflight would block."""
        slots = timetable.slot(self.paper, on)
        assert slots is not None
        with self.database.transaction() as session:
            store.claim(session, "world-brief", on, slots.send_at, slots.build_at)
            record = store.load(session, "world-brief", on)
            assert record is not None
            store.move(session, record.id, Event.BUILD, "test", slots.build_at)
            return store.save(session, record.id, edition or printable(on), "test", slots.build_at)

    def approve(self, record: EditionRecord) -> EditionRecord:
        at = record.send_at - timedelta(minutes=30)
        return routine.press(self.pages.config, self.paper).approve(self.database, record, "ana", at)

    def send(self, on: date = MONDAY, edition: Edition | None = None, *, to: State = State.SENT) -> EditionRecord:
        record = self.approve(self.draft(on, edition))
        with self.database.transaction() as session:
            record = store.move(session, record.id, Event.SEND, "scheduler", record.send_at)
            if to is State.SENT:
                record = store.move(session, record.id, Event.FINISH, "scheduler", record.send_at)
        return record

    def state(self, on: date = MONDAY) -> State:
        return self.record(on).state

    def record(self, on: date = MONDAY) -> EditionRecord:
        with self.database.snapshot() as session:
            record = store.load(session, "world-brief", on)
        assert record is not None
        return record

    def account(self, name: str = "Dorothy Amadi", role: Role = Role.OWNER) -> None:
        with self.database.transaction() as session:
            accounts.create(session, name, role, PASSWORD, self.clock.now)

    def log_in(self, name: str = "Dorothy Amadi", role: Role = Role.OWNER) -> None:
        self.account(name, role)
        posted = {"name": name, "password": PASSWORD}
        answer = self.client.post("/desk/login", data=posted, headers=OURS, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/desk/")

    def act(self, action: str, on: date = MONDAY, **fields: Any) -> Any:
        """Press one of the desk's buttons, as its form would."""
        page = self.client.get(f"/desk/world-brief/{on}").text
        posted = {"form_token": page.split('name="form_token" value="')[1].split('"')[0]}
        if 'name="digest"' in page:
            posted["digest"] = page.split('name="digest" value="')[1].split('"')[0]
        return self.client.post(f"/desk/world-brief/{on}/{action}", data=posted | fields, headers=OURS)

    def people(self) -> dict[str, list[str]]:
        """Everything that is stored but for counts, which every post changes."""
        return {name: rows for name, rows in self.rows().items() if name != "signup_count"}

    def rows(self) -> dict[str, list[str]]:
        """Everything that is stored."""
        self.settle()
        with self.database.snapshot() as session:
            connection = session.connection()
            return {
                name: sorted(str(row) for row in connection.execute(sa.select(table)).all())
                for name, table in SQLModel.metadata.tables.items()
            }


OURS = {"Sec-Fetch-Site": "same-origin", "Origin": SITE}


# Without limits by network, so that a test may post as often as it likes.
FREELY = Signup(
    posts_per_hour=10**6,
    posts_per_day=10**6,
    network_posts_per_hour=10**6,
    unproved_posts_per_hour=10**6,
    letters_per_domain=10**6,
    proof_cost=200,
)


def hidden(page: str, name: str) -> str:
    """What a form carries along under a name; empty when it has no such field."""
    return page.partition(f'name="{name}" value="')[2].partition('"')[0]


def make_config(home: Path, **changes: Any) -> Config:
    newsletter = make_newsletter()
    values: dict[str, Any] = {
        "home": home,
        "site": make_site(),
        "signup": FREELY,
        "newsletters": {newsletter.key: newsletter},
    }
    return Config(**(values | changes))


def make_pages(database: Database, home: Path, clock: Clock, **changes: Any) -> Pages:
    (home / "media").mkdir(parents=True, exist_ok=True)
    (home / "media" / "suva-assembly.jpg").write_bytes(PICTURE)
    config = make_config(home, **changes)
    return Pages(config=config, database=database, vault=VAULT, clock=clock)


@contextmanager
def serving(pages: Pages) -> Iterator[str]:
    """The pages on a port of loopback; their address there."""
    server = uvicorn.Server(uvicorn.Config(application(pages), port=0, log_level="error", ws="none", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    pages.joinings.drain()
    server.should_exit = True
    thread.join(timeout=10)


def printable(on: date = MONDAY, **changes: Any) -> Edition:
    """An edition no preflight check blocks: every story says where it comes from."""
    edition = make_edition(**{"on": on, "dateline": f"{on:%A, %B} {on.day}, {on.year}"} | changes)
    named = [
        replace(section, stories=tuple(replace(one, outlet=one.outlet or "World Brief") for one in section.stories))
        for section in edition.sections
    ]
    return replace(edition, sections=tuple(named))
