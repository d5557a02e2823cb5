"""What the desk's buttons do to an edition, and which role each needs. Every deed passes the edition's workflow."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Final

from starlette.datastructures import FormData

from newsletter.config import Newsletter
from newsletter.desk.accounts import Role
from newsletter.editions import store
from newsletter.editions.store import Override
from newsletter.editions.workflow import Event
from newsletter.errors import EditionError
from newsletter.rendering import preflight
from newsletter.rendering.press import required
from newsletter.scheduling import routine
from newsletter.web.pages import Pages

MOST_LETTERS: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Which edition, by whom, and what the form said."""

    newsletter: Newsletter
    on: date
    by: str
    form: FormData

    def text(self, field: str) -> str:
        """One line of what was typed: no control characters, no more than a field holds."""
        typed = self.form.get(field)
        line = "".join(one if one.isprintable() else " " for one in typed) if isinstance(typed, str) else ""
        return " ".join(line.split())[:MOST_LETTERS]

    def refused(self, reason: str) -> EditionError:
        return EditionError(self.newsletter.key, self.on, reason)


Deed = Callable[[Pages, Order], None]


def _build(pages: Pages, order: Order) -> None:
    routine.build(pages.database, pages.config, order.newsletter, order.on, order.by, pages.clock())


def _edit(pages: Pages, order: Order) -> None:
    subject, preheader = order.text("subject"), order.text("preheader")
    if not subject:
        raise order.refused("a letter needs a subject; nothing was changed")
    with pages.database.snapshot() as session:
        record = required(session, order.newsletter.key, order.on)
    routine.revise(pages.database, record, order.by, pages.clock(), subject=subject, preheader=preheader)


def _approve(pages: Pages, order: Order) -> None:
    reason = order.text("reason")
    passed = {rule for rule in order.form.getlist("override") if isinstance(rule, str)}
    if passed and not reason:
        raise order.refused("passing a finding needs a reason; nothing was approved")
    press = routine.press(pages.config, order.newsletter)
    with pages.database.snapshot() as session:
        record = required(session, order.newsletter.key, order.on)
        seen = press.see(session, record, pages.clock(), approver=order.by)
    if order.text("digest") != seen.digest:
        raise order.refused("changed since this page was opened; look at it again before approving")
    # Only what stands in the way can be passed: the history names no rule that found nothing.
    rules = sorted({one.rule for one in preflight.blocking(seen.findings)} & passed)
    overrides = [Override(rule=rule, by=order.by, reason=reason) for rule in rules]
    press.approve(pages.database, record, order.by, pages.clock(), overrides)


def _move(event: Event) -> Deed:
    def deed(pages: Pages, order: Order) -> None:
        with pages.database.transaction() as session:
            record = required(session, order.newsletter.key, order.on)
            store.move(session, record.id, event, order.by, pages.clock(), order.text("reason"))

    return deed


DEEDS: Final[dict[str, tuple[Role, Deed]]] = {
    "build": (Role.EDITOR, _build),
    "edit": (Role.EDITOR, _edit),
    "approve": (Role.PUBLISHER, _approve),
    "hold": (Role.EDITOR, _move(Event.HOLD)),
    "release": (Role.PUBLISHER, _move(Event.RELEASE)),
}
