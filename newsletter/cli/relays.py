"""`worldbrief relay …`: where letters are handed to, what each relay is for, and whether it would take them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

import typer

from newsletter.cli import house
from newsletter.cli.house import House, JSONOption
from newsletter.config import Config
from newsletter.delivery import allowance, examination
from newsletter.delivery.examination import Examined
from newsletter.errors import ConfigError
from newsletter.relays import RelaySettings
from newsletter.typed import nearest

app = typer.Typer(help="Where letters are handed to.", no_args_is_help=True, rich_markup_mode=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """At most so many `letters` in any so many `seconds`, of which so many are taken now."""

    rate: str
    letters: int
    seconds: int
    taken: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What one relay is for; `share` is its part, in percent, of what relays of its priority are all for."""

    relay: str
    host: str
    port: int
    tls: str
    username: str
    secret: Literal["none", "password", "token"]
    connections: int
    priority: int
    weight: int
    share: float
    newsletters: tuple[str, ...]
    providers: tuple[str, ...]
    rates: tuple[Rate, ...]


@app.command("list")
def list_relays(*, as_json: JSONOption = False) -> None:
    """Print each relay: where it is, its priority and share, what it is for, and how much of its rates is taken."""
    with house.opened() as one:
        for use in _uses(one, one.config.relays, house.clock()):
            if as_json:
                house.answer(use)
                continue
            _print(use.relay, _place(use))
            for line in _said(use):
                _print("", line)


@app.command("test")
def try_relays(
    name: Annotated[str, typer.Argument(help="Its name; all of them by default.", show_default=False)] = "",
    *,
    as_json: JSONOption = False,
) -> None:
    """Connect to a relay, or to all, and print what it shows. Sends nothing; leaves with 1 when one cannot be used."""
    with house.opened() as one:
        chosen = _chosen(one.config, name)
        found = examination.examine(chosen, one.vault.relay_passwords)
        for each, use in zip(found, _uses(one, chosen, house.clock()), strict=True):
            if as_json:
                house.answer(house.plain(use) | {"usable": each.usable} | house.plain(each))
            else:
                _tell(each, use)
    if not all(each.usable for each in found):
        raise typer.Exit(1)


def _chosen(config: Config, name: str) -> Mapping[str, RelaySettings]:
    if not name:
        return config.relays
    if name not in config.relays:
        near = nearest(name, config.relays) or f"; there are {', '.join(config.relays)}"
        raise ConfigError(config.path, f"relays.{name}", f"unknown{near}")
    return {name: config.relays[name]}


def _uses(one: House, chosen: Mapping[str, RelaySettings], now: datetime) -> Iterator[Use]:
    for name, relay in chosen.items():
        with one.database.snapshot() as session:
            taken = allowance.in_use(session, name, relay.windows, now)
        weights = sum(each.weight for each in one.config.relays.values() if each.priority == relay.priority)
        password: Literal["none", "password"] = "password" if one.vault.relay_passwords.get(name) else "none"
        yield Use(
            relay=name,
            host=relay.host,
            port=relay.port,
            tls=relay.tls,
            username=relay.username,
            secret="token" if relay.bears_token else password,
            connections=relay.connections,
            priority=relay.priority,
            weight=relay.weight,
            share=round(100 * relay.weight / weights, 1),
            newsletters=relay.newsletters,
            providers=relay.providers,
            rates=tuple(
                Rate(rate=window.text, letters=window.letters, seconds=window.seconds, taken=letters)
                for window, letters in zip(relay.windows, taken, strict=True)
            ),
        )


def _place(use: Use) -> str:
    login = f", {use.username} with {use.secret.replace('none', 'no secret')}" if use.username else ""
    return f"{use.host}:{use.port}, tls {use.tls}{login}"


def _said(use: Use) -> Iterator[str]:
    newsletters = ", ".join(use.newsletters) or "every newsletter"
    providers = f"readers at {', '.join(use.providers)}" if use.providers else "all readers"
    yield f"for {newsletters}, {providers}"
    yield f"priority {use.priority}, weight {use.weight} ({use.share:g} %), {use.connections} connections"
    if use.rates:
        yield "at most " + ", ".join(f"{one.rate} ({one.taken:,} taken)" for one in use.rates)


def _tell(each: Examined, use: Use) -> None:
    _print(each.relay, "can be used" if each.usable else each.failure)
    _print("", _place(use))
    if each.banner:
        _print("banner", each.banner)
    if each.round_trip_ms is not None:
        _print("round trip", f"{each.round_trip_ms:g} ms")
    if each.offers:
        _print("offers", ", ".join(each.offers))
    if each.tls_version:
        ends = f", certificate until {each.certificate_ends_at:%Y-%m-%d}" if each.certificate_ends_at else ""
        _print("tls", f"{each.tls_version}, {each.cipher}{ends}")
    if each.login:
        _print("login", f"{each.login} as {use.username}{' is accepted' if each.usable else ''}")
    for number, line in enumerate(_said(use)):
        _print("" if number else "used", line)


def _print(word: str, text: str) -> None:
    house.stdout.print(f"{word:<{max(10, len(word))}}  {text}", markup=False, soft_wrap=True)
