"""`worldbrief consent`: what is certified can be checked by others, and what was kept elsewhere counts."""

import shutil
from pathlib import Path

import pytest

import subscribers
from newsletter.database import Database
from newsletter.rendering.template import TEMPLATES
from newsletter.web.pages import Pages
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


def test_a_receipt_to_read_is_in_the_language_of_its_reader(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "people.csv"
    file.write_text(HEADER + ROW, "utf-8")
    monkeypatch.setenv("WORLD_BRIEF_NEWSLETTERS__WORLD_BRIEF__LANGUAGE", "ja")
    assert run("subscriber", "import", file).code == 0
    page = run("consent", "receipt", "ana@inbox.test", "--format", "html").out
    assert '<html lang="ja" dir="ltr">' in page
    assert "同意の控え" in page
    assert "Consent" not in page.split("checkpoint")[0]


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


def test_c12_weak_wordings_are_told_and_block_nothing(run: Run) -> None:
    ran = run("consent", "lint", "--json")
    assert ran.code == 0
    assert {one["rule"] for one in ran.answers} == {"bundled-purposes", "agrees-to-privacy-policy"}


@pytest.mark.parametrize(
    ("page", "file"),
    [
        ("signup", "signup"),
        ("signup", "signup_form"),
        ("embed", "embed"),
        ("my_subscribe", "my_subscribe"),
        ("my_count", "my_count"),
    ],
)
def test_c12_a_form_with_a_ticked_box_is_not_served(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str, file: str
) -> None:
    templates = _ticked(tmp_path, file)
    monkeypatch.setattr("newsletter.web.pages.TEMPLATES", templates)
    monkeypatch.setattr("newsletter.web.forms.TEMPLATES", templates)
    monkeypatch.setattr("newsletter.web.app.serve", lambda _pages: pytest.fail("it was served"))
    lint = run("consent", "lint")
    # The form itself stands on two pages.
    assert (lint.code, lint.out.count("blocks: pre-ticked")) == (1, 2 if file == "signup_form" else 1)
    named = str(templates / "pages" / f"{page}.html")
    for command in ("web", "run"):
        refused = run(command)
        assert (refused.code, named in refused.err, "pre-ticked" in refused.err) == (1, True, True)
        assert "desk: /desk/" not in refused.err
    [told] = [one for one in run("doctor", "--json").answers if one["part"] == "forms"]
    assert (told["state"], named in told["detail"], "pre-ticked" in told["detail"]) == ("fail", True, True)


def test_c12_a_form_that_was_shown_with_a_ticked_box_blocks(run: Run, tmp_path: Path) -> None:
    assert run("consent", "lint").code == 0
    ticked = '<form><input type="checkbox" name="tracking" checked></form>'
    database = Database(f"sqlite:///{tmp_path / 'home' / 'worldbrief.db'}")
    with database.transaction() as session:
        shown = [subscribers.Display(text=ticked, language="en", page="signup")]
        subscribers.display(session, "world-brief", shown, MORNING)
    database.close()
    ran = run("consent", "lint")
    assert (ran.code, ran.out.count("blocks: pre-ticked")) == (1, 1)


def test_c12_forms_as_they_are_shipped_are_served(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[Pages] = []
    monkeypatch.setattr("newsletter.web.app.serve", served.append)
    assert run("web").code == 0
    assert len(served) == 1
    [told] = [one for one in run("doctor", "--json").answers if one["part"] == "forms"]
    assert told["state"] == "ok"


def _ticked(tmp_path: Path, name: str) -> Path:
    """The templates as shipped, with a box for tracking that is ticked beforehand in one of them."""
    templates = tmp_path / "templates"
    shutil.copytree(TEMPLATES, templates)
    file = templates / "pages" / f"{name}.html"
    box = '<input type="checkbox" name="tracking" checked>'
    whole = file.read_text("utf-8")
    mark = "</form>" if "</form>" in whole else '{% include "signup_form.html" %}'
    file.write_text(whole.replace(mark, f"{box}{mark}"), "utf-8")
    return templates
