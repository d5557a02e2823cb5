"""Letters on a connection that works, mostly: what is said, in how many writes, and what is left to the next letter."""

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import zip_longest
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from newsletter.delivery import outcome
from newsletter.delivery.outcome import DeliveryState, Lost, Phase, Replied, Reply, Scope
from newsletter.delivery.relay import Relay
from newsletter.delivery.submission import Connection, Quota
from newsletter.postbox import (
    Act,
    Moment,
    Move,
    Pause,
    Postbox,
    Say,
    Service,
    Stage,
    after,
    at,
    first_of,
    greylist,
    mixed,
    refuse,
)
from newsletter.rendering.letter import Letter
from tests.delivery.submitting import (
    BODY,
    CHUNKS,
    LARGE,
    MANNERS,
    NOW,
    ONE_WRITE,
    READER,
    SENDER,
    STEP_BY_STEP,
    Manner,
    connected,
    hasty,
    judged,
    letter,
    nothing,
    offering,
    patient,
    send,
    served,
    usable,
)

pytestmark = pytest.mark.anyio

every_manner = pytest.mark.parametrize("manner", MANNERS, ids=lambda manner: manner.name)

Converse = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def send_all(connection: Connection, letters: list[Letter]) -> list[DeliveryState]:
    """One after another, each told what comes next."""
    states = []
    for one, then in zip_longest(letters, letters[1:]):
        assert connection.takes(one)
        states.append(judged(await connection.submit(one, nothing, then)).state)
    return states


async def test_a_letter_arrives_as_it_was_written() -> None:
    async with Postbox() as box:
        async with connected(patient(box)) as connection:
            result = await send(connection)
        assert result == Replied(reply=Reply(code=250, enhanced="2.0.0", text="Ok: queued as 1"), phase=Phase.DOT)
        (arrived,) = box.messages
        assert (arrived.mail_from, arrived.rcpt_to, arrived.data) == (SENDER, (READER,), BODY)


@every_manner
async def test_one_connection_takes_many_letters(manner: Manner) -> None:
    async with Postbox(service=manner.service) as box:
        async with connected(patient(box, **manner.settings)) as connection:
            letters = [letter(reader=f"r{n}@example.test") for n in range(30)]
            assert await send_all(connection, letters) == [DeliveryState.ACCEPTED] * 30
            assert connection.phase is Phase.REPLIED
        assert [one.rcpt_to for one in box.messages] == [(f"r{n}@example.test",) for n in range(30)]
        assert {one.data for one in box.messages} == {BODY}


@every_manner
async def test_a_letter_larger_than_the_kernel_takes_at_once_arrives_whole(manner: Manner, certificate: Path) -> None:
    for tls in ("none", "starttls"):
        service = offering(certificate, pipelining=manner.service.pipelining, chunking=manner.service.chunking)
        async with Postbox(service=service) as box:
            async with connected(patient(box, tls=tls, ca_file=str(certificate), **manner.settings)) as connection:
                states = await send_all(connection, [letter(LARGE), letter(), letter(LARGE)])
            assert states == [DeliveryState.ACCEPTED] * 3
            assert [one.data for one in box.messages] == [LARGE, BODY, LARGE]


# --- how many round trips


@pytest.mark.parametrize(
    ("manner", "writes"),
    [
        (STEP_BY_STEP, [["MAIL"], ["RCPT"], ["DATA"], ["letter ."], ["MAIL"], ["RCPT"], ["DATA"], ["letter ."]]),
        (ONE_WRITE, [["MAIL", "RCPT", "DATA"], ["letter .", "MAIL", "RCPT", "DATA"], ["letter ."]]),
        (CHUNKS, [["MAIL", "RCPT", "BDAT", "letter", "BDAT 0 LAST"]] * 2),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
async def test_nothing_waits_that_may_go_ahead(manner: Manner, writes: list[list[str]]) -> None:
    """A server that answers only when nothing more comes sees what is on its way at a time."""
    heard: list[list[str]] = []

    async def patiently(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        await reader.readline()
        offers = "".join(f"250-{one}\r\n" for one in ("PIPELINING", "CHUNKING") if manner.ahead)
        writer.write(f"250-hi\r\n{offers}250 SIZE\r\n".encode())
        pending = b""
        while True:
            try:
                async with asyncio.timeout(0.1):
                    pending += await reader.read(100_000)
                if reader.at_eof():
                    return
            except TimeoutError:
                if pending:
                    words, answers = understood(pending)
                    heard.append(words)
                    writer.write(answers)
                    pending = b""

    async with served(patiently) as settings:
        async with connected(replace(settings, **manner.settings)) as connection:  # type: ignore[arg-type]
            assert await send_all(connection, [letter(), letter()]) == [DeliveryState.ACCEPTED] * 2
    assert [words for words in heard if words != ["QUIT"]] == writes


def understood(said: bytes) -> tuple[list[str], bytes]:
    """What was said, in words, and the answers to it."""
    words, answers = [], b""
    while said:
        if said.startswith(BODY):
            said = said[len(BODY) :]
            ended = said.startswith(b".\r\n")
            words.append("letter ." if ended else "letter")
            said = said.removeprefix(b".\r\n")
            answers += b"250 ok\r\n" if ended else b""
            continue
        line, _, said = said.partition(b"\r\n")
        words.append(line.decode() if line.endswith(b"LAST") else line[:4].decode())
        answers += b"354 go on\r\n" if line == b"DATA" else b"250 ok\r\n"
    return words, answers


async def test_rset_is_sent_only_after_an_error() -> None:
    heard: list[bytes] = []

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        while line := await reader.readline():
            heard.append(line)
            if line == b"DATA\r\n":
                writer.write(b"354 go on\r\n")
                await reader.readuntil(b"\r\n.\r\n")
            writer.write(b"550 no\r\n" if line.startswith(b"RCPT TO:<gone") else b"250 ok\r\n")

    async with served(plain) as settings:
        async with connected(settings) as connection:
            for reader in ("a@example.test", "gone@example.test", "b@example.test"):
                await send(connection, reader=reader)
        assert [line[:4] for line in heard] == [
            b"EHLO", b"MAIL", b"RCPT", b"DATA", b"MAIL", b"RCPT", b"RSET", b"MAIL", b"RCPT", b"DATA", b"QUIT",
        ]  # fmt: skip


# --- the connection after a refusal


@every_manner
@pytest.mark.parametrize("reply", ["451 4.3.0 later", "550 5.1.1 unknown", "552 5.3.4 too large"])
@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT])
async def test_after_a_refusal_the_next_letter_is_taken(stage: Stage, reply: str, manner: Manner) -> None:
    async with Postbox(script=at(stage, Say(reply), times=1), service=manner.service) as box:
        async with connected(patient(box, **manner.settings)) as connection:
            one, two = letter(), letter(reader="other@example.test")
            result = await connection.submit(one, nothing, two)
            assert isinstance(result, Replied)
            assert (result.phase, str(result.reply)) == (stage.value, reply)
            assert connection.takes(two)
            assert judged(await connection.submit(two, nothing)).state is DeliveryState.ACCEPTED
        assert [one.rcpt_to for one in box.messages] == [("other@example.test",)]


@every_manner
@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT])
async def test_after_a_421_the_connection_is_of_no_use(stage: Stage, manner: Manner) -> None:
    async with Postbox(script=at(stage, Say("421 4.3.2 closing")), service=manner.service) as box:
        async with connected(patient(box, **manner.settings)) as connection:
            one, two = letter(), letter()
            assert judged(await connection.submit(one, nothing, two)).scope is Scope.RELAY
            assert not connection.takes(two)


@every_manner
async def test_a_refused_recipient_does_not_disturb_the_next(manner: Manner) -> None:
    async with Postbox(script=refuse("^gone"), service=manner.service) as box:
        async with connected(patient(box, **manner.settings)) as connection:
            readers = ["gone1@example.test", "a@example.test", "gone2@example.test", "b@example.test"]
            states = await send_all(connection, [letter(reader=reader) for reader in readers])
        assert states == [DeliveryState.REFUSED, DeliveryState.ACCEPTED] * 2
        assert [one.rcpt_to for one in box.messages] == [("a@example.test",), ("b@example.test",)]


async def test_a_greylisted_letter_is_put_off_as_long_as_it_says() -> None:
    async with Postbox(script=greylist()) as box, connected(patient(box)) as connection:
        first, second = judged(await send(connection)), judged(await send(connection))
        assert first.state is DeliveryState.DEFERRED
        assert first.until is not None
        assert (first.until - NOW).total_seconds() == 300
        assert second.state is DeliveryState.ACCEPTED


async def test_a_354_in_spite_of_a_refused_recipient_is_ended_with_a_lone_dot() -> None:
    heard: list[bytes] = []

    async with served(answering(heard, {b"RCPT": b"550 no\r\n"})) as settings, connected(settings) as connection:
        assert await send(connection) == Replied(reply=Reply(code=550, text="no"), phase=Phase.RCPT)
        assert heard[-2:] == [b".\r\n", b"RSET\r\n"]
        assert usable(connection)


@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT])
async def test_replies_that_come_at_once_and_mixed_are_told_apart(stage: Stage) -> None:
    script = mixed(stage, "550 5.1.1 unknown")
    async with Postbox(script=script) as box, connected(patient(box)) as connection:
        result = await send(connection)
        assert isinstance(result, Replied)
        assert (result.phase, result.reply.code, box.count) == (stage.value, 550, 0)


async def test_a_recipient_taken_without_a_sender_is_never_sent_an_empty_letter() -> None:
    heard: list[bytes] = []

    async with served(answering(heard, {b"MAIL": b"451 later\r\n"})) as settings, connected(settings) as connection:
        assert await send(connection) == Replied(reply=Reply(code=451, text="later"), phase=Phase.MAIL)
        assert heard[-1] == b"DATA\r\n"
        assert not usable(connection)


# --- the letter that was announced


async def test_an_announced_letter_is_the_only_one_the_connection_takes() -> None:
    async with Postbox() as box:
        async with connected(patient(box, **ONE_WRITE.settings)) as connection:
            one, two = letter(), letter()
            await connection.submit(one, nothing, two)
            assert connection.takes(two)
            assert not usable(connection)
        assert box.count == 1, "QUIT is not said where a letter is awaited"


async def test_another_letter_than_the_announced_one_is_a_mistake() -> None:
    async with Postbox() as box, connected(patient(box, **ONE_WRITE.settings)) as connection:
        await connection.submit(letter(), nothing, letter())
        with pytest.raises(ValueError, match="announced"):
            await send(connection)
        assert not usable(connection)


async def test_what_cannot_be_sent_is_not_announced() -> None:
    async with Postbox() as box, connected(patient(box, **ONE_WRITE.settings)) as connection:
        one, two = letter(), letter(reader="röder@example.test")
        assert judged(await connection.submit(one, nothing, two)).state is DeliveryState.ACCEPTED
        assert judged(await connection.submit(two, nothing)).fault is outcome.Fault.UNSUPPORTED_ADDRESS
        assert judged(await send(connection)).state is DeliveryState.ACCEPTED


async def test_nothing_is_announced_beyond_what_the_connection_takes() -> None:
    async with Postbox() as box:
        async with connected(patient(box, messages_per_connection=1, **ONE_WRITE.settings)) as connection:
            two = letter()
            await connection.submit(letter(), nothing, two)
            assert not connection.takes(two)
        assert box.count == 1


# --- before the end, and after it


@every_manner
async def test_the_letter_is_with_the_kernel_before_the_caller_is_told_and_its_end_is_not(manner: Manner) -> None:
    async with Postbox(service=manner.service) as box:
        async with connected(patient(box, **manner.settings)) as connection:
            seen: list[tuple[bool, int]] = []

            async def told() -> None:
                line = connection._line
                seen.append((line.handed_over(line._written), box.count))

            await connection.submit(letter(), told)
            assert seen == [(True, 0)]


@every_manner
@pytest.mark.parametrize("trouble", [LookupError, OSError, ValueError])
async def test_what_is_raised_before_the_end_keeps_the_letter_from_leaving(
    trouble: type[Exception], manner: Manner
) -> None:
    async def withheld() -> None:
        raise trouble

    async with Postbox(service=manner.service) as box:
        async with connected(patient(box, **manner.settings)) as connection:
            with pytest.raises(trouble):
                await connection.submit(letter(), withheld)
            assert not usable(connection)
        assert box.count == 0


@every_manner
@pytest.mark.parametrize("tls", ["none", "starttls"])
async def test_an_end_the_kernel_did_not_take_is_not_in_doubt(tls: str, manner: Manner, certificate: Path) -> None:
    service = offering(certificate, pipelining=manner.service.pipelining, chunking=manner.service.chunking)
    async with Postbox(script=at(Stage.BODY, Act.HANG), service=service) as box:
        async with connected(hasty(box, tls=tls, ca_file=str(certificate), **manner.settings)) as connection:
            result = await connection.submit(letter(), partial(fill, connection))
        assert isinstance(result, Lost)
        assert (result.phase, box.count) == (Phase.BODY, 0)


@pytest.mark.parametrize("move", [Act.CLOSE, Act.RESET, Act.HANG], ids=str)
async def test_a_loss_after_the_dot_is_in_doubt_under_tls_too(move: Act, certificate: Path) -> None:
    async with Postbox(script=at(Stage.ANSWER, move), service=offering(certificate)) as box:
        async with connected(hasty(box, tls="starttls", ca_file=str(certificate))) as connection:
            result = await send(connection)
        assert isinstance(result, Lost)
        assert (result.phase, box.count) == (Phase.DOT, 1)


@every_manner
async def test_an_end_the_kernel_refused_is_not_in_doubt(manner: Manner) -> None:
    async with Postbox(service=manner.service) as box, connected(patient(box, **manner.settings)) as connection:
        result = await connection.submit(letter(), partial(shut, connection))
        assert isinstance(result, Lost)
        assert result.phase is Phase.BODY


async def test_a_letter_ahead_of_a_lost_one_is_not_in_doubt() -> None:
    script = after(1, at(Stage.DATA, Act.CLOSE))
    async with Postbox(script=script) as box, connected(patient(box, **ONE_WRITE.settings)) as connection:
        one, two = letter(), letter()
        assert judged(await connection.submit(one, nothing, two)).state is DeliveryState.ACCEPTED
        result = await connection.submit(two, nothing)
        assert isinstance(result, Lost)
        assert (result.phase, box.count) == (Phase.DATA, 1)


async def test_the_time_for_a_letter_is_per_piece_and_not_for_all_of_it() -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        for answer in (b"250 hi\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go on\r\n"):
            await reader.readline()
            writer.write(answer)
        heard = b""
        while not heard.endswith(b"\r\n.\r\n"):
            heard = await reader.read(2_000_000)
            await asyncio.sleep(0.01)
        writer.write(b"250 ok\r\n")

    async with served(slow) as settings, connected(replace(settings, block_timeout_seconds=0.4)) as connection:
        started = time.monotonic()
        assert isinstance(await send(connection, LARGE), Replied)
        assert time.monotonic() - started > 0.4


async def test_a_cancelled_submission_leaves_no_usable_connection() -> None:
    async with Postbox(script=at(Stage.RCPT, Act.HANG)) as box, connected(patient(box)) as connection:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await send(connection)
        assert not usable(connection)


# --- a relay that speaks out of turn


async def test_a_relay_that_leaves_between_two_letters_is_noticed_before_the_next() -> None:
    async with Postbox() as box, connected(patient(box)) as connection:
        await send(connection)
        for conversation in box._desk.busy:
            assert isinstance(conversation.transport, asyncio.Transport)
            conversation.transport.write(b"421 4.4.2 idle too long\r\n")
            conversation.transport.close()
        await asyncio.sleep(0.05)
        assert not usable(connection)
        result = await send(connection)
        assert result == Replied(reply=Reply(code=421, enhanced="4.4.2", text="idle too long"), phase=Phase.MAIL)


async def test_a_reply_nobody_asked_for_is_never_taken_for_an_acceptance() -> None:
    async with Postbox(script=at(Stage.EHLO, Say("250 hi\r\n250 2.0.0 stale"))) as box:
        async with connected(patient(box)) as connection:
            assert not usable(connection)
            result = await send(connection)
        assert isinstance(result, Lost)
        assert (result.phase, box.count) == (Phase.MAIL, 0)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("552 5.3.4 stop", Replied(reply=Reply(code=552, enhanced="5.3.4", text="stop"), phase=Phase.BODY)),
        ("250 2.0.0 thanks", Phase.BODY),
    ],
)
async def test_a_relay_that_speaks_during_the_letter_gets_no_dot(reply: str, expected: Replied | Phase) -> None:
    marked: list[bool] = []
    async with Postbox(script=at(Stage.BODY, Say(reply))) as box:
        async with connected(patient(box)) as connection:
            result = await connection.submit(letter(LARGE), partial(mark, marked))
        assert (result if isinstance(expected, Replied) else result.phase) == expected
        assert (marked, box.count) == ([], 0)


async def test_a_relay_that_refuses_during_the_letter_and_reads_no_more_is_heard_at_once() -> None:
    async def full(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        for answer in (b"250 hi\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go on\r\n"):
            await reader.readline()
            writer.write(answer)
        await reader.readline()
        writer.write(b"552 5.3.4 stop\r\n")
        await asyncio.sleep(60)

    async with served(full) as settings, connected(settings) as connection:
        async with asyncio.timeout(5):
            result = await send(connection, LARGE)
        assert result == Replied(reply=Reply(code=552, enhanced="5.3.4", text="stop"), phase=Phase.BODY)


# --- what is said beside the addresses


async def test_a_relay_with_dsn_hears_the_token_that_a_bounce_shall_bring_back() -> None:
    async with Postbox(service=Service(dsn=True)) as box:
        for settings in (patient(box), patient(box, dsn=False)):
            async with connected(settings) as connection:
                assert judged(await send(connection)).state is DeliveryState.ACCEPTED
        told, silent = (one.beside for one in box.messages)
    assert told == ("RET=HDRS", "ENVID=token", "NOTIFY=FAILURE,DELAY", f"ORCPT=rfc822;{READER}")
    assert silent == ()


@pytest.mark.parametrize("offered", [True, False])
async def test_an_address_beyond_ascii_goes_to_a_relay_that_takes_it_and_is_unsupported_elsewhere(
    offered: bool,
) -> None:
    reader = "röder@example.test"
    async with Postbox(service=Service(smtputf8=offered)) as box:
        async with connected(patient(box)) as connection:
            found = judged(await send(connection, f"To: {reader}\r\n\r\nx\r\n".encode(), reader))
            assert judged(await send(connection)).state is DeliveryState.ACCEPTED
        assert [one.rcpt_to for one in box.messages] == [(reader,)] * offered + [(READER,)]
    if not offered:
        assert (found.state, found.fault) == (DeliveryState.REFUSED, outcome.Fault.UNSUPPORTED_ADDRESS)


# --- how many letters a connection takes


async def test_a_connection_is_used_for_so_many_letters_and_no_more() -> None:
    async with Postbox() as box, connected(patient(box, messages_per_connection=2)) as connection:
        await send(connection)
        assert usable(connection)
        await send(connection)
        assert not usable(connection)


async def test_a_limit_the_relay_names_is_kept() -> None:
    async with Postbox(service=Service(also=("LIMITS RCPTMAX=1 MAILMAX=2",))) as box:
        async with connected(patient(box)) as connection:
            assert await send_all(connection, [letter(), letter()]) == [DeliveryState.ACCEPTED] * 2
            assert not usable(connection)


async def test_a_relay_that_turns_away_after_three_letters_twice_is_asked_for_three_from_then_on() -> None:
    turned_away = 0
    async with Postbox(script=after(3, at(Stage.MAIL, Say("421 4.7.0 enough")))) as box:
        one = Relay(patient(box))
        for _ in range(5):
            connection = await one.connect()
            while usable(connection):
                turned_away += judged(await send(connection)).state is not DeliveryState.ACCEPTED
            await connection.close()
        assert (box.count, turned_away) == (15, 2)


def test_a_relay_that_turns_away_now_and_then_has_no_quota() -> None:
    quota = Quota(500)
    for letters in (3, 0, 3, 7, 0, 7, 12):
        quota.turned_away(letters)
    assert quota.most == 500


# --- what cannot be said


async def test_eight_bit_data_and_bare_line_ends_are_refused_by_our_side() -> None:
    async with Postbox() as box:
        async with connected(patient(box)) as connection:
            for body in ("Grüße\r\n".encode(), b"a\nb\r\n", b"a\rb\r\n", b"a\r\n.\n.\r\n"):
                result = await send(connection, body)
                assert isinstance(result, Replied)
                assert (result.reply.code, result.phase) == (554, Phase.DATA)
                assert (judged(result).scope, judged(result).stop) == (Scope.MAILING, True)
            assert judged(await send(connection)).state is DeliveryState.ACCEPTED
        assert box.count == 1


async def test_a_letter_larger_than_announced_is_not_even_offered() -> None:
    stages: list[Stage] = []

    def script(moment: Moment) -> Move | None:
        stages.append(moment.stage)
        return None

    async with Postbox(script=script, service=Service(most_octets=len(BODY))) as box:
        async with connected(patient(box)) as connection:
            result = await send(connection, BODY + b"x\r\n")
            assert (judged(result).scope, judged(result).stop) == (Scope.MAILING, True)
            assert Stage.MAIL not in stages
            assert judged(await send(connection)).state is DeliveryState.ACCEPTED


async def test_quit_is_not_waited_for() -> None:
    async with Postbox(script=at(Stage.QUIT, Act.HANG)) as box:
        connection = await Relay(patient(box)).connect()
        started = time.monotonic()
        await connection.close()
        assert time.monotonic() - started < 5


async def test_a_slow_relay_is_not_a_lost_one() -> None:
    async with Postbox(script=first_of(at(Stage.ANSWER, Pause(0.2)), at(Stage.RCPT, Pause(0.1)))) as box:
        async with connected(patient(box)) as connection:
            assert judged(await send(connection)).state is DeliveryState.ACCEPTED


@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(
    st.lists(st.lists(st.sampled_from([b".", b"..", b"", b"x", b".x", b"MAIL FROM:<a@b>"]), max_size=6)),
    st.sampled_from(MANNERS),
    st.booleans(),
)
def test_every_body_arrives_as_it_was_whatever_its_dots(
    letters: list[list[bytes]], manner: Manner, ended: bool
) -> None:
    bodies = [b"\r\n".join(lines) + (b"\r\n" if ended or not lines else b"") for lines in letters]

    async def scenario() -> None:
        async with Postbox(service=manner.service) as box:
            async with connected(patient(box, **manner.settings)) as connection:
                await send_all(connection, [letter(body) for body in bodies])
            # DATA ends every letter with a line end (RFC 5321 4.1.1.4); BDAT hands over the octets as they are.
            whole = [body if body.endswith(b"\r\n") or manner is CHUNKS else body + b"\r\n" for body in bodies]
            assert [one.data for one in box.messages] == whole

    asyncio.run(scenario())


async def fill(connection: Connection) -> None:
    """Fill the kernel's buffer, so that it cannot take another octet."""
    descriptor = connection._line._socket.fileno()
    for chunk in (b"x" * 65_536, b"x"):
        while True:
            try:
                os.write(descriptor, chunk)
            except BlockingIOError:
                break


async def shut(connection: Connection) -> None:
    """Shut the socket, so that the next write fails at once."""
    connection._line._socket.shutdown(socket.SHUT_WR)


async def mark(marked: list[bool]) -> None:
    marked.append(True)


def answering(heard: list[bytes], replies: Mapping[bytes, bytes]) -> Converse:
    """Says 354 to DATA whatever came before it, and what it is told to the other commands."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        said = {b"EHLO": b"250-hi\r\n250 PIPELINING\r\n", b"DATA": b"354 go on\r\n", **replies}
        while line := await reader.readline():
            heard.append(line)
            writer.write(said.get(line[:4], b"250 ok\r\n"))

    return converse
