"""`worldbrief feedback …`: what came back by mail, read from files."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from newsletter.cli import house
from newsletter.cli.house import JSONOption
from newsletter.delivery import claims, feedback, reports, returns
from newsletter.delivery.feedback import Bounce, Complaint, Feedback
from newsletter.delivery.outcome import Fault
from newsletter.delivery.returns import ReturnPathError

app = typer.Typer(help="What came back: bounces, complaints, answers.", no_args_is_help=True, rich_markup_mode=None)

_SEPARATOR = re.compile(rb"From \S{1,300} .{0,200}\d{4}")


@app.command()
def read(
    path: Annotated[Path, typer.Argument(help="An .eml file, a folder of them, a Maildir, or an mbox.")],
    *,
    as_json: JSONOption = False,
) -> None:
    """Say of each message what it is, whether its address is dead, and the rule that decided."""
    count = 0
    try:
        for name, data in _messages(path):
            _tell(name, feedback.parse(data), as_json=as_json)
            count += 1
    except BrokenPipeError:
        raise
    except OSError as error:
        house.say(f"worldbrief: {error.filename or path}: {error.strerror or error}")
        raise typer.Exit(1) from error
    if not count:
        house.say(f"worldbrief: {path}: no message in it")
        raise typer.Exit(1)


@app.command()
def reconcile(
    path: Annotated[Path, typer.Argument(help="An .eml file, a folder of them, a Maildir, or an mbox.")],
    *,
    as_json: JSONOption = False,
) -> None:
    """Settle letters in doubt: whatever came back about one proves that the relay took it, so it is not sent again."""
    found = _all(path)
    with house.opened() as one:
        key, now = one.vault.derive(returns.USE), house.clock()
        for name, message in found:
            try:
                letter = returns.read(key, message.token)
            except ReturnPathError:
                continue
            kind = type(message).__name__.lower()
            with one.database.transaction() as session:
                settled = claims.resolve(session, letter.mailing_id, letter.recipient_id, f"came back: {kind}", now)
            if as_json:
                answer = {"file": name, "mailing": letter.mailing_id, "recipient": letter.recipient_id}
                house.answer({**answer, "kind": kind, "settled": settled})
            else:
                word = "settled as accepted" if settled else "was in no doubt"
                house.stdout.print(
                    f"{name}: {kind}, letter {letter.mailing_id}/{letter.recipient_id} {word}", markup=False
                )


def _all(path: Path) -> list[tuple[str, Feedback]]:
    """Every message read, or one line and exit 1 when there is none."""
    try:
        found = [(name, feedback.parse(data)) for name, data in _messages(path)]
    except OSError as error:
        house.say(f"worldbrief: {error.filename or path}: {error.strerror or error}")
        raise typer.Exit(1) from error
    if not found:
        house.say(f"worldbrief: {path}: no message in it")
        raise typer.Exit(1)
    return found


def _messages(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every message with its name; no more of one is read than is looked at."""
    if not path.is_dir():
        yield from _mbox(path) if path.suffix.lower() != ".eml" and _head(path, 5) == b"From " else _one(path)
        return
    boxes = [path / name for name in ("new", "cur") if (path / name).is_dir()]
    files = sorted(file for box in boxes or [path] for file in box.iterdir() if file.is_file())
    letters = [file for file in files if file.suffix.lower() == ".eml"]
    for file in letters or [file for file in files if not file.name.startswith(".")]:
        yield file.relative_to(path).as_posix(), _head(file, reports.MOST_BYTES)


def _one(path: Path) -> Iterator[tuple[str, bytes]]:
    yield path.name, _head(path, reports.MOST_BYTES)


def _mbox(path: Path) -> Iterator[tuple[str, bytes]]:
    """The messages of an mbox, each numbered: a separator stands at the start or after a blank line."""
    kept, size, number, blank = list[bytes](), 0, 0, True
    with path.open("rb") as file:
        while line := file.readline(reports.MOST_BYTES):
            begins = blank and _SEPARATOR.match(line)
            blank = not line.strip()
            if begins and number:
                yield f"{path.name}#{number}", b"".join(kept)
            if begins:
                kept, size, number = [], 0, number + 1
            elif size < reports.MOST_BYTES:
                kept.append(line)
                size += len(line)
    yield f"{path.name}#{max(number, 1)}", b"".join(kept)


def _head(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        return file.read(size)


def _tell(name: str, found: Feedback, *, as_json: bool) -> None:
    kind = type(found).__name__.lower()
    hard = isinstance(found, Bounce) and found.hard
    fault = found.fault if isinstance(found, Bounce | Complaint) else Fault.NONE
    reason = getattr(found, "reason", "")
    if as_json:
        answer = {"file": name, "kind": kind, "hard": hard, "fault": fault, "reason": reason, "rule": found.rule}
        house.answer({**answer, "address": found.address, "token": found.token})
        return
    word = "dead" if hard else fault.value if fault is not Fault.NONE else ""
    facts = ", ".join(part for part in (word, reason, f"rule {found.rule}" if found.rule else "") if part)
    house.stdout.print(f"{name}: {kind} {found.address} ({facts})", markup=False, soft_wrap=True)
