"""`worldbrief demo`: one brief from the samples to 1,000 sample inboxes, through the same rooms a real one takes.

The samples tell of one fortnight; they are moved by whole weeks so that its second week is this one.
"""

import email
import email.policy
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

import subscribers
from newsletter.cli import house
from newsletter.cli.edition import balance, work_off
from newsletter.cli.house import House
from newsletter.cli.people import import_job
from newsletter.config import Newsletter
from newsletter.editions import store
from newsletter.editions.store import EditionRecord
from newsletter.editions.workflow import State
from newsletter.errors import NewsletterError
from newsletter.postbox import Postbox, running
from newsletter.relays import STAND_IN
from newsletter.rendering import proof
from newsletter.rendering.press import required
from newsletter.scheduling import routine, timetable
from newsletter.stories import wire
from newsletter.stories.story import Story

SAMPLES: Final = Path(__file__).parents[1] / "samples"
SAMPLE_MONDAY: Final = date(2026, 11, 23)
SUBSCRIBERS: Final = 1_000
MARK: Final = "demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What arrived in the postbox, compared with the ledger."""

    letters: int
    recipients: int
    sample: Path


def demo() -> None:
    """Build today's brief from the samples and send it to 1,000 sample subscribers by SMTP. Safe to repeat."""
    started = time.monotonic()
    with house.opened() as one:
        now = house.clock()
        paper = one.newsletter("")
        on = house.publishing_date(paper, "", now)
        folder = one.config.home / MARK
        _refuse_a_home_in_use(one, folder)
        _stock(one, paper, on, now)
        record = _approved(one, paper, on, now)
        letters = folder / str(on)
        with running(Postbox(folder=letters, keep=False)) as box:
            relay = replace(one.config.relay, **STAND_IN, host="127.0.0.1", port=box.port)
            sending = replace(one, config=replace(one.config, relay=relay, relays={}))
            mailing = routine.ring(one.database, one.config, one.vault, paper, on, now)
            accounts = work_off(sending, mailing)
        outcome = _verify(letters, accounts.accepted)
        _print_where(one, paper, record, folder, outcome)
    house.stdout.print(f"the ledger      {balance(accounts)}", markup=False)
    house.stdout.print(f"done in {time.monotonic() - started:.1f} s; `make serve` shows it all")


def _refuse_a_home_in_use(one: House, folder: Path) -> None:
    with one.database.snapshot() as session:
        held = subscribers.audience(session, one.newsletter("").key, house.clock()).candidates
    if held and not folder.exists():
        raise NewsletterError(
            f"{one.config.home} holds {held} subscribers that are not the demo’s; set WORLD_BRIEF_HOME elsewhere"
        )
    folder.mkdir(parents=True, exist_ok=True)


def _stock(one: House, paper: Newsletter, on: date, now: datetime) -> None:
    """Fill the bank, the media folder and the audience from the samples."""
    shift = timedelta(days=(on - timedelta(days=on.weekday()) - SAMPLE_MONDAY).days)
    stories = [moved(story, shift) for story in wire.read(SAMPLES / "stories", one.config.wire)]
    stories += [
        moved(story, shift)
        for file in sorted((SAMPLES / "feeds").iterdir())
        for story in wire.read(file, one.config.wire)
    ]
    # A measured list bears the moment it was measured: shortly before the draft is built.
    slots = timetable.slot(paper, on)
    measured = slots.build_at - timedelta(hours=1) if slots else now
    stories += [
        replace(story, published_at=measured) for story in wire.read(SAMPLES / "most-read.csv", one.config.wire)
    ]
    with one.database.transaction() as session:
        counts = wire.store(session, stories, one.config.wire, now)
    shutil.copytree(SAMPLES / "media", one.config.home / "media", dirs_exist_ok=True)
    house.stdout.print(f"the bank        {len(stories)} sample stories ({counts.new} new)")
    rows = _sample_rows(now).encode()
    job = import_job(paper, one.config.site.publisher, "samples", MARK, now)
    imported = subscribers.import_csv(one.database.transaction, one.vault.keys, rows.splitlines(keepends=True), job)
    house.stdout.print(f"the audience    {imported.rows} sample subscribers ({imported.imported} new)")


def moved(story: Story, shift: timedelta) -> Story:
    """The same story told `shift` later."""
    times = ("published_at", "updated_at", "embargo_until", "expires_at", "as_of")
    later = {name: getattr(story, name) + shift for name in times if getattr(story, name) is not None}
    return replace(story, agenda=tuple(replace(item, on=item.on + shift) for item in story.agenda), **later)


def _sample_rows(now: datetime) -> str:
    consent = f"{(now - timedelta(days=30)).date()}T09:00:00+00:00,sample form,Sign up to receive World Brief.,button"
    lines = [f"reader{n:04}@inbox{n % 40:02}.test,{consent}" for n in range(SUBSCRIBERS)]
    return "\n".join(["email,consent_at,consent_source,consent_wording,consent_method", *lines]) + "\n"


def _approved(one: House, paper: Newsletter, on: date, now: datetime) -> EditionRecord:
    with one.database.snapshot() as session:
        record = store.load(session, paper.key, on)
    if record and record.state in {State.SENDING, State.SENT}:
        house.stdout.print(
            f"the edition     no. {record.number} of {on:%A, %B %-d} has been {record.state} before", markup=False
        )
        return record
    record = routine.build(one.database, one.config, paper, on, MARK, now)
    if record.approval is None:
        record = routine.press(one.config, paper).approve(one.database, record, MARK, now)
    headline = record.edition.headline if record.edition else ""
    house.stdout.print(
        f"the edition     no. {record.number}, {on:%A, %B %-d}: {headline}", markup=False, soft_wrap=True
    )
    return record


def _verify(letters: Path, accepted: int) -> Outcome:
    """Read back every letter the postbox kept; a lost or doubled one is an error."""
    files: Sequence[Path] = sorted(letters.glob("*.eml"))
    recipients = set()
    for file in files:
        with file.open("rb") as data:
            recipients.add(email.message_from_binary_file(data, policy=email.policy.compat32)["To"])
    if len(recipients) != accepted:
        raise NewsletterError(f"{accepted} accepted, but letters for {len(recipients)} inboxes are in {letters}")
    # Only a demo that was killed and repeated may have sent some twice; `edition status` lists them as uncertain.
    twice = len(files) - len(recipients)
    house.stdout.print(f"the postbox     {len(files)} letters for {len(recipients)} inboxes, {twice} of them twice")
    return Outcome(letters=len(files), recipients=len(recipients), sample=files[0])


def _print_where(one: House, paper: Newsletter, record: EditionRecord, folder: Path, outcome: Outcome) -> None:
    with one.database.snapshot() as session:
        sight = routine.press(one.config, paper).see(session, required(session, paper.key, record.on), house.clock())
    html, text = proof.neutral(sight.proof)
    # A file opened from disk finds the pictures beside it, not at the newsroom's public address.
    (folder / "brief.html").write_text(html.replace(f"{one.config.site.base_url}/media/", "../media/"), "utf-8")
    (folder / "brief.txt").write_text(text, "utf-8")
    web = one.config.web
    for name, where in (
        ("the HTML", folder / "brief.html"),
        ("the text", folder / "brief.txt"),
        ("one message", outcome.sample),
        ("the web page", f"http://{web.host}:{web.port}/archive/{paper.key}/{record.on}"),
    ):
        house.stdout.print(f"{name:<15} {where}", markup=False, soft_wrap=True)
