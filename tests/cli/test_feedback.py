"""`worldbrief feedback`: one line for each message, whatever holds them."""

import os
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from newsletter import vault
from newsletter.database import Database
from newsletter.delivery import returns
from newsletter.delivery.ledger import ATTEMPTS, DELIVERIES
from tests.cli.conftest import ROOT, Run
from tests.delivery.returned import arf, report

KEYS = {"file", "kind", "hard", "fault", "reason", "rule", "address"}
DEAD = report("550 5.1.1 User unknown")


def test_a_file_gives_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(DEAD)
    ran = run("feedback", "read", tmp_path / "a.eml", "--json")
    assert ran.code == 0
    [answer] = ran.answers
    assert set(answer) >= KEYS
    assert (answer["file"], answer["kind"], answer["hard"]) == ("a.eml", "bounce", True)
    assert (answer["fault"], answer["reason"], answer["address"]) == (
        "recipient-dead",
        "userunknown",
        "reader@example.org",
    )
    assert "no-such-mailbox" in run("feedback", "read", tmp_path / "a.eml").out


def test_a_folder_gives_a_line_for_each_letter(run: Run) -> None:
    folder = ROOT / "tests/corpus/bounces/mail"
    answers = run("feedback", "read", folder, "--json").answers
    assert [answer["file"] for answer in answers] == sorted(file.name for file in folder.iterdir())


def test_a_maildir_is_read_in_new_and_cur(run: Run, tmp_path: Path) -> None:
    for box in ("new", "cur", "tmp"):
        (tmp_path / box).mkdir()
        (tmp_path / box / "1.host:2,S").write_bytes(arf("abuse"))
    answers = run("feedback", "read", tmp_path, "--json").answers
    assert [(answer["file"], answer["kind"]) for answer in answers] == [
        ("cur/1.host:2,S", "complaint"),
        ("new/1.host:2,S", "complaint"),
    ]


def test_an_mbox_gives_a_line_for_each_message(run: Run, tmp_path: Path) -> None:
    line = b"From MAILER-DAEMON Mon Nov 23 05:00:00 2026\n"
    (tmp_path / "box").write_bytes(line + DEAD + b"\nFrom here on it is prose\n\n" + line + arf("abuse"))
    answers = run("feedback", "read", tmp_path / "box", "--json").answers
    assert [(answer["file"], answer["kind"]) for answer in answers] == [("box#1", "bounce"), ("box#2", "complaint")]


def test_what_is_not_there_or_empty_is_one_clear_line(run: Run, tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", tmp_path):
        ran = run("feedback", "read", path, "--json")
        assert (ran.code, ran.out) == (1, "")
        assert str(path) in ran.err
        assert len(ran.err.splitlines()) == 1


def test_what_came_back_settles_a_letter_in_doubt_and_no_other(run: Run, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert run("init").code == 0
    key = vault.unlock(home, os.environ).derive(returns.USE)
    database = Database(f"sqlite:///{home / 'worldbrief.db'}")
    letter = {"mailing_id": 1, "attempts": 1, "epoch": 1, "code": 0, "enhanced": "", "reply": "", "reason": ""}
    tried = {"mailing_id": 1, "n": 1, "at": datetime(2026, 11, 23, tzinfo=UTC), "phase": "dot", "code": 0, "reply": ""}
    with database.transaction() as session:
        rows = [{**letter, "recipient_id": 7, "state": "waiting"}, {**letter, "recipient_id": 8, "state": "waiting"}]
        session.connection().execute(sa.insert(DELIVERIES), rows)
        session.connection().execute(sa.insert(ATTEMPTS), [{**tried, "recipient_id": 7, "outcome": "uncertain"}])
    box = tmp_path / "back"
    box.mkdir()
    for number in (7, 8):
        (box / f"{number}.eml").write_bytes(_about(returns.sign(key, 1, number)))
    (box / "forged.eml").write_bytes(_about(returns.sign(bytes(32), 1, 8)))
    answers = run("feedback", "reconcile", box, "--json").answers
    assert [(answer["recipient"], answer["settled"]) for answer in answers] == [(7, True), (8, False)]
    with database.snapshot() as session:
        states = dict(session.connection().execute(sa.select(DELIVERIES.c.recipient_id, DELIVERIES.c.state)).all())
    database.close()
    assert states == {7: "accepted", 8: "waiting"}
    assert "letter 1/7 was in no doubt" in run("feedback", "reconcile", box).out
    assert run("feedback", "reconcile", tmp_path / "nowhere").code == 1


def _about(token: str) -> bytes:
    return report("452 4.2.2 Mailbox full", original=f"Message-ID: <{token}@worldbrief.test>")
