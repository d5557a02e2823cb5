"""`worldbrief edition …`: build, look, approve, hold, send, and say how it stands."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from newsletter.cli import house
from newsletter.cli.house import ByOption, DateOption, House, JSONOption, NewsletterOption
from newsletter.cli.progress import bar, stopping
from newsletter.cli.senders import all_parts, beside
from newsletter.config import Newsletter
from newsletter.delivery import ledger, worker
from newsletter.delivery.ledger import Accounts, MailingId
from newsletter.delivery.worker import Work
from newsletter.editions import store
from newsletter.editions.store import EditionRecord, Override
from newsletter.editions.workflow import Event, State
from newsletter.errors import EditionError
from newsletter.rendering import preflight as checks
from newsletter.rendering import press, proof
from newsletter.rendering.preflight import Finding
from newsletter.rendering.press import required
from newsletter.scheduling import routine

app = typer.Typer(help="Editions: build, approve, send.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def build(
    newsletter: NewsletterOption = "", date: DateOption = "", by: ByOption = "cli", *, as_json: JSONOption = False
) -> None:
    """Compose the date's edition from the bank. The same bank gives the same edition; a change voids an approval."""
    with house.opened() as one:
        now = house.clock()
        paper = one.newsletter(newsletter)
        on = house.publishing_date(paper, date, now)
        record = routine.build(one.database, one.config, paper, on, by, now)
        with one.database.snapshot() as session:
            sight = routine.press(one.config, paper).see(session, record, now)
    if as_json:
        house.answer(_status(record, sight.digest, None))
        return
    _overview(record)
    blocking = checks.blocking(sight.findings)
    house.say(f"preflight: {len(blocking)} blocking, {len(sight.findings) - len(blocking)} warnings")


@app.command()
def show(
    newsletter: NewsletterOption = "",
    date: DateOption = "",
    *,
    choices: Annotated[bool, typer.Option("--choices", help="Say why each story was taken or left.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Write brief.html and brief.txt into this folder.")] = None,
    as_json: JSONOption = False,
) -> None:
    """Show an edition as its readers' text part, or the reasons behind it."""
    with house.opened() as one:
        paper, record = _record(one, newsletter, date)
        with one.database.snapshot() as session:
            sight = routine.press(one.config, paper).see(session, record, house.clock())
    html, text = proof.neutral(sight.proof)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "brief.html").write_text(html, "utf-8")
        (out / "brief.txt").write_text(text, "utf-8")
        house.say(f"written: {out / 'brief.html'} and {out / 'brief.txt'}")
    elif as_json:
        house.answer({**_status(record, sight.digest, None), "edition": house.plain(record.edition)})
    elif choices and record.edition:
        table = Table(box=None, header_style="bold", pad_edge=False)
        for column in ("", "slot", "headline", "reason"):
            table.add_column(column, overflow="fold")
        for choice in record.edition.choices:
            table.add_row("✓" if choice.chosen else "–", choice.slot, escape(choice.headline), escape(choice.reason))
        house.stdout.print(table, soft_wrap=False)
    else:
        house.stdout.print(text, markup=False, soft_wrap=True)


@app.command()
def edit(
    newsletter: NewsletterOption = "",
    date: DateOption = "",
    by: ByOption = "cli",
    *,
    subject: Annotated[str, typer.Option("--subject", help="A subject of your own.")] = "",
    preheader: Annotated[str, typer.Option("--preheader", help="A preheader of your own.")] = "",
) -> None:
    """Change an edition's subject or preheader; an approval is void after it."""
    with house.opened() as one:
        _paper, record = _record(one, newsletter, date)
        record = routine.revise(one.database, record, by, house.clock(), subject=subject, preheader=preheader)
        _overview(record)


@app.command()
def preflight(newsletter: NewsletterOption = "", date: DateOption = "", *, as_json: JSONOption = False) -> None:
    """Check the proof; leaves with 1 when a finding blocks the approval."""
    with house.opened() as one:
        paper, record = _record(one, newsletter, date)
        with one.database.snapshot() as session:
            findings = routine.press(one.config, paper).see(session, record, house.clock()).findings
    if as_json:
        for finding in findings:
            house.answer(finding)
    else:
        _findings(findings)
    if checks.blocking(findings):
        raise typer.Exit(1)


@app.command()
def approve(
    newsletter: NewsletterOption = "",
    date: DateOption = "",
    by: ByOption = "cli",
    *,
    digest: Annotated[str, typer.Option("--digest", help="Refuse unless the edition still has this digest.")] = "",
    override: Annotated[
        list[str] | None, typer.Option("--override", help="A blocking rule to pass, such as C8; needs --reason.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why the rule is passed; kept with the approval.")] = "",
    as_json: JSONOption = False,
) -> None:
    """Approve exactly what the proof shows now; refused while a finding blocks."""
    if override and not (reason.strip() and by.strip() and by != "cli"):
        raise typer.BadParameter("an override needs a name (--by) and a reason (--reason)")
    with house.opened() as one:
        now = house.clock()
        paper, record = _record(one, newsletter, date)
        press = routine.press(one.config, paper)
        with one.database.snapshot() as session:
            seen = press.see(session, record, now).digest
        if digest and digest != seen:
            raise EditionError(paper.key, record.on, f"its digest is {seen} now, not {digest}")
        overrides = [Override(rule=rule, by=by, reason=reason) for rule in override or ()]
        record = press.approve(one.database, record, by, now, overrides)
    if as_json:
        house.answer(_status(record, seen, None))
    else:
        house.say(f"approved by {by}: {record.edition.subject if record.edition else ''}")
        house.say(f"digest {seen}")


def _mover(event: Event, words: str) -> Callable[..., None]:
    def command(
        newsletter: NewsletterOption = "",
        date: DateOption = "",
        by: ByOption = "cli",
        reason: Annotated[str, typer.Option("--reason", help="Why; kept in the history.")] = "",
    ) -> None:
        with house.opened() as one:
            _paper, record = _record(one, newsletter, date)
            with one.database.transaction() as session:
                record = store.move(session, record.id, event, by, house.clock(), reason)
        house.say(f"{record.newsletter} {record.on}: {record.state.replace('_', ' ')}")

    command.__doc__ = words
    return command


app.command("hold")(
    _mover(Event.HOLD, "Hold an edition, even in mid-send: at most one letter per connection still leaves.")
)
app.command("release")(_mover(Event.RELEASE, "Release a held edition: back to review, or on with its sending."))
app.command("kill")(_mover(Event.KILL, "Give an edition up for good; nothing of it is sent any more."))


@app.command()
def send(newsletter: NewsletterOption = "", date: DateOption = "", *, as_json: JSONOption = False) -> None:
    """Send the approved edition and stay until its mailing is finished. Safe to run twice or beside the scheduler."""
    with house.opened() as one:
        now = house.clock()
        paper = one.newsletter(newsletter)
        on = house.publishing_date(paper, date, now)
        mailing = routine.ring(one.database, one.config, one.vault, paper, on, now)
        accounts = work_off(one, mailing)
        with one.database.snapshot() as session:
            record = required(session, paper.key, on)
    if as_json:
        house.answer(_status(record, record.approval.digest if record.approval else "", accounts))
    else:
        house.say(balance(accounts))
    if accounts.open:
        how = (
            "release it to let the rest leave"
            if record.state is State.HELD
            else "run the same command again to continue"
        )
        house.say(f"worldbrief: {paper.key} {on}: is {record.state}, and not everything has left yet; {how}")
        raise typer.Exit(1)


@app.command()
def status(newsletter: NewsletterOption = "", date: DateOption = "", *, as_json: JSONOption = False) -> None:
    """Say how an edition stands; the states always sum up to the frozen audience."""
    with house.opened() as one:
        paper, record = _record(one, newsletter, date)
        with one.database.snapshot() as session:
            mailing = ledger.mailing_of(session, paper.key, record.on)
            accounts = ledger.accounts(session, mailing) if mailing else None
            uncertain = ledger.uncertain(session, mailing) if mailing else []
            digest = record.approval.digest if record.approval else ""
            if not digest and record.edition:
                digest = routine.press(one.config, paper).see(session, record, house.clock()).digest
            entries = store.history(session, record.id)
    if as_json:
        house.answer(_status(record, digest, accounts) | {"listed_uncertain": len(uncertain)})
        return
    _overview(record)
    house.stdout.print(f"digest    {digest}")
    if accounts:
        house.stdout.print(balance(accounts))
    for each in uncertain:
        house.stdout.print(f"  uncertain: subscription {each.recipient}, {each.at:%H:%M:%S} UTC, {each.reply}")
    for entry in entries:
        house.stdout.print(
            f"  {entry.at:%Y-%m-%d %H:%M:%S} UTC  {entry.event:<10} {entry.by}  {entry.reason}", markup=False
        )


@app.command()
def reads(newsletter: NewsletterOption = "", date: DateOption = "", *, as_json: JSONOption = False) -> None:
    """List the links of an edition that were followed most, where the newsletter counts clicks; none below ten."""
    with house.opened() as one:
        paper, record = _record(one, newsletter, date)
        with one.database.snapshot() as session:
            found = press.most_read(session, record)
    for line in found:
        if as_json:
            house.answer(line)
        else:
            house.stdout.print(f"{line.reads:>9,}  {line.headline}", markup=False)
    if not found and not as_json:
        counted = "no link was followed ten times" if paper.tracking != "none" else "this newsletter counts nothing"
        house.say(f"worldbrief: {counted}")


def work_off(one: House, mailing: MailingId) -> Accounts:
    """Work one mailing off with a progress bar; Ctrl-C finishes the letters in flight and leaves the rest waiting."""
    stop, parts = threading.Event(), all_parts(one.config)
    with stopping(stop), beside(parts[1:], os.environ, mailing), bar("sending") as advance:
        job = Work(
            database=one.database,
            config=one.config,
            vault=one.vault,
            only=mailing,
            until_done=True,
            stop=stop,
            share=1 / len(parts),
            again=house.rereader(one.config),
        )
        accounts = worker.work(job, house.clock, lambda now: advance(now.settled, now.due))
    if stop.is_set():
        raise KeyboardInterrupt
    return accounts


def _record(one: House, key: str, date: str) -> tuple[Newsletter, EditionRecord]:
    paper = one.newsletter(key)
    with one.database.snapshot() as session:
        return paper, required(session, paper.key, house.publishing_date(paper, date, house.clock()))


def _overview(record: EditionRecord) -> None:
    edition = record.edition
    state = record.state.replace("_", " ")
    house.stdout.print(f"{record.newsletter} {record.on} ({record.on:%A}), no. {record.number}: {state}", markup=False)
    if edition is None:
        return
    house.stdout.print(f"subject   {edition.subject}", markup=False)
    house.stdout.print(f"preheader {edition.preheader}", markup=False)
    house.stdout.print(f"intro     {edition.intro}", markup=False, soft_wrap=True)
    for section in edition.sections:
        heads = "; ".join(story.headline for story in section.stories) or section.text
        house.stdout.print(f"  {section.title or section.slot:<22} {heads}", markup=False, soft_wrap=True)
    for notice in (*edition.notices, *(f"gap: {gap}" for gap in edition.gaps)):
        house.stdout.print(f"  {notice}", markup=False)
    house.stdout.print(f"{edition.words} words, {edition.reading_minutes} minutes")


def _findings(findings: tuple[Finding, ...]) -> None:
    for finding in findings:
        place = " · ".join(word for word in (finding.story, finding.field, finding.place) if word)
        house.stdout.print(
            f"{finding.severity:<6} {finding.rule:<4} {place}\n            {finding.advice}", markup=False
        )
    if not findings:
        house.stdout.print("nothing found")


def _status(record: EditionRecord, digest: str, accounts: Accounts | None) -> dict[str, object]:
    states = ledger.states(accounts) if accounts else dict.fromkeys(ledger.STATE_NAMES, 0)
    due = accounts.due if accounts else 0
    head = {"newsletter": record.newsletter, "date": record.on.isoformat(), "state": record.state, "digest": digest}
    return {**head, "due": due, **states, "number": record.number}


def balance(accounts: Accounts) -> str:
    """The accounts of a mailing as a sum a person can check."""
    counts = {name: count for name, count in ledger.states(accounts).items() if count}
    return f"{accounts.due} due = " + " + ".join(f"{count} {name}" for name, count in counts.items())
