"""The daily routine: at the cut-off a draft is built, at the slot it goes out if it is approved, else people are told.

Every step is idempotent by (newsletter, date): scheduler, cron, CLI and desk all pass through `build` and `ring`.
Contains no clock: `scheduler` rings, the timetable says what is due, and the database knows who has done it.
"""

import logging
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import subscribers
from newsletter.config import Config, Newsletter
from newsletter.database import Database
from newsletter.delivery import correspondence, dispatch, signups
from newsletter.delivery.dispatch import Terms
from newsletter.delivery.ledger import MailingId
from newsletter.delivery.witness import Witness
from newsletter.editions import store
from newsletter.editions.edition import revise as revised
from newsletter.editions.store import EditionRecord
from newsletter.editions.workflow import Event, State
from newsletter.errors import EditionError, NewsletterError
from newsletter.rendering.press import Occasion, Press, required
from newsletter.scheduling import timetable
from newsletter.scheduling.timetable import Slots
from newsletter.vault import Vault

STARTED: Final = frozenset({State.SENDING, State.SENT, State.KILLED})
UNBUILT: Final = frozenset({State.OPEN, State.BUILDING})
log = logging.getLogger("world_brief.routine")


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """One thing a tick did: "built", "scheduled", "sending" or "alert"."""

    newsletter: str
    on: date
    what: str
    detail: str = ""


def press(config: Config, newsletter: Newsletter) -> Press:
    """The press of one newsletter, with the audience rule its approvals are bound to."""
    return Press(newsletter=newsletter, site=config.site, settings=config.wire, audience_rule=subscribers.AUDIENCE_RULE)


def build(
    database: Database, config: Config, newsletter: Newsletter, on: date, by: str, now: datetime
) -> EditionRecord:
    """Compose and store the date's edition. Raises EditionError, with the reason, on a day it does not appear."""
    slots = _slots(newsletter, on)
    occasion = Occasion(on=on, send_at=slots.send_at, notices=timetable.notices(newsletter, on))
    return press(config, newsletter).build(database, occasion, by, now)


def ring(
    database: Database, config: Config, vault: Vault, newsletter: Newsletter, on: date, now: datetime
) -> MailingId:
    """Start the date's mailing, or find the one that was started. Raises EditionError when nothing may be sent."""
    slots = _slots(newsletter, on)
    with database.snapshot() as session:
        record = store.load(session, newsletter.key, on)
    if newsletter.auto_approve:
        record = _unattended(database, config, newsletter, on, record, now)
    if record is None:
        raise EditionError(newsletter.key, on, "has not been built: nothing is sent; run `worldbrief edition build`")
    # A mailing that was started is found after its expiry, too: what still waits in it must be settled as expired.
    if now >= slots.expires_at and record.state not in {State.SENDING, State.SENT}:
        raise EditionError(newsletter.key, on, f"expired at {slots.expires_at:%Y-%m-%d %H:%M} UTC: nothing is sent")
    terms = Terms(witness=Witness(config=config, vault=vault), expires_at=slots.expires_at)
    return dispatch.dispatch(database, press(config, newsletter), terms, on, now)


def revise(
    database: Database, record: EditionRecord, by: str, now: datetime, *, subject: str = "", preheader: str = ""
) -> EditionRecord:
    """Store an edition with another subject or preheader; voids an approval."""
    with database.transaction() as session:
        current = required(session, record.newsletter, record.on)
        if current.edition is None:
            raise EditionError(record.newsletter, record.on, "has not been built yet; run `worldbrief edition build`")
        edition = revised(current.edition, subject=subject or None, preheader=preheader or None)
        return store.save(session, current.id, edition, by, now)


def tick(database: Database, config: Config, vault: Vault, now: datetime) -> list[Happened]:
    """Do what is due now for every newsletter; doing it twice, or in two processes, does nothing twice.

    Whatever one newsletter meets, the others have their turn, and the alerts that were noted are mailed.
    """
    happened: list[Happened] = []
    for newsletter in config.newsletters.values():
        try:
            for slots in timetable.building(newsletter, now):
                happened += _cut_off(database, config, newsletter, slots, now)
            for slots in timetable.due(newsletter, now):
                happened += _slot(database, config, vault, newsletter, slots, now)
            for slots in timetable.missed(newsletter, now):
                happened += _missed(database, newsletter, slots, now)
        except NewsletterError as error:
            log.error("%s: %s", newsletter.key, error)  # noqa: TRY400 -- expected, and its one line says it all
        except Exception:
            log.exception("%s: a step of the routine failed", newsletter.key)
    for one in happened:
        log.log(
            logging.ERROR if one.what == "alert" else logging.INFO,
            "%s %s %s: %s",
            one.what,
            one.newsletter,
            one.on,
            one.detail,
        )
    _witness(database, config, vault, now)
    lines = [f"{one.newsletter} {one.on}: {one.detail}" for one in happened if one.what == "alert"]
    correspondence.alert(lines + _signups(database, config, vault, now), config, vault, now)
    return happened


def _witness(database: Database, config: Config, vault: Vault, now: datetime) -> None:
    try:
        Witness(config=config, vault=vault).daily(database, now)
    except NewsletterError as error:
        log.error("no checkpoint of the consent ledger was made: %s", error)  # noqa: TRY400 -- its one line says it all


def _signups(database: Database, config: Config, vault: Vault, now: datetime) -> list[str]:
    try:
        lines = signups.warning(database, vault.keys, config, now)
    except NewsletterError as error:
        log.error("sign-ups: %s", error)  # noqa: TRY400 -- expected, and its one line says it all
        return []
    for line in lines:
        log.error("%s", line)
    return lines


def _slots(newsletter: Newsletter, on: date) -> Slots:
    slots = timetable.slot(newsletter, on)
    if slots is None:
        raise EditionError(newsletter.key, on, f"does not appear: {timetable.skipped(newsletter, on)}")
    return slots


def _cut_off(database: Database, config: Config, newsletter: Newsletter, slots: Slots, now: datetime) -> list[Happened]:
    with database.snapshot() as session:
        record = store.load(session, newsletter.key, slots.on)
    happened: list[Happened] = []
    try:
        if record is None or record.state in UNBUILT:
            record = build(database, config, newsletter, slots.on, "scheduler", now)
            happened.append(Happened(newsletter=newsletter.key, on=slots.on, what="built", detail=record.state))
            if newsletter.auto_approve:
                record = _unattended(database, config, newsletter, slots.on, record, now)
    except EditionError:
        # Somebody else changed it in this moment: the next tick sees what it has become.
        raise
    except NewsletterError as error:
        return happened + _alert(database, newsletter, slots, str(error), now)
    return happened + _schedule(database, record, now)


def _schedule(database: Database, record: EditionRecord, now: datetime) -> list[Happened]:
    if record.state is not State.APPROVED:
        return []
    with database.transaction() as session:
        store.move(session, record.id, Event.SCHEDULE, "scheduler", now)
    return [
        Happened(newsletter=record.newsletter, on=record.on, what="scheduled", detail=f"for {record.send_at:%H:%M} UTC")
    ]


def _slot(
    database: Database, config: Config, vault: Vault, newsletter: Newsletter, slots: Slots, now: datetime
) -> list[Happened]:
    with database.snapshot() as session:
        record = store.load(session, newsletter.key, slots.on)
    if record and record.state in STARTED:
        return []
    try:
        ring(database, config, vault, newsletter, slots.on, now)
    except NewsletterError as error:
        return _alert(database, newsletter, slots, str(error), now)
    return [Happened(newsletter=newsletter.key, on=slots.on, what="sending")]


def _missed(database: Database, newsletter: Newsletter, slots: Slots, now: datetime) -> list[Happened]:
    """Tell people of a slot that passed while nobody was awake, and how long there is still time."""
    with database.snapshot() as session:
        if store.state(session, newsletter.key, slots.on) in STARTED:
            return []
    until = f"{slots.expires_at:%Y-%m-%d %H:%M} UTC"
    detail = f"the slot was missed and nothing was sent; `worldbrief edition send` still sends it until {until}"
    return _alert(database, newsletter, slots, detail, now)


def _alert(database: Database, newsletter: Newsletter, slots: Slots, detail: str, now: datetime) -> list[Happened]:
    """Tell people once for each reason, however often the clock ticks and however many processes tick."""
    with database.transaction() as session:
        store.claim(session, newsletter.key, slots.on, slots.send_at, now)
        record = required(session, newsletter.key, slots.on)
        if not store.note_once(session, record.id, "scheduler", "alert", detail, now):
            return []
    return [Happened(newsletter=newsletter.key, on=slots.on, what="alert", detail=detail)]


def _unattended(
    database: Database, config: Config, newsletter: Newsletter, on: date, record: EditionRecord | None, now: datetime
) -> EditionRecord:
    """Build what nobody built and approve what nobody approved, but only with a clean preflight; else NotReady."""
    if record is None or record.state in UNBUILT:
        record = build(database, config, newsletter, on, "scheduler", now)
    if record.state is not State.IN_REVIEW:
        return record
    return press(config, newsletter).approve(database, record, "auto_approve", now)
