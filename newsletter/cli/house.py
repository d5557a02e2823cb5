"""What every command needs: the configuration, the database, the secrets, dates, and how to print."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console

import subscribers
from newsletter import __version__, config, vault
from newsletter.config import Config, Newsletter
from newsletter.database import Database
from newsletter.errors import ConfigError, NewsletterError, SecretError
from newsletter.safekeeping import arming
from newsletter.safekeeping.journal import Entry, Journal
from newsletter.scheduling import timetable
from newsletter.vault import Vault

app = typer.Typer(
    help="World Brief, the newsletter desk a newsroom runs itself.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)
console = Console(stderr=True, highlight=False)
# Lines are the reader's to wrap: a pipe or a log wants them whole.
stdout = Console(highlight=False, soft_wrap=True)

NewsletterOption = Annotated[
    str, typer.Option("--newsletter", "-n", help="Its key in config.toml; the first by default.")
]
DateOption = Annotated[
    str,
    typer.Option("--date", "-d", help="YYYY-MM-DD in the newsletter’s time zone; today, or the next publishing day."),
]
JSONOption = Annotated[bool, typer.Option("--json", help="Answer with one JSON object per line.")]
ByOption = Annotated[str, typer.Option("--by", help="Who does this; kept in the edition’s history.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """One opened installation."""

    config: Config
    database: Database
    ring: Database
    vault: Vault

    @property
    def journal(self) -> Journal:
        """Who left, outside the database."""
        return Journal(self.config.home)

    def newsletter(self, key: str) -> Newsletter:
        """The newsletter with this key, or the first one when the key is empty."""
        known = self.config.newsletters
        if not known:
            raise ConfigError(self.config.path, "newsletters", "there is none; add [newsletters.<name>]")
        if not key:
            return next(iter(known.values()))
        if key not in known:
            raise ConfigError(self.config.path, f"newsletters.{key}", f"unknown; there are {', '.join(known)}")
        return known[key]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"worldbrief {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


def load_config() -> Config:
    """The configuration the environment points at: WORLD_BRIEF_CONFIG, or config.toml here."""
    return config.load(Path(os.environ.get("WORLD_BRIEF_CONFIG", "config.toml")), os.environ)


def rereader(settings: Config) -> Callable[[], Config | None]:
    """A function that reads the configuration again when its file has changed since. One that is wrong is said so
    once, and the one in force stays.
    """
    seen = _stamp(settings.path)

    def again() -> Config | None:
        nonlocal seen
        found = _stamp(settings.path)
        if found == seen:
            return None
        seen = found
        try:
            return load_config()
        except ConfigError as error:
            say(f"worldbrief: {error}; the configuration from before stays in force")
            return None

    return again


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


@contextmanager
def opened(settings: Config | None = None) -> Iterator[House]:
    """Open the installation, creating its home, its secret and its tables when they are missing."""
    settings = settings or load_config()
    try:
        if os.environ.get("WORLD_BRIEF_SECRET"):
            vault.create_checkpoint_key(settings.home)
        else:
            vault.create(settings.home)
    except OSError as error:
        raise SecretError(settings.home, f"the home cannot be used: {error.strerror}") from error
    patience = settings.database.busy_timeout_seconds
    database = Database(settings.database_url, busy_timeout_seconds=patience)
    ring = Database(settings.keyring_url, busy_timeout_seconds=patience, durable=True)
    keyring = subscribers.Keyring(ring.transaction, ring.snapshot, lambda: ring.scrub(compact=True))
    journal = Journal(settings.home)
    database.before_commit = lambda session: journal.write(map(_entry, subscribers.noted(session)))
    secrets = replace(vault.unlock(settings.home, os.environ), ring=keyring)
    try:
        database.upgrade()
        keyring.prepare()
        _refuse_another_secret(settings, database, secrets)
        yield House(config=settings, database=database, ring=ring, vault=secrets)
    finally:
        database.close()
        ring.close()


def _entry(gone: subscribers.Departure) -> Entry:
    return Entry(
        fingerprint=gone.fingerprint.hex(),
        action=gone.action,
        newsletter=gone.newsletter,
        reason=gone.reason,
        at=gone.at,
    )


def _refuse_another_secret(settings: Config, database: Database, secrets: Vault) -> None:
    """With another secret or keyring no address opens: a mailing would end without one letter, every reader dropped."""
    with database.snapshot() as session:
        # A restored database may hold nobody but people whose keys have been shredded since.
        fits = arming.taken(session) is not None or subscribers.opens(session, secrets.keys)
    if not fits:
        where = "WORLD_BRIEF_SECRET" if os.environ.get("WORLD_BRIEF_SECRET") else settings.home / vault.MASTER_FILE
        raise SecretError(
            where, "is not the secret this database was written with, or keyring.db is another; put it back"
        )


def clock() -> datetime:
    """The one clock of the command line."""
    return datetime.now(UTC)


def publishing_date(newsletter: Newsletter, text: str, now: datetime) -> date:
    """The date asked for; without one today in the newsletter's zone, or its next publishing day."""
    if text and text != "today":
        try:
            return date.fromisoformat(text)
        except ValueError as error:
            raise typer.BadParameter(f"{text!r} is no date such as 2026-11-23") from error
    today = now.astimezone(ZoneInfo(newsletter.timezone)).date()
    return today if timetable.slot(newsletter, today) else timetable.next_slot(newsletter, now).on


def content(file: Path) -> bytes:
    """The bytes of a file somebody named. Raises NewsletterError with the reason in one line."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise NewsletterError(f"{file}: {error.strerror}") from error


def say(text: str) -> None:
    """One line for the person at the terminal, on standard error."""
    console.print(text, markup=False, soft_wrap=True)


def answer(value: object) -> None:
    """One JSON object on one line of standard output."""
    sys.stdout.write(json.dumps(plain(value), ensure_ascii=False, default=_told) + "\n")
    sys.stdout.flush()


def _told(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def plain(value: object) -> Any:
    """A value as JSON would have it."""
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
