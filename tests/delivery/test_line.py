"""A line knows how far the kernel has got, and takes nothing for granted from the other side."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from newsletter.delivery import line
from newsletter.delivery.line import MOST_LINE_OCTETS, Line

pytestmark = pytest.mark.anyio


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a connection with small buffers."""
    ours, theirs = socket.socketpair()
    for one in (ours, theirs):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        one.setblocking(False)
    yield ours, theirs
    ours.close()
    theirs.close()


def soon() -> float:
    return asyncio.get_running_loop().time() + 5


async def test_a_place_is_reached_when_the_kernel_has_every_octet_before_it(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    one, other = Line(pair[0]), pair[1]
    place = one.write(b"x" * 40_000, b"y" * 40_000)
    arrived = b""
    reached_at = 0
    while len(arrived) < 80_000:
        with suppress(BlockingIOError):
            arrived += other.recv(1_000)
        if one.handed_over(place) and not reached_at:
            reached_at = len(arrived)
        await asyncio.sleep(0)
    assert arrived == b"x" * 40_000 + b"y" * 40_000
    # What is with the kernel and not yet here fits its buffers, whose true size is the system's secret.
    assert 40_000 - 32_768 < reached_at <= 40_000
    one.close()


async def test_what_was_held_back_is_not_handed_over_once_the_line_has_ended(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    one, other = Line(pair[0]), pair[1]
    place = one.write(b"x" * 400_000)
    assert not one.handed_over(place)
    one.close()
    assert not one.handed_over(place)
    assert not one.handed_over(one.write(b"more"))
    arrived = 0
    while data := other.recv(65_536):
        arrived += len(data)
    assert arrived < 400_000


async def test_a_line_waits_for_the_kernel_as_long_as_it_gets_on(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = Line(pair[0]), pair[1]
    place = one.write(b"x" * 100_000)
    with pytest.raises(TimeoutError):
        await one.flush(place, 0.05)
    flushing = asyncio.ensure_future(one.flush(place, 5))
    while not flushing.done():
        with suppress(BlockingIOError):
            other.recv(1_000)
        await asyncio.sleep(0)
    assert one.handed_over(place)
    one.close()


async def test_the_last_words_of_a_side_that_left_are_still_read(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = Line(pair[0]), pair[1]
    other.sendall(b"421 bye\r\n")
    other.close()
    one.write(b"MAIL FROM:<a@b.test>\r\n")
    assert not one.open
    assert await one.read(soon()) == b"421 bye"
    with pytest.raises(ConnectionResetError):
        await one.read(soon())
    one.close()


@pytest.mark.parametrize(("said", "lines"), [(b"a\r\nb\n\r\n", [b"a", b"b", b""]), (b"a\rb\r\n", [b"a\rb"])])
async def test_lines_are_read_without_their_ends(
    pair: tuple[socket.socket, socket.socket], said: bytes, lines: list[bytes]
) -> None:
    one, other = Line(pair[0]), pair[1]
    other.sendall(said)
    assert [await one.read(soon()) for _ in lines] == lines
    assert not one.unread
    one.close()


async def test_a_line_without_end_is_not_read_on(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = Line(pair[0]), pair[1]
    other.sendall(b"x" * (MOST_LINE_OCTETS + 1))
    with pytest.raises(ConnectionAbortedError, match="a line of more than"):
        await one.read(soon())
    one.close()


async def test_a_side_that_never_stops_talking_is_left(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = Line(pair[0]), pair[1]
    while one.open:
        with suppress(BlockingIOError, BrokenPipeError):
            other.sendall(b"250 ok\r\n" * 100)
        await asyncio.sleep(0)
    with suppress(ConnectionResetError):
        while True:
            await one.read(soon())
    assert not one.open
    one.close()


async def test_an_address_that_does_not_answer_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as stack:
        silent, good = (stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0)) for _ in range(2))
        # With nobody to accept them, Linux leaves all connections but the first few unanswered.
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(silent.getsockname())
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", one.getsockname()) for one in (silent, good)]

        async def resolved(*_arguments: object, **_named: object) -> object:
            return found

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolved)
        started = time.monotonic()
        one = await line.connect("relay.test", 25, 0.6)
        assert 0.25 < time.monotonic() - started < 5
        assert one.peer == "127.0.0.1"
        one.close()
