"""At the cut-off a draft is built, at the slot it goes out if it is approved, else people are told; each only once."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest

import subscribers
from newsletter import config, vault
from newsletter.config import Alerts, Config, Newsletter
from newsletter.database import Database
from newsletter.delivery import ledger, signups
from newsletter.editions import store
from newsletter.editions.store import EditionRecord
from newsletter.editions.workflow import Event, State
from newsletter.errors import EditionError, NotReady
from newsletter.postbox import Postbox, running
from newsletter.rendering.press import required
from newsletter.scheduling import routine, timetable
from newsletter.stories import wire
from newsletter.vault import Vault
from subscribers import Address
from tests.delivery.newsroom import KEYS

ROOT = Path(__file__).parents[2]
MONDAY = date(2026, 11, 23)
CUT_OFF = datetime(2026, 11, 23, 9, 45, tzinfo=UTC)
SLOT = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def settings(tmp_path: Path) -> Config:
    return config.load(ROOT / "config.toml", {"WORLD_BRIEF_HOME": str(tmp_path)})


@pytest.fixture
def paper(settings: Config) -> Newsletter:
    return settings.newsletters["world-brief"]


@pytest.fixture
def secrets(tmp_path: Path) -> Vault:
    vault.create(tmp_path)
    return vault.unlock(tmp_path, {})


@pytest.fixture
def stocked(database: Database, settings: Config) -> Database:
    stories = wire.read(ROOT / "newsletter/samples/stories", settings.wire)
    with database.transaction() as session:
        wire.store(session, stories, settings.wire, CUT_OFF - timedelta(hours=1))
    return database


def _record(database: Database, on: date = MONDAY) -> EditionRecord:
    with database.snapshot() as session:
        return required(session, "world-brief", on)


def _tick(database: Database, settings: Config, secrets: Vault, now: datetime) -> list[str]:
    return [one.what for one in routine.tick(database, settings, secrets, now)]


def _approve(database: Database, settings: Config, paper: Newsletter) -> None:
    routine.press(settings, paper).approve(database, _record(database), "ana", CUT_OFF)


def test_before_the_cut_off_nothing_happens(stocked: Database, settings: Config, secrets: Vault) -> None:
    assert _tick(stocked, settings, secrets, CUT_OFF - MINUTE) == []


def test_at_the_cut_off_the_draft_is_built_once(stocked: Database, settings: Config, secrets: Vault) -> None:
    assert _tick(stocked, settings, secrets, CUT_OFF) == ["built"]
    built = _record(stocked)
    assert built.state is State.IN_REVIEW
    assert built.number == 1
    assert _tick(stocked, settings, secrets, CUT_OFF + MINUTE) == []
    assert _record(stocked) == built


def test_an_editors_draft_is_not_built_over(
    stocked: Database, settings: Config, paper: Newsletter, secrets: Vault
) -> None:
    record = routine.build(stocked, settings, paper, MONDAY, "ana", CUT_OFF - timedelta(hours=2))
    edited = routine.revise(stocked, record, "ana", CUT_OFF - timedelta(hours=1), subject="My own subject")
    assert _tick(stocked, settings, secrets, CUT_OFF) == []
    assert _record(stocked).edition == edited.edition


def test_without_approval_nothing_is_sent_and_people_are_told_once(
    stocked: Database, settings: Config, secrets: Vault
) -> None:
    _tick(stocked, settings, secrets, CUT_OFF)
    assert _tick(stocked, settings, secrets, SLOT) == ["alert"]
    assert _tick(stocked, settings, secrets, SLOT + MINUTE) == []
    with stocked.snapshot() as session:
        assert ledger.mailing_of(session, "world-brief", MONDAY) is None


def test_an_empty_bank_is_told_too(database: Database, settings: Config, secrets: Vault) -> None:
    assert _tick(database, settings, secrets, CUT_OFF) == ["built"]
    assert _tick(database, settings, secrets, SLOT) == ["alert"]


def test_an_approved_edition_is_scheduled_and_starts_at_its_slot_once(
    stocked: Database, settings: Config, paper: Newsletter, secrets: Vault
) -> None:
    _tick(stocked, settings, secrets, CUT_OFF)
    _approve(stocked, settings, paper)
    assert _tick(stocked, settings, secrets, CUT_OFF + MINUTE) == ["scheduled"]
    assert _tick(stocked, settings, secrets, SLOT - MINUTE) == []
    assert _tick(stocked, settings, secrets, SLOT) == ["sending"]
    assert _tick(stocked, settings, secrets, SLOT + MINUTE) == []
    assert _record(stocked).state is State.SENT  # nobody has signed up, so nothing is left to send


def test_approved_late_it_still_goes_but_not_after_the_last_moment(
    stocked: Database, settings: Config, paper: Newsletter, secrets: Vault
) -> None:
    _tick(stocked, settings, secrets, CUT_OFF)
    _tick(stocked, settings, secrets, SLOT)
    _approve(stocked, settings, paper)
    assert _tick(stocked, settings, secrets, SLOT + timedelta(hours=4)) == ["alert"]
    assert _tick(stocked, settings, secrets, SLOT + timedelta(hours=1)) == ["sending"]


def test_a_slot_that_passed_while_nobody_was_awake_is_told_once(
    stocked: Database, settings: Config, paper: Newsletter, secrets: Vault
) -> None:
    routine.build(stocked, settings, paper, MONDAY, "ana", CUT_OFF)
    _approve(stocked, settings, paper)
    [missed] = routine.tick(stocked, settings, secrets, SLOT + timedelta(hours=5))
    assert missed.what == "alert"
    assert "was missed" in missed.detail
    assert _tick(stocked, settings, secrets, SLOT + timedelta(hours=6)) == []
    assert _tick(stocked, settings, secrets, SLOT + timedelta(hours=25)) == ["alert"]  # the next day's, unbuilt


def test_a_subject_written_by_hand_outlives_building_again(
    stocked: Database, settings: Config, paper: Newsletter
) -> None:
    routine.build(stocked, settings, paper, MONDAY, "ana", CUT_OFF)
    routine.revise(stocked, _record(stocked), "ana", CUT_OFF, subject="Written by hand")
    again = routine.build(stocked, settings, paper, MONDAY, "ana", CUT_OFF + MINUTE)
    assert again.edition is not None
    assert again.edition.subject == "Written by hand"


def test_a_held_edition_does_not_start(stocked: Database, settings: Config, paper: Newsletter, secrets: Vault) -> None:
    _tick(stocked, settings, secrets, CUT_OFF)
    _approve(stocked, settings, paper)
    with stocked.transaction() as session:
        store.move(session, _record(stocked).id, Event.HOLD, "ana", CUT_OFF)
    assert _tick(stocked, settings, secrets, SLOT) == ["alert"]
    assert _record(stocked).state is State.HELD


def test_an_unattended_brief_approves_itself_when_nothing_blocks(
    stocked: Database, settings: Config, paper: Newsletter, secrets: Vault
) -> None:
    unattended = replace(settings, newsletters={paper.key: replace(paper, auto_approve=True)})
    assert _tick(stocked, unattended, secrets, CUT_OFF) == ["built", "scheduled"]
    assert _tick(stocked, unattended, secrets, SLOT) == ["sending"]


def test_an_unattended_brief_with_a_blocking_finding_stays_here(
    database: Database, settings: Config, paper: Newsletter, secrets: Vault
) -> None:
    unattended = replace(settings, newsletters={paper.key: replace(paper, auto_approve=True)})
    assert _tick(database, unattended, secrets, CUT_OFF) == ["built", "alert"]
    assert _tick(database, unattended, secrets, SLOT) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"sender_name": "Somebody Else"},
        {"send_at": datetime(2026, 11, 23, 6, 0).time()},
        {"name": "Another Brief"},
    ],
)
def test_a_change_after_the_approval_stops_the_sending(
    stocked: Database, settings: Config, paper: Newsletter, secrets: Vault, changed: dict[str, object]
) -> None:
    _tick(stocked, settings, secrets, CUT_OFF)
    _approve(stocked, settings, paper)
    other = replace(settings, newsletters={paper.key: replace(paper, **changed)})  # type: ignore[arg-type]
    assert _tick(stocked, other, secrets, SLOT + timedelta(hours=1)) == ["alert"]
    assert _record(stocked).state is State.APPROVED


def test_a_change_of_the_audience_rule_voids_an_approval(
    stocked: Database, settings: Config, paper: Newsletter, secrets: Vault
) -> None:
    _tick(stocked, settings, secrets, CUT_OFF)
    _approve(stocked, settings, paper)
    press = replace(routine.press(settings, paper), audience_rule=subscribers.AUDIENCE_RULE + " and more")
    with stocked.snapshot() as session, pytest.raises(EditionError, match="void"):
        press.clear(session, _record(stocked), SLOT)


def test_an_override_needs_its_rule_and_is_kept(database: Database, settings: Config, paper: Newsletter) -> None:
    record = routine.build(database, settings, paper, MONDAY, "ana", CUT_OFF)
    press = routine.press(settings, paper)
    with pytest.raises(NotReady, match="C21"):
        press.approve(database, record, "ana", CUT_OFF)
    with database.snapshot() as session:
        rules = {
            finding.rule for finding in press.see(session, record, CUT_OFF).findings if finding.severity == "block"
        }
    overrides = [store.Override(rule=rule, by="ana", reason="an exercise") for rule in sorted(rules)]
    approved = press.approve(database, record, "ana", CUT_OFF, overrides)
    assert approved.approval is not None
    assert [one.reason for one in approved.approval.overrides] == ["an exercise"] * len(rules)


def test_building_again_from_the_same_bank_leaves_an_approval_standing(
    stocked: Database, settings: Config, paper: Newsletter
) -> None:
    routine.build(stocked, settings, paper, MONDAY, "ana", CUT_OFF)
    _approve(stocked, settings, paper)
    again = routine.build(stocked, settings, paper, MONDAY, "ana", CUT_OFF + MINUTE)
    assert again.state is State.APPROVED


def test_a_new_subject_voids_the_approval(stocked: Database, settings: Config, paper: Newsletter) -> None:
    routine.build(stocked, settings, paper, MONDAY, "ana", CUT_OFF)
    _approve(stocked, settings, paper)
    revised = routine.revise(stocked, _record(stocked), "bea", CUT_OFF, subject="Another subject altogether")
    assert revised.state is State.IN_REVIEW
    assert revised.approval is None


def test_a_holiday_has_no_edition_and_says_why(stocked: Database, settings: Config, paper: Newsletter) -> None:
    with pytest.raises(EditionError, match="Thanksgiving"):
        routine.build(stocked, settings, paper, date(2026, 11, 26), "ana", CUT_OFF)


def test_the_day_before_a_holiday_announces_it(stocked: Database, settings: Config, paper: Newsletter) -> None:
    wednesday = routine.build(stocked, settings, paper, date(2026, 11, 25), "ana", CUT_OFF + timedelta(days=2))
    assert wednesday.edition is not None
    assert "Thanksgiving" in wednesday.edition.notices[0]


def test_ringing_before_the_slot_sends_an_approved_edition_and_after_the_expiry_nothing(
    stocked: Database, settings: Config, paper: Newsletter, secrets: Vault
) -> None:
    routine.build(stocked, settings, paper, MONDAY, "ana", CUT_OFF)
    _approve(stocked, settings, paper)
    slots = timetable.slot(paper, MONDAY)
    assert slots is not None
    with pytest.raises(EditionError, match="expired"):
        routine.ring(stocked, settings, secrets, paper, MONDAY, slots.expires_at)
    first = routine.ring(stocked, settings, secrets, paper, MONDAY, CUT_OFF)
    assert routine.ring(stocked, settings, secrets, paper, MONDAY, SLOT) == first


def test_nothing_of_an_edition_leaves_once_the_next_one_is_due(
    stocked: Database, settings: Config, paper: Newsletter, secrets: Vault
) -> None:
    lasting = replace(paper, expires_after_hours=72)
    routine.build(stocked, settings, lasting, MONDAY, "ana", CUT_OFF)
    _approve(stocked, settings, lasting)
    mailing = routine.ring(stocked, settings, secrets, lasting, MONDAY, SLOT)
    with stocked.snapshot() as session:
        assert ledger.mailing(session, mailing).expires_at == SLOT + timedelta(days=1)


def test_a_started_mailing_is_found_after_its_expiry_so_that_it_can_be_settled(
    stocked: Database, settings: Config, paper: Newsletter, secrets: Vault
) -> None:
    routine.build(stocked, settings, paper, MONDAY, "ana", CUT_OFF)
    _approve(stocked, settings, paper)
    job = subscribers.ImportJob(file="people.csv", newsletter=paper.key, by="ana", now=CUT_OFF)
    consent = "2026-01-01T00:00:00Z,form,I agree.,button"
    lines = [b"email,consent_at,consent_source,consent_wording,consent_method\n", f"a@example.org,{consent}\n".encode()]
    subscribers.import_csv(stocked.transaction, KEYS, lines, job)
    mailing = routine.ring(stocked, settings, secrets, paper, MONDAY, SLOT)
    assert _record(stocked).state is State.SENDING
    assert routine.ring(stocked, settings, secrets, paper, MONDAY, SLOT + timedelta(days=2)) == mailing


def test_one_newsletters_trouble_keeps_no_other_from_its_slot_and_is_told(
    stocked: Database, settings: Config, paper: Newsletter, secrets: Vault
) -> None:
    broken = replace(paper, key="broken", template="no-such-template", auto_approve=True)
    wrong = replace(paper, key="wrong", holiday_country="XX")
    both = replace(settings, newsletters={"broken": broken, "wrong": wrong, paper.key: paper})
    assert _tick(stocked, both, secrets, CUT_OFF) == ["built", "alert", "built"]
    _approve(stocked, settings, paper)
    assert "sending" in _tick(stocked, both, secrets, SLOT)


def test_processes_that_tick_together_tell_people_once(stocked: Database, settings: Config, secrets: Vault) -> None:
    _tick(stocked, settings, secrets, CUT_OFF)
    gate, told = threading.Barrier(4), []

    def tick() -> None:
        gate.wait()
        told.extend(_tick(stocked, settings, secrets, SLOT))

    threads = [threading.Thread(target=tick) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert told == ["alert"]


# Alerts by mail


NIGHT = "night.editor@worldbrief.test"


def _told(box: Postbox) -> list[str]:
    """The text of every alert that arrived."""
    told: list[str] = []
    for one in box.messages:
        assert one.rcpt_to == (NIGHT,)
        body = message_from_bytes(one.data, policy=policy.default).get_body(("plain",))
        assert body
        told.append(" ".join(body.get_content().split()))
    return told


@pytest.fixture
def told(settings: Config, secrets: Vault) -> Iterator[tuple[Config, Postbox]]:
    """Settings by which a night editor is told of what goes wrong, through a real relay."""
    with running(Postbox()) as box:
        there = replace(settings.relay, host="127.0.0.1", port=box.port)
        yield replace(settings, relay=there, alerts=Alerts(mail_to=(NIGHT,))), box


def test_an_edition_without_approval_is_mailed_to_whom_the_settings_name_once(
    stocked: Database, told: tuple[Config, Postbox], secrets: Vault
) -> None:
    settings, box = told
    for at in (CUT_OFF, CUT_OFF + MINUTE):
        _tick(stocked, settings, secrets, at)
    assert _told(box) == []
    for at in (SLOT, SLOT + MINUTE, SLOT + 2 * MINUTE):
        _tick(stocked, settings, secrets, at)
    [said] = _told(box)
    assert "world-brief 2026-11-23: " in said
    assert "is in review: nothing is sent" in said


def test_held_sign_ups_are_mailed_once_a_day(database: Database, told: tuple[Config, Postbox], secrets: Vault) -> None:
    settings, box = told
    settings = replace(settings, signup=replace(settings.signup, letters_per_hour=1))
    keys = replace(secrets, ring=KEYS.ring).keys
    now = CUT_OFF - timedelta(hours=2)
    for name in ("ana", "bea"):
        request = signups.Request(
            newsletter=settings.newsletters["world-brief"],
            address=Address.parse(f"{name}@{name}.test"),
            wording="Sign up to receive World Brief.",
            language="en",
            source="desk",
            method="asked by its holder",
        )
        with database.transaction() as session:
            signups.sign_up(session, keys, settings, request, now)
    for minutes in range(3):
        _tick(database, settings, secrets, now + minutes * MINUTE)
    [said] = _told(box)
    assert "2 confirmation letters became due within an hour" in said
    assert "1 letters are held: see `worldbrief subscriber held`" in said


def test_a_relay_that_cannot_be_reached_stops_no_tick_and_no_alert_in_the_log(
    stocked: Database, told: tuple[Config, Postbox], secrets: Vault, caplog: pytest.LogCaptureFixture
) -> None:
    settings, _ = told
    deaf = replace(settings, relay=replace(settings.relay, port=1, connect_timeout_seconds=1.0))
    _tick(stocked, deaf, secrets, CUT_OFF)
    assert _tick(stocked, deaf, secrets, SLOT) == ["alert"]
    assert "the alert could not be mailed" in caplog.text
    assert "alert world-brief 2026-11-23" in caplog.text
