"""The commands that set up and run an installation; each works against an empty home."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from newsletter import config
from newsletter.cli import service
from newsletter.postbox import Postbox
from tests.cli.conftest import ROOT, Run


def test_init_makes_a_private_home_and_says_what_comes_next(run: Run, tmp_path: Path, monkeypatch: object) -> None:
    ran = run("init")
    assert ran.code == 0
    assert (tmp_path / "home/secret.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "home/worldbrief.db").exists()
    assert "account add" in ran.err
    assert run("init").code == 0


def test_config_shows_what_is_in_force_and_no_secret(run: Run) -> None:
    ran = run("config")
    assert "newsletters.world-brief.send_at" in ran.out
    assert "secret" not in ran.out.lower().replace("secrets", "")
    assert run("config", "--json").answers[0]["relay"]["port"] == 25


def test_config_shows_no_password_of_the_database(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_BRIEF_DATABASE_URL", "postgresql://brief:hunter2@db.worldbrief.test/brief")
    for ran in (run("config"), run("config", "--json")):
        assert "db.worldbrief.test" in ran.out
        assert "hunter2" not in ran.out + ran.err


def test_the_doctor_finds_what_would_stop_the_brief(
    run: Run, postbox: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    well = run("doctor", "--json")
    assert well.code == 0
    assert {one["part"] for one in well.answers} >= {"home", "database", "site", "template", "timetable", "relay"}
    monkeypatch.setenv("WORLD_BRIEF_RELAY__PORT", "1")
    monkeypatch.setenv("WORLD_BRIEF_SITE__POSTAL_ADDRESS", "")
    ill = run("doctor")
    assert ill.code == 1
    failed = [line for line in ill.out.splitlines() if line.startswith("fail")]
    assert [line.split()[1] for line in failed] == ["site", "relay"]


def test_an_account_is_made_with_a_password_shown_once(run: Run) -> None:
    ran = run("account", "add", "ana", "--role", "owner")
    assert ran.code == 0
    assert ran.out.startswith("password: ")
    assert run("account", "add", "", "--role", "owner").code == 1
    assert run("account", "add", "ana", "--role", "king").code == 2


def test_the_schema_is_brought_up_to_date(run: Run) -> None:
    assert "revision" in run("db", "upgrade").err


def test_every_command_has_help(run: Run) -> None:
    top = run("--help")
    assert top.code == 0
    for group in ("story", "edition", "subscriber", "consent", "account", "relay", "db"):
        assert run(group, "--help").code == 0


def test_a_sender_whose_supervisor_died_while_it_started_ends_with_it(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    environ = os.environ | {"WORLD_BRIEF_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", "newsletter.cli.sender", "--part", "1/2", "--parent", str(gone.pid)]
    assert subprocess.run(command, cwd=ROOT, env=environ, timeout=60, check=False).returncode == 0


def test_run_serves_schedules_and_sends_and_stops_when_asked(tmp_path: Path) -> None:
    port = _unasked_port()
    # What a real relay wants must not be asked of the postbox that stands in for it.
    relay = {
        "TLS": "starttls",
        "PINNED_CERTIFICATES": "0" * 64,
        "USERNAME": "desk",
        "TOKEN_FILE": "none",
        "AUTH": "xoauth2",
    }
    environ = os.environ | {f"WORLD_BRIEF_RELAY__{name}": value for name, value in relay.items()}
    environ |= {"WORLD_BRIEF_HOME": str(tmp_path / "home"), "WORLD_BRIEF_WEB__PORT": str(port)}
    command = [sys.executable, "-m", "newsletter", "run", "--postbox"]
    with subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert _answer(f"http://127.0.0.1:{port}/healthz") == "ok\n"
            assert "World Brief" in _answer(f"http://127.0.0.1:{port}/")
        finally:
            process.send_signal(signal.SIGTERM)
            _out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in err
    assert "left with" not in err


def test_a_postbox_stands_in_for_every_relay_there_is(tmp_path: Path) -> None:
    told = {
        "WORLD_BRIEF_RELAYS__BIG__HOST": "smtp.example",
        "WORLD_BRIEF_RELAYS__BIG__USERNAME": "desk",
        "WORLD_BRIEF_RELAYS__SPARE__TLS": "implicit",
        "WORLD_BRIEF_RELAYS__SPARE__PRIORITY": "1",
    }
    environ = dict(told)
    with service._relayed(tmp_path, config.load(ROOT / "config.toml", told), environ):
        relays = config.load(ROOT / "config.toml", environ).relays
    assert {(one.host, one.tls, one.username) for one in relays.values()} == {("127.0.0.1", "none", "")}
    assert len({one.port for one in relays.values()}) == 1
    assert (len(relays), relays["spare"].priority) == (2, 1)


def _unasked_port() -> int:
    """A free port from below those the kernel hands out: the postbox, which asks for any, cannot be given it."""
    for port in range(20_000 + os.getpid() % 5_000, 32_000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise AssertionError("no port is free")


def _answer(url: str) -> str:
    """What is answered within a minute: a machine at work on other things takes its time to start."""
    for _ in range(1_200):
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return str(answer.read().decode())
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    raise AssertionError(f"{url} does not answer")
