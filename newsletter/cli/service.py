"""The commands that set up and run an installation: init, config, run, web, work, schedule, postbox, db, account."""

import email
import email.policy
import os
import secrets
import subprocess
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
from newsletter.config import Config
from newsletter.database import masked
from newsletter.delivery import worker
from newsletter.delivery.worker import Work
from newsletter.desk import accounts
from newsletter.desk.accounts import Role
from newsletter.postbox import Arrived, Postbox, running
from newsletter.scheduling import scheduler
from newsletter.web import app

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
        pages = app.opened(one.database, one.config, one.vault, house.clock)
        sender = _Sender(environ)
        clockwork = threading.Thread(
            target=scheduler.run, args=(one.database, one.config, one.vault, house.clock, stop), daemon=True
        )
        sender.start()
        clockwork.start()
        house.say(f"World Brief on http://{one.config.web.host}:{one.config.web.port}/ (desk: /desk/), Ctrl-C to stop")
        try:
            app.serve(pages)
        finally:
            stop.set()
            sender.stop()
            clockwork.join()


def web() -> None:
    """Serve the public pages and the desk alone."""
    with house.opened() as one, stopping(threading.Event()):
        app.serve(app.opened(one.database, one.config, one.vault, house.clock))


def work() -> None:
    """Send what is due, until stopped. Any number may run beside each other."""
    _until_stopped(lambda one, stop: worker.work(_job(one, stop), house.clock, None))


def schedule() -> None:
    """Keep the timetable alone: build at the cut-off, start the mailing at the slot, alert."""
    _until_stopped(lambda one, stop: scheduler.run(one.database, one.config, one.vault, house.clock, stop))


def postbox(
    port: Annotated[int, typer.Option("--port", help="The port to listen on.")] = 8025,
    folder: Annotated[Path, typer.Option("--folder", help="Where each letter is kept as an .eml file.")] = Path(
        "var/postbox"
    ),
) -> None:
    """Run an SMTP relay that keeps what it accepts as files and sends nothing on."""
    stop = threading.Event()
    with running(Postbox(port=port, folder=folder, keep=False)) as box, stopping(stop):
        house.say(f"postbox on 127.0.0.1:{box.port}, letters in {folder}, Ctrl-C to stop")
        stop.wait()
        house.say(f"{box.count} letters")


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


class _Sender:
    """The sender's own process, started again when it dies for a reason nobody asked for."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._environ = environ
        self._stopped = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper = threading.Thread(target=self._keep, daemon=True)

    def start(self) -> None:
        self._keeper.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._process is not None:
            self._process.terminate()
        self._keeper.join()

    def _keep(self) -> None:
        while not self._stopped.is_set():
            self._process = subprocess.Popen([sys.executable, "-m", "newsletter", "work"], env=self._environ)
            if self._stopped.is_set():
                self._process.terminate()
            code = self._process.wait()
            if not self._stopped.wait(1.0):
                house.say(f"worldbrief: the sender left with {code}; starting it again")


def _postbox(settings: Config, environ: dict[str, str], *, wanted: bool) -> AbstractContextManager[object]:
    if not wanted:
        return nullcontext()
    folder = settings.home / "postbox"
    return _relayed(folder, settings, environ)


@contextmanager
def _relayed(folder: Path, settings: Config, environ: dict[str, str]) -> Iterator[None]:
    """A postbox that the sender's environment names as its relay."""
    postbox = Postbox(folder=folder, keep=False)
    postbox.tell = lambda arrived: _announce(arrived, settings)
    with running(postbox) as box:
        environ |= {"WORLD_BRIEF_RELAY__HOST": "127.0.0.1", "WORLD_BRIEF_RELAY__PORT": str(box.port)}
        environ |= {"WORLD_BRIEF_RELAY__TLS": "none", "WORLD_BRIEF_RELAY__USERNAME": ""}
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


def _job(one: House, stop: threading.Event) -> Work:
    return Work(database=one.database, config=one.config, vault=one.vault, only=None, until_done=False, stop=stop)


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
                lines += _settings(one, f"{name}.{key}")
        else:
            lines.append(f"{name} = {inner}" if isinstance(inner, Path) else f"{name} = {inner!r}")
    return lines
