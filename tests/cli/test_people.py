"""`worldbrief subscriber` and `worldbrief consent`: nobody is brought in without evidence or back without consent."""

from pathlib import Path

import pytest

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
