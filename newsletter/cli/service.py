"""The commands that set up and run an installation: init, config, run, web, work, schedule, db, account."""

import email
import email.policy
import os
import secrets
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

import newsletter.config
from newsletter import vault
from newsletter.cli import house
from newsletter.cli.house import House, JSONOption
from newsletter.cli.progress import stopping
from newsletter.cli.senders import all_parts, beside
from newsletter.config import Config
from newsletter.database import masked
from newsletter.desk import accounts
from newsletter.desk.accounts import Role
from newsletter.postbox import Arrived, Postbox, running
from newsletter.relays import ONLY, STAND_IN
from newsletter.scheduling import scheduler
from newsletter.web import app
from newsletter.web.pages import Pages

db = typer.Typer(help="The database.", no_args_is_help=True, rich_markup_mode=None)
account = typer.Typer(help="Desk accounts.", no_args_is_help=True, rich_markup_mode=None)

DEFAULT_CONFIG = Path(newsletter.config.__file__).parents[1] / "config.toml"


def init() -> None:
    """Write config.toml unless there is one, and create the home: secret key (0600), database, tables."""
    path = Path(os.environ.get("WORLD_BRIEF_CONFIG", "config.toml"))
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(DEFAULT_CONFIG.read_bytes())
    with house.opened() as one:
        house.say(f"configuration  {path}")
        house.say(f"secret key     {one.config.home / vault.MASTER_FILE} (keep a copy apart from the database's)")
        house.say(f"checkpoint key {one.config.home / vault.CHECKPOINT_FILE} (machines that share a database share it)")
        house.say(f"database       {one.database.engine.url.render_as_string(hide_password=True)}")
        with one.database.snapshot() as session:
            if not accounts.any_account(session):
                house.say("next           worldbrief account add NAME --role owner")


def config(*, as_json: JSONOption = False) -> None:
    """Print the settings in force: defaults, file and environment together. Secrets are never shown."""
    settings = house.load_config()
    settings = replace(settings, database=replace(settings.database, url=masked(settings.database.url)))
    if as_json:
        house.answer(settings)
        return
    for line in _settings(settings, ""):
        # The relay that stands alone is named once.
        if not line.startswith(f"relays.{ONLY}."):
            house.stdout.print(line, markup=False, soft_wrap=True)


def run(
    *,
    postbox: Annotated[
        bool, typer.Option("--postbox", help="Start a postbox as the relay: mail is kept in the home.")
    ] = False,
) -> None:
    """Start the whole product: web, scheduler and sender in one process tree on one port."""
    settings = house.load_config()
    environ = dict(os.environ)
    stop = threading.Event()
    # The server raises the signal that stopped it once more, so somebody must be there to take it.
    with house.opened(settings) as one, _postbox(one.config, environ, wanted=postbox), stopping(stop):
        # What cannot be served is said before anything is sent.
        pages = app.opened(one.database, one.config, one.vault, house.clock)
        with beside(all_parts(one.config), environ):
            _serve(one, pages, stop)


def _serve(one: House, pages: Pages, stop: threading.Event) -> None:
    clockwork = threading.Thread(
        target=scheduler.run, args=(one.database, one.config, one.vault, house.clock, stop), daemon=True
    )
    clockwork.start()
    house.say(f"World Brief on http://{one.config.web.host}:{one.config.web.port}/ (desk: /desk/), Ctrl-C to stop")
    try:
        app.serve(pages)
    finally:
        stop.set()
        clockwork.join()


def web() -> None:
    """Serve the public pages and the desk alone."""
    with house.opened() as one, stopping(threading.Event()):
        app.serve(app.opened(one.database, one.config, one.vault, house.clock))


def work() -> None:
    """Send what is due, until stopped, in as many processes as are configured. Any number may run beside each other."""
    stop = threading.Event()
    with house.opened() as one, stopping(stop), beside(all_parts(one.config), os.environ):
        stop.wait()


def schedule() -> None:
    """Keep the timetable alone: build at the cut-off, start the mailing at the slot, alert."""
    _until_stopped(lambda one, stop: scheduler.run(one.database, one.config, one.vault, house.clock, stop))


@db.command()
def upgrade() -> None:
    """Bring the database to this program's schema; does nothing when it is there already."""
    with house.opened() as one:
        house.say(f"the schema is at revision {one.database.revision()[0]}")


@account.command("add")
def add_account(
    name: Annotated[str, typer.Argument(help="The name to log in with.")],
    *,
    role: Annotated[Role, typer.Option("--role", help="What the account may do.")] = Role.OWNER,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
) -> None:
    """Add a desk account, or give one a new password; without one given a password is made and shown once."""
    made = "" if password_stdin else secrets.token_urlsafe(15)
    password = made or sys.stdin.readline().rstrip("\n")
    with house.opened() as one, one.database.transaction() as session:
        accounts.create(session, name, role, password, house.clock())
    house.say(f"{name} may log in as {role}")
    if made:
        house.stdout.print(f"password: {made}", markup=False)


def _postbox(settings: Config, environ: dict[str, str], *, wanted: bool) -> AbstractContextManager[object]:
    if not wanted:
        return nullcontext()
    folder = settings.home / "postbox"
    return _relayed(folder, settings, environ)


@contextmanager
def _relayed(folder: Path, settings: Config, environ: dict[str, str]) -> Iterator[None]:
    """A postbox that the sender's environment names as its relay, and as every other one it may have."""
    postbox = Postbox(folder=folder, keep=False)
    postbox.tell = lambda arrived: _announce(arrived, settings)
    with running(postbox) as box:
        plain = {key.upper(): value or "" for key, value in STAND_IN.items()}
        plain |= {"HOST": "127.0.0.1", "PORT": str(box.port)}
        named = [f"RELAYS__{name.replace('-', '_').upper()}" for name in settings.relays if name != ONLY]
        environ |= {f"WORLD_BRIEF_{one}__{key}": value for one in ("RELAY", *named) for key, value in plain.items()}
        house.say(f"postbox: every letter is kept in {folder}, none leaves this machine")
        yield


def _announce(arrived: Arrived, settings: Config) -> None:
    """Say that a letter came, and where its confirmation link leads on this machine."""
    letter = email.message_from_bytes(arrived.data, policy=email.policy.default)
    house.say(f"postbox: for {', '.join(arrived.rcpt_to)}: {letter['Subject']}")
    text = letter.get_body(("plain",))
    base = settings.site.base_url.rstrip("/")
    for line in text.get_content().splitlines() if text else ():
        if line.startswith(f"{base}/confirm/"):
            house.say(f"         http://{settings.web.host}:{settings.web.port}{line.removeprefix(base)}")


def _until_stopped(loop: Callable[[House, threading.Event], object]) -> None:
    stop = threading.Event()
    with house.opened() as one, stopping(stop):
        loop(one, stop)


def _settings(value: object, where: str) -> list[str]:
    lines: list[str] = []
    for field in fields(value) if is_dataclass(value) else ():
        inner = getattr(value, field.name)
        name = f"{where}.{field.name}" if where else field.name
        if is_dataclass(inner):
            lines += _settings(inner, name)
        elif isinstance(inner, dict):
            for key, one in inner.items():
                lines += _settings(one, f"{name}.{key}") if is_dataclass(one) else [f"{name}.{key} = {one!r}"]
        else:
            lines.append(f"{name} = {inner}" if isinstance(inner, Path) else f"{name} = {inner!r}")
    return lines
