"""`worldbrief doctor`: whether tomorrow's brief could go out, asked of every part before the slot asks it."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

import typer

import subscribers
from newsletter.cli import house
from newsletter.cli.house import House, JSONOption
from newsletter.config import Config
from newsletter.delivery import correspondence, dkim, examination, keyfiles, signups
from newsletter.delivery.keyfiles import Key
from newsletter.desk import accounts
from newsletter.errors import NewsletterError
from newsletter.relays import RelaySettings
from newsletter.rendering import letter, proving, template
from newsletter.rendering.preflight.content import target_fault
from newsletter.rendering.template import TEMPLATES
from newsletter.safekeeping import arming
from newsletter.scheduling import timetable
from newsletter.web import forms
from newsletter.web.door import Door
from newsletter.web.pages import Pages

FREE_BYTES: Final = 500_000_000
OLD_DAYS: Final = 365
ENDS_SOON: Final = timedelta(days=14)


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
    relays = one.config.relays
    found = examination.examine(relays, one.vault.relay_passwords)
    left = [relays[each.relay] for each in found if each.usable]
    # What one relay cannot take another may, as long as one takes it to every reader.
    stranded = [
        key for key in one.config.newsletters if not any(each.takes_everybody and each.carries(key) for each in left)
    ]
    for each in found:
        settings = relays[each.relay]
        name = f"{each.relay}: " if len(relays) > 1 else ""
        if not each.usable:
            lost = [key for key in stranded if settings.carries(key)]
            yield Found(part="relay", state="fail" if lost else "warn", detail=f"{name}{each.failure}")
            continue
        where = f"{name}{settings.host}:{settings.port}"
        yield Found(part="relay", state="ok", detail=f"{where} takes us ({each.tls_version or 'no TLS'})")
        if settings.tls == "none" and settings.host not in {"127.0.0.1", "::1", "localhost"}:
            yield Found(part="relay", state="warn", detail=f"{where}: letters leave this machine in the clear; set tls")
        if each.certificate_ends_at and each.certificate_ends_at < house.clock() + ENDS_SOON:
            detail = f"{where}: its certificate ends on {each.certificate_ends_at:%Y-%m-%d}"
            yield Found(part="relay", state="warn", detail=detail)


def _privacy(one: House) -> Iterator[Found]:
    today = house.clock().date()
    with one.database.snapshot() as session:
        arming.require(session)
        waiting = subscribers.asked(session, only_open=True)
    late = [each for each in waiting if each.overdue(today)]
    said = f"{len(waiting)} requests of readers wait, {len(late)} overdue"
    yield Found(part="privacy", state="warn" if late else "ok", detail=said)


def _dkim(one: House) -> Iterator[Found]:
    settings, relays = one.config.dkim, one.config.relays
    for name, relay in relays.items():
        if relay.dkim != "self":
            who = f"the relay {name}" if len(relays) > 1 else "the relay"
            advice = "see that it covers List-Unsubscribe and List-Unsubscribe-Post (RFC 8058 4)"
            yield Found(part="dkim", state="ok", detail=f"{who} signs: {advice}")
    ours = [relay for relay in relays.values() if relay.dkim != "relay"]
    if not ours:
        return
    selector = settings.selector_at(house.clock())
    if not selector:
        detail = "letters leave unsigned, which large receivers refuse; run `worldbrief dkim new`"
        yield Found(part="dkim", state="warn", detail=detail)
    for key in dkim.signer(one.config, ours[0]).keys.values():
        yield from _key(key, keyfiles.domains(one.config), signs=key.selector in keyfiles.pair(selector, twin=True))
    for relay in ours:
        yield from _profile(one, relay)


def _profile(one: House, relay: RelaySettings) -> Iterator[Found]:
    """Whether letters can be signed as a relay wants them, a specimen of each newsletter's verified."""
    settings, signer = one.config.dkim, dkim.signer(one.config, relay)
    for paper in one.config.newsletters.values():
        made = proving.prove_letter(
            template.load(correspondence.LETTERS / "confirm", paper.direction), paper, one.config.site, {"hours": "72"}
        )
        seal = signer.seal(letter.cut(made, bounce_domain="", date=house.clock(), headers=relay.headers))
        sender = seal.stencil.domain
        if settings.domain and not f".{sender}".endswith(f".{settings.domain}"):
            detail = (
                f"{paper.key}: {settings.domain} is not {sender} or above it: DMARC may not take them for one house"
            )
            yield Found(part="dkim", state="warn", detail=detail)
    if unknown := set(signer.unsigned) - set(dkim.SIGNED):
        yield Found(part="dkim", state="warn", detail=f"relay.unsigned: {min(unknown)} would not be signed anyway")


def _key(key: Key, domains: Sequence[str], *, signs: bool) -> Iterator[Found]:
    days = (house.clock() - key.made_at).days
    what = f"{key.selector} ({key.algorithm}, {key.bits} bits, {days} days old)"
    names = ", ".join(keyfiles.record_name(key.selector, domain) for domain in domains)
    use = "signs" if signs else "is kept ready"
    detail = f"{what} {use}, its file private; `worldbrief dkim show` prints what must be published at {names}"
    yield Found(part="dkim", state="ok", detail=detail)
    if key.algorithm == "rsa" and key.bits < keyfiles.RSA_BITS:
        yield Found(part="dkim", state="warn", detail=f"{what} is short: {keyfiles.RSA_BITS} bits are right (RFC 8301)")
    if signs and days > OLD_DAYS:
        yield Found(part="dkim", state="warn", detail=f"{what} has signed for long; run `worldbrief dkim rotate`")


CHECKS: Final = (_home, _database, _site, _templates, _forms, _timetable, _people, _privacy, _signups, _relay, _dkim)
