"""`worldbrief backup | restore`, `worldbrief db copy`, `worldbrief keys rotate`: what outlives a lost disk or key."""

import os
from pathlib import Path
from typing import Annotated

import typer

from newsletter import vault
from newsletter.cli import house
from newsletter.cli.house import JSONOption
from newsletter.cli.progress import bar
from newsletter.cli.service import db
from newsletter.database import Database
from newsletter.delivery import reconciliation, roster
from newsletter.errors import SecretError
from newsletter.safekeeping import backups, copies

keys = typer.Typer(
    help="The keys: the secret one, and the one for legal holds.", no_args_is_help=True, rich_markup_mode=None
)


def backup(
    *,
    out: Annotated[
        Path | None, typer.Option("--out", help="The folder; backups/ or keyring-backups/ in the home.")
    ] = None,
    keyring: Annotated[
        bool, typer.Option("--keyring", help="The keyring instead: keep it apart, and not for long.")
    ] = False,
    as_json: JSONOption = False,
) -> None:
    """Copy the database into one private, checked file; with --keyring the keyring, whose older copies then go."""
    now = house.clock()
    with house.opened() as one, bar("backup") as tell:
        folder = out or one.config.home / ("keyring-backups" if keyring else "backups")
        if keyring:
            path = backups.back_up_keyring(one.ring, folder, now, one.config.privacy.keyring_backup_days)
        else:
            path = backups.back_up(one.database, folder, now, tell)
    if as_json:
        house.answer({"file": str(path), "bytes": path.stat().st_size})
    else:
        house.stdout.print(str(path), markup=False)


def restore(
    file: Annotated[Path | None, typer.Argument(help="A file that `worldbrief backup` wrote.")] = None,
    *,
    reconcile: Annotated[
        bool, typer.Option("--reconcile", help="Take out again who left since, by the journal, and let the house send.")
    ] = False,
    as_json: JSONOption = False,
) -> None:
    """Put a backup in the database’s place. Nothing is sent until --reconcile has replayed who left since then."""
    if (file is None) != reconcile:
        raise typer.BadParameter("name a file, or --reconcile once it is in place")
    with house.opened() as one:
        if file is not None:
            with bar("restoring") as tell:
                rows = backups.restore(file, one.database, tell)
            if as_json:
                house.answer({"rows": rows, "armed": False})
            house.say(f"{sum(rows.values())} rows are in place; nothing is sent until `worldbrief restore --reconcile`")
            return
        with bar("reconciling") as tell:
            done = reconciliation.reconcile(one.database, one.vault.keys, one.journal, house.clock(), tell)
    if as_json:
        house.answer({"armed": True, **{name: done[name] for name in ("entries", "ended", "suppressed", "erased")}})
    house.say(
        f"{done['entries']} entries of the journal: {done['ended']} subscriptions ended, {done['suppressed']} "
        f"addresses suppressed, {done['erased']} people erased again; the house may send"
    )


@db.command("copy")
def copy_to(
    url: Annotated[str, typer.Argument(help="An empty SQLite or PostgreSQL database: sqlite:///… or postgresql://…")],
    *,
    as_json: JSONOption = False,
) -> None:
    """Copy every row into an empty database, all or nothing; `consent verify` there has the same root."""
    with house.opened() as one, bar("copying") as tell:
        target = Database(url)
        try:
            rows = copies.copy(one.database, target, tell)
        finally:
            target.close()
    if as_json:
        house.answer({"rows": rows})
    house.say(f"{sum(rows.values())} rows copied; the keyring and secret.key stay where they are")


@keys.command()
def hold(
    out: Annotated[Path, typer.Option("--out", help="The file for the private half: take it off this machine.")],
) -> None:
    """Make the key that evidence under a legal hold is sealed to. Who has only this machine cannot open it."""
    public = vault.create_hold_key(house.load_config().home, out)
    house.say(f"{public}: the public half; every machine of this house needs it")
    house.say(f"{out}: the private half; nothing here ever reads it: move it to where your counsel keeps such things")


@keys.command()
def rotate() -> None:
    """Add a new secret and wrap every person’s key anew. Old links and marks keep working; stop the house first."""
    if os.environ.get("WORLD_BRIEF_SECRET"):
        raise SecretError("WORLD_BRIEF_SECRET", "is in the environment; add a numbered line there yourself")
    with house.opened() as one:
        with one.database.snapshot() as session:
            roster.require_none(session, house.clock())
        if one.vault.keys.is_wrapped():
            number = vault.add_master(one.config.home)
            house.say(f"secret {number} is in {one.config.home / vault.MASTER_FILE}; keep a copy of it as of the first")
    with house.opened() as one, bar("wrapping") as tell:
        one.vault.keys.rewrap(lambda done: tell(done, None))
    house.say("every key is wrapped by the newest secret")
