"""`worldbrief dkim`: a key is made once, its record can be published as printed, and one key leads to the next."""

from pathlib import Path

import pytest

from newsletter.delivery import keyfiles
from newsletter.postbox import Postbox
from tests.cli.conftest import Run


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def setting(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for key, value in values.items():
        monkeypatch.setenv(f"WORLD_BRIEF_DKIM__{key.upper()}", value)


def test_a_new_key_is_printed_with_its_record_and_kept_when_asked_again(run: Run, home: Path) -> None:
    ran = run("dkim", "new")
    assert ran.code == 0
    assert 'wb1._domainkey.worldbrief.test. IN TXT ( "v=DKIM1; k=rsa; p=' in ran.out
    assert 'set selector = "wb1" under [dkim]' in ran.err
    assert (home / "dkim/wb1.pem").stat().st_mode & 0o777 == 0o600
    assert run("dkim", "new").out == ran.out
    assert "PRIVATE" not in ran.out + ran.err


def test_a_machine_reads_the_record(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setting(monkeypatch, selector="brief", ed25519="true", domain="news.test")
    one, twin = run("dkim", "new", "--json").answers
    assert (one["selector"], one["role"], one["algorithm"], one["bits"], one["days_old"]) == (
        "brief",
        "signs",
        "rsa",
        2048,
        0,
    )
    assert one["name"] == "brief._domainkey.news.test"
    assert one["record"] == keyfiles.read(home, "brief").record()
    assert (twin["selector"], twin["role"], twin["algorithm"]) == ("brief-ed25519", "signs", "ed25519")


@pytest.mark.parametrize("name", ["../wb1", "WB1", "wb 1", "wb1-", "x" * 60])
def test_a_name_that_is_none_is_a_wrong_use(run: Run, home: Path, name: str) -> None:
    for command in ("new", "rotate"):
        assert run("dkim", command, name).code == 2
    assert not (home / "dkim").exists()


def test_show_tells_every_key_apart(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = run("dkim", "show")
    assert (empty.code, empty.out) == (0, "")
    assert "letters leave unsigned" in empty.err
    for name in ("wb1", "wb2", "old"):
        run("dkim", "new", name)
    setting(monkeypatch, selector="wb1", next_selector="wb2")
    shown = run("dkim", "show", "--json").answers
    assert {one["selector"]: one["role"] for one in shown} == {"wb1": "signs", "wb2": "next", "old": "unused"}
    setting(monkeypatch, switch_at="2020-01-01T00:00Z")
    shown = run("dkim", "show", "--json").answers
    assert {one["selector"]: one["role"] for one in shown} == {"wb1": "before", "wb2": "signs", "old": "unused"}
    monkeypatch.setenv("WORLD_BRIEF_RELAY__DKIM", "relay")
    assert "leaves it to the relay" in run("dkim", "show").err


def test_show_fails_for_a_key_that_cannot_be_used_and_shows_the_others(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("dkim", "new", "wb1")
    run("dkim", "new", "wb2")
    (home / "dkim/wb1.pem").chmod(0o644)
    setting(monkeypatch, selector="wb1", next_selector="wb3")
    ran = run("dkim", "show", "--json")
    assert ran.code == 1
    assert [one["selector"] for one in ran.answers] == ["wb2"]
    assert "chmod 600" in ran.err
    assert "wb3.pem: missing" in ran.err


def test_a_rotation_publishes_first_then_switches_and_can_be_repeated(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("dkim", "rotate").code == 1
    assert not (home / "dkim").exists()
    run("dkim", "new")
    setting(monkeypatch, selector="wb1")
    begun = run("dkim", "rotate")
    assert begun.code == 0
    assert "wb2._domainkey.worldbrief.test. IN TXT" in begun.out
    assert "1. publish the record" in begun.err
    assert '2. set next_selector = "wb2" and switch_at = "' in begun.err
    assert run("dkim", "rotate").out == begun.out
    assert keyfiles.selectors(home) == ["wb1", "wb2"]
    assert "wb1: signs" in run("dkim", "show").out

    setting(monkeypatch, next_selector="wb2", switch_at="2999-01-01T00:00Z")
    waiting = run("dkim", "rotate")
    assert "wb2: next" in waiting.out
    assert "wb2 signs what is frozen from 2999-01-01 00:00 UTC on" in waiting.err
    assert "wb1 signs until then" in waiting.err

    setting(monkeypatch, switch_at="2020-01-01T00:00Z")
    switched = run("dkim", "rotate")
    assert "wb2: signs" in switched.out
    assert "keep the record of wb1 until 2020-01-16" in switched.err
    assert 'set selector = "wb2"' in switched.err
    assert keyfiles.selectors(home) == ["wb1", "wb2"]


def test_a_rotation_may_name_the_next_key_and_not_the_same_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("dkim", "new", "brief")
    setting(monkeypatch, selector="brief")
    assert "brief2: unused" in run("dkim", "rotate").out
    assert "autumn: unused" in run("dkim", "rotate", "autumn").out
    assert run("dkim", "rotate", "brief").code == 2


def test_the_doctor_looks_at_the_keys(run: Run, home: Path, postbox: Postbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def found() -> list[tuple[str, str]]:
        answers = run("doctor", "--json").answers
        return [(one["state"], one["detail"]) for one in answers if one["part"] == "dkim"]

    [(state, detail)] = found()
    assert state == "warn"
    assert "letters leave unsigned" in detail
    setting(monkeypatch, selector="wb1")
    [(state, detail)] = found()
    assert state == "fail"
    assert "wb1.pem: missing" in detail
    run("dkim", "new")
    [(state, detail)] = found()
    assert state == "ok"
    assert "wb1 (rsa, 2048 bits, 0 days old) signs" in detail
    assert "wb1._domainkey.worldbrief.test" in detail
    (home / "dkim/wb1.pem").chmod(0o604)
    assert found()[0][0] == "fail"
    (home / "dkim/wb1.pem").chmod(0o600)
    setting(monkeypatch, domain="elsewhere.test")
    assert "elsewhere.test is not worldbrief.test or above it" in found()[1][1]
    monkeypatch.setenv("WORLD_BRIEF_RELAY__UNSIGNED", "Mesage-ID")
    assert "mesage-id would not be signed anyway" in found()[2][1]
    monkeypatch.setenv("WORLD_BRIEF_RELAY__DKIM", "relay")
    [(state, detail)] = found()
    assert state == "ok"
    assert "RFC 8058" in detail


def test_the_settings_in_force_show_a_relays_headers(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[2] / "config.toml").read_text("utf-8")
    file = tmp_path / "config.toml"
    file.write_text(text.replace("# headers = {}", 'headers = { X-PM-Message-Stream = "brief" }'), "utf-8")
    monkeypatch.setenv("WORLD_BRIEF_CONFIG", str(file))
    assert "relay.headers.X-PM-Message-Stream = 'brief'" in run("config").out
