"""A rate holds in any stretch of its time, whoever asks: checked on every letter of many simulated sends."""

import heapq
import random
import threading
import time
from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsletter.database import Database
from newsletter.delivery import allowance
from newsletter.delivery.allowance import Granted
from newsletter.relays import RelaySettings, Window

START = datetime(2026, 11, 23, 5, 30, tzinfo=UTC)
SES = RelaySettings(rates=("14/s", "50000/24h")).windows


def most_at_once(sent: Sequence[datetime], seconds: float) -> int:
    """The most letters in any closed stretch of so many seconds."""
    moments = sorted(sent)
    return max(
        (place + 1 - bisect_left(moments, one - timedelta(seconds=seconds)) for place, one in enumerate(moments)),
        default=0,
    )


def ask(database: Database, windows: Sequence[Window], wanted: int, now: datetime, relay: str = "ses") -> Granted:
    with database.transaction() as session:
        return allowance.grant(session, relay, windows, wanted, lambda: now)


def rows(database: Database) -> int:
    with database.snapshot() as session:
        return int(session.execute(sa.text("SELECT count(*) FROM relay_use")).scalar_one())


def simulated(
    database: Database, windows: Sequence[Window], chance: random.Random, seconds: float, workers: int = 4
) -> list[datetime]:
    """Workers that ask at any time for any number, and send each letter somewhere between the grant and its end."""
    sent: list[datetime] = []
    due = [(START, worker) for worker in range(workers)]
    while due[0][0] < START + timedelta(seconds=seconds):
        now, worker = heapq.heappop(due)
        granted = ask(database, windows, chance.randint(1, 20), now)
        assert granted.next_at >= now
        sent += [now + (granted.until - now) * chance.random() for _ in range(granted.letters)]
        pause = timedelta(seconds=min(window.seconds for window in windows) * chance.choice((0.0, 0.01, 0.1)))
        heapq.heappush(due, (max(now + pause, granted.next_at), worker))
    return sent


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rates=st.lists(
        st.tuples(st.integers(1, 30), st.sampled_from((1, 2, 7))), min_size=1, max_size=3, unique_by=lambda one: one[1]
    ),
    seed=st.integers(0, 2**32),
)
def test_no_window_is_ever_exceeded(database: Database, rates: list[tuple[int, int]], seed: int) -> None:
    with database.transaction() as session:
        session.execute(sa.text("DELETE FROM relay_use"))
    windows = [Window(letters=letters, seconds=seconds) for letters, seconds in rates]
    sent = simulated(database, windows, random.Random(seed), 2.5 * max(seconds for _, seconds in rates))
    for window in windows:
        assert most_at_once(sent, window.seconds) <= window.letters


def test_nine_tenths_of_a_rate_are_reached_and_few_rows_stand(database: Database) -> None:
    [short, _] = SES
    sent = simulated(database, SES, random.Random(1), 60)
    assert most_at_once(sent, 1) == short.letters
    assert 0.9 * 60 * 14 < len(sent) <= 61 * 14
    assert rows(database) <= 2 * 66


def test_the_longest_window_decides_when_it_is_used_up(database: Database) -> None:
    windows = RelaySettings(rates=("5/s", "8/m")).windows
    assert ask(database, windows, 5, START).letters == 5
    second = START + timedelta(seconds=2)
    granted = ask(database, windows, 5, second)
    assert granted.letters == 3
    assert START + timedelta(seconds=60) < granted.next_at <= START + timedelta(seconds=62)
    just_before = granted.next_at - timedelta(microseconds=1)
    assert ask(database, windows, 5, just_before) == Granted(
        letters=0, at=just_before, until=just_before + timedelta(seconds=0.05), next_at=granted.next_at
    )
    assert ask(database, windows, 1, granted.next_at).letters == 1


def test_what_no_letter_used_can_be_given_back(database: Database) -> None:
    granted = ask(database, SES, 14, START)
    with database.transaction() as session:
        allowance.give_back(session, "ses", SES, granted, 10)
    assert ask(database, SES, 14, START).letters == 10
    with database.snapshot() as session:
        assert allowance.in_use(session, "ses", SES, START) == (14, 14)
        assert allowance.in_use(session, "ses", SES, START + timedelta(seconds=2)) == (0, 14)
        assert allowance.in_use(session, "other", SES, START) == (0, 0)


def test_without_rates_all_is_granted_and_nothing_is_kept(database: Database) -> None:
    granted = ask(database, (), 1_000, START)
    assert (granted.letters, granted.next_at) == (1_000, START)
    assert granted.until > START + timedelta(days=365)
    assert rows(database) == 0


def test_each_relay_has_its_own(database: Database) -> None:
    assert ask(database, SES, 20, START, "ses").letters == 14
    assert ask(database, SES, 20, START, "house").letters == 14


def test_a_clock_that_is_behind_gains_nothing(database: Database) -> None:
    late = START - timedelta(seconds=0.7)
    ask(database, SES, 13, START)
    assert ask(database, SES, 5, late).letters == 1
    # It counts from the time that is on record, not from when the slow clock says it was.
    assert ask(database, SES, 20, START + timedelta(seconds=0.4)).letters == 0
    assert ask(database, SES, 20, START + timedelta(seconds=1.1)).letters == 14


def test_a_clock_that_was_far_ahead_does_not_stop_the_relay(database: Database) -> None:
    ask(database, SES, 14, START + timedelta(days=400))
    assert ask(database, SES, 20, START).letters == 14


def test_rates_may_be_changed_and_slots_nobody_asks_for_go(database: Database) -> None:
    ask(database, (Window(letters=5, seconds=10),), 5, START)
    assert ask(database, (Window(letters=2, seconds=10),), 5, START).letters == 0
    later = START + timedelta(seconds=30)
    for seconds in range(3):
        ask(database, (Window(letters=5, seconds=1),), 5, later + timedelta(seconds=seconds * 1.5))
    assert rows(database) == 1


def test_threads_together_keep_to_a_rate(database: Database) -> None:
    windows = RelaySettings(rates=("40/s", "60/2s")).windows
    began, sent = time.monotonic(), []

    def clock() -> datetime:
        return START + timedelta(seconds=time.monotonic() - began)

    def worker(chance: random.Random) -> None:
        while clock() < START + timedelta(seconds=3):
            with database.transaction() as session:
                granted = allowance.grant(session, "ses", windows, chance.randint(1, 10), clock)
            for _ in range(granted.letters):
                time.sleep(chance.random() * 0.002)
                if (now := clock()) <= granted.until:
                    sent.append(now)
            time.sleep(0.002)

    threads = [threading.Thread(target=worker, args=(random.Random(seed),)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0 < most_at_once(sent, 1) <= 40
    assert 40 < most_at_once(sent, 2) <= 60


@pytest.mark.parametrize("rate", ["1/s", "1/d", "999999999/999d"])
def test_the_extremes_fit(database: Database, rate: str) -> None:
    windows = RelaySettings(rates=(rate,)).windows
    assert ask(database, windows, 1, START).letters == 1
