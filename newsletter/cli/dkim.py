"""`worldbrief dkim …`: the keys letters are signed with, what to publish of them, and how one follows another.

Which key signs stands in config.toml, so that every machine that sends switches at the same moment. Nothing here asks
the DNS or writes the configuration: a command says what to do next, and can be repeated until it is done.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

import typer

from newsletter.cli import house
from newsletter.cli.house import JSONOption
from newsletter.config import Config
from newsletter.delivery import keyfiles
from newsletter.delivery.keyfiles import TWIN, Key
from newsletter.errors import ConfigError, SecretError
from newsletter.signing import SELECTOR

app = typer.Typer(help="The keys letters are signed with.", no_args_is_help=True, rich_markup_mode=None)

FIRST: Final = "wb1"
# How long a new record is given to reach every resolver before its key signs: more than any usual time to live.
PUBLISHED_FOR: Final = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One key under one domain: what it is for, and the DNS record that makes it known."""

    selector: str
    role: Literal["signs", "next", "before", "unused"]
    algorithm: str
    bits: int
    days_old: int
    file: str
    domain: str
    name: str
    record: str
    zone: str


def _checked(selector: str) -> str:
    if selector and not SELECTOR.fullmatch(selector):
        raise typer.BadParameter(f"{selector!r} is no name such as {FIRST}")
    return selector


SelectorArgument = Annotated[
    str, typer.Argument(help="Its name: lower-case letters, digits and hyphens.", callback=_checked, show_default=False)
]


@app.command()
def new(selector: SelectorArgument = "", *, as_json: JSONOption = False) -> None:
    """Make a key unless there is one, and print the DNS record to publish. It signs once the configuration names it."""
    settings, now = house.load_config(), house.clock()
    selector = selector or settings.dkim.selector or FIRST
    _make(settings, selector, now, as_json=as_json)
    if not settings.dkim.selector:
        house.say(
            f'publish it, then set selector = "{selector}" under [dkim] in {settings.path} and restart the sender'
        )


@app.command()
def show(*, as_json: JSONOption = False) -> None:
    """Print each key, which one signs, its size and age, and its record; leaves with 1 when one cannot be used."""
    settings, now = house.load_config(), house.clock()
    dkim, failed = settings.dkim, False
    named = [
        name for one in (dkim.selector, dkim.next_selector) if one for name in keyfiles.pair(one, twin=dkim.ed25519)
    ]
    for name in dict.fromkeys([*named, *keyfiles.selectors(settings.home)]):
        try:
            _tell(settings, keyfiles.read(settings.home, name), now, as_json=as_json)
        except SecretError as error:
            house.say(f"worldbrief: {error}")
            failed = True
    if all(one.dkim == "relay" for one in settings.relays.values()):
        house.say('letters leave unsigned: relay.dkim = "relay" leaves it to the relay')
    elif not dkim.selector:
        house.say("letters leave unsigned: dkim.selector is empty; `worldbrief dkim new` makes a key")
    if failed:
        raise typer.Exit(1)


@app.command()
def rotate(selector: SelectorArgument = "", *, as_json: JSONOption = False) -> None:
    """Make the next key and say how it takes over: publish it, switch to it, withdraw the old one. Safe to repeat."""
    settings, now = house.load_config(), house.clock()
    if not settings.dkim.selector:
        raise ConfigError(
            settings.path, "dkim.selector", "nothing signs yet; `worldbrief dkim new` makes the first key"
        )
    following = settings.dkim.next_selector or selector or _following(settings.dkim.selector)
    if following == settings.dkim.selector:
        raise typer.BadParameter(f"{following} is the one that signs already")
    _make(settings, following, now, as_json=as_json)
    for number, line in enumerate(_advice(settings, following, now), 1):
        house.say(f"{number}. {line}")


def _advice(settings: Config, following: str, now: datetime) -> Iterator[str]:
    """What is left to do, in config.toml and in the DNS, until only the following key is in use."""
    dkim, at = settings.dkim, settings.dkim.switch_at
    if not dkim.next_selector or at is None:
        moment = (now + PUBLISHED_FOR).replace(minute=0, second=0, microsecond=0)
        yield "publish the record above, and let resolvers learn it"
        yield f'set next_selector = "{following}" and switch_at = "{moment:%Y-%m-%dT%H:%MZ}" under [dkim]'
        yield "restart the sender before that moment, and repeat this command after it"
    elif now < at:
        yield f"{following} signs what is frozen from {at:%Y-%m-%d %H:%M %Z} on: by then resolvers must know its record"
        yield f"{dkim.selector} signs until then"
    else:
        until = at + timedelta(days=dkim.expire_days + 1)
        yield f"{following} has signed since {at:%Y-%m-%d %H:%M %Z}"
        yield f"keep the record of {dkim.selector} until {until:%Y-%m-%d}, when the last letter it signed has expired"
        yield f'then set selector = "{following}", remove next_selector and switch_at, and delete {dkim.selector}’s key'


def _following(selector: str) -> str:
    """The next name: wb1 is followed by wb2, brief by brief2."""
    stem = selector.rstrip("0123456789")
    return f"{stem}{int(selector[len(stem) :] or 1) + 1}"


def _make(settings: Config, selector: str, now: datetime, *, as_json: bool) -> None:
    for name in keyfiles.pair(selector, twin=settings.dkim.ed25519):
        _tell(settings, keyfiles.create(settings.home, name), now, as_json=as_json)


def _tell(settings: Config, key: Key, now: datetime, *, as_json: bool) -> None:
    """The key with its record under every domain that letters are signed for."""
    for domain in keyfiles.domains(settings):
        one = _published(settings, key, domain, now)
        if as_json:
            house.answer(one)
            continue
        kind = f"{one.algorithm}, {one.bits} bits, {one.days_old} days old, {one.file}"
        house.stdout.print(f"{one.selector}: {one.role}; {kind}", markup=False, soft_wrap=True)
        house.stdout.print(f"  {one.zone}", markup=False, soft_wrap=True)


def _published(settings: Config, key: Key, domain: str, now: datetime) -> Published:
    name, record = keyfiles.record_name(key.selector, domain), key.record()
    return Published(
        selector=key.selector,
        role=_role(settings, key.selector, now),
        algorithm=key.algorithm,
        bits=key.bits,
        days_old=max((now - key.made_at).days, 0),
        file=str(key.file),
        domain=domain,
        name=name,
        record=record,
        zone=keyfiles.zone_line(name, record),
    )


def _role(settings: Config, selector: str, now: datetime) -> Literal["signs", "next", "before", "unused"]:
    dkim, base = settings.dkim, selector.removesuffix(TWIN)
    if base not in {dkim.selector, dkim.next_selector} or (base != selector and not dkim.ed25519):
        return "unused"
    if base == dkim.selector_at(now):
        return "signs"
    return "next" if base == dkim.next_selector else "before"
