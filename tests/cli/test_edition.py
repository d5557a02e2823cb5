"""`worldbrief edition`: from the bank to every inbox, with one clear line whenever something is in the way."""

import email
import email.policy
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from newsletter.cli import house
from newsletter.postbox import Postbox
from tests.cli.conftest import ROOT, Run

MONDAY = "2026-11-23"
NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
SAMPLES = ROOT / "newsletter/samples"
STATUS = ["newsletter", "date", "state", "digest", "due", "waiting", "claimed", "accepted", "deferred", "refused"]
STATUS += ["dropped", "uncertain", "expired"]


@pytest.fixture(autouse=True)
def _slot(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the moment of Monday's slot."""
    monkeypatch.setattr(house, "clock", lambda: NOW)


@pytest.fixture
def stocked(run: Run) -> Run:
    assert run("story", "pull", SAMPLES / "stories").code == 0
    return run


@pytest.fixture
def people(tmp_path: Path) -> Path:
    file = tmp_path / "people.csv"
    rows = [f"reader{n}@inbox.test,2026-01-01T09:00:00Z,form,Send me World Brief.,button" for n in range(12)]
    rows.append("unproven@inbox.test,,,,")
    file.write_text("\n".join(["email,consent_at,consent_source,consent_wording,consent_method", *rows]) + "\n")
    return file


def test_the_whole_way(stocked: Run, people: Path, postbox: Postbox, tmp_path: Path) -> None:
    [imported] = stocked("subscriber", "import", people, "--json").answers
    assert (imported["imported"], imported["unknown"]) == (12, 1)
    assert stocked("edition", "build", "--date", MONDAY).code == 0
    assert stocked("edition", "preflight", "--date", MONDAY, "--json").code == 0
    assert stocked("edition", "approve", "--date", MONDAY, "--by", "ana").code == 0
    [sent] = stocked("edition", "send", "--date", MONDAY, "--json").answers
    assert list(sent)[: len(STATUS)] == STATUS
    assert (sent["state"], sent["due"], sent["accepted"]) == ("sent", 12, 12)
    again = stocked("edition", "send", "--date", MONDAY)
    assert again.code == 0
    assert "12 due = 12 accepted" in again.err
    letters = [
        email.message_from_bytes(f.read_bytes(), policy=email.policy.default) for f in (tmp_path / "letters").iterdir()
    ]
    assert len({one["To"] for one in letters}) == len(letters) == 12
    assert all("/u/" in str(one["List-Unsubscribe"]) for one in letters)
    [status] = stocked("edition", "status", "--date", MONDAY, "--json").answers
    assert status == sent | {"listed_uncertain": 0}


@pytest.mark.parametrize(
    ("day", "sections"),
    [
        (MONDAY, ["The World This Week", "What We’re Following"]),
        ("2026-11-27", ["What in the World?", "Odds and Ends"]),
    ],
)
def test_a_day_is_built_in_its_own_shape(stocked: Run, day: str, sections: list[str]) -> None:
    ran = stocked("edition", "build", "--date", day)
    assert ran.code == 0
    assert all(section in ran.out for section in sections)
    assert "Welcome back to World Brief, where we’re looking at" in ran.out


def test_a_holiday_is_no_day_for_an_edition(stocked: Run) -> None:
    ran = stocked("edition", "build", "--date", "2026-11-26")
    assert ran.code == 1
    assert "Thanksgiving Day" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_every_choice_has_its_reason(stocked: Run) -> None:
    stocked("edition", "build", "--date", MONDAY)
    shown = stocked("edition", "show", "--date", MONDAY, "--choices")
    assert "too old" in shown.out
    [whole] = stocked("edition", "show", "--date", MONDAY, "--json").answers
    assert all(choice["reason"] for choice in whole["edition"]["choices"])


@pytest.mark.parametrize("command", ["show", "preflight", "approve", "hold", "status"])
def test_without_an_edition_every_command_says_what_to_run(run: Run, command: str) -> None:
    ran = run("edition", command, "--date", MONDAY)
    assert ran.code == 1
    assert "worldbrief edition build" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_without_an_approval_nothing_is_sent(stocked: Run, postbox: Postbox) -> None:
    stocked("edition", "build", "--date", MONDAY)
    ran = stocked("edition", "send", "--date", MONDAY)
    assert ran.code == 1
    assert "nothing is sent" in ran.err
    assert postbox.count == 0


def test_an_empty_bank_blocks_the_approval_and_an_override_is_by_name_and_reason(run: Run) -> None:
    run("edition", "build", "--date", MONDAY)
    findings = run("edition", "preflight", "--date", MONDAY, "--json")
    assert findings.code == 1
    assert all(set(one) == {"rule", "severity", "story", "field", "place", "advice"} for one in findings.answers)
    refused = run("edition", "approve", "--date", MONDAY, "--by", "ana")
    assert refused.code == 1
    assert "blocking finding" in refused.err
    rules = sorted({one["rule"] for one in findings.answers if one["severity"] == "block"})
    overrides = [word for rule in rules for word in ("--override", rule)]
    assert run("edition", "approve", "--date", MONDAY, *overrides).code == 2
    ran = run("edition", "approve", "--date", MONDAY, "--by", "ana", "--reason", "an exercise", *overrides)
    assert ran.code == 0
    assert "an exercise" in run("edition", "status", "--date", MONDAY).out


def test_an_approval_is_refused_when_the_digest_is_another(stocked: Run) -> None:
    stocked("edition", "build", "--date", MONDAY)
    ran = stocked("edition", "approve", "--date", MONDAY, "--digest", "0" * 64)
    assert ran.code == 1
    assert "digest" in ran.err


def test_a_new_subject_voids_the_approval(stocked: Run) -> None:
    stocked("edition", "build", "--date", MONDAY)
    stocked("edition", "approve", "--date", MONDAY, "--by", "ana")
    assert stocked("edition", "edit", "--date", MONDAY, "--subject", "A subject of our own", "--by", "bea").code == 0
    [status] = stocked("edition", "status", "--date", MONDAY, "--json").answers
    assert status["state"] == "in_review"
    assert stocked("edition", "send", "--date", MONDAY).code == 1


def test_hold_and_release(stocked: Run) -> None:
    stocked("edition", "build", "--date", MONDAY)
    assert stocked("edition", "hold", "--date", MONDAY, "--by", "ana").code == 0
    assert stocked("edition", "approve", "--date", MONDAY).code == 1
    assert stocked("edition", "release", "--date", MONDAY).code == 0
    assert stocked("edition", "approve", "--date", MONDAY, "--by", "ana").code == 0


def test_a_relay_that_is_down_is_one_line_and_loses_nothing(
    stocked: Run, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_BRIEF_RELAY__HOST", "127.0.0.1")
    monkeypatch.setenv("WORLD_BRIEF_RELAY__PORT", "1")
    stocked("subscriber", "import", people)
    stocked("edition", "build", "--date", MONDAY)
    stocked("edition", "approve", "--date", MONDAY, "--by", "ana")
    ran = stocked("edition", "send", "--date", MONDAY)
    assert ran.code == 1
    assert "worldbrief: the relay" in ran.err or "127.0.0.1:1" in ran.err
    assert "Traceback" not in ran.err
    [status] = stocked("edition", "status", "--date", MONDAY, "--json").answers
    assert (status["due"], status["waiting"]) == (12, 12)


def test_a_wrong_setting_stops_every_command_with_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_BRIEF_RELAY__PROT", "25")
    ran = run("edition", "status")
    assert ran.code == 1
    assert "relay.prot: unknown key; did you mean `port`?" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_a_template_that_is_missing_is_one_line(stocked: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_BRIEF_NEWSLETTERS__WORLD_BRIEF__TEMPLATE", "nowhere")
    ran = stocked("edition", "build", "--date", MONDAY)
    assert ran.code == 1
    assert "nowhere" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_a_locked_database_is_one_line(stocked: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_BRIEF_DATABASE__BUSY_TIMEOUT_SECONDS", "0.05")
    other = sqlite3.connect(tmp_path / "home/worldbrief.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        ran = stocked("edition", "build", "--date", MONDAY)
    finally:
        other.close()
    assert ran.code == 1
    assert "locked by another process" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_a_wrong_date_is_wrong_usage(run: Run) -> None:
    assert run("edition", "build", "--date", "yesterday").code == 2


def test_the_module_is_the_command(tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-m", "newsletter", "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("worldbrief ")


def test_without_a_date_it_is_today_or_the_next_publishing_day(stocked: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    saturday = NOW + timedelta(days=5)
    monkeypatch.setattr(house, "clock", lambda: saturday)
    [status] = stocked("edition", "build", "--json").answers
    assert date.fromisoformat(status["date"]) == date(2026, 11, 30)


def ready(stocked: Run, people: Path) -> None:
    """Monday's edition, approved, and its readers."""
    stocked("subscriber", "import", people)
    stocked("edition", "build", "--date", MONDAY)
    assert stocked("edition", "approve", "--date", MONDAY, "--by", "ana").code == 0


def test_with_another_secret_nothing_is_done_and_nobody_is_dropped(
    stocked: Run, people: Path, postbox: Postbox, tmp_path: Path
) -> None:
    ready(stocked, people)
    secret = tmp_path / "home/secret.key"
    held = secret.read_bytes()
    secret.unlink()
    ran = stocked("edition", "send", "--date", MONDAY)
    assert ran.code == 1
    assert "is not the secret this database was written with" in ran.err
    assert len(ran.err.splitlines()) == 1
    assert postbox.count == 0
    secret.write_bytes(held)
    assert stocked("edition", "send", "--date", MONDAY).code == 0
    assert postbox.count == 12


def test_a_home_that_cannot_be_made_is_one_line(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("WORLD_BRIEF_HOME", str(tmp_path / "file"))
    ran = run("edition", "status")
    assert ran.code == 1
    assert "the home cannot be used" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_a_sending_that_is_interrupted_says_so_and_loses_nothing(
    stocked: Run, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(stocked, people)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("WORLD_BRIEF_RELAY__PORT", str(silent.getsockname()[1]))
        monkeypatch.setenv("WORLD_BRIEF_RELAY__COMMAND_TIMEOUT_SECONDS", "2")
        threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
        ran = stocked("edition", "send", "--date", MONDAY)
    assert ran.code == 130
    assert ran.err.splitlines()[-1].startswith("worldbrief: interrupted")
    [status] = stocked("edition", "status", "--date", MONDAY, "--json").answers
    assert (status["due"], status["waiting"]) == (12, 12)


def test_a_held_mailing_says_how_it_goes_on(
    stocked: Run, people: Path, monkeypatch: pytest.MonkeyPatch, postbox: Postbox
) -> None:
    ready(stocked, people)
    with monkeypatch.context() as down:
        down.setenv("WORLD_BRIEF_RELAY__PORT", "1")
        stocked("edition", "send", "--date", MONDAY)
    stocked("edition", "hold", "--date", MONDAY)
    ran = stocked("edition", "send", "--date", MONDAY)
    assert ran.code == 1
    assert "is held" in ran.err
    assert "release it" in ran.err
    assert postbox.count == 0


def test_a_file_that_is_no_database_is_one_line(run: Run, tmp_path: Path) -> None:
    assert run("story", "list").code == 0
    for file in (tmp_path / "home").glob("worldbrief.db*"):
        file.write_bytes(b"not a database" * 500)
    ran = run("edition", "status")
    assert ran.code == 1
    assert "the database file is damaged" in ran.err
    assert len(ran.err.splitlines()) == 1
