"""The press: from the bank to a stored edition, its proof, its findings and its approval.

An approval is bound to what was seen: the proof's bytes, the audience rule and the slot. `clear` asks for all three
again just before sending, so that a change of story, template, sender, rule or time cannot leave unseen.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property

from sqlmodel import Session

from newsletter import readership
from newsletter.config import Newsletter, Site, Slot, Wire
from newsletter.database import Database
from newsletter.editions import store
from newsletter.editions.compose import compose, plan_for
from newsletter.editions.edition import Edition, revise
from newsletter.editions.store import Approval, EditionRecord, Override
from newsletter.editions.workflow import Event, State
from newsletter.errors import EditionError, NotReady
from newsletter.rendering import counting, preflight, proof, prose, proving, template
from newsletter.rendering.preflight import Context, Finding
from newsletter.rendering.proof import Proof
from newsletter.rendering.template import TEMPLATES
from newsletter.stories import wire
from newsletter.stories.story import RankedLink, Story, StoryKind, canonical_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """One date of the timetable: when it is sent, and which skipped days it announces."""

    on: date
    send_at: datetime
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What an approver sees: the proof, what the preflight found, and the digest an approval would be bound to."""

    proof: Proof
    findings: tuple[Finding, ...]
    digest: str


@dataclass(frozen=True, kw_only=True)
class Press:
    """One newsletter's press. `audience_rule` is the sentence that says who would get the edition."""

    newsletter: Newsletter
    site: Site
    settings: Wire
    audience_rule: str

    @cached_property
    def template(self) -> template.Template:
        """The newsletter's design, compiled once."""
        return template.load(TEMPLATES / self.newsletter.template, self.newsletter.direction)

    def build(self, database: Database, occasion: Occasion, by: str, now: datetime) -> EditionRecord:
        """Compose the date's edition from the bank and store it; the same bank gives the same edition.

        A rebuild that changes nothing leaves an approval standing. Raises EditionError once the edition is sending.
        """
        key, on = self.newsletter.key, occasion.on
        with database.transaction() as session:
            store.claim(session, key, on, occasion.send_at, now)
            record = required(session, key, on)
            if record.state in {State.SENDING, State.SENT, State.KILLED}:
                raise EditionError(key, on, f"is {record.state} already and cannot be built again")
            since = on - timedelta(days=self.newsletter.reuse_after_days)
            used = store.used(session, key, on, since)
            plan = plan_for(self.newsletter, on, occasion.send_at, used, occasion.notices)
            stories = wire.bank(session, since=_oldest(plan.slots, occasion.send_at))
            edition = compose(plan, [*stories, *_ranking(session, key, occasion)], on)
            edition = _with_words_by_hand(edition, record.edition)
            if record.edition and edition.digest() == record.edition.digest() and record.send_at == occasion.send_at:
                return record
            if record.send_at != occasion.send_at:
                record = store.reschedule(session, record.id, occasion.send_at, by, now)
            if record.state is State.OPEN:
                record = store.move(session, record.id, Event.BUILD, by, now)
            return store.save(session, record.id, edition, by, now)

    def see(self, session: Session, record: EditionRecord, now: datetime, approver: str = "") -> Sight:
        """Prove the stored edition and inspect the proof."""
        if record.edition is None:
            raise EditionError(record.newsletter, record.on, "has not been built yet; run `worldbrief edition build`")
        made = shown = proving.prove(self.template, record.edition, self.newsletter, self.site)
        if self.newsletter.tracking != "none":
            legal = {prose.address(one, made.site) for one in (self.site.privacy_url, self.site.terms_url)}
            made = counting.counted(made, legal, personal=self.newsletter.tracking == "consented")
        digest = self.approval_digest(made, record.send_at)
        # What is checked are the links as they lead in the end, not the doors they are counted at.
        findings = preflight.inspect(shown, record.edition, self._context(session, record, digest, now, approver))
        return Sight(proof=made, findings=tuple(findings), digest=digest)

    def approve(
        self, database: Database, record: EditionRecord, by: str, now: datetime, overrides: Sequence[Override] = ()
    ) -> EditionRecord:
        """Bind an approval to exactly what `see` shows now. An override names its rule, who decided, and why.

        Raises NotReady, with a line for each blocking finding no override names.
        """
        # Proving and inspecting take longer than a write may hold the database.
        with database.snapshot() as session:
            sight = self.see(session, _unchanged(session, record), now, approver=by)
        _refuse(sight.findings, overrides)
        approval = Approval(digest=sight.digest, by=by, at=now, overrides=tuple(overrides))
        with database.transaction() as session:
            current = _unchanged(session, record)
            return store.approve(session, current.id, approval, proof.to_bytes(sight.proof), now)

    def clear(self, session: Session, record: EditionRecord, now: datetime) -> Proof:
        """The proof that may be sent: what was approved is still what would be made, and nothing blocks it now.

        Raises EditionError when there is no approval or something changed since, NotReady when a check fails.
        """
        if record.approval is None:
            raise EditionError(record.newsletter, record.on, "has no approval: nothing is sent")
        sight = self.see(session, record, now, approver=record.approval.by)
        if sight.digest != record.approval.digest:
            raise EditionError(
                record.newsletter,
                record.on,
                "the approval is void: stories, template, sender, audience rule or slot changed since; approve again",
            )
        _refuse(sight.findings, record.approval.overrides)
        return sight.proof

    def approval_digest(self, made: Proof, send_at: datetime) -> str:
        """What an approval is bound to: the proof, the audience rule and the slot."""
        bound = f"{made.digest}\n{self.audience_rule}\n{send_at.isoformat()}"
        return hashlib.sha256(bound.encode()).hexdigest()

    def _context(self, session: Session, record: EditionRecord, digest: str, now: datetime, approver: str) -> Context:
        since = record.on - timedelta(days=self.newsletter.reuse_after_days)
        last = store.last_sent(session, record.newsletter, record.on)
        return Context(
            now=now,
            send_at=record.send_at,
            timezone=self.newsletter.timezone,
            last_subject=last.edition.subject if last and last.edition else "",
            used=store.used(session, record.newsletter, record.on, since),
            postal_address=self.site.postal_address,
            base_url=self.site.base_url,
            approved_digest=record.approval.digest if record.approval and not approver else None,
            actual_digest=digest,
            edited_by=record.edited_by,
            approver=approver,
            two_person=self.newsletter.two_person,
        )


def required(session: Session, newsletter: str, on: date) -> EditionRecord:
    """The stored edition of a date; raises EditionError, saying what to run, when there is none."""
    record = store.load(session, newsletter, on)
    if record is None:
        raise EditionError(newsletter, on, "has not been built yet; run `worldbrief edition build`")
    return record


def _unchanged(session: Session, record: EditionRecord) -> EditionRecord:
    current = required(session, record.newsletter, record.on)
    if current.version != record.version:
        raise EditionError(record.newsletter, record.on, "changed while you looked at it; look again")
    return current


def _with_words_by_hand(edition: Edition, before: Edition | None) -> Edition:
    """Keep a subject or preheader an editor wrote: one that was not among the candidates of the edition it stood on."""
    if before is None:
        return edition
    return revise(
        edition,
        subject=before.subject if before.subject not in before.subjects else None,
        preheader=before.preheader if before.preheader not in before.preheaders else None,
    )


def most_read(session: Session, record: EditionRecord) -> list[RankedLink]:
    """The counted links of an edition that was sent, most followed first; those followed fewer than ten times are out.

    A link without a story of its own is called by its address.
    """
    counts = readership.counts(session, record.newsletter, record.on)
    if not counts or record.edition is None:
        return []
    links = proof.from_bytes(store.frozen_of(session, record.id)).links
    headlines = {canonical_url(one.url): one.headline for one in record.edition.stories() if one.url}
    return [
        RankedLink(headline=headlines.get(canonical_url(url), url), url=url, reads=counts[number])
        for number in counts
        if number <= len(links) and (url := links[number - 1])
    ]


def _ranking(session: Session, newsletter: str, occasion: Occasion) -> list[Story]:
    """What was read most in the last edition, as one more story of the bank; none where too little was counted."""
    last = store.last_sent(session, newsletter, occasion.on)
    ranking = [one for one in most_read(session, last) if one.headline != one.url] if last else []
    if last is None or not ranking:
        return []
    headline = f"Most read on {last.on}"
    return [
        Story(
            source="readership",
            guid=f"{newsletter} {last.on}",
            headline=headline,
            kind=StoryKind.MOST_READ,
            ranking=tuple(ranking),
            published_at=occasion.send_at,
            checked_by="readership",
        )
    ]


def _oldest(slots: Sequence[Slot], send_at: datetime) -> datetime:
    # An agenda or a quiz is filed up to a week ahead of the day it is printed on.
    hours = max((slot.max_age_hours for slot in slots), default=0)
    return send_at - max(timedelta(hours=hours), timedelta(days=7))


def _refuse(findings: Sequence[Finding], overrides: Sequence[Override]) -> None:
    allowed = {one.rule for one in overrides}
    blocking = [one for one in preflight.blocking(findings) if one.rule not in allowed]
    if blocking:
        raise NotReady([f"{one.rule} {one.story or one.place}: {one.advice}" for one in blocking])
