"""`worldbrief feedback read`: one line for each message, whatever holds them."""

from pathlib import Path

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
