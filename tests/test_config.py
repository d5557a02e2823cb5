"""A wrong setting is one line that names the file, the key and the nearest known one."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from newsletter import config
from newsletter.errors import ConfigError
from newsletter.relays import RelaySettings

MINIMAL = """
[newsletters.world-brief]
name = "World Brief"
sender_address = "brief@worldbrief.test"
"""


def _load(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> config.Config:
    path = tmp_path / "config.toml"
    path.write_text(text, "utf-8")
    return config.load(path, environ or {})


def test_what_is_not_said_has_its_default(tmp_path: Path) -> None:
    loaded = _load(tmp_path, MINIMAL)
    brief = loaded.newsletters["world-brief"]
    assert brief.key == brief.template == "world-brief"
    assert brief.send_at == time(5, 30)
    assert loaded.delivery.chunk_size == 500
    assert loaded.database_url == f"sqlite:///{Path('var') / 'worldbrief.db'}"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("[site]\nbase_ur = 'x'", "site.base_ur: unknown key; did you mean `base_url`?"),
        ("[sitee]\nbase_url = 'x'", "sitee: unknown key; did you mean `site`?"),
        ("[relay]\nport = 'many'", "relay.port: 'many' is no whole number"),
        ("[relay]\nport = true", "relay.port: True is no whole number"),
        ("[relay]\ntls = 'maybe'", "relay.tls: 'maybe' is not one of none, starttls, implicit"),
        ("[relay]\nconnections = 0", "relay.connections: must be more than 0"),
        ("[relay]\nblock_timeout_seconds = -1", "relay.block_timeout_seconds: must be more than 0"),
        ("[relay]\ntls='starttls'\npinned_certificates=['ab']", "relay.pinned_certificates: 'ab' is no SHA-256"),
        (f"[relay]\npinned_certificates=['{'0' * 64}']", "relay.pinned_certificates: without tls"),
        ("[relay]\nusername='a'\ntoken_url='http://x'", "relay.token_url: must start with https://"),
        ("[relay]\nusername='a'\nauth='xoauth2'", "relay.auth: xoauth2 needs token_command"),
        ("[relay]\nusername='a'\nauth='plain'\ntoken_file='x'", "relay.auth: plain is for a password"),
        ("[relay]\ntoken_command=['oama']", "relay.username: a token is configured"),
        ("[relay]\npipelining = 'always'", "relay.pipelining: 'always' is not one of auto, one-write, off"),
        ("[relay]\nweight = 0", "relay.weight: must be more than 0"),
        ("[relay]\npriority = -1", "relay.priority: must not be negative"),
        ("[relay]\nrates = ['14 a second']", "relay.rates: '14 a second' is no rate such as 14/s"),
        ("[relay]\nrates = ['0/s']", "relay.rates: '0/s' is no rate"),
        ("[relay]\nrates = ['1/s', '2/1s']", "relay.rates: two of them are for the same time"),
        ("[relay]\nnewsletters = ['world-breif']", "relay.newsletters: no newsletter is called 'world-breif'; did you"),
        ("[relay]\nproviders = ['gogle']", "relay.providers: no provider is called 'gogle'; did you mean `google`?"),
        ("[relay]\nproviders = ['google']", "relay: none takes world-brief to every reader"),
        ("[relays.a]\npost = 25", "relays.a.post: unknown key; did you mean `port`?"),
        ("[relays.a]\nport = 'many'", "relays.a.port: 'many' is no whole number"),
        ("[relays.a]\n[relay]\nport = 'many'", "relay.port: 'many' is no whole number"),
        ("[relays.a]\nconnections = 0", "relays.a.connections: must be more than 0"),
        ("[relays.a]\n[relay]\nconnections = -2", "relay.connections: must be more than 0"),
        ("[relays.a]\nproviders = ['hotmail']", "relays.a.providers: no provider is called 'hotmail'"),
        ("[relays.a]\nproviders = ['google']\n[relays.b]\nproviders = ['yahoo']", "relays: none takes world-brief to"),
        ("[relays.A]\nport = 25", "relays.A: a relay's name is up to 32 lower-case letters"),
        ("[relays.relay]\nport = 25", "relays.relay: that is [relay] itself"),
        ("relays = 3", "relays: must be a table"),
        ("[relays]\na = 3", "relays.a: must be a table"),
        ("[delivery]\nretry_minutes = 5", "delivery.retry_minutes: must be a list"),
        ("[delivery]\nretry_minutes = [5, 'x']", "delivery.retry_minutes[1]: 'x' is no whole number"),
        ("[delivery]\nretry_minutes = []", "delivery.retry_minutes: must name at least one wait"),
        ("[delivery]\nchunk_size = 0", "delivery.chunk_size: must be more than 0"),
        ("[wire]\nmax_redirects = -1", "wire.max_redirects: must not be negative"),
        ("[signup]\nembed_origins = ['https://a.org; x']", "signup.embed_origins: 'https://a.org; x' is no origin"),
        ("sources = 3", "sources: must be a table"),
        ("[dkim]\nselector = '../wb1'", "dkim.selector: '../wb1' is no name such as wb1"),
        ("[dkim]\nnext_selector = 'WB2'", "dkim.next_selector: 'WB2' is no name such as wb1"),
        ("[dkim]\nselector = 'wb1'\nnext_selector = 'wb1'", "dkim.next_selector: is the selector that signs already"),
        ("[dkim]\nswitch_at = 'soon'", "dkim.switch_at: 'soon' is no moment such as"),
        ("[dkim]\nswitch_at = 2026-12-01T06:00:00", "dkim.switch_at: has no zone"),
        ("[dkim]\nexpire_days = 0", "dkim.expire_days: must be more than 0"),
        ("[dkim]\nexpire_days = 3", "dkim.expire_days: must outlast a letter that may be tried for 72 hours"),
        ("[dkim]\ndomain = 'bücher.example'", "dkim.domain: 'bücher.example' is no domain in lower-case ASCII"),
        ("[dkim]\ndomain = 'a.test; l=0'", "dkim.domain: 'a.test; l=0' is no domain"),
        ("[relay]\ndkim = 'none'", "relay.dkim: 'none' is not one of self, relay, both"),
        ("[relay]\nunsigned = ['List-Unsubscribe']", "relay.unsigned: List-Unsubscribe must be signed"),
        ("[relay]\nheaders = 'x'", "relay.headers: must be a table"),
        ("[relay.headers]\nX-A = 3", "relay.headers.X-A: 3 is no text"),
        ("[relay.headers]\nBcc = 'v@x.org'", "relay.headers.Bcc: must be X-…, CFBL-Address or BIMI-Selector"),
        ("[relay.headers]\nX-A = 'é'", "relay.headers.X-A: must be X-…, CFBL-Address or BIMI-Selector in ASCII"),
        ('[relay.headers]\nX-A = "a\\r\\nBcc: v@x.org"', "relay.headers.X-A: must be"),
        ("[relay.headers]\nX-consent-checkpoint = 'x'", "relay.headers.X-consent-checkpoint: must be"),
        ("[relay.headers]\nFrom = ''", "relay.headers.From: only these can be left out: content-language"),
        ("[site]\nbase_url = 'ftp://x'", "site.base_url: must start with https://"),
        ("[newsletters.other]\nname = 'Other'", "newsletters.other.sender_address: missing"),
        ("[newsletters.other]\nname='O'\nsender_address='x'", "newsletters.other.sender_address: 'x' is no address"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, line + "\n" + MINIMAL)
    assert says in str(caught.value)
    assert "config.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("timezone = 'Europe/Atlantis'", "timezone: no such time zone"),
        ("days = ['1-5']", "days[0]: '1-5' is not one of mon"),
        ("send_at = '25:00'", "send_at: '25:00' is no time of day"),
        ("send_at = '04:00'", "send_at: must lie between build_at and not_later_than"),
        ("expires_after_hours = 0", "expires_after_hours: must be at least 1"),
        ("skip_dates = ['2026-02-30']", "skip_dates[0]: '2026-02-30' is no date"),
        ("slots = [{name='a'}, {name='a'}]", "slots: two slots are called 'a'"),
        ("slots = [{name='a', least=3, most=2}]", "slots[0].least: must not be more than `most`"),
        ("slots = [{name='a', leest=3}]", "slots[0].leest: unknown key; did you mean `least`?"),
    ],
)
def test_a_wrong_newsletter_is_named(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, MINIMAL + line)
    assert f"newsletters.world-brief.{says}" in str(caught.value)


def test_a_relay_has_a_profile_and_a_switch_of_keys_a_moment(tmp_path: Path) -> None:
    loaded = _load(
        tmp_path,
        MINIMAL
        + """
[relay]
unsigned = ["Message-ID", "Date"]
headers = { X-SES-CONFIGURATION-SET = "brief", Feedback-ID = "" }
[dkim]
selector = "wb1"
next_selector = "wb2"
switch_at = 2026-12-01T06:00:00Z
""",
        {"WORLD_BRIEF_DKIM__ED25519": "true"},
    )
    assert loaded.relay.headers == {"X-SES-CONFIGURATION-SET": "brief", "Feedback-ID": ""}
    at = datetime(2026, 12, 1, 6, tzinfo=UTC)
    assert (loaded.dkim.switch_at, loaded.dkim.ed25519) == (at, True)
    assert loaded.dkim.selector_at(at - timedelta(seconds=1)) == "wb1"
    assert loaded.dkim.selector_at(at) == "wb2"
    assert replace(loaded.dkim, switch_at=None).selector_at(at) == "wb1"
    assert replace(loaded.dkim, next_selector="").selector_at(at) == "wb1"
    other = _load(tmp_path, MINIMAL, {"WORLD_BRIEF_DKIM__SWITCH_AT": "2026-12-01T07:00+01:00"})
    assert other.dkim.switch_at == at


def test_the_environment_sets_any_key(tmp_path: Path) -> None:
    loaded = _load(
        tmp_path,
        MINIMAL,
        {
            "WORLD_BRIEF_SITE__BASE_URL": "https://news.example.org",
            "WORLD_BRIEF_RELAY__PORT": "2525",
            "WORLD_BRIEF_RELAY__VERIFY_CERTIFICATE": "false",
            "WORLD_BRIEF_DELIVERY__RETRY_MINUTES": "1, 2",
            "WORLD_BRIEF_NEWSLETTERS__WORLD_BRIEF__SEND_AT": "06:15",
            "WORLD_BRIEF_NEWSLETTERS__WORLD_BRIEF__SKIP_DATES": "2026-12-24",
            "WORLD_BRIEF_DATABASE_URL": "postgresql://localhost/x",
            "WORLD_BRIEF_HOME": "/somewhere",
            "OTHER": "ignored",
        },
    )
    assert loaded.site.base_url == "https://news.example.org"
    assert (loaded.relay.port, loaded.relay.verify_certificate) == (2525, False)
    assert loaded.delivery.retry_minutes == (1, 2)
    assert loaded.newsletters["world-brief"].send_at == time(6, 15)
    assert loaded.newsletters["world-brief"].skip_dates == (date(2026, 12, 24),)
    assert loaded.database_url == "postgresql://localhost/x"
    assert loaded.home == Path("/somewhere")


def test_without_another_the_relay_stands_alone(tmp_path: Path) -> None:
    loaded = _load(tmp_path, "[relay]\nport = 587\n" + MINIMAL, {"WORLD_BRIEF_RELAY__HOST": "smtp.example"})
    assert loaded.relays == {"relay": loaded.relay}
    assert (loaded.relay.host, loaded.relay.port) == ("smtp.example", 587)
    assert replace(loaded, relay=RelaySettings(port=2525)).relays["relay"].port == 2525


def test_a_named_relay_takes_from_the_first_what_it_does_not_say(tmp_path: Path) -> None:
    text = """
    [relays.north-1]
    host = "smtp.north.example"
    rates = ["14/s", "3/10m", "50000/24h"]
    [relays.south]
    port = 465
    newsletters = ["world-brief"]
    [relay]
    port = 587
    tls = "starttls"
    """
    environ = {
        "WORLD_BRIEF_RELAY__USERNAME": "desk",
        "WORLD_BRIEF_RELAYS__NORTH_1__WEIGHT": "70",
        "WORLD_BRIEF_RELAYS__SOUTH__PROVIDERS": "google, yahoo",
        "WORLD_BRIEF_RELAY_PASSWORD_NORTH_1": "secret",
    }
    loaded = _load(tmp_path, text + MINIMAL, environ)
    relays = loaded.relays
    assert loaded.relay_hosts == ("smtp.north.example", "127.0.0.1")
    assert list(relays) == ["north-1", "south"]
    north, south = relays["north-1"], relays["south"]
    assert (north.host, north.port, north.tls, north.username) == ("smtp.north.example", 587, "starttls", "desk")
    assert (south.host, south.port, south.weight, south.providers) == ("127.0.0.1", 465, 1, ("google", "yahoo"))
    assert [(one.letters, one.seconds) for one in north.windows] == [(14, 1), (3, 600), (50_000, 86_400)]
    assert north.weight == 70
    assert south.is_for("world-brief", "google")
    assert not south.is_for("world-brief", "other")
    assert not south.is_for("another", "google")


@pytest.mark.parametrize(
    ("variable", "says"),
    [
        ("WORLD_BRIEF_RELAY_PASSWORD_SOUHT", "no relay is called 'souht'; did you mean `south`?"),
        ("WORLD_BRIEF_RELAY_PASSWORD_", "no relay is called ''"),
        ("WORLD_BRIEF_RELAY__PROT", "relay.prot: unknown key; did you mean `port`?"),
        ("WORLD_BRIEF_RELAYPORT", "unknown; settings are WORLD_BRIEF_<SECTION>__<KEY>"),
        ("WORLD_BRIEF_NEWSLETTERS__WORLD_BRIEF__NAME__X", "name is a setting, not a section"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, variable: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, MINIMAL + "[relays.south]", {variable: "1"})
    assert says in str(caught.value)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="worldbrief init"):
        config.load(tmp_path / "none.toml", {})
    with pytest.raises(ConfigError, match=r"config\.toml: .*line 1"):
        _load(tmp_path, "= 3")
