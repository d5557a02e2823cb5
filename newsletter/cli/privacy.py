"""`worldbrief privacy …` and the erasing of people: what readers have a right to, and what is kept no longer."""

import base64
import binascii
import threading
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated

import typer

import subscribers
from newsletter.cli import house
from newsletter.cli.house import ByOption, JSONOption
from newsletter.cli.people import AddressArgument, subscriber
from newsletter.cli.progress import bar, stopping
from newsletter.delivery import erasure, idle
from newsletter.delivery.erasure import Wish
from newsletter.desk import ropa as records
from newsletter.errors import NewsletterError
from newsletter.scheduling.retention import Retention
from subscribers import Address, Answering, Asking, Evidence, Hold, Right

app = typer.Typer(help="Retention, rights of readers, records.", no_args_is_help=True, rich_markup_mode=None)

NumberArgument = Annotated[int, typer.Argument(help="The request’s number.")]
DayArgument = Annotated[str, typer.Option("--until", help="The last day it stands, YYYY-MM-DD.")]


@subscriber.command()
def erase(
    address: AddressArgument,
    *,
    never_again: Annotated[
        bool, typer.Option("--never-again", help="Never write to the address again, even if its holder signs up.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="How the person asked.")] = "",
    by: ByOption = "cli",
    as_json: JSONOption = False,
) -> None:
    """Erase a person for good, in old backups too: rows and keys go, one last letter says so, the ledger verifies.

    Under a legal hold the evidence is sealed to the key of `worldbrief keys hold` before.
    """
    evidence = Evidence(method="erase command", by=by, reason=reason)
    wish = Wish(address=Address.parse(address), evidence=evidence, never_again=never_again)
    with house.opened() as one:
        gone = erasure.erase(one.database, one.vault.keys, one.config, wish, house.clock())
    until = gone.held_until.isoformat() if gone.held_until else None
    if as_json:
        counts = {"subscriptions": len(gone.subscriptions), "requests": len(gone.requests)}
        told = {"never_again": never_again, "told": gone.letter is not None, "held_until": until}
        house.answer({"erased": bool(gone.subjects), **counts, **told})
    elif gone.subjects:
        house.say(f"erased, with {len(gone.subscriptions)} subscriptions and {len(gone.requests)} sign-up requests")
        house.say("a last letter tells them" if gone.letter else "no letter tells them: nothing may be written there")
        if until:
            house.say(f"the evidence stays sealed under the legal hold until {until}; the letter says so")
    else:
        house.say("worldbrief: nothing is held on that address")
    if not gone.subjects:
        raise typer.Exit(1)


@subscriber.command()
def hold(
    address: AddressArgument,
    until: DayArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why, such as the number of a claim; no address.")],
    by: ByOption = "cli",
) -> None:
    """Keep a person’s evidence until a day, for a legal claim (GDPR 17(3)(e)); the same again is another day."""
    with house.opened() as one, one.database.transaction() as session:
        ready = bool(one.vault.hold_pem)
        mark = one.vault.keys.fingerprint(Address.parse(address))
        subscribers.hold(session, mark, Hold(reason=reason, owner=by, until=_day(until)))
    house.say(f"held until {until}")
    if not ready:
        house.say("worldbrief: there is no key to seal evidence to, so an erasure is refused: worldbrief keys hold")


@subscriber.command()
def release(address: AddressArgument) -> None:
    """End a hold before its day; what was sealed under it is destroyed."""
    with house.opened() as one, one.database.transaction() as session:
        there = subscribers.release(session, one.vault.keys.fingerprint(Address.parse(address)))
    house.say("released" if there else "worldbrief: there was no hold")


@subscriber.command()
def sealed(address: AddressArgument) -> None:
    """Print the evidence that was sealed when somebody was erased under a legal hold, for `unseal`."""
    with house.opened() as one, one.database.snapshot() as session:
        found = subscribers.evidence_of(session, one.vault.keys.fingerprint(Address.parse(address)))
    if not found:
        house.say("worldbrief: nothing is sealed on that address")
        raise typer.Exit(1)
    for each in found:
        house.stdout.print(base64.b64encode(each).decode())


@subscriber.command()
def unseal(
    file: Annotated[Path, typer.Argument(help="What `worldbrief subscriber sealed` printed.")],
    key: Annotated[Path, typer.Option("--key", help="The private key that `worldbrief keys hold` wrote.")],
) -> None:
    """Open sealed evidence with the private key, on any machine: address, events and commitments as JSON."""
    private = house.content(key)
    for line in house.content(file).splitlines():
        try:
            packed = base64.b64decode(line, validate=True)
        except binascii.Error as error:
            raise NewsletterError(f"{file}: is not what `worldbrief subscriber sealed` printed") from error
        house.answer(subscribers.read_evidence(private, packed))


@app.command()
def retain(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would go, and write nothing.")] = False,
    as_json: JSONOption = False,
) -> None:
    """Delete what is kept no longer: expired sign-ups, evidence of those long gone, holds that are over, dead keys."""
    stop = threading.Event()
    with house.opened() as one, stopping(stop), bar("cleaning") as tell:
        job = Retention(database=one.database, config=one.config, vault=one.vault, stop=stop, tell=tell)
        found = job.rehearse(house.clock()) if dry_run else job.run(house.clock())
    if as_json:
        house.answer(found)
        return
    verb = "would go" if dry_run else "gone"
    house.stdout.print(
        f"{verb}: {found.requests} sign-up requests, {found.people} people who left, {found.keys} keys, "
        f"{found.journal} lines of the journal"
    )


@app.command()
def requests(
    *,
    only_open: Annotated[bool, typer.Option("--open", help="Only those that wait for an answer.")] = False,
    as_json: JSONOption = False,
) -> None:
    """List what readers asked for under their rights; leaves with 1 when one is overdue."""
    today = house.clock().date()
    with house.opened() as one, one.database.snapshot() as session:
        found = subscribers.asked(session, only_open=only_open)
    for each in found:
        late = each.overdue(today)
        if as_json:
            house.answer(house.plain(each) | {"overdue": late})
            continue
        by = f" by {each.answered_by}" if each.answered_by else ""
        due = f"due {each.due_on}{' OVERDUE' if late else ''}"
        house.stdout.print(f"{each.id:>4}  {each.kind:<13} {each.state}{by}, {due}  {each.note}", markup=False)
    if any(each.overdue(today) for each in found):
        raise typer.Exit(1)


@app.command()
def add(
    address: AddressArgument,
    kind: Annotated[Right, typer.Option("--kind", help="What is asked for.")],
    *,
    channel: Annotated[str, typer.Option("--channel", help="How it came: mail, letter, phone.")] = "mail",
    received: Annotated[str, typer.Option("--received", help="The day it came, YYYY-MM-DD; today.")] = "",
    note: Annotated[str, typer.Option("--note", help="What else matters; no address.")] = "",
) -> None:
    """Keep a reader’s request, due in one month (GDPR 12(3)); prints its number."""
    now = house.clock()
    at = datetime.combine(_day(received), time(), UTC) if received else now
    with house.opened() as one, one.database.transaction() as session:
        mark = one.vault.keys.fingerprint(Address.parse(address))
        asking = Asking(kind=kind, fingerprint=mark, received_at=at, channel=channel, note=note)
        number = subscribers.ask(session, asking)
        due = next(each.due_on for each in subscribers.asked(session) if each.id == number)
    house.stdout.print(f"request {number}, due on {due}")


@app.command()
def answer(
    number: NumberArgument,
    *,
    refused: Annotated[bool, typer.Option("--refused", help="It was refused; the note says why.")] = False,
    note: Annotated[str, typer.Option("--note", help="What was answered; no address.")] = "",
    by: ByOption = "cli",
) -> None:
    """Close a request."""
    with house.opened() as one, one.database.transaction() as session:
        given = Answering(by=by, at=house.clock(), note=note, refused=refused)
        subscribers.answer(session, number, given)
    house.say(f"request {number} is {'refused' if refused else 'answered'}")


@app.command("idle")
def decide(
    newsletter: Annotated[str, typer.Argument(help="Its key in config.toml.")],
    reason: Annotated[str, typer.Option("--reason", help="Why its readers may be written to, or why not.")],
    *,
    keep: Annotated[
        bool, typer.Option("--keep/--expire", help="Write to them again, or let every subscription expire.")
    ],
    by: ByOption = "cli",
) -> None:
    """Decide about a newsletter that was not sent for years, so that it may be sent again."""
    now = house.clock()
    with house.opened() as one:
        key = one.newsletter(newsletter).key
        if not keep:
            evidence = Evidence(method="idle newsletter", by=by, reason=reason)
            house.say(f"{_expired(one, key, evidence, now)} subscriptions expired")
        with one.database.transaction() as session:
            idle.decide(session, key, by, reason, now)
    house.say(f"{key} may be sent again")


@app.command()
def ropa(
    form: Annotated[records.Form, typer.Option("--format", help="md, html or json.")] = records.Form.MD,
) -> None:
    """The record of processing activities (GDPR 30), from the configuration in force."""
    settings = house.load_config()
    house.stdout.print(records.written(records.record(settings), form), markup=False, soft_wrap=True)


def _expired(one: house.House, newsletter: str, evidence: Evidence, now: datetime) -> int:
    done = 0
    with bar("expiring") as tell:
        while True:
            with one.database.transaction() as session:
                step = subscribers.expire(session, one.vault.keys, newsletter, evidence, now)
            if not step:
                return done
            done += step
            tell(done, None)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no date such as 2026-11-23") from error
