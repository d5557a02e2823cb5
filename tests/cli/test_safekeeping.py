"""Backups, restores, copies and rotations as an operator does them; and who left stays away through all of them."""

import json
import os
import sqlite3
from pathlib import Path

import pytest

import subscribers
from tests.cli.conftest import Run
from tests.cli.test_people import HEADER, PROVEN

ADDRESSES = ("ana@inbox.test", "bea@inbox.test", "cy@inbox.test")


@pytest.fixture
def house(run: Run, tmp_path: Path) -> Run:
    """Three subscribers."""
    file = tmp_path / "people.csv"
    file.write_text(HEADER + "".join(one + PROVEN for one in ADDRESSES), "utf-8")
    assert run("subscriber", "import", file).code == 0
    return run


def backed_up(run: Run) -> str:
    [answer] = run("backup", "--json").answers
    return str(answer["file"])


def test_a_restored_house_sends_nothing_until_who_left_is_out_again(house: Run) -> None:
    file = backed_up(house)
    assert house("subscriber", "unsubscribe", "ana@inbox.test", "--reason", "phoned").code == 0
    assert house("subscriber", "erase", "bea@inbox.test", "--never-again").code == 0
    assert house("restore", file).code == 0
    assert "active" in house("subscriber", "show", "ana@inbox.test").out
    assert "restored from a backup" in house("doctor").out
    house("edition", "build")
    sent = house("edition", "send")
    assert (sent.code, "--reconcile" in sent.err) == (1, True)
    [done] = house("restore", "--reconcile", "--json").answers
    assert (done["armed"], done["ended"], done["erased"], done["suppressed"]) == (True, 1, 1, 1)
    assert "ended (withdrawn)" in house("subscriber", "show", "ana@inbox.test").out
    assert "active" not in house("subscriber", "show", "bea@inbox.test").out
    assert "active" in house("subscriber", "show", "cy@inbox.test").out
    assert house("consent", "verify").code == 0
    [again] = house("restore", "--reconcile", "--json").answers
    assert (again["ended"], again["erased"]) == (0, 0)


def test_who_came_back_after_leaving_stays_through_a_reconciliation(house: Run, tmp_path: Path) -> None:
    house("subscriber", "erase", "ana@inbox.test")
    assert "suppressed: left" in house("subscriber", "show", "ana@inbox.test").out
    [done] = house("restore", "--reconcile", "--json").answers
    assert (done["ended"], done["erased"]) == (0, 0)


def test_who_left_by_an_imported_file_stays_away_after_an_older_backup_is_restored(house: Run, tmp_path: Path) -> None:
    file = backed_up(house)
    left = tmp_path / "left.csv"
    rows = ("ana@inbox.test,,,,unsubscribed", "bea@inbox.test,,,,unreachable", "dora@inbox.test,,,,unsubscribed")
    left.write_text("Email,First name,Last name,Data,Status\n" + "\n".join(rows) + "\n", "utf-8")
    assert house("subscriber", "import", left, "--json").answers[0]["ended"] == 3
    complained = tmp_path / "complained.csv"
    reasons = "unsub_time,unsub_reason,clean_time\n"
    complained.write_text(f"Email Address,LEID,EUID,{reasons}cy@inbox.test,1,2,,reported as spam,\n", "utf-8")
    assert house("subscriber", "import", complained, "--json").answers[0]["ended"] == 1
    assert house("restore", file).code == 0
    for address in ADDRESSES:
        assert "active" in house("subscriber", "show", address).out
    [done] = house("restore", "--reconcile", "--json").answers
    # Dora is not in the backup: that she left is all that can be kept of her.
    assert (done["entries"], done["ended"], done["suppressed"]) == (5, 4, 1)
    for address, reason in zip(ADDRESSES, ("withdrawn", "bounced", "complained"), strict=True):
        assert f"ended ({reason})" in house("subscriber", "show", address).out
    old = tmp_path / "old.csv"
    old.write_text(HEADER + "".join(one + PROVEN for one in (*ADDRESSES, "dora@inbox.test")), "utf-8")
    [again] = house("subscriber", "import", old, "--json").answers
    assert (again["imported"], again["suppressed"], again["unchanged"]) == (0, 2, 2)
    assert house("consent", "verify").code == 0
    assert house("restore", "--reconcile", "--json").answers[0]["ended"] == 0


def test_an_erasure_says_what_went_and_that_nothing_is_left(house: Run) -> None:
    first = house("subscriber", "erase", "ana@inbox.test", "--json")
    told = {"never_again": False, "told": True, "held_until": None}
    assert first.answers == [{"erased": True, "subscriptions": 1, "requests": 0, **told}]
    assert house("subscriber", "erase", "ana@inbox.test").code == 1
    [verdict] = house("consent", "verify", "--json").answers
    assert (verdict["ok"], verdict["shredded"], verdict["unfinished"]) == (True, 2, 0)


HOLD = ("--until", "2099-12-31", "--reason", "claim 7")


def test_without_a_key_to_seal_to_a_hold_keeps_somebody_until_it_is_released(house: Run) -> None:
    held = house("subscriber", "hold", "ana@inbox.test", *HOLD)
    assert held.code == 0
    assert "an erasure is refused: worldbrief keys hold" in held.err
    refused = house("subscriber", "erase", "ana@inbox.test")
    assert refused.code == 1
    assert "held until 2099-12-31 by cli (claim 7)" in refused.err
    assert house("subscriber", "release", "ana@inbox.test").code == 0
    assert house("subscriber", "erase", "ana@inbox.test").code == 0


def test_under_a_hold_the_evidence_leaves_the_house_for_whoever_has_the_private_key(house: Run, tmp_path: Path) -> None:
    private, sealed = tmp_path / "counsel" / "hold.key", tmp_path / "ana.sealed"
    made = house("keys", "hold", "--out", private)
    assert made.code == 0
    assert private.stat().st_mode & 0o777 == 0o600
    assert house("keys", "hold", "--out", tmp_path / "again").code == 1
    assert "key" not in house("subscriber", "hold", "ana@inbox.test", *HOLD).err
    assert house("subscriber", "sealed", "ana@inbox.test").code == 1
    [gone] = house("subscriber", "erase", "ana@inbox.test", "--json").answers
    assert (gone["erased"], gone["told"], gone["held_until"]) == (True, True, "2099-12-31")
    assert "sealed under a legal hold" in house("subscriber", "show", "ana@inbox.test").out
    sealed.write_text(house("subscriber", "sealed", "ana@inbox.test").out, "utf-8")
    assert "ana" not in sealed.read_text("utf-8")
    # Where the private key is, there is no house.
    os.environ["WORLD_BRIEF_HOME"] = str(tmp_path / "elsewhere")
    [told] = house("subscriber", "unseal", sealed, "--key", private).answers
    assert (told["address"], told["hold"]) == ("ana@inbox.test", "claim 7")
    assert json.loads(told["events"][0]["payload"])["source"] == "form"
    assert not (tmp_path / "elsewhere").exists()
    assert house("subscriber", "unseal", sealed, "--key", tmp_path / "home" / "hold.pub").code == 1
    assert house("subscriber", "unseal", private, "--key", private).code == 1
    os.environ["WORLD_BRIEF_HOME"] = str(tmp_path / "home")
    assert house("consent", "verify").code == 0
    assert house("subscriber", "release", "ana@inbox.test").code == 0
    assert house("subscriber", "sealed", "ana@inbox.test").code == 1


def test_a_public_key_that_is_none_stops_the_house_in_one_line(house: Run, tmp_path: Path) -> None:
    (tmp_path / "home" / "hold.pub").write_text("nonsense", "utf-8")
    ran = house("subscriber", "show", "ana@inbox.test")
    assert ran.code == 1
    assert "hold.pub: that is no public key to seal evidence to" in ran.err


def test_a_copy_verifies_with_the_same_root(house: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [here] = house("consent", "verify", "--json").answers
    url = f"sqlite:///{tmp_path / 'copy.db'}"
    assert house("db", "copy", url).code == 0
    assert house("db", "copy", url).code == 1
    monkeypatch.setenv("WORLD_BRIEF_DATABASE_URL", url)
    [there] = house("consent", "verify", "--json").answers
    assert there == here


def test_after_a_rotation_everything_of_before_still_opens(house: Run, tmp_path: Path) -> None:
    secret = tmp_path / "home" / "secret.key"
    assert house("keys", "rotate").code == 0
    assert len(secret.read_text().splitlines()) == 2
    assert "active" in house("subscriber", "show", "ana@inbox.test").out
    assert house("consent", "verify").code == 0
    with sqlite3.connect(tmp_path / "home" / "keyring.db") as connection:
        assert connection.execute("SELECT DISTINCT kek FROM subject_key").fetchall() == [(2,)]
    connection.close()


def test_an_interrupted_rotation_goes_on_without_another_secret(house: Run, tmp_path: Path) -> None:
    from newsletter import vault

    vault.add_master(tmp_path / "home")
    assert house("keys", "rotate").code == 0
    assert len((tmp_path / "home" / "secret.key").read_text().splitlines()) == 2


def test_requests_of_readers_are_listed_and_answered(house: Run) -> None:
    added = house("privacy", "add", "ana@inbox.test", "--kind", "access", "--received", "2020-01-31")
    assert added.out == "request 1, due on 2020-02-29\n"
    listed = house("privacy", "requests")
    assert (listed.code, "OVERDUE" in listed.out, "ana@" in listed.out) == (1, True, False)
    assert house("privacy", "answer", "1", "--note", "sent").code == 0
    assert house("privacy", "requests", "--open").out == ""
    assert house("privacy", "answer", "1").code == 1


def test_cleaning_can_be_rehearsed_and_repeated(house: Run) -> None:
    nothing = {"requests": 0, "people": 0, "keys": 0, "journal": 0}
    assert house("privacy", "retain", "--dry-run", "--json").answers == [nothing]
    assert house("privacy", "retain", "--json").answers == [nothing]


@pytest.mark.parametrize(("form", "begins"), [("md", "# Record"), ("html", "<!doctype html>"), ("json", "{")])
def test_the_record_of_processing_comes_from_the_settings(run: Run, form: str, begins: str) -> None:
    ran = run("privacy", "ropa", "--format", form)
    assert ran.out.startswith(begins)
    assert f"{subscribers.LETTERS_KEPT.days} days; of the network one day; {subscribers.BLOCKED.days} days" in ran.out
    assert "36 months" in ran.out


def test_whoever_has_the_database_alone_has_nothing(house: Run, tmp_path: Path) -> None:
    house("account", "add", "ana")
    folder = tmp_path / "stolen"
    folder.mkdir()
    stolen = b"".join(one.read_bytes() for one in (tmp_path / "home").glob("worldbrief.db*"))
    keys = (tmp_path / "home" / "secret.key").read_bytes()
    for secret in (*(one.encode() for one in ADDRESSES), b"inbox.test", keys.strip()):
        assert secret not in stolen
    # With a secret of the thief's own, nothing opens.
    (folder / "worldbrief.db").write_bytes(Path(backed_up(house)).read_bytes())
    os.environ["WORLD_BRIEF_HOME"] = str(folder)
    shown = house("subscriber", "show", "ana@inbox.test")
    assert shown.code == 1
    assert "nothing is held" in shown.err
    assert house("consent", "verify").code == 1
