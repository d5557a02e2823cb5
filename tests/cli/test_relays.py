"""`worldbrief relay list` and `test`: what each relay is for, what it shows, and what is wrong with it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from newsletter.cli import house
from newsletter.database import Database
from newsletter.delivery import allowance
from newsletter.postbox import Postbox, Service, running
from newsletter.relays import RelaySettings
from tests.cli.conftest import Run
from tests.delivery import certificates

CONFIG = """
[site]
postal_address = "1 Longitude Row"
[relay]
host = "127.0.0.1"
connections = 3
[relays.north]
port = {north}
tls = "starttls"
pinned_certificates = ["{pin}"]
username = "desk"
weight = 70
rates = ["14/s", "50000/24h"]
[relays.south]
port = 1
weight = 30
providers = ["google", "yahoo"]
[relays.spare]
port = {spare}
priority = 1
newsletters = ["world-brief"]
[newsletters.world-brief]
name = "World Brief"
sender_address = "brief@worldbrief.test"
"""


@pytest.fixture
def three(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """The command line of a house with three relays, of which one cannot be reached."""
    certificate = certificates.make(tmp_path)
    service = replace(Service(tls=certificates.served(certificate)), login=("desk", "hunter2"))
    with running(Postbox(service=service)) as north, running(Postbox()) as spare:
        file = tmp_path / "config.toml"
        pin = certificates.fingerprint(certificate)
        file.write_text(CONFIG.format(north=north.port, spare=spare.port, pin=pin), "utf-8")
        monkeypatch.setenv("WORLD_BRIEF_CONFIG", str(file))
        monkeypatch.setenv("WORLD_BRIEF_RELAY_PASSWORD_NORTH", "hunter2")
        yield run


def test_the_list_says_what_each_is_for(three: Run, tmp_path: Path) -> None:
    three("init")
    database = Database(f"sqlite:///{tmp_path / 'home' / 'worldbrief.db'}")
    windows = RelaySettings(rates=("50000/24h",)).windows
    with database.transaction() as session:
        allowance.grant(session, "north", windows, 1_234, lambda: house.clock() - timedelta(hours=1))
    database.close()
    north, south, spare = three("relay", "list", "--json").answers
    assert (north["relay"], north["secret"], north["share"], north["connections"]) == ("north", "password", 70.0, 3)
    assert [one["taken"] for one in north["rates"]] == [0, 1_234]
    assert (south["providers"], south["secret"]) == (["google", "yahoo"], "none")
    assert (spare["newsletters"], spare["priority"], spare["share"]) == (["world-brief"], 1, 100.0)
    told = three("relay", "list")
    assert "at most 14/s (0 taken), 50000/24h (1,234 taken)" in told.out
    assert "readers at google, yahoo" in told.out
    assert "hunter2" not in told.out + told.err


def test_a_test_shows_what_the_relay_shows(three: Run) -> None:
    ran = three("relay", "test", "north", "--json")
    assert ran.code == 0
    [found] = ran.answers
    assert found["usable"]
    assert found["failure"] == ""
    assert found["banner"].startswith("220 ")
    assert "PIPELINING" in found["offers"]
    assert found["tls_version"].startswith("TLSv1.")
    assert found["cipher"]
    assert found["certificate_ends_at"] > "2026"
    assert (found["login"], found["username"]) == ("PLAIN", "desk")
    assert found["round_trip_ms"] > 0
    assert found["weight"] == 70
    told = three("relay", "test", "north")
    assert "PLAIN as desk is accepted" in told.out
    assert "certificate until" in told.out
    assert "hunter2" not in told.out + told.err


def test_a_test_of_all_fails_when_one_cannot_be_used(three: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = three("relay", "test", "--json")
    assert ran.code == 1
    assert [one["usable"] for one in ran.answers] == [True, False, True]
    assert "connect" in ran.answers[1]["failure"]
    monkeypatch.setenv("WORLD_BRIEF_RELAY_PASSWORD_NORTH", "guessed")
    refused = three("relay", "test", "north", "--json")
    assert refused.code == 1
    [found] = refused.answers
    assert "auth: 535" in found["failure"]
    assert found["tls_version"]
    assert "guessed" not in refused.out + refused.err
    told = three("relay", "test", "north")
    assert told.code == 1
    assert "accepted" not in told.out


def test_an_unknown_relay_is_named_with_the_nearest(three: Run) -> None:
    ran = three("relay", "test", "nort")
    assert ran.code == 1
    assert "relays.nort: unknown; did you mean `north`?" in ran.err
    assert "there are north, south, spare" in three("relay", "test", "xyz").err


def test_the_doctor_fails_only_when_a_newsletter_has_no_way_left(three: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def relays() -> list[tuple[str, str]]:
        answers = three("doctor", "--json").answers
        return [(one["state"], one["detail"].partition(":")[0]) for one in answers if one["part"] == "relay"]

    # The second word on north is that its certificate, made for an hour, ends soon.
    assert relays() == [("ok", "north"), ("warn", "north"), ("warn", "south"), ("ok", "spare")]
    monkeypatch.setenv("WORLD_BRIEF_RELAYS__SPARE__PORT", "1")
    monkeypatch.setenv("WORLD_BRIEF_RELAYS__NORTH__PORT", "1")
    assert relays() == [("fail", "north"), ("fail", "south"), ("fail", "spare")]


def test_the_settings_in_force_name_one_relay_once(run: Run) -> None:
    lines = run("config").out.splitlines()
    assert [line for line in lines if line.startswith("relays.")] == []
    assert "relay.weight = 1" in lines
