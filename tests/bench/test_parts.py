"""The parts of the benchmarks that decide what a figure means: relays that count, programs that fail, moved traffic."""

import socket
from datetime import timedelta
from pathlib import Path

import pytest

from newsletter.postbox import Moment, Say, Stage
from tests.bench import sinks
from tests.bench.children import ChildError, child
from tests.bench.failover import Course, throttle
from tests.bench.sinks import Sink

# An end in two pieces, a dot that ends nothing, the next envelope and its letter behind a dot.
PIECES = (
    b"EHLO x\r\n",
    b"MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n",
    b"Subject: x\r\n\r\n. is no end\r\n.",
    b"\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nSubject: y\r\n.\r\n",
    b"NOOP\r\nQUIT\r\n",
)


def _conversation(sink: Sink) -> tuple[list[bytes], int | None]:
    """The codes a relay answers the pieces with, and how many letters it counts."""
    answers = [b""]
    with socket.create_connection(("127.0.0.1", sink.port), timeout=10) as one, one.makefile("rb") as said:
        for piece in PIECES:
            one.sendall(piece)
        while answers[-1] != b"221 ":
            answers.append(said.readline()[:4])
    return answers, sink.count()


def test_the_drain_in_c_says_what_the_drain_in_python_says(tmp_path: Path) -> None:
    with sinks.fast_drain(tmp_path, "PIPELINING") as fast, sinks.drain(0.0, "PIPELINING") as slow:
        answers, letters = _conversation(fast)
        assert _conversation(slow) == (answers, letters)
    assert letters == 2


def test_a_program_that_fails_or_takes_too_long_is_an_error() -> None:
    with child("tests.bench.nothing") as process, pytest.raises(ChildError):
        process.hear()
    with child("tests.bench.drain", "0.0", seconds=0.1) as process, pytest.raises(ChildError):
        [process.hear() for _ in range(2)]


def test_traffic_has_moved_when_the_others_take_two_thirds_of_what_all_took() -> None:
    # A hundred a second until the kill at 1.0, nothing for half a second, then a hundred a second again.
    large = [(n / 100, f"l{n}") for n in range(100)]
    small = [(1.5 + n / 100, f"s{n}") for n in range(100)]
    course = Course(logs={"large": large, "small": small}, killed_at=1.0, left=timedelta())
    assert course.moved_seconds == pytest.approx(0.54)
    assert course.twice == 0


def test_a_throttle_turns_away_what_is_too_much_for_a_second() -> None:
    now = [0.0]
    script = throttle(2, lambda: now[0])
    moment = Moment(stage=Stage.MAIL)
    said = [script(moment) for _ in range(4)]
    assert said[:2] == [None, None]
    assert [one.text[:3] for one in said[2:] if isinstance(one, Say)] == ["454", "421"]
    now[0] = 1.0
    assert script(moment) is None
    assert script(Moment(stage=Stage.RCPT)) is None
