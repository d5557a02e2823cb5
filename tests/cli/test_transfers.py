"""People who come over can be foretold, listed, taken back and handed on."""

import csv
import io
import json
import stat
from pathlib import Path

import pytest

from tests.cli.conftest import Run

CORPUS = Path(__file__).parents[1] / "corpus" / "imports"
HEADER = "email,consent_at,consent_source,consent_wording,consent_method\n"
PROVEN = ",2026-01-01T09:00:00Z,form,Send me World Brief.,button\n"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    file = tmp_path / "people.csv"
    file.write_text(HEADER + "ana@inbox.test" + PROVEN + "=bea@inbox.test,,,,\n" + "not an address" + PROVEN, "utf-8")
    return file


def test_a_dry_run_tells_and_writes_nothing(run: Run, people: Path) -> None:
    ran = run("subscriber", "import", people, "--dry-run", "--json")
    assert ran.code == 1
    [told] = ran.answers
    assert told["dry_run"]
    assert told["samples"]["imported"] == [
        {"row": 2, "address": "a…@inbox.test", "reason": "consent of 2026-01-01, form"}
    ]
    assert run("subscriber", "show", "ana@inbox.test").code == 1
    assert "nothing was imported yet" in run("subscriber", "imports").out
    [done] = run("subscriber", "import", people, "--json").answers
    same = ("rows", "imported", "unchanged", "unknown", "suppressed", "ended", "refused")
    assert {name: told[name] for name in same} == {name: done[name] for name in same}


def test_a_dry_run_is_a_table_for_people(run: Run, people: Path) -> None:
    out = run("subscriber", "import", people, "--dry-run").out
    assert "nothing was written" in out
    for part in ("1  would be imported, and written to", "never written to", "line 2: a…@inbox.test", "line 4"):
        assert part in out
    assert "ana@inbox.test" not in out


def test_an_import_is_listed_and_taken_back(run: Run, people: Path) -> None:
    ran = run("subscriber", "import", people, "--by", "ed")
    assert "`worldbrief subscriber undo 1` takes it back, for 30 days" in ran.err
    [listed] = run("subscriber", "imports", "--json").answers
    assert (listed["id"], listed["by"], listed["counts"]["imported"]) == (1, "ed", 1)
    table = run("subscriber", "imports").out
    assert "people.csv" in table
    assert "by ed" in table
    assert "2 subscriptions ended, 0 left alone" in run("subscriber", "undo", "1", "--by", "mia").err
    assert "by mia" in run("subscriber", "imports").out
    assert "ended (undone)" in run("subscriber", "show", "ana@inbox.test").out
    refused = run("subscriber", "undo", "1")
    assert refused.code == 1
    assert "worldbrief: import 1: was undone on" in refused.err
    assert run("consent", "verify").code == 0


def test_an_export_is_for_one_pair_of_eyes_and_runs_nothing(run: Run, people: Path, tmp_path: Path) -> None:
    run("subscriber", "import", people)
    out = tmp_path / "out.csv"
    out.write_text("old", "utf-8")
    out.chmod(0o644)
    ran = run("subscriber", "export", "--out", out, "--by", "ana")
    assert ran.out == ""
    assert "worldbrief: ana exported 2 subscriptions of world-brief to" in ran.err
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    rows = list(csv.DictReader(io.StringIO(out.read_text("utf-8"))))
    assert {row["address"]: row["state"] for row in rows} == {
        "ana@inbox.test": "active",
        "'=bea@inbox.test": "unknown",
    }
    assert not list(tmp_path.glob(".*"))
    [again] = run("subscriber", "import", out, "--json").answers
    assert (again["unchanged"], again["imported"], again["unknown"]) == (2, 0, 0)


def test_an_export_may_be_json_and_go_to_standard_output(run: Run, people: Path) -> None:
    run("subscriber", "import", people)
    ran = run("subscriber", "export", "--json", "--all")
    assert {json.loads(line)["address"] for line in ran.out.splitlines()} == {"ana@inbox.test", "=bea@inbox.test"}
    assert "exported 2 subscriptions of every newsletter to standard output" in ran.err


def test_an_export_into_nowhere_is_one_line(run: Run, tmp_path: Path) -> None:
    ran = run("subscriber", "export", "--out", tmp_path / "none" / "out.csv")
    assert ran.code == 1
    assert ran.err.strip().splitlines()[-1].startswith("worldbrief: ")


def test_another_platforms_export_with_the_words_shown_there(run: Run, tmp_path: Path) -> None:
    wording = tmp_path / "wording.txt"
    wording.write_text("Send me the morning letter.\n", "utf-8")
    file = CORPUS / "mailchimp_subscribed.csv"
    [bare] = run("subscriber", "import", file, "--json").answers
    assert (bare["imported"], bare["unknown"]) == (0, 4)
    [attested] = run("subscriber", "import", file, "--from", "mailchimp", "--wording", wording, "--json").answers
    assert (attested["imported"], attested["unchanged"]) == (2, 2)
    wording.write_text(" \n", "utf-8")
    assert run("subscriber", "import", file, "--wording", wording).code == 1
    wrong = run("subscriber", "import", file, "--from", "keila")
    assert wrong.code == 1
    assert "this is no export of Keila" in wrong.err
