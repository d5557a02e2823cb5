"""`kill -9` in mid-mailing on PostgreSQL; on SQLite the benchmark of that name is run among the benchmarks."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from newsletter.database import Database
from tests.bench import kill
from tests.bench.kill import Field, KilledWrongly

READERS = 150


@pytest.fixture
def field(database: Database) -> Iterator[Field]:
    with kill.field(database.url, READERS) as one:
        yield one


def _silent(_text: str) -> None:
    pass


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_killed_senders_lose_nothing_and_double_at_most_what_was_in_flight(field: Field) -> None:
    toll = kill.rounds(field, {"several senders": 2}, kill.SEED, _silent)["several senders"]
    assert toll.rounds == 2
    assert toll.kills >= 4
    assert toll.letters == 2 * READERS + toll.duplicates
    assert toll.duplicates <= toll.uncertain <= 2 * kill.CONNECTIONS
    assert toll.lost == 0


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_letter_that_never_came_is_noticed_and_told_with_the_seed(field: Field) -> None:
    relay = replace(field.relay, taken=lambda: field.relay.taken()[1:])
    with pytest.raises(KilledWrongly, match=r"seed 7, round 1, one sender killed: .* nobody is lost"):
        kill.rounds(replace(field, relay=relay), {"one sender": 1}, 7, _silent)
