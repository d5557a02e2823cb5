"""`worldbrief consent`: what is certified can be checked by others, and what was kept elsewhere counts."""

import json
import shutil
from pathlib import Path

import pytest

import subscribers
from newsletter.database import Database
from tests.builders import MORNING
from tests.cli.conftest import Run
from tests.conftest import missing

HEADER = "email,consent_at,consent_source,consent_wording,consent_method\n"
ROW = "ana@inbox.test,2026-01-01T09:00:00Z,form,毎朝ニュースを送ってください。 أرسلوا لي الأخبار,button\n"


@pytest.fixture
def home(run: Run, tmp_path: Path) -> Path:
    file = tmp_path / "people.csv"
    file.write_text(HEADER + ROW, "utf-8")
    assert run("subscriber", "import", file).code == 0
    return tmp_path / "home"


def _key(home: Path) -> Path:
    from newsletter import vault
    from subscribers import Signer

    verifier = Signer("worldbrief.test/consent-ledger", vault.unlock(home, {}).checkpoint_pem).verifier
    file = home / "consent-ledger.pub"
    file.write_text(f"{verifier.line}\n\n{verifier.pem}", "utf-8")
    return file


def test_a_receipt_is_written_for_its_holder_and_checked_by_anybody(run: Run, home: Path, tmp_path: Path) -> None:
    file = tmp_path / "receipt.json"
    assert run("consent", "receipt", "ana@inbox.test", "--out", file).code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    checked = run("consent", "check-receipt", file, "--key", _key(home))
    assert (checked.code, "the receipt holds: 1 event" in checked.err) == (0, True)
    file.write_text(file.read_text("utf-8").replace("2026-01-01T09", "2025-01-01T09"), "utf-8")
    altered = run("consent", "check-receipt", file, "--key", _key(home))
    assert (altered.code, "not in the ledger" in altered.err) == (1, True)


def test_what_cannot_be_checked_is_one_line(run: Run, home: Path, tmp_path: Path) -> None:
    file = tmp_path / "none.json"
    file.write_text("{", "utf-8")
    assert "is not JSON" in run("consent", "check-receipt", file, "--key", _key(home)).err
    assert "no public key" in run("consent", "check-receipt", file, "--key", file).err
    assert "No such file" in run("consent", "check-receipt", tmp_path / "nowhere", "--key", _key(home)).err
    assert "nothing is held" in run("consent", "receipt", "nobody@inbox.test").err
    assert run("consent", "receipt", "ana@inbox.test", "--format", "pdf").code == 2


def test_a_receipt_can_be_read_and_printed(run: Run, home: Path, tmp_path: Path) -> None:
    page = run("consent", "receipt", "ana@inbox.test", "--format", "html").out
    assert "毎朝ニュースを送ってください。 أرسلوا لي الأخبار" in page
    assert "@media print" in page
    assert "http" not in page.split("<style>")[0]
    if shutil.which("chromium") is None:
        missing("browser", "no Chromium on this machine")
    file = tmp_path / "receipt.pdf"
    assert run("consent", "receipt", "ana@inbox.test", "--format", "pdf", "--out", file).code == 0
    assert file.read_bytes().startswith(b"%PDF-")


def test_without_a_browser_the_way_out_is_said(
    run: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    ran = run("consent", "receipt", "ana@inbox.test", "--format", "pdf", "--out", tmp_path / "receipt.pdf")
    assert (ran.code, "use --format html" in ran.err) == (1, True)


def test_what_was_kept_elsewhere_is_compared(run: Run, home: Path, tmp_path: Path) -> None:
    run("consent", "receipt", "ana@inbox.test")
    journal = home / "journal" / "checkpoints.txt"
    assert run("consent", "verify", "--checkpoint", journal).code == 0
    other = tmp_path / "other.txt"
    other.write_text("no checkpoint", "utf-8")
    ran = run("consent", "verify", "--checkpoint", other, "--json")
    [answer] = ran.answers
    assert (ran.code, answer["ok"], answer["broken"], len(answer["incomplete"])) == (2, False, [], 1)
    other.write_text(journal.read_text("utf-8").replace("\n1\n", "\n2\n"), "utf-8")
    assert run("consent", "verify", "--checkpoint", other).code == 2


def test_the_key_of_the_checkpoints_is_private(run: Run, home: Path) -> None:
    key = home / "checkpoint.key"
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o640)
    ran = run("consent", "verify")
    assert (ran.code, "chmod 600" in ran.err) == (1, True)


def test_c12_weak_wordings_are_told_and_only_a_ticked_box_blocks(run: Run, tmp_path: Path) -> None:
    ran = run("consent", "lint", "--json")
    assert ran.code == 0
    assert {one["rule"] for one in ran.answers} == {"bundled-purposes", "agrees-to-privacy-policy"}
    ticked = '<form><input type="checkbox" name="tracking" checked></form>'
    database = Database(f"sqlite:///{tmp_path / 'home' / 'worldbrief.db'}")
    with database.transaction() as session:
        shown = [subscribers.Display(text=ticked, language="en", page="signup")]
        subscribers.display(session, "world-brief", shown, MORNING)
    database.close()
    ran = run("consent", "lint")
    assert (ran.code, "blocks: pre-ticked" in ran.out) == (1, True)
    assert json.dumps("tracking") not in ran.err
