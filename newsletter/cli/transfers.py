"""`worldbrief subscriber import | imports | undo | export`: people who come over, are taken back, or are handed on."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, BinaryIO, Final, TextIO

import typer

import subscribers
from newsletter.cli import house
from newsletter.cli.house import ByOption, JSONOption, NewsletterOption
from newsletter.cli.people import import_job, subscriber
from newsletter.cli.progress import bar
from newsletter.errors import FeedError
from subscribers import Exported, Imported, Rehearsal, Taking

__all__ = ["subscriber"]

PARTS: Final = ("imported", "unchanged", "unknown", "suppressed", "ended")
WOULD: Final = {
    "imported": "would be imported, and written to",
    "unchanged": "would stay as they are",
    "unknown": "would be kept, and never written to",
    "suppressed": "would stay suppressed",
    "ended": "would be kept as having left",
}

FromOption = Annotated[
    str,
    typer.Option(
        "--from", help=f"Whose export it is, where the header does not tell: {', '.join(subscribers.LOADERS)}."
    ),
]
WordingOption = Annotated[
    Path | None,
    typer.Option(
        "--wording",
        help="A text file: what people were shown when they signed up on the other platform. You attest it.",
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Write nothing; tell exactly what would become of the rows, and why.")
]


@subscriber.command("import")
def import_file(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV, UTF-8: email, consent_at, consent_source, consent_wording, consent_method; or another’s export."
        ),
    ],
    newsletter: NewsletterOption = "",
    source: FromOption = "",
    wording: WordingOption = None,
    by: ByOption = "cli",
    *,
    dry_run: DryRunOption = False,
    as_json: JSONOption = False,
) -> None:
    """Import subscribers. Rows without consent evidence are stored but never mailed; suppression always wins."""
    with house.opened() as one:
        job = import_job(one.newsletter(newsletter), one.config.site.publisher, file.name, by, house.clock())
        job = replace(job, loader=source, shown=_read(wording) if wording else "")
        with _reading(file) as lines, bar("reading" if dry_run else "importing") as advance:
            if dry_run:
                found = subscribers.rehearse(
                    one.database.snapshot, one.vault.keys, lines, job, lambda rows: advance(rows, None)
                )
            else:
                imported = subscribers.import_csv(
                    one.database.transaction, one.vault.keys, lines, job, lambda rows: advance(rows, None), house.clock
                )
    if dry_run:
        imported = found.outcome
        _tell_rehearsal(found, file, as_json=as_json)
    else:
        _tell(imported, file, as_json=as_json)
    if imported.refused:
        raise typer.Exit(1)


@subscriber.command()
def imports(*, as_json: JSONOption = False) -> None:
    """List the imports, newest first: what each file brought, and whether it was undone."""
    with house.opened() as one, one.database.snapshot() as session:
        made = subscribers.imports_made(session)
    if as_json:
        for batch in made:
            house.answer(batch)
        return
    for batch in made:
        state = "" if batch.finished_at else ", interrupted"
        state = f", undone {batch.undone_at:%Y-%m-%d} by {batch.undone_by}" if batch.undone_at else state
        counts = {part: getattr(batch.counts, part) for part in (*PARTS, "refused")}
        told = ", ".join(f"{count:,} {part}" for part, count in counts.items() if count)
        when = f"{batch.started_at:%Y-%m-%d %H:%M} by {batch.by}"
        rows = f"{batch.counts.rows:,} rows: {told or 'nothing'}"
        house.stdout.print(f"{batch.id}  {when}  {batch.file} to {batch.newsletter}, {rows}{state}", markup=False)
    if not made:
        house.stdout.print("nothing was imported yet")


@subscriber.command()
def undo(
    batch: Annotated[int, typer.Argument(help="Its number, from `worldbrief subscriber imports`.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, for the consent ledger.")] = "",
    by: ByOption = "cli",
    *,
    as_json: JSONOption = False,
) -> None:
    """Take an import back within 30 days: what it brought ends, except what somebody touched since."""
    with house.opened() as one, bar("undoing") as advance:
        taking = Taking(batch=batch, by=by, reason=reason)
        undone = subscribers.undo(
            one.database.transaction, one.vault.keys, taking, house.clock(), lambda done: advance(done, None)
        )
    if as_json:
        house.answer(undone)
        return
    house.say(
        f"import {batch} ({undone.file}) undone: {undone.ended:,} subscriptions ended, {undone.kept:,} left alone"
    )


@subscriber.command()
def export(
    newsletter: NewsletterOption = "",
    out: Annotated[
        Path | None, typer.Option("--out", help="A file, for you alone to read; else standard output.")
    ] = None,
    by: ByOption = "cli",
    *,
    everything: Annotated[bool, typer.Option("--all", help="The subscriptions of every newsletter.")] = False,
    as_json: JSONOption = False,
) -> None:
    """Export subscriptions as CSV, with the state and consent of each. No cell of it runs in a spreadsheet."""
    with house.opened() as one, _writing(out) as sink, one.database.snapshot() as session:
        key = None if everything else one.newsletter(newsletter).key
        rows = _Counted(subscribers.export(session, one.vault.keys, key))
        for line in (_json(row) for row in rows) if as_json else subscribers.csv_lines(rows):
            sink.write(line)
    place = str(out) if out else "standard output"
    house.say(f"worldbrief: {by} exported {rows.count:,} subscriptions of {key or 'every newsletter'} to {place}")


class _Counted:
    """Rows, and how many there were."""

    def __init__(self, rows: Iterator[Exported]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[Exported]:
        for row in self._rows:
            self.count += 1
            yield row


@contextmanager
def _reading(file: Path) -> Iterator[BinaryIO]:
    try:
        with file.open("rb") as lines:
            yield lines
    except OSError as error:
        raise FeedError(str(file), error.strerror or str(error)) from error


def _read(file: Path) -> str:
    try:
        text = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise FeedError(str(file), str(error)) from error
    if not text:
        raise FeedError(str(file), "is empty; it should hold the words people were shown")
    return text


@contextmanager
def _writing(out: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that nobody else may read and that is there only when it is whole."""
    if out is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    part = out.with_name(f".{out.name}.part")
    try:
        part.unlink(missing_ok=True)
        # Nobody else may read it, not even for the moment before its mode could be changed.
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as sink:
            yield sink
        part.replace(out)
    except OSError as error:
        raise FeedError(str(out), error.strerror or str(error)) from error
    finally:
        part.unlink(missing_ok=True)


def _tell(imported: Imported, file: Path, *, as_json: bool) -> None:
    if as_json:
        house.answer(imported)
        return
    counts = ", ".join(f"{getattr(imported, part)} {part}" for part in PARTS)
    house.stdout.print(f"{file.name}: {imported.rows} rows: {counts}, {len(imported.refused)} refused", markup=False)
    for refused in imported.refused:
        house.stdout.print(f"  line {refused.row}: {refused.reason}", markup=False)
    if imported.batch:
        house.say(f"`worldbrief subscriber undo {imported.batch}` takes it back, for {subscribers.UNDO_DAYS} days")


def _tell_rehearsal(found: Rehearsal, file: Path, *, as_json: bool) -> None:
    outcome = found.outcome
    if as_json:
        samples = {name: [house.plain(one) for one in rows] for name, rows in found.samples.items()}
        house.answer({**house.plain(outcome), "dry_run": True, "loader": found.loader, "samples": samples})
        return
    house.stdout.print(f"{file.name}, read as {found.loader}: nothing was written", markup=False)
    for part, what in WOULD.items():
        house.stdout.print(f"{getattr(outcome, part):>11,}  {what}", markup=False)
        for one in found.samples.get(part, ()):
            house.stdout.print(f"{'':13}line {one.row}: {one.address}: {one.reason}", markup=False)
    house.stdout.print(f"{len(outcome.refused):>11,}  would be refused", markup=False)
    for refused in outcome.refused:
        house.stdout.print(f"{'':13}line {refused.row}: {refused.reason}", markup=False)


def _json(row: Exported) -> str:
    return json.dumps(house.plain(row), ensure_ascii=False) + "\n"
