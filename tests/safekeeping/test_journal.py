"""Who left is on the disk before the database keeps it, and a torn line costs that line alone."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from newsletter.errors import JournalError
from newsletter.safekeeping.journal import Entry, Journal

AT = datetime(2026, 11, 23, 5, tzinfo=UTC)


def entry(number: int, at: datetime = AT) -> Entry:
    return Entry(fingerprint=f"{number:066x}", action="ended", newsletter="world-brief", reason="withdrawn", at=at)


def test_what_is_written_is_read_again_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write([])
    assert not journal.path.exists()
    journal.write([entry(1), entry(2)])
    journal.write([entry(3)])
    assert list(journal.entries()) == [entry(1), entry(2), entry(3)]
    assert journal.path.stat().st_mode & 0o777 == 0o600


def test_a_line_cut_short_by_a_crash_is_passed_over(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write([entry(1)])
    with journal.path.open("ab") as file:
        file.write(b'{"fingerprint": "ab')
    journal.write([entry(2)])
    assert list(journal.entries()) == [entry(1), entry(2)]


def test_files_of_other_machines_beside_it_are_read_too(tmp_path: Path) -> None:
    here, there = Journal(tmp_path / "here"), Journal(tmp_path / "there")
    here.write([entry(1)])
    there.write([entry(2)])
    (here.path.parent / "there.jsonl").write_bytes(there.path.read_bytes())
    assert sorted(one.fingerprint for one in here.entries()) == [entry(1).fingerprint, entry(2).fingerprint]


def test_what_every_backup_knows_is_cut_off(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert journal.cut(AT) == 0
    journal.write([entry(1), entry(2, AT + timedelta(days=1))])
    assert journal.cut(AT + timedelta(hours=1)) == 1
    assert [one.fingerprint for one in journal.entries()] == [entry(2).fingerprint]


def test_a_journal_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("in the way")
    with pytest.raises(JournalError, match="nothing was changed"):
        Journal(tmp_path).write([entry(1)])
