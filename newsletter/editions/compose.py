"""From a plan and the bank to an edition, by rule: pure, deterministic, with a reason for every choice and refusal.

Slots are filled in their order, first up to what each needs, then up to what each takes. Pins come before every rule
but an embargo and an expiry. A slot that finds less than it needs falls back, and gives its stories to the others.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import partial
from typing import Final

from newsletter.config import Newsletter, Slot
from newsletter.editions import rules, wording
from newsletter.editions.edition import Choice, Edition, Frame, Plan, Section
from newsletter.stories.story import RankedLink, Story, StoryKind, canonical_url

PINNED: Final = "pinned by an editor"


def plan_for(
    newsletter: Newsletter, on: date, send_at: datetime, used: frozenset[str], notices: Sequence[str] = ()
) -> Plan:
    """The newsletter's plan for one date. Slots of other weekdays stay in it, so that a refusal can name them."""
    del on
    return Plan(
        newsletter=newsletter.key,
        name=newsletter.name,
        welcome=newsletter.welcome,
        slots=newsletter.slots,
        most_words=newsletter.most_words,
        send_at=send_at,
        used=used,
        reuse_after_days=newsletter.reuse_after_days,
        notices=tuple(notices),
        language=newsletter.language,
        byline=newsletter.byline,
    )


def compose(plan: Plan, stories: Sequence[Story], on: date) -> Edition:
    """The edition of a date. The order of `stories` does not matter; an unfilled required slot is in `gaps`."""
    sheet = _Sheet(plan=plan, on=on, bank={one.key: one for one in rules.bank_of(stories)})
    sheet.pin()
    sheet.offer()
    sheet.dedupe()
    sheet.fill()
    sheet.trim_links()
    frames = [
        Frame(slot=one.name, title=one.title, style=one.style, least=one.least, required=one.required)
        for one in sheet.today
    ]
    blank = Edition(
        newsletter=plan.newsletter,
        on=on,
        name=plan.name,
        welcome=plan.welcome,
        language=plan.language,
        headline="",
        intro="",
        subject="",
        preheader="",
        dateline="",
        reading_minutes=0,
        words=0,
        sections=tuple(section for slot in sheet.today for section in sheet.section(slot)),
        frames=tuple(frames),
        notices=plan.notices,
        choices=tuple(sheet.choices()),
        byline=plan.byline,
    )
    return wording.word(blank)


@dataclass(slots=True)
class _Sheet:
    """The page while it is being filled."""

    plan: Plan
    on: date
    bank: dict[str, Story]  # by key, best first
    today: list[Slot] = field(default_factory=list)
    offers: dict[str, list[Story]] = field(default_factory=dict)  # per slot, best first, as they would be printed
    placed: dict[str, list[Story]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)  # of what is placed, by key
    refused: dict[str, Choice] = field(default_factory=dict)
    unfit: set[str] = field(default_factory=set)  # keys no slot may print
    owners: dict[str, Story] = field(default_factory=dict)  # group or address -> the story that speaks for it
    words: int = 0

    def __post_init__(self) -> None:
        pinned = {pin.slot for pin in self.plan.pins}
        self.today = [one for one in self.plan.slots if not rules.closed(one, self.on) or one.name in pinned]
        self.offers = {one.name: [] for one in self.today}
        self.placed = {one.name: [] for one in self.today}

    def pin(self) -> None:
        """Place what the editors chose."""
        slots = {one.name: one for one in self.today}
        for pin in self.plan.pins:
            slot, story = slots.get(pin.slot), self.bank.get(pin.story_key)
            if story is None:
                self.refused[pin.story_key] = Choice(
                    story=pin.story_key, headline="", slot=pin.slot, chosen=False, reason="pinned, but not in the bank"
                )
            elif story.key not in self.reasons:
                reason = rules.unpinnable(slot, story, self.plan, self.on) if slot else "pinned to no slot of this plan"
                if slot and not reason:
                    self._place(slot, rules.ahead(story, self.on), PINNED)
                else:
                    self.unfit.add(story.key)
                    self._refuse(story, reason, pin.slot)

    def offer(self) -> None:
        """Note for each story which slots may print it, or why none may."""
        for story in self.bank.values():
            if story.key in self.reasons or story.key in self.refused:
                continue
            if reason := rules.unfit(story, self.plan):
                self.unfit.add(story.key)
                self._refuse(story, reason)
            elif why := self._offer(story):
                # A slot of today that refuses says more than a slot of another day.
                slot, reason = next((one for one in why if one[0] in self.placed), why[0])
                self._refuse(story, reason, slot)
        for here in self.today:
            rank = partial(_rank, here)
            self.offers[here.name].sort(key=rank)

    def _offer(self, story: Story) -> list[tuple[str, str]]:
        why: list[tuple[str, str]] = []
        offered = False
        for slot in self.plan.slots:
            if rules.place_of(slot, story) is None or self._claimed(slot, story):
                continue
            printed, reason = rules.printed(slot, story, self.plan, self.on)
            reason = rules.closed(slot, self.on) or reason
            if reason:
                why.append((slot.name, reason))
            else:
                self.offers[slot.name].append(printed)
                offered = True
        if offered:
            return []
        hint = f"section hint “{story.section}”" if story.section else f"no section hint (kind “{story.kind}”)"
        return why or [("", f"no slot takes it: {hint}")]

    def _claimed(self, slot: Slot, story: Story) -> bool:
        """Whether another slot of the day asks for the story's section by name, where this one takes anything."""
        return not slot.accepts and any(story.section in other.accepts for other in self.today if story.section)

    def dedupe(self) -> None:
        """Let one story speak for each group of near-duplicates: the most complete one, then the newest."""
        offered = {one.key for offers in self.offers.values() for one in offers}
        ranked = [one for one in self.bank.values() if one.key in offered]
        for story in sorted(ranked, key=lambda one: (-rules.completeness(one), rules.preference(one))):
            owner = self._owner(story)
            if owner:
                self._refuse(story, _duplicate(owner))
            else:
                self.owners.update(dict.fromkeys(_marks(story), story))
        for offers in self.offers.values():
            offers[:] = [one for one in offers if one.key not in self.refused]

    def _owner(self, story: Story) -> Story | None:
        found = (self.owners[mark] for mark in _marks(story) if mark in self.owners)
        return next((one for one in found if one.key != story.key), None)

    def fill(self) -> None:
        """Fill every slot with what it needs, and then with what it takes."""
        dropped = set()
        for slot in self.today:
            need = max(slot.least, 1)
            self._take(slot, need)
            if self._short(slot) and slot.fallback == "any":
                self._take_any(slot, need)
            if self._short(slot) and not slot.required and not self._pins(slot):
                dropped.add(slot.name)
                self._release(slot)
        for slot in self.today:
            if slot.name not in dropped or slot.least <= 1:
                self._take(slot, slot.most)
        self._refuse_the_rest(dropped)

    def _take(self, slot: Slot, most: int) -> None:
        offers = self.offers[slot.name]
        for number, story in enumerate(offers, 1):
            if len(self.placed[slot.name]) >= min(most, slot.most) or self._has_ranking(slot):
                return
            if story.key not in self.reasons:
                match = f"section hint “{story.section}”" if story.section in slot.accepts else f"kind “{story.kind}”"
                self._try(slot, story, f"{match}: number {number} of {len(offers)} for “{slot.name}”")

    def _take_any(self, slot: Slot, need: int) -> None:
        def rank(story: Story) -> tuple[int, tuple[bool, float, int, str]]:
            claims = [one.style == "light" for one in self.today if one is not slot and story.section in one.accepts]
            unsuited = 2 if any(claims) else int(bool(claims) and slot.style != "lead")
            return unsuited, rules.preference(story)

        spare = [one for one in self.bank.values() if one.kind is StoryKind.STORY and one.key not in self.unfit]
        for story in sorted(spare, key=rank):
            if len(self.placed[slot.name]) >= min(need, slot.most):
                return
            printed, reason = rules.printed(slot, story, self.plan, self.on, any_story=True)
            if story.key not in self.reasons and not reason and not self._owner(story):
                self._try(slot, printed, f"the fallback of “{slot.name}”: the best story not placed yet")

    def _try(self, slot: Slot, story: Story, reason: str) -> None:
        total = self.words + self._count(slot, story)
        if total > self.plan.most_words:
            over = f"budget: the edition would have {total} words, and {self.plan.most_words} is its most"
            self._refuse(story, over, slot.name)
            return
        self._place(slot, story, reason)

    def _place(self, slot: Slot, story: Story, reason: str) -> None:
        if story.body != self.bank[story.key].body:
            reason += "; its body is over the budget, so its summary is printed"
        self.placed[slot.name].append(story)
        self.reasons[story.key] = reason
        self.refused.pop(story.key, None)
        self.owners.update(dict.fromkeys(_marks(story), story))
        self.words += self._count(slot, story)

    def _release(self, slot: Slot) -> None:
        for story in self.placed[slot.name]:
            del self.reasons[story.key]
            self.words -= self._count(slot, story)
        self.placed[slot.name] = []

    def _count(self, slot: Slot, story: Story) -> int:
        return wording.words_in(replace(story, ranking=story.ranking[: slot.most]), slot.style)

    def _short(self, slot: Slot) -> bool:
        return len(self.placed[slot.name]) < max(slot.least, 1) and not self._has_ranking(slot)

    def _has_ranking(self, slot: Slot) -> bool:
        return any(one.kind is StoryKind.MOST_READ for one in self.placed[slot.name])

    def _pins(self, slot: Slot) -> bool:
        return any(self.reasons[one.key].startswith(PINNED) for one in self.placed[slot.name])

    def _refuse_the_rest(self, dropped: set[str]) -> None:
        for slot in self.today:
            for story in self.offers[slot.name]:
                if story.key in self.reasons or story.key in self.refused:
                    continue
                held = len(self.placed[slot.name])
                full = f"budget: “{slot.name}” is full ({held} of {slot.most})"
                few = f"“{slot.name}” needs {slot.least} and found {len(self.offers[slot.name])}"
                self._refuse(story, few if slot.name in dropped else full, slot.name)

    def trim_links(self) -> None:
        """Cut each ranking to the links that are not in the edition already."""
        printed = {canonical_url(one.url) for held in self.placed.values() for one in held if one.url}
        for slot in self.today:
            for story in [one for one in self.placed[slot.name] if one.kind is StoryKind.MOST_READ]:
                links: dict[str, RankedLink] = {}
                for link in story.ranking:
                    links.setdefault(canonical_url(link.url), link)
                kept = [link for url, link in links.items() if url and url not in printed]
                if len(kept) < max(slot.least, 1):
                    self._release(slot)
                    self._refuse(story, "too few of its links are not in this edition already", slot.name)
                else:
                    self.placed[slot.name] = [replace(story, ranking=tuple(kept[: slot.most]))]

    def section(self, slot: Slot) -> Iterator[Section]:
        """What is printed in the slot's place: a section, or nothing."""
        held = tuple(self.placed[slot.name])
        text = slot.fallback_text if not held and slot.fallback == "text" else ""
        if held or text:
            yield Section(slot=slot.name, title=slot.title, style=slot.style, stories=held, text=text)

    def choices(self) -> Iterator[Choice]:
        """What was chosen, as it is printed; then what was refused, best first."""
        for slot in self.today:
            for story in self.placed[slot.name]:
                reason = self.reasons[story.key]
                yield Choice(story=story.key, headline=story.headline, slot=slot.name, chosen=True, reason=reason)
        yield from sorted(self.refused.values(), key=lambda one: one.story)

    def _refuse(self, story: Story, reason: str, slot: str = "") -> None:
        self.refused[story.key] = Choice(
            story=story.key, headline=story.headline, slot=slot, chosen=False, reason=reason
        )


def _rank(slot: Slot, story: Story) -> tuple[int, tuple[bool, float, int, str]]:
    return rules.place_of(slot, story) or 0, rules.preference(story)


def _marks(story: Story) -> list[str]:
    """What near-duplicates have in common: the bank's group, and the address of a story."""
    url = canonical_url(story.url) if story.kind is StoryKind.STORY else ""
    return [mark for mark in (f"group {story.group}" if story.group else "", url) if mark]


def _duplicate(owner: Story) -> str:
    return f"duplicate of “{owner.headline}” ({owner.outlet or owner.source})"
