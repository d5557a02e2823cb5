"""`worldbrief subscriber …` and `worldbrief consent …`: the people, through their own front door."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer

import subscribers
from newsletter import languages
from newsletter.cli import house
from newsletter.cli.house import ByOption, JSONOption, NewsletterOption
from newsletter.config import Newsletter
from newsletter.delivery import signups
from newsletter.delivery.witness import Witness
from newsletter.desk import accounts
from newsletter.desk.accounts import Role
from newsletter.web import consents
from subscribers import Address, Evidence, ImportJob, SuppressionReason

subscriber = typer.Typer(
    help="Subscribers: import, export, undo, show, unsubscribe, suppress, unsuppress.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
consent = typer.Typer(help="The consent ledger.", no_args_is_help=True, rich_markup_mode=None)

INCOMPLETE: Final = 2
AddressArgument = Annotated[str, typer.Argument(help="The subscriber’s address.")]


def import_job(paper: Newsletter, publisher: str, file: str, by: str, now: datetime) -> ImportJob:
    """An import into a newsletter, whose forms' wordings its rows may name by digest."""
    wordings = tuple(one.text for one in consents.deployed(paper, publisher).values())
    return ImportJob(file=file, newsletter=paper.key, language=paper.language, by=by, now=now, wordings=wordings)


@subscriber.command()
def show(address: AddressArgument, *, as_json: JSONOption = False) -> None:
    """Show what is held on one address: its subscriptions and the consent behind each."""
    now = house.clock()
    with house.opened() as one, one.database.snapshot() as session:
        found = subscribers.show(session, one.vault.keys, Address.parse(address))
        sealed = subscribers.evidence_of(session, one.vault.keys.fingerprint(Address.parse(address)))
    if not (found.subscriptions or found.requests or found.suppressions):
        house.say("worldbrief: nothing is held on that address")
        raise typer.Exit(1)
    if as_json:
        house.answer(found)
        return
    house.stdout.print(found.address, markup=False)
    for reason in found.suppressions:
        house.stdout.print(f"  suppressed: {reason}", markup=False)
    if sealed:
        house.stdout.print("  evidence is sealed under a legal hold: worldbrief subscriber sealed")
    for each in found.subscriptions:
        ended = f" ({each.ended_reason})" if each.ended_reason else ""
        house.stdout.print(f"  {each.newsletter}: {each.state_at(now)}{ended}", markup=False)
    for request in found.requests:
        house.stdout.print(
            f"  sign-up to {request.newsletter}: {request.state}, {request.requested_at:%Y-%m-%d %H:%M} UTC"
        )
    for event in found.events:
        evidence = ", ".join(f"{name} {value}" for name, value in event.evidence)
        house.stdout.print(f"  #{event.seq} {event.newsletter} {event.kind}: {evidence}", markup=False, soft_wrap=True)


@subscriber.command()
def unsubscribe(
    address: AddressArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the consent ledger.")],
    newsletter: NewsletterOption = "",
    by: ByOption = "cli",
) -> None:
    """Take an address off on its holder's request. Final: only a fresh sign-up by the holder brings it back."""
    with house.opened() as one:
        key = one.newsletter(newsletter).key if newsletter else None
        with one.database.transaction() as session:
            evidence = Evidence(method="desk", by=by, reason=reason)
            who = Address.parse(address)
            count = subscribers.unsubscribe_address(session, one.vault.keys, who, key, evidence, house.clock())
    house.say(f"{count} subscription{'s' * (count != 1)} ended")


@subscriber.command()
def suppress(
    address: AddressArgument,
    reason: Annotated[SuppressionReason, typer.Option("--reason", help="Why.")] = SuppressionReason.DESK,
    by: ByOption = "cli",
) -> None:
    """Never write to an address again, whatever its subscriptions say."""
    with house.opened() as one, one.database.transaction() as session:
        subscribers.suppress(session, one.vault.keys, Address.parse(address), reason, by, house.clock())
    house.say("suppressed")


@subscriber.command()
def unsuppress(
    address: AddressArgument,
    by: Annotated[str, typer.Option("--by", help="The owner who decides.")],
    second: Annotated[str, typer.Option("--second", help="Somebody else of the desk, who has looked at it, too.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, for the consent ledger.")],
) -> None:
    """Lift what the desk or the law put on an address. Nobody is written to by that: its holder may sign up again."""
    with house.opened() as one, one.database.transaction() as session:
        accounts.require(session, by, Role.OWNER)
        accounts.require(session, second, Role.WRITER)
        evidence = Evidence(method="desk", by=by, second=second, reason=reason)
        lifted = subscribers.unsuppress(session, one.vault.keys, Address.parse(address), evidence, house.clock())
    if not lifted:
        house.say("worldbrief: neither the desk nor the law suppresses that address")
        raise typer.Exit(1)
    house.say(f"lifted: {', '.join(lifted)}; its holder may sign up again")


@subscriber.command()
def invite(
    address: AddressArgument,
    reason: Annotated[str, typer.Option("--reason", help="How its holder asked, such as “by phone”.")],
    newsletter: NewsletterOption = "",
) -> None:
    """Send the letter that asks an address to confirm, because its holder asked for it; the same limits hold."""
    with house.opened() as one, one.database.transaction() as session:
        paper = one.newsletter(newsletter)
        consent = consents.shown(paper, one.config.site.publisher, languages.nearest(paper.language) or "en")
        request = signups.Request(
            newsletter=paper,
            address=Address.parse(address),
            wording=consent.text,
            language=consent.language,
            source="desk",
            method=f"asked by its holder: {reason}",
        )
        answer = signups.sign_up(session, one.vault.keys, one.config, request, house.clock())
    if isinstance(answer, subscribers.Quiet):
        house.say(f"worldbrief: no letter is sent: {answer.reason}")
        raise typer.Exit(1)
    house.say("the letter is held with others" if answer.held else "the letter is on its way")


@subscriber.command()
def held(
    *,
    release: Annotated[bool, typer.Option("--release", help="Let the letters go.")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Close the requests; no letter is sent for them.")] = False,
    as_json: JSONOption = False,
) -> None:
    """Show the confirmation letters that are held because of a surge, and why; let them go, or drop them."""
    if release and drop:
        raise typer.BadParameter("--release or --drop, not both")
    now = house.clock()
    with house.opened() as one, one.database.transaction() as session:
        reason = subscribers.alarm(session, signups.caps(one.config.signup), now)
        count = len(subscribers.held(session, now))
        if release:
            signups.release(session, one.config, now)
        elif drop:
            subscribers.drop_held(session)
    done = "released" if release else "dropped" if drop else "held"
    if as_json:
        house.answer({done: count, "reason": reason})
    else:
        house.stdout.print(f"{count} letters {done}" + (f": {reason}" if reason else ""), markup=False)


@consent.command()
def verify(
    *,
    checkpoint: Annotated[
        Path | None,
        typer.Option("--checkpoint", help="What somebody kept: a note, the journal of them, or a letter (.eml)."),
    ] = None,
    as_json: JSONOption = False,
) -> None:
    """Recompute the whole consent ledger from its stored bytes: 0 it verifies, 1 it was tampered with, 2 incomplete."""
    witnessed = subscribers.read_witnessed(house.content(checkpoint)) if checkpoint else None
    with house.opened() as one:
        verifier = Witness(config=one.config, vault=one.vault).signer.verifier
        with one.database.snapshot() as session:
            verdict = subscribers.verify(session, one.vault.keys, verifier, witnessed)
    if as_json:
        house.answer(verdict)
    else:
        house.stdout.print(f"{verdict.events} events, {verdict.shredded} of them shredded, root {verdict.root}")
        if verdict.unfinished:
            house.stdout.print(f"  {verdict.unfinished} erasures wait for their key to go: worldbrief privacy retain")
        for broken in verdict.broken:
            house.stdout.print(f"  broken at {broken.seq}: {broken.reason}", markup=False)
        for missing in verdict.incomplete:
            house.stdout.print(f"  not checked: {missing}", markup=False)
        if verdict.broken or verdict.ok:
            house.stdout.print("the ledger verifies" if verdict.ok else "the ledger does NOT verify")
    if not verdict.ok:
        raise typer.Exit(1 if verdict.broken else INCOMPLETE)
