"""Single letters: what a sign-up or a reader asks for, and the alert to the people who run the house.

A reader’s letter goes through the same ledger as an edition, ahead of it. An alert does not: it must leave even when
the ledger is what is wrong, and it is also in the log and in the edition's history.
"""

import asyncio
import logging
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlmodel import Session

from newsletter import languages
from newsletter.config import Config, Newsletter
from newsletter.delivery import dispatch, dkim
from newsletter.delivery.dispatch import Single
from newsletter.delivery.dkim import Signer
from newsletter.delivery.ledger import CONFIRMATION, ERASED, MailingId
from newsletter.delivery.outcome import Replied
from newsletter.delivery.relay import Relay
from newsletter.delivery.routing import Switch
from newsletter.delivery.submission import Connection
from newsletter.editions import store
from newsletter.errors import MessageError, NewsletterError, RelayError, SecretError
from newsletter.providers import OTHER
from newsletter.relays import RelaySettings
from newsletter.rendering import letter, proof, proving, template
from newsletter.rendering.letter import Recipient
from newsletter.rendering.proof import Proof
from newsletter.rendering.template import TEMPLATES
from newsletter.vault import Vault
from subscribers import Granted, LastLetter

LETTERS: Final = TEMPLATES / "letters"
log = logging.getLogger("world_brief.correspondence")


def in_language(paper: Newsletter, code: str) -> Newsletter:
    """The newsletter as a letter to a reader of this language speaks for it."""
    if not languages.nearest(code):
        return paper
    return replace(paper, language=code, direction=languages.language(languages.nearest(code)).direction)


def confirmation(
    session: Session, newsletter: Newsletter, config: Config, request: int, expires_at: datetime, now: datetime
) -> MailingId:
    """Queue the letter that asks the holder of an address to confirm, in the transaction that kept the request."""
    hours = str(config.signup.confirm_hours)
    made = _letter("confirm", newsletter, config, {"hours": hours})
    store.freeze(session, made.digest, proof.to_bytes(made), now)
    single = Single(
        kind=CONFIRMATION,
        newsletter=newsletter.key,
        person=request,
        proof_digest=made.digest,
        expires_at=expires_at,
    )
    return dispatch.letter(session, single, now)


def about_oneself(
    session: Session, newsletter: Newsletter, config: Config, granted: Granted, now: datetime
) -> MailingId:
    """Queue the letter with the link, or the news, a reader's own errand asks for, in the transaction that kept it."""
    minutes = int((granted.expires_at - now).total_seconds() // 60)
    values = {"minutes": str(minutes), "hours": str(minutes // 60)}
    made = _letter(granted.errand.value, newsletter, config, values)
    store.freeze(session, made.digest, proof.to_bytes(made), now)
    single = Single(
        kind=granted.errand.value,
        newsletter=newsletter.key,
        person=granted.grant_id,
        proof_digest=made.digest,
        expires_at=granted.expires_at,
    )
    return dispatch.letter(session, single, now)


def last(session: Session, newsletter: Newsletter, config: Config, due: LastLetter, now: datetime) -> MailingId:
    """Queue the letter that tells somebody of their erasure, in the transaction that erased them."""
    spoken = languages.choose("", newsletter.language, "")
    until = spoken.date(due.held_until) if due.held_until else ""
    made = _letter(ERASED, newsletter, config, {"until": until})
    store.freeze(session, made.digest, proof.to_bytes(made), now)
    single = Single(
        kind=ERASED,
        newsletter=newsletter.key,
        person=due.id,
        proof_digest=made.digest,
        expires_at=due.expires_at,
    )
    return dispatch.letter(session, single, now)


def alert(lines: Sequence[str], config: Config, vault: Vault, now: datetime) -> None:
    """Mail `lines` to everybody in `alerts.mail_to`; what cannot be mailed is in the log at least."""
    newsletter = next(iter(config.newsletters.values()), None)
    if not lines or newsletter is None or not config.alerts.mail_to:
        return
    try:
        made = _letter("alert", newsletter, config, {"lines": "\n".join(lines)})
        asyncio.run(_send(made, config, vault, newsletter.key, now))
    except (NewsletterError, OSError) as error:
        log.error("the alert could not be mailed: %s", error)  # noqa: TRY400 -- its one line says it all


async def _send(made: Proof, config: Config, vault: Vault, newsletter: str, now: datetime) -> None:
    relay, connection = await _first_usable(config, vault, newsletter)
    try:
        stencil = letter.cut(made, bounce_domain="", date=now, headers=relay.headers)
        seal = _signer(config, relay).seal(stencil)
        for place, address in enumerate(config.alerts.mail_to):
            reader = Recipient(address=address, token="none", return_token=f"alert-{uuid.uuid4().hex}")  # noqa: S106
            try:
                one = seal.sign(letter.address(stencil, reader))
            except MessageError as error:
                # One bad address must not keep the others from knowing.
                log.error("alerts.mail_to[%d] cannot be written to: %s", place, error)  # noqa: TRY400
                continue
            result = await connection.submit(one, _at_once)
            if not (isinstance(result, Replied) and result.reply.code < 300):
                log.error("the alert to alerts.mail_to[%d] was not accepted: %s", place, result)
    finally:
        await connection.close()


async def _at_once() -> None:
    """Nobody keeps books of alerts."""


async def _first_usable(config: Config, vault: Vault, newsletter: str) -> tuple[RelaySettings, Connection]:
    """A connection to the first relay that takes us. Raises the last one's RelayError when none does."""
    everybodys = {name: one for name, one in config.relays.items() if one.takes_everybody}
    names = [name for tier in Switch(everybodys).tiers(newsletter, OTHER) for name in tier]
    failure = RelayError(f"no relay is for {newsletter}")
    for name in names:
        relay = config.relays[name]
        try:
            return relay, await Relay(relay, vault.relay_passwords.get(name, "")).connect()
        except RelayError as error:
            failure = error
    raise failure


def _signer(config: Config, relay: RelaySettings) -> Signer:
    """What signs an alert. One without a signature says more than none: the key may be what it is about."""
    try:
        return dkim.signer(config, relay)
    except SecretError as error:
        log.error("the alert leaves unsigned: %s", error)  # noqa: TRY400 -- its one line says it all
        return Signer(settings=config.dkim, keys={})


def _letter(name: str, newsletter: Newsletter, config: Config, values: dict[str, str]) -> Proof:
    design = template.load(LETTERS / name, newsletter.direction)
    return proving.prove_letter(design, newsletter, config.site, values)
