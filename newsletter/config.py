"""Every setting as a frozen dataclass, and the one loader. Secrets are not settings: see `newsletter.vault`.

Only `cli` calls `load`; a room receives its own section. Unknown keys are errors that name the nearest known one.
"""

import re
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, time
from pathlib import Path
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from newsletter import relays, typed
from newsletter.errors import ConfigError
from newsletter.relays import ONLY, RelaySettings
from newsletter.signing import Dkim
from newsletter.typed import Text, nearest

ENVIRONMENT_PREFIX: Final = "WORLD_BRIEF_"
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Who publishes, and under which public address."""

    base_url: str = "https://worldbrief.test"
    publisher: str = "World Brief"
    postal_address: str = ""
    contact_address: str = ""
    privacy_url: str = "/privacy"
    terms_url: str = "/terms"
    country: str = ""
    authority_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """Where the rows live; an empty url is `worldbrief.db`, an empty keyring_url `keyring.db` in the home directory."""

    url: str = ""
    keyring_url: str = ""
    busy_timeout_seconds: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """The one port."""

    host: str = "127.0.0.1"
    port: int = 8000
    session_hours: int = 8
    proxies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How a mailing is worked off."""

    bounce_domain: str = ""
    processes: int = 1
    chunk_size: int = 500
    lease_seconds: int = 60
    poll_seconds: float = 2.0
    retry_minutes: tuple[int, ...] = (5, 15, 30, 60, 120)
    on_uncertain: Literal["resend", "hold", "reconcile"] = "resend"
    reconcile_minutes: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """The limits under which sources are fetched and stories kept."""

    timeout_seconds: float = 10.0
    max_redirects: int = 5
    max_bytes: int = 5_000_000
    max_decompressed_bytes: int = 20_000_000
    max_items: int = 1_000
    duplicate_similarity: float = 0.6
    duplicate_hours: int = 72
    pull_minutes: int = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Signup:
    """The sign-up form and its confirmation."""

    confirm_hours: int = 72
    letters_per_day: int = 1
    letters_per_month: int = 3
    letters_per_domain: int = 10
    letters_per_provider: int = 100
    letters_per_hour: int = 60
    posts_per_hour: int = 5
    posts_per_day: int = 20
    network_posts_per_hour: int = 30
    unproved_posts_per_hour: int = 1
    proof_cost: int = 50_000
    links_per_day: int = 3
    embed_origins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Privacy:
    """What the privacy policy has to name (GDPR article 13), and how long what is kept of people is kept.

    An empty controller is `site.publisher`.
    """

    controller: str = ""
    dpo_address: str = ""
    authority: str = ""
    hosting_country: str = ""
    relay_operator: str = ""
    proof_months: int = 36
    idle_months: int = 24
    journal_days: int = 400
    keyring_backup_days: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerts:
    """Who is told when an edition cannot go out."""

    mail_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One feed or folder the wire pulls by itself."""

    url: str
    name: str = ""
    section: str = ""
    region: str = ""
    checked_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A named place in a plan: what may stand there, how much of it, on which days."""

    name: str
    title: str = ""
    style: Literal["lead", "items", "links", "light", "agenda", "quiz", "figures"] = "items"
    accepts: tuple[str, ...] = ()
    least: int = 0
    most: int = 1
    words: int = 150
    days: tuple[Weekday, ...] = WEEKDAYS
    required: bool = False
    fallback: Literal["drop", "any", "text"] = "drop"
    fallback_text: str = ""
    max_age_hours: int = 72
    first_on: date | None = None
    last_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Newsletter:
    """One recurring product: its name, sender, timetable and plan."""

    key: str = ""
    name: str
    tagline: str = ""
    language: str = "en"
    direction: Literal["ltr", "rtl"] = "ltr"
    template: str = ""
    byline: str = ""
    welcome: str = "Welcome back to {name}, where we’re looking at {topics}."
    feedback_address: str = ""
    sender_name: str = ""
    sender_address: str
    reply_to: str = ""
    list_id: str = ""
    wording: str = ""
    wording_style: Literal["standard", "strict"] = "standard"
    timezone: str = "UTC"
    days: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri")
    build_at: time = time(4, 45)
    send_at: time = time(5, 30)
    not_later_than: time = time(9, 0)
    expires_after_hours: int = 20
    holiday_country: str = ""
    holiday_subdivision: str = ""
    holiday_markets: tuple[str, ...] = ()
    skip_dates: tuple[date, ...] = ()
    extra_dates: tuple[date, ...] = ()
    auto_approve: bool = False
    two_person: bool = False
    tracking: Literal["none", "aggregate", "consented"] = "none"
    reuse_after_days: int = 30
    most_words: int = 2_000
    slots: tuple[Slot, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole configuration, and the two places it was told of: the file and the home directory.

    Letters are handed to `relays`, by name; when none is named to `relay` alone, whose settings the named ones share.
    """

    path: Path = Path("config.toml")
    home: Path = Path("var")
    site: Site = field(default_factory=Site)
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    web: Web = field(default_factory=Web)
    relay: RelaySettings = field(default_factory=RelaySettings)
    relays: Mapping[str, RelaySettings] = field(default_factory=dict)
    dkim: Dkim = field(default_factory=Dkim)
    delivery: Delivery = field(default_factory=Delivery)
    wire: Wire = field(default_factory=Wire)
    signup: Signup = field(default_factory=Signup)
    alerts: Alerts = field(default_factory=Alerts)
    privacy: Privacy = field(default_factory=Privacy)
    sources: Mapping[str, Source] = field(default_factory=dict)
    newsletters: Mapping[str, Newsletter] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # The name is nobody else's, so that a copy with another `relay` has that one.
        if set(self.relays) <= {ONLY}:
            object.__setattr__(self, "relays", {ONLY: self.relay})

    @property
    def relay_hosts(self) -> tuple[str, ...]:
        """The servers that letters are handed to, each once."""
        return tuple(dict.fromkeys(one.host for one in self.relays.values()))

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL: the setting, or SQLite in the home directory."""
        return self.database.url or f"sqlite:///{self.home / 'worldbrief.db'}"

    @property
    def keyring_url(self) -> str:
        """The SQLAlchemy URL of the keyring: the setting, or a SQLite file of its own in the home directory."""
        return self.database.keyring_url or f"sqlite:///{self.home / 'keyring.db'}"


# Told by the environment alone, since they say where the file and the data are; and the secrets' own names.
RESERVED_ENVIRONMENT: Final = frozenset(
    {"CONFIG", "HOME", "DATABASE_URL", "SECRET", "RELAY_PASSWORD", "GOLDEN", "REQUIRE"}
)
RELAY_PASSWORD: Final = "RELAY_PASSWORD_"  # noqa: S105 -- how the variables of named relays begin
# Where nothing, or less, would stop the house or never end; every other number may be 0, and none is negative.
_POSITIVE: Final = frozenset(
    {
        *("delivery.processes", "delivery.chunk_size", "delivery.lease_seconds"),
        *("delivery.poll_seconds", "delivery.reconcile_minutes"),
        *("wire.timeout_seconds", "wire.pull_minutes", "signup.confirm_hours", "signup.proof_cost"),
        *("web.session_hours", "privacy.proof_months", "privacy.idle_months", "privacy.journal_days"),
        *("privacy.keyring_backup_days", "dkim.expire_days"),
    }
)


# It becomes part of a header, so nothing else may.
_ORIGIN: Final = re.compile(r"https?://(\*\.)?[A-Za-z0-9.-]+(:[0-9]{1,5})?")


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """Read the file at `path` with the overrides of `environ`.

    `WORLD_BRIEF_<SECTION>__<KEY>` sets one key (lists as comma-separated words, the names of newsletters and sources
    with `_` for `-`). Raises ConfigError, whose one line names the file or variable, the key and the nearest known one.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(path, "", "no such file; `worldbrief init` writes one") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(path, "", str(error)) from error
    _overlay(table, environ)
    _inherit(table, path)
    config = typing.cast("Config", typed.section(Config, table, path, "", hidden=("path", "home")))
    named = {key: replace(one, key=key, template=one.template or key) for key, one in config.newsletters.items()}
    url = environ.get("WORLD_BRIEF_DATABASE_URL", config.database.url)
    config = replace(
        config,
        path=path,
        home=Path(environ.get("WORLD_BRIEF_HOME", "var")),
        database=replace(config.database, url=url),
        newsletters=named,
    )
    _check(config)
    _check_passwords(config, environ)
    return config


def _overlay(table: dict[str, Any], environ: Mapping[str, str]) -> None:
    for variable, text in environ.items():
        name = variable.removeprefix(ENVIRONMENT_PREFIX)
        if name == variable or name in RESERVED_ENVIRONMENT or name.startswith(RELAY_PASSWORD):
            continue
        *parents, key = name.lower().split("__")
        if not parents:
            raise ConfigError("environment", variable, "unknown; settings are WORLD_BRIEF_<SECTION>__<KEY>")
        here = table
        for parent in parents:
            known = next((name for name in here if name.replace("-", "_") == parent), parent)
            here = here.setdefault(known, {})
            if not isinstance(here, dict):
                raise ConfigError("environment", variable, f"{parent} is a setting, not a section")
        here[key] = Text(text)


def _inherit(table: dict[str, Any], path: Path) -> None:
    """Give every named relay what `[relay]` says and it does not."""
    shared, named = table.pop("relay", {}), table.pop("relays", {})
    if isinstance(named, dict) and ONLY in named:
        raise ConfigError(path, f"relays.{ONLY}", f"that is [{ONLY}] itself; give it another name")
    if isinstance(shared, dict) and isinstance(named, dict):
        named = {name: shared | one if isinstance(one, dict) else one for name, one in named.items()}
    # In this order what is wrong with `[relay]` is said of it, and not of those that share it.
    table |= {"relay": shared, "relays": named}


def _check(config: Config) -> None:
    _check_origins(config)
    _check_numbers(config)
    _check_sending(config)
    for key, one in config.newsletters.items():
        where = f"newsletters.{key}"
        try:
            ZoneInfo(one.timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ConfigError(config.path, f"{where}.timezone", f"no such time zone: {one.timezone!r}") from error
        if not one.build_at <= one.send_at <= one.not_later_than:
            raise ConfigError(config.path, f"{where}.send_at", "must lie between build_at and not_later_than")
        if "@" not in one.sender_address:
            raise ConfigError(config.path, f"{where}.sender_address", f"{one.sender_address!r} is no address")
        if one.expires_after_hours < 1:
            raise ConfigError(config.path, f"{where}.expires_after_hours", "must be at least 1")
        names = [slot.name for slot in one.slots]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ConfigError(config.path, f"{where}.slots", f"two slots are called {twice!r}")
        for n, slot in enumerate(one.slots):
            if not 0 <= slot.least <= slot.most:
                raise ConfigError(config.path, f"{where}.slots[{n}].least", "must not be more than `most`")


def _check_origins(config: Config) -> None:
    if not config.site.base_url.startswith(("https://", "http://")):
        raise ConfigError(config.path, "site.base_url", "must start with https:// (or http:// on this machine)")
    for origin in config.signup.embed_origins:
        if not _ORIGIN.fullmatch(origin):
            raise ConfigError(
                config.path, "signup.embed_origins", f"{origin!r} is no origin such as https://example.org"
            )


def _check_numbers(config: Config) -> None:
    for section in ("database", "web", "dkim", "delivery", "wire", "signup", "privacy"):
        settings = getattr(config, section)
        for one in fields(settings):
            name, value = f"{section}.{one.name}", getattr(settings, one.name)
            if type(value) in {int, float} and (value < 0 or (value == 0 and name in _POSITIVE)):
                raise ConfigError(
                    config.path, name, "must be more than 0" if name in _POSITIVE else "must not be negative"
                )
    if not config.delivery.retry_minutes or min(config.delivery.retry_minutes) < 1:
        raise ConfigError(config.path, "delivery.retry_minutes", "must name at least one wait, each of at least 1")


def _check_sending(config: Config) -> None:
    for name, setting, reason in relays.faults(config.relays, config.newsletters):
        raise ConfigError(config.path, _place(config, name, setting), reason)
    lives = [config.signup.confirm_hours, *(one.expires_after_hours for one in config.newsletters.values())]
    for key, reason in config.dkim.faults(max(lives)):
        raise ConfigError(config.path, f"dkim.{key}", reason)


def _place(config: Config, name: str, setting: str) -> str:
    """Where a relay's setting stands: in its own table, or in `[relay]` when it shares what is said there."""
    if ONLY in config.relays:
        return f"{ONLY}.{setting}".rstrip(".")
    key = setting.partition(".")[0]
    if key:
        told = getattr(config.relay, key)
        shared = told != getattr(RelaySettings(), key) and told == getattr(config.relays[name], key)
        return f"{ONLY}.{setting}" if shared else f"relays.{name}.{setting}"
    return f"relays.{name}".rstrip(".")


def _check_passwords(config: Config, environ: Mapping[str, str]) -> None:
    """A password that no relay would ever be told is a name that is misspelt."""
    known = {name.replace("-", "_").upper() for name in config.relays}
    for variable in environ:
        name = variable.removeprefix(ENVIRONMENT_PREFIX + RELAY_PASSWORD)
        if name != variable and name not in known:
            near = nearest(name, known).lower()
            raise ConfigError("environment", variable, f"no relay is called {name.lower()!r}{near}")
