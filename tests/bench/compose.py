"""From the bank to a stored draft: `press.build` on SQLite."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import subscribers
from newsletter import config
from newsletter.config import Config
from newsletter.database import Database
from newsletter.editions.workflow import State
from newsletter.rendering.press import Occasion, Press
from newsletter.stories import wire
from newsletter.stories.story import Story
from tests.bench.engines import SQLITE, engines
from tests.bench.measure import Scale, Table, alternated, middle, ratio, timed
from tests.builders import MONDAY, MORNING

ROOT: Final = Path(__file__).parents[2]
SEND_AT: Final = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
SECONDS: Final = 2.0  # what an editor waits for a draft from 500 stories at most
NUMBERS: Final = itertools.count(1)


def run(scale: Scale) -> Table:
    """A Monday's draft by the shipped plan, from 500 stories and from ten times as many."""
    settings = config.load(ROOT / "config.toml", {})
    # As many as a plan needs at the least, so that a smoke run fills every slot too.
    few, many = scale.size(500, least=40), scale.size(5_000, least=80)
    with engines(replace(scale, servers=False)) as made:
        banks = {}
        for count in (few, many):
            scale.tell(f"storing {count:,} stories")
            banks[count] = made[SQLITE]()
            with banks[count].transaction() as session:
                wire.store(session, list(stories(settings, count)), settings.wire, MORNING)
        runs = {f"{count:,}": lambda count=count: _build(banks[count], settings, count) for count in banks}
        found = alternated(scale, runs, "compose")
    rows = tuple(
        (int(name.replace(",", "")), middle(seconds), SECONDS if n == 0 else "-", ratio(seconds, found[f"{few:,}"]))
        for n, (name, seconds) in enumerate(found.items())
    )
    return Table(
        name="compose",
        title="A draft from the bank",
        columns=("stored stories", "seconds", "at most", f"ratio to {few:,}"),
        rows=tuple((one, seconds, str(limit), times) for one, seconds, limit, times in rows),
        notes=(
            "Database to stored edition on SQLite, the shipped plan of a Monday, all stories of the last six days.",
        ),
    )


def stories(settings: Config, count: int) -> Iterator[Story]:
    """The sample stories again and again, under headlines of their own, an hour apart over six days."""
    samples = wire.read(ROOT / "newsletter" / "samples" / "stories", settings.wire)
    words = sorted({word for one in samples for word in one.headline.split()})
    chance = random.Random(20261123)
    for n in range(count):
        story = samples[n % len(samples)]
        yield replace(
            story,
            guid=f"bench-{n}",
            headline=" ".join(chance.sample(words, 8)),
            url=f"{story.url}-{n}" if story.url else "",
            published_at=SEND_AT - timedelta(hours=n % 144 + 6),
            embargo_until=None,
            expires_at=None,
        )


def _build(database: Database, settings: Config, count: int) -> float:
    # A newsletter of its own, or the second build would find the first one's edition.
    paper = replace(settings.newsletters["world-brief"], key=f"brief-{next(NUMBERS)}")
    press = Press(newsletter=paper, site=settings.site, settings=settings.wire, audience_rule=subscribers.AUDIENCE_RULE)
    made = []
    occasion = Occasion(on=MONDAY, send_at=SEND_AT)
    seconds = timed(lambda: made.append(press.build(database, occasion, "bench", MORNING)))
    [record] = made
    assert record.state is State.IN_REVIEW
    assert record.edition is not None
    assert not record.edition.gaps, record.edition.gaps
    assert len(record.edition.choices) >= count
    return seconds
