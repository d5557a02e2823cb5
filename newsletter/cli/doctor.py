"""`worldbrief doctor`: whether tomorrow's brief could go out, asked of every part before the slot asks it."""

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal
from zoneinfo import ZoneInfo

import typer

import subscribers
from newsletter.cli import house
from newsletter.cli.house import House, JSONOption
from newsletter.config import Config
from newsletter.delivery import correspondence, relay, signups
from newsletter.desk import accounts
from newsletter.errors import NewsletterError
from newsletter.rendering import template
from newsletter.rendering.preflight.content import target_fault
from newsletter.rendering.template import TEMPLATES
from newsletter.safekeeping import arming
from newsletter.scheduling import timetable
from newsletter.web import forms
from newsletter.web.door import Door
from newsletter.web.pages import Pages

FREE_BYTES: Final = 500_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the doctor says of one part; `fail` means that an edition could not go out."""

    part: str
    state: Literal["ok", "warn", "fail"]
    detail: str


def doctor(*, as_json: JSONOption = False) -> None:
    """Check the configuration, secrets, database, templates, relay and timetable; leaves with 1 when a part fails."""
    settings = house.load_config()
    with house.opened(settings) as one:
        found = [each for check in CHECKS for each in _asked(check, one)]
    for each in found:
        if as_json:
            house.answer(each)
        else:
            house.stdout.print(f"{each.state:<5} {each.part:<12} {each.detail}", markup=False, soft_wrap=True)
    if any(each.state == "fail" for each in found):
        raise typer.Exit(1)


def _asked(check: Callable[[House], Iterator[Found]], one: House) -> list[Found]:
    try:
        return list(check(one))
    except NewsletterError as error:
        return [Found(part=check.__name__.strip("_"), state="fail", detail=str(error))]


def _home(one: House) -> Iterator[Found]:
    home = one.config.home
    free = shutil.disk_usage(home).free
    state: Literal["ok", "fail"] = "ok" if os.access(home, os.W_OK) else "fail"
    yield Found(part="home", state=state, detail=f"{home}, secret key private")
    yield Found(part="disk", state="ok" if free > FREE_BYTES else "warn", detail=f"{free / 1e9:.1f} GB free")


def _database(one: House) -> Iterator[Found]:
    here, wanted = one.database.revision()
    fits: Literal["ok", "fail"] = "ok" if here == wanted else "fail"
    yield Found(part="database", state=fits, detail=f"{one.database.dialect}, schema {here}, program wants {wanted}")


def _site(one: House) -> Iterator[Found]:
    site = one.config.site
    fault = target_fault(site.base_url)
    yield Found(part="site", state="fail" if fault else "ok", detail=f"{site.base_url} {fault or ''}".strip())
    if not site.postal_address:
        yield Found(part="site", state="fail", detail="site.postal_address is empty; every letter must name one")
    if site.base_url == Config().site.base_url:
        yield Found(part="site", state="warn", detail="site.base_url is still the sample’s: no reader can open it")


def _templates(one: House) -> Iterator[Found]:
    for paper in one.config.newsletters.values():
        for folder in (TEMPLATES / paper.template, *sorted(correspondence.LETTERS.iterdir())):
            template.load(folder, paper.direction)
        yield Found(part="template", state="ok", detail=f"{paper.key}: {paper.template} compiles")


def _forms(one: House) -> Iterator[Found]:
    count = forms.require_untouched(Pages(config=one.config, database=one.database, vault=one.vault, clock=house.clock))
    yield Found(part="forms", state="ok", detail=f"{count} forms that ask for consent, nothing ticked beforehand")


def _timetable(one: House) -> Iterator[Found]:
    for paper in one.config.newsletters.values():
        slots = timetable.next_slot(paper, house.clock())
        local = slots.send_at.astimezone(ZoneInfo(paper.timezone))
        yield Found(part="timetable", state="ok", detail=f"{paper.key}: next on {local:%A, %B %-d, %H:%M %Z}")


def _people(one: House) -> Iterator[Found]:
    with one.database.snapshot() as session:
        desk = accounts.any_account(session)
        for paper in one.config.newsletters.values():
            audience = subscribers.audience(session, paper.key, house.clock())
            due = audience.candidates - sum(audience.excluded.values())
            yield Found(part="audience", state="ok", detail=f"{paper.key}: {due} due of {audience.candidates}")
    if not desk:
        yield Found(part="desk", state="warn", detail="nobody can log in; run `worldbrief account add NAME`")


def _signups(one: House) -> Iterator[Found]:
    now, settings = house.clock(), one.config.signup
    with one.database.snapshot() as session:
        reason = subscribers.alarm(session, signups.caps(settings), now)
        held = len(subscribers.held(session, now))
        door = Door(keys=one.vault.keys, settings=settings, proof_key=b"")
        trapped = sum(door.trapped(session, now).values())
    detail = f"{held} letters held{f', since {reason}' if reason else ''}; {trapped} programs trapped today"
    yield Found(part="sign-ups", state="warn" if held or reason else "ok", detail=detail)


def _relay(one: House) -> Iterator[Found]:
    async def greet() -> None:
        connection = await relay.connect(one.config.relay, one.vault.relay_password)
        await connection.close()

    asyncio.run(greet())
    settings = one.config.relay
    yield Found(part="relay", state="ok", detail=f"{settings.host}:{settings.port} takes us (tls {settings.tls})")
    if settings.tls == "none" and settings.host not in {"127.0.0.1", "::1", "localhost"}:
        yield Found(part="relay", state="warn", detail="letters leave this machine in the clear; set relay.tls")


def _privacy(one: House) -> Iterator[Found]:
    today = house.clock().date()
    with one.database.snapshot() as session:
        arming.require(session)
        waiting = subscribers.asked(session, only_open=True)
    late = [each for each in waiting if each.overdue(today)]
    said = f"{len(waiting)} requests of readers wait, {len(late)} overdue"
    yield Found(part="privacy", state="warn" if late else "ok", detail=said)


CHECKS: Final = (_home, _database, _site, _templates, _forms, _timetable, _people, _privacy, _signups, _relay)
