"""`worldbrief subscriber` and `worldbrief consent`: nobody is brought in without evidence or back without consent."""

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from newsletter.database import Database
from newsletter.desk import accounts
from newsletter.desk.accounts import Role
from tests.builders import MORNING
from tests.cli.conftest import Run

HEADER = "email,consent_at,consent_source,consent_wording,consent_method\n"
PROVEN = ",2026-01-01T09:00:00Z,form,Send me World Brief.,button\n"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    file = tmp_path / "people.csv"
    file.write_text(HEADER + "ana@inbox.test" + PROVEN + "bea@inbox.test,,,,\n" + "not an address" + PROVEN, "utf-8")
    return file


def test_an_import_accounts_for_every_row(run: Run, people: Path) -> None:
    ran = run("subscriber", "import", people, "--json")
    assert ran.code == 1
    [answer] = ran.answers
    assert {name: answer[name] for name in ("rows", "imported", "unchanged", "unknown", "suppressed")} == {
        "rows": 3,
        "imported": 1,
        "unchanged": 0,
        "unknown": 1,
        "suppressed": 0,
    }
    assert [refused["row"] for refused in answer["refused"]] == [4]
    [again] = run("subscriber", "import", people, "--json").answers
    assert (again["imported"], again["unchanged"]) == (0, 2)


@pytest.mark.parametrize("content", [b"", b"name,age\nx,1\n", b"\xff\xfe\x00\n"])
def test_a_file_that_cannot_be_imported_is_one_line(run: Run, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(content)
    ran = run("subscriber", "import", file)
    assert ran.code == 1
    assert ran.err.strip().splitlines()[-1].startswith("worldbrief: ")
    assert "Traceback" not in ran.err


def test_a_missing_file_is_one_line(run: Run, tmp_path: Path) -> None:
    ran = run("subscriber", "import", tmp_path / "none.csv")
    assert ran.code == 1
    assert "none.csv: No such file" in ran.err


def test_leaving_is_final_for_every_import(run: Run, people: Path) -> None:
    run("subscriber", "import", people)
    assert "active" in run("subscriber", "show", "ANA@inbox.test").out
    assert "1 subscription ended" in run("subscriber", "unsubscribe", "ana@inbox.test", "--reason", "phoned").err
    run("subscriber", "import", people)
    shown = run("subscriber", "show", "ana@inbox.test")
    assert "ended (withdrawn)" in shown.out


def test_a_suppressed_address_stays_out(run: Run, people: Path) -> None:
    assert run("subscriber", "suppress", "ana@inbox.test", "--reason", "objected").code == 0
    [answer] = run("subscriber", "import", people, "--json").answers
    assert (answer["imported"], answer["suppressed"]) == (0, 1)


def test_lifting_what_the_desk_suppressed_takes_an_owner_and_somebody_else(run: Run, tmp_path: Path) -> None:
    lift = ("subscriber", "unsuppress", "ana@inbox.test", "--reason", "mistaken for another", "--by")
    run("subscriber", "suppress", "ana@inbox.test")
    assert "no account of the desk" in run(*lift, "olga", "--second", "wim").err
    database = Database(f"sqlite:///{tmp_path}/home/worldbrief.db")
    with database.transaction() as session:
        for name, role in (("olga", Role.OWNER), ("wim", Role.WRITER)):
            accounts.create(session, name, role, "a long enough password", MORNING)
    database.close()
    for by, second in (("wim", "olga"), ("olga", "olga"), ("olga", "nobody")):
        assert run(*lift, by, "--second", second).code == 1
    assert "desk; its holder may sign up again" in run(*lift, "olga", "--second", "wim").err
    assert run(*lift, "olga", "--second", "wim").code == 1


def test_an_import_killed_in_the_middle_goes_on_where_it_stopped(run: Run, tmp_path: Path) -> None:
    file, home = tmp_path / "many.csv", tmp_path / "home"
    file.write_text(HEADER + "".join(f"reader{n}@inbox.test{PROVEN}" for n in range(12_000)), "utf-8")
    run("subscriber", "imports")
    command = [sys.executable, "-m", "newsletter", "subscriber", "import", str(file)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as running:
        with closing(sqlite3.connect(home / "worldbrief.db", timeout=30)) as database:
            while running.poll() is None:
                if database.execute("SELECT count(*) FROM import_batch WHERE rows > 0").fetchone() == (1,):
                    running.kill()
                    break
                time.sleep(0.01)
    [again] = run("subscriber", "import", file, "--json").answers
    assert again["imported"] + again["unchanged"] == again["rows"] == 12_000
    assert 0 < again["unchanged"] < 12_000
    [verdict] = run("consent", "verify", "--json").answers
    assert (verdict["ok"], verdict["events"]) == (True, 12_000)


def test_the_ledger_verifies_and_says_so(run: Run, people: Path) -> None:
    run("subscriber", "import", people)
    ran = run("consent", "verify", "--json")
    assert ran.code == 0
    [verdict] = ran.answers
    assert verdict["ok"] is True
    assert verdict["events"] == 2
    assert verdict["broken"] == []
    assert len(verdict["root"]) == 64


def test_nothing_is_held_on_a_stranger(run: Run) -> None:
    assert run("subscriber", "show", "nobody@inbox.test").code == 1
    assert (
        "cannot be" in run("subscriber", "show", "no address").err or run("subscriber", "show", "no address").code == 1
    )


def _queued(home: Path) -> int:
    """How many confirmation letters wait for the sender."""
    with closing(sqlite3.connect(home / "worldbrief.db")) as database:
        [[count]] = database.execute("SELECT count(*) FROM mailing WHERE kind = 'confirm'")
    return int(count)


def test_somebody_who_phoned_is_invited_once_a_day(run: Run, tmp_path: Path) -> None:
    invited = run("subscriber", "invite", "zoe@inbox.test", "--reason", "by phone")
    assert (invited.code, invited.err) == (0, "the letter is on its way\n")
    assert _queued(tmp_path / "home") == 1
    shown = run("subscriber", "show", "zoe@inbox.test").out
    assert "sign-up to world-brief: pending" in shown
    assert "asked by its holder: by phone" in shown
    again = run("subscriber", "invite", "zoe@inbox.test", "--reason", "by phone")
    assert (again.code, again.err) == (1, "worldbrief: no letter is sent: daily cap\n")
    assert _queued(tmp_path / "home") == 1


def test_who_is_suppressed_is_not_invited_and_what_is_no_address_is_told(run: Run, tmp_path: Path) -> None:
    run("subscriber", "suppress", "zoe@inbox.test")
    barred = run("subscriber", "invite", "zoe@inbox.test", "--reason", "by phone")
    assert (barred.code, barred.err) == (1, "worldbrief: no letter is sent: suppressed\n")
    wrong = run("subscriber", "invite", "zoe at inbox", "--reason", "by phone")
    assert wrong.code == 1
    assert "Traceback" not in wrong.err
    assert run("subscriber", "invite", "zoe@inbox.test").code == 2
    assert run("subscriber", "invite", "zoe@inbox.test", "--reason", "x", "--newsletter", "none").code == 1
    assert _queued(tmp_path / "home") == 0


@pytest.fixture
def surge(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A house that takes two letters in one hour for a surge, and has sent the one and held the other two."""
    monkeypatch.setenv("WORLD_BRIEF_SIGNUP__LETTERS_PER_HOUR", "1")
    for name, said in (("ana", "on its way"), ("bea", "held with others"), ("cy", "held with others")):
        assert said in run("subscriber", "invite", f"{name}@{name}.test", "--reason", "by phone").err
    return run


def test_letters_of_a_surge_are_shown_with_the_reason_and_let_go(surge: Run, tmp_path: Path) -> None:
    shown = surge("subscriber", "held")
    assert shown.out == "2 letters held: 3 confirmation letters became due within an hour, 0 are usual\n"
    assert _queued(tmp_path / "home") == 1
    [told] = surge("subscriber", "held", "--release", "--json").answers
    assert (told["released"], "within an hour" in told["reason"]) == (2, True)
    assert _queued(tmp_path / "home") == 3
    assert surge("subscriber", "held", "--json").answers[0]["held"] == 0
    assert surge("subscriber", "held", "--release").out.startswith("0 letters released")
    assert _queued(tmp_path / "home") == 3


def test_letters_of_a_surge_are_dropped_for_good(surge: Run, tmp_path: Path) -> None:
    assert surge("subscriber", "held", "--release", "--drop").code == 2
    assert surge("subscriber", "held", "--drop").out.startswith("2 letters dropped")
    assert surge("subscriber", "held", "--release").out.startswith("0 letters released")
    assert _queued(tmp_path / "home") == 1
    assert "sign-up to world-brief: withdrawn" in surge("subscriber", "show", "bea@bea.test").out


def test_the_doctor_warns_of_held_letters_and_says_what_was_trapped(surge: Run) -> None:
    [line] = [one for one in surge("doctor", "--json").answers if one["part"] == "sign-ups"]
    assert line["state"] == "warn"
    assert line["detail"] == (
        "2 letters held, since 3 confirmation letters became due within an hour, 0 are usual; 0 programs trapped today"
    )


def test_the_doctor_has_nothing_to_say_of_quiet_sign_ups(run: Run) -> None:
    [line] = [one for one in run("doctor", "--json").answers if one["part"] == "sign-ups"]
    assert (line["state"], line["detail"]) == ("ok", "0 letters held; 0 programs trapped today")
