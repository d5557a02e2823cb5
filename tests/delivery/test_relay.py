"""Every phase of a submission, against every misbehaviour of a real server, ends in the outcome the table names."""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from newsletter.config import RelaySettings
from newsletter.delivery import outcome, relay
from newsletter.delivery.outcome import DeliveryState, Lost, Outcome, Phase, Replied, Reply, Scope, Submitted
from newsletter.delivery.relay import Connection, RelayRefused, RelayUnreachable
from newsletter.errors import RelayError
from newsletter.postbox import (
    Act,
    Half,
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
    refuse,
)
from tests.delivery import certificates

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 23, 5, 30, tzinfo=UTC)
SENDER, READER = "b+token@bounces.worldbrief.test", "reader@example.test"
LETTER = b"From: World Brief <brief@worldbrief.test>\r\nSubject: Monday\r\n\r\nGood morning.\r\n"
# More than the kernel's buffers of both ends hold, so that the sender must wait for the reader.
LARGE = b"Subject: Monday\r\n\r\n" + b"x" * 76 * 1024 * 256 + b"\r\n"
MANNERS = pytest.mark.parametrize("pipelining", [True, False], ids=["pipelining", "step by step"])


def patient(box: Postbox, **changes: object) -> RelaySettings:
    one = RelaySettings(port=box.port, connect_timeout_seconds=10, command_timeout_seconds=10, dot_timeout_seconds=10)
    return replace(one, **changes)  # type: ignore[arg-type]


def hasty(box: Postbox, **changes: object) -> RelaySettings:
    return replace(patient(box, **changes), command_timeout_seconds=0.2, dot_timeout_seconds=0.2)


def nothing() -> None:
    """What a caller does before the dot when nobody keeps books."""


@asynccontextmanager
async def connected(settings: RelaySettings, password: str = "") -> AsyncIterator[Connection]:
    connection = await relay.connect(settings, password)
    try:
        yield connection
    finally:
        await connection.close()


async def send(connection: Connection, letter: bytes = LETTER, reader: str = READER) -> Submitted:
    return await connection.submit(SENDER, reader, letter, nothing)


def judged(result: Submitted) -> Outcome:
    expires = NOW + timedelta(hours=20)
    return outcome.judge(result, attempts=0, now=NOW, expires_at=expires, schedule=(5, 15), chance=0.0)


async def test_a_letter_arrives_as_it_was_written() -> None:
    async with Postbox() as box:
        async with connected(patient(box)) as connection:
            result = await send(connection)
        assert result == Replied(reply=Reply(code=250, enhanced="2.0.0", text="Ok: queued as 1"), phase=Phase.DOT)
        (arrived,) = box.messages
        assert (arrived.mail_from, arrived.rcpt_to, arrived.data) == (SENDER, (READER,), LETTER)


@MANNERS
async def test_one_connection_takes_many_letters(pipelining: bool) -> None:
    async with Postbox(service=Service(pipelining=pipelining)) as box:
        async with connected(patient(box)) as connection:
            for n in range(30):
                assert judged(await send(connection, reader=f"r{n}@example.test")).state is DeliveryState.ACCEPTED
                assert connection.phase is Phase.REPLIED
        assert [one.rcpt_to for one in box.messages] == [(f"r{n}@example.test",) for n in range(30)]


LOSSES: list[Move] = [Act.CLOSE, Act.RESET, Half("25")]


@MANNERS
@pytest.mark.parametrize("move", LOSSES, ids=str)
@pytest.mark.parametrize(
    ("stage", "phase"), [(Stage.MAIL, Phase.MAIL), (Stage.RCPT, Phase.RCPT), (Stage.DATA, Phase.DATA)]
)
async def test_a_loss_before_the_body_is_certain(stage: Stage, phase: Phase, move: Move, pipelining: bool) -> None:
    async with Postbox(script=at(stage, move), service=Service(pipelining=pipelining)) as box:
        async with connected(patient(box)) as connection:
            result = await send(connection)
            assert not connection.usable
        assert isinstance(result, Lost)
        # A reset may overtake replies that were already under way, so the loss is seen in an earlier phase at most.
        assert result.phase is phase or (move is Act.RESET and result.phase in {Phase.MAIL, Phase.RCPT})
        assert (judged(result).state, judged(result).counted) == (DeliveryState.WAITING, False)
        assert box.count == 0


@MANNERS
@pytest.mark.parametrize(
    ("stage", "phase"), [(Stage.MAIL, Phase.MAIL), (Stage.RCPT, Phase.RCPT), (Stage.DATA, Phase.DATA)]
)
async def test_silence_before_the_body_is_a_loss(stage: Stage, phase: Phase, pipelining: bool) -> None:
    async with Postbox(script=at(stage, Act.HANG), service=Service(pipelining=pipelining)) as box:
        async with connected(hasty(box)) as connection:
            result = await send(connection)
        assert result == Lost(phase=phase, detail="no answer in time")


@pytest.mark.parametrize("move", [*LOSSES, Act.HANG], ids=str)
async def test_a_loss_during_the_body_is_certain(move: Move) -> None:
    marked = []
    async with Postbox(script=at(Stage.BODY, move)) as box:
        async with connected(hasty(box) if move is Act.HANG else patient(box)) as connection:
            result = await connection.submit(SENDER, READER, LARGE, lambda: marked.append(True))
        assert isinstance(result, Lost)
        assert result.phase is Phase.BODY
        assert judged(result).state is DeliveryState.WAITING
        assert (marked, box.count) == ([], 0)


@MANNERS
@pytest.mark.parametrize("move", [*LOSSES, Act.HANG, Say("gibberish"), Say("354 more?")], ids=str)
@pytest.mark.parametrize(("stage", "kept"), [(Stage.DOT, 0), (Stage.ANSWER, 1)])
async def test_a_loss_after_the_dot_is_in_doubt_whether_the_letter_was_kept_or_not(
    stage: Stage, kept: int, move: Move, pipelining: bool
) -> None:
    async with Postbox(script=at(stage, move), service=Service(pipelining=pipelining)) as box:
        async with connected(hasty(box) if move is Act.HANG else patient(box)) as connection:
            result = await send(connection)
            assert not connection.usable
        assert isinstance(result, Lost)
        assert result.phase is Phase.DOT
        assert judged(result).state is DeliveryState.UNCERTAIN
        assert box.count == kept


REPLIES = [
    ("421 4.3.2 shutting down", DeliveryState.WAITING, Scope.RELAY),
    ("451 4.3.0 later", DeliveryState.DEFERRED, Scope.LETTER),
    ("550 5.1.1 unknown", DeliveryState.REFUSED, Scope.LETTER),
    ("552 5.3.4 too large", DeliveryState.WAITING, Scope.MAILING),
]


@MANNERS
@pytest.mark.parametrize(("reply", "state", "scope"), REPLIES)
@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT])
async def test_a_refusal_is_judged_by_what_it_answers(
    stage: Stage, reply: str, state: DeliveryState, scope: Scope, pipelining: bool
) -> None:
    async with Postbox(script=at(stage, Say(reply), times=1), service=Service(pipelining=pipelining)) as box:
        async with connected(patient(box)) as connection:
            result = await send(connection)
            assert isinstance(result, Replied)
            assert result.phase == stage.value
            assert str(result.reply) == reply
            if stage is Stage.MAIL and scope is Scope.LETTER:
                state, scope = DeliveryState.WAITING, Scope.RELAY
            assert (judged(result).state, judged(result).scope) == (state, scope)
            assert connection.usable == (not reply.startswith("421"))
            if connection.usable:
                assert judged(await send(connection)).state is DeliveryState.ACCEPTED
                assert [one.data for one in box.messages] == [LETTER]


async def test_a_refused_recipient_does_not_disturb_the_next() -> None:
    async with Postbox(script=refuse("^gone")) as box:
        async with connected(patient(box)) as connection:
            readers = ["gone1@example.test", "a@example.test", "gone2@example.test", "b@example.test"]
            states = [judged(await send(connection, reader=reader)).state for reader in readers]
        assert states == [DeliveryState.REFUSED, DeliveryState.ACCEPTED] * 2
        assert [one.rcpt_to for one in box.messages] == [("a@example.test",), ("b@example.test",)]


async def test_a_greylisted_letter_is_put_off_as_long_as_it_says() -> None:
    async with Postbox(script=greylist()) as box, connected(patient(box)) as connection:
        first, second = await send(connection), await send(connection)
        assert (judged(first).state, judged(first).until) == (DeliveryState.DEFERRED, NOW + timedelta(minutes=5))
        assert judged(second).state is DeliveryState.ACCEPTED


async def test_a_connection_that_takes_three_letters_then_says_421_loses_none() -> None:
    async with Postbox(script=after(3, at(Stage.MAIL, Say("421 4.7.0 enough")))) as box:
        sent = 0
        for _ in range(3):
            async with connected(patient(box)) as connection:
                while connection.usable:
                    sent += judged(await send(connection)).state is DeliveryState.ACCEPTED
        assert sent == box.count == 9


async def test_a_connection_is_used_for_so_many_letters_and_no_more() -> None:
    async with Postbox() as box, connected(patient(box, messages_per_connection=2)) as connection:
        await send(connection)
        assert connection.usable
        await send(connection)
        assert not connection.usable


async def test_a_354_in_spite_of_a_refused_recipient_is_ended_with_a_lone_dot() -> None:
    heard: list[bytes] = []

    async def careless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        replies = {b"EHLO": b"250-hi\r\n250 PIPELINING\r\n", b"RCPT": b"550 no\r\n", b"DATA": b"354 go on\r\n"}
        while line := await reader.readline():
            heard.append(line)
            writer.write(replies.get(line[:4], b"250 ok\r\n"))

    async with served(careless) as settings, connected(settings) as connection:
        result = await send(connection)
        assert result == Replied(reply=Reply(code=550, text="no"), phase=Phase.RCPT)
        assert heard[-2:] == [b".\r\n", b"RSET\r\n"]
        assert connection.usable


async def test_a_recipient_taken_without_a_sender_is_never_sent_an_empty_letter() -> None:
    heard: list[bytes] = []

    async def mad(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        replies = {b"EHLO": b"250-hi\r\n250 PIPELINING\r\n", b"MAIL": b"451 later\r\n", b"DATA": b"354 go on\r\n"}
        while line := await reader.readline():
            heard.append(line)
            writer.write(replies.get(line[:4], b"250 ok\r\n"))

    async with served(mad) as settings, connected(settings) as connection:
        result = await send(connection)
        assert result == Replied(reply=Reply(code=451, text="later"), phase=Phase.MAIL)
        assert heard[-1] == b"DATA\r\n"
        assert not connection.usable


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


async def test_the_body_is_with_the_kernel_before_the_caller_is_told_and_the_dot_is_not() -> None:
    async with Postbox() as box, connected(patient(box)) as connection:
        seen: list[tuple[bool, int]] = []
        await connection.submit(SENDER, READER, LETTER, lambda: seen.append((connection._line.flushed, box.count)))
        assert seen == [(True, 0)]


@pytest.mark.parametrize("trouble", [LookupError, OSError, ValueError])
async def test_what_is_raised_before_the_dot_keeps_the_letter_from_leaving(trouble: type[Exception]) -> None:
    def withheld() -> None:
        raise trouble

    async with Postbox() as box:
        async with connected(patient(box)) as connection:
            with pytest.raises(trouble):
                await connection.submit(SENDER, READER, LETTER, withheld)
            assert not connection.usable
        assert box.count == 0


@pytest.mark.parametrize("tls", ["none", "starttls"])
async def test_a_dot_the_kernel_did_not_take_is_not_in_doubt(tls: str, certificate: Path) -> None:
    async with Postbox(script=at(Stage.BODY, Act.HANG), service=offering(certificate)) as box:
        async with connected(hasty(box, tls=tls, ca_file=str(certificate))) as connection:
            result = await connection.submit(SENDER, READER, LETTER, lambda: fill(connection))
        assert result == Lost(phase=Phase.BODY, detail="no answer in time")


@pytest.mark.parametrize("move", [Act.CLOSE, Act.RESET, Act.HANG], ids=str)
async def test_a_loss_after_the_dot_is_in_doubt_under_tls_too(move: Act, certificate: Path) -> None:
    async with Postbox(script=at(Stage.ANSWER, move), service=offering(certificate)) as box:
        async with connected(hasty(box, tls="starttls", ca_file=str(certificate))) as connection:
            result = await send(connection)
        assert isinstance(result, Lost)
        assert (result.phase, box.count) == (Phase.DOT, 1)


async def test_a_dot_the_kernel_refused_is_not_in_doubt() -> None:
    async with Postbox() as box, connected(patient(box)) as connection:
        result = await connection.submit(SENDER, READER, LETTER, lambda: end(connection))
        assert isinstance(result, Lost)
        assert result.phase is Phase.BODY


async def test_a_cancelled_submission_leaves_no_usable_connection() -> None:
    async with Postbox(script=at(Stage.RCPT, Act.HANG)) as box, connected(patient(box)) as connection:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await send(connection)
        assert not connection.usable


async def test_a_relay_that_leaves_between_two_letters_is_noticed_before_the_next() -> None:
    async with Postbox(script=after(1, at(Stage.MAIL, behave_not()))) as box, connected(patient(box)) as connection:
        await send(connection)
        for conversation in box._desk.busy:
            assert isinstance(conversation.transport, asyncio.Transport)
            conversation.transport.write(b"421 4.4.2 idle too long\r\n")
            conversation.transport.close()
        await asyncio.sleep(0.05)
        assert not connection.usable
        result = await send(connection)
        assert result == Replied(reply=Reply(code=421, enhanced="4.4.2", text="idle too long"), phase=Phase.MAIL)


async def test_a_reply_nobody_asked_for_is_never_taken_for_an_acceptance() -> None:
    async with Postbox(script=at(Stage.EHLO, Say("250 hi\r\n250 2.0.0 stale"))) as box:
        async with connected(patient(box)) as connection:
            assert not connection.usable
            result = await send(connection)
        assert isinstance(result, Lost)
        assert result.phase is Phase.MAIL
        assert box.count == 0


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("552 5.3.4 stop", Replied(reply=Reply(code=552, enhanced="5.3.4", text="stop"), phase=Phase.BODY)),
        ("250 2.0.0 thanks", Phase.BODY),
    ],
)
async def test_a_relay_that_speaks_during_the_body_gets_no_dot(reply: str, expected: Replied | Phase) -> None:
    marked: list[bool] = []
    async with Postbox(script=at(Stage.BODY, Say(reply))) as box:
        async with connected(patient(box)) as connection:
            result = await connection.submit(SENDER, READER, LARGE, lambda: marked.append(True))
        assert (result if isinstance(expected, Replied) else result.phase) == expected
        assert (marked, box.count) == ([], 0)


@pytest.mark.parametrize("move", [*LOSSES, Act.HANG], ids=str)
@pytest.mark.parametrize(("stage", "phase"), [(Stage.BANNER, Phase.BANNER), (Stage.EHLO, Phase.EHLO)])
async def test_a_relay_that_goes_away_while_greeting_is_unreachable(stage: Stage, phase: Phase, move: Move) -> None:
    async with Postbox(script=at(stage, move)) as box:
        with pytest.raises(RelayUnreachable) as caught:
            await relay.connect(hasty(box) if move is Act.HANG else patient(box))
        assert caught.value.phase is phase
        assert isinstance(caught.value, RelayError)
        assert judged(caught.value.result).scope is Scope.RELAY
        assert not judged(caught.value.result).stop


@pytest.mark.parametrize(
    ("stage", "reply", "stop"),
    [
        (Stage.BANNER, "554 5.7.1 no service for you", True),
        (Stage.BANNER, "421 4.3.2 too many connections", False),
        (Stage.EHLO, "550 5.7.1 bad name", True),
        (Stage.EHLO, "451 4.3.0 later", False),
    ],
)
async def test_a_relay_that_refuses_the_greeting_says_why(stage: Stage, reply: str, stop: bool) -> None:
    async with Postbox(script=at(stage, Say(reply))) as box:
        with pytest.raises(RelayRefused) as caught:
            await relay.connect(patient(box))
        assert (caught.value.phase, str(caught.value.reply)) == (stage.value, reply)
        assert judged(caught.value.result).stop == stop
        assert str(caught.value) == f"127.0.0.1:{box.port} refuses in {stage}: {reply}"


async def test_no_relay_at_all_is_unreachable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(RelayUnreachable) as caught:
            await relay.connect(RelaySettings(port=free.getsockname()[1]))
    assert caught.value.phase is Phase.CONNECT
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "banner",
    [
        "HTTP/1.1 400 Bad Request",
        "220",
        "",
        "999 hi",
        "\x00\x01\x02",
        "220-a\r\n250 b",
        "2200 hi",
        "220 " + "x" * 10_000,
        "x" * 1_000_000,
        "220-" + "\r\n220-".join("x" * 150) + "\r\n220 end",
        "354 go on",
    ],
    ids=lambda banner: banner[:20],
)
async def test_a_banner_that_is_none_is_refused_without_reading_on(banner: str) -> None:
    async with Postbox(script=at(Stage.BANNER, Say(banner))) as box:
        if banner == "220":
            async with connected(patient(box)) as connection:
                assert judged(await send(connection)).state is DeliveryState.ACCEPTED
            return
        with pytest.raises(RelayUnreachable) as caught:
            await relay.connect(patient(box, command_timeout_seconds=2))
        assert caught.value.phase is Phase.BANNER
        assert len(str(caught.value)) < 200


async def test_a_server_that_knows_no_ehlo_is_greeted_with_helo() -> None:
    async with Postbox(script=at(Stage.EHLO, Say("502 5.5.1 what?"))) as box:
        async with connected(patient(box)) as connection:
            assert judged(await send(connection)).state is DeliveryState.ACCEPTED


async def test_eight_bit_data_and_bare_line_ends_are_refused_by_our_side() -> None:
    async with Postbox() as box:
        async with connected(patient(box)) as connection:
            for letter in ("Grüße\r\n".encode(), b"a\nb\r\n", b"a\rb\r\n", b"a\r\n.\n.\r\n"):
                result = await send(connection, letter)
                assert isinstance(result, Replied)
                assert (result.reply.code, result.phase) == (554, Phase.DATA)
                assert (judged(result).scope, judged(result).stop) == (Scope.MAILING, True)
            assert judged(await send(connection)).state is DeliveryState.ACCEPTED
        assert box.count == 1


@pytest.mark.parametrize(
    "reader", ["", "röder@example.test", "a@b>\r\nRCPT TO:<victim@example.test", "a b@example.test", "<a@b.test>"]
)
async def test_an_address_that_cannot_be_said_is_refused_by_our_side_and_nobody_is_called_dead(reader: str) -> None:
    async with Postbox() as box:
        async with connected(patient(box)) as connection:
            found = judged(await send(connection, reader=reader))
        assert (found.state, found.fault) == (DeliveryState.REFUSED, outcome.Fault.UNSUPPORTED_ADDRESS)
        assert box.count == 0


async def test_a_letter_larger_than_announced_is_not_even_offered() -> None:
    mails = []

    def script(moment: object) -> Move | None:
        mails.append(moment)
        return None

    async with Postbox(script=script, service=Service(most_octets=len(LETTER))) as box:
        async with connected(patient(box)) as connection:
            greeted = len(mails)
            result = await send(connection, LETTER + b"x\r\n")
            assert (judged(result).scope, judged(result).stop) == (Scope.MAILING, True)
            assert len(mails) == greeted
            assert judged(await send(connection)).state is DeliveryState.ACCEPTED


async def test_quit_is_not_waited_for() -> None:
    async with Postbox(script=at(Stage.QUIT, Act.HANG)) as box:
        connection = await relay.connect(patient(box))
        started = time.monotonic()
        await connection.close()
        assert time.monotonic() - started < 5


async def test_a_slow_relay_is_not_a_lost_one() -> None:
    async with Postbox(script=first_of(at(Stage.ANSWER, Pause(0.2)), at(Stage.RCPT, Pause(0.1)))) as box:
        async with connected(patient(box)) as connection:
            assert judged(await send(connection)).state is DeliveryState.ACCEPTED


@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(
    st.lists(st.lists(st.sampled_from([b".", b"..", b"", b"x", b".x", b"MAIL FROM:<a@b>", b"."]), max_size=6))
)
def test_every_body_arrives_as_it_was_whatever_its_dots(letters: list[list[bytes]]) -> None:
    bodies = [b"".join(line + b"\r\n" for line in lines) or b"\r\n" for lines in letters]

    async def scenario() -> None:
        async with Postbox() as box:
            async with connected(patient(box)) as connection:
                for body in bodies:
                    await send(connection, body)
            assert [one.data for one in box.messages] == bodies

    asyncio.run(scenario())


# --- TLS and AUTH


def offering(certificate: Path, **changes: object) -> Service:
    return replace(Service(tls=certificates.served(certificate)), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_letters_go_under_tls_to_a_trusted_certificate(tls: str, certificate: Path) -> None:
    async with Postbox(service=offering(certificate, implicit_tls=tls == "implicit")) as box:
        async with connected(patient(box, tls=tls, ca_file=str(certificate))) as connection:
            assert connection._line.secured
            for _ in range(3):
                assert judged(await send(connection)).state is DeliveryState.ACCEPTED
            assert isinstance(await send(connection, LARGE), Replied)
        assert [len(one.data) for one in box.messages] == [len(LETTER)] * 3 + [len(LARGE)]


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_an_untrusted_certificate_stops_the_relay(tls: str, certificate: Path) -> None:
    async with Postbox(service=offering(certificate, implicit_tls=tls == "implicit")) as box:
        with pytest.raises(RelayUnreachable, match="certificate is not trusted") as caught:
            await relay.connect(patient(box, tls=tls))
        assert caught.value.phase is Phase.TLS
        assert judged(caught.value.result).stop


async def test_a_certificate_for_another_host_is_not_trusted(tmp_path: Path) -> None:
    other = certificates.make(tmp_path, "127.0.0.2")
    async with Postbox(service=offering(other)) as box:
        with pytest.raises(RelayUnreachable, match="certificate is not trusted"):
            await relay.connect(patient(box, tls="starttls", ca_file=str(other)))


async def test_verification_can_be_switched_off(certificate: Path) -> None:
    async with Postbox(service=offering(certificate)) as box:
        async with connected(patient(box, tls="starttls", verify_certificate=False)) as connection:
            assert judged(await send(connection)).state is DeliveryState.ACCEPTED


async def test_a_relay_without_starttls_gets_nothing_in_the_clear() -> None:
    async with Postbox() as box:
        with pytest.raises(RelayUnreachable, match="STARTTLS is not offered") as caught:
            await relay.connect(patient(box, tls="starttls"))
        assert judged(caught.value.result).stop


async def test_a_ca_file_that_is_not_there_is_named() -> None:
    with pytest.raises(RelayUnreachable, match=r"/nowhere\.pem") as caught:
        await relay.connect(RelaySettings(tls="implicit", ca_file="/nowhere.pem"))
    assert caught.value.permanent


async def test_a_plain_server_behind_implicit_tls_is_unreachable() -> None:
    async with Postbox() as box:
        with pytest.raises(RelayUnreachable) as caught:
            await relay.connect(patient(box, tls="implicit"))
        assert caught.value.phase is Phase.TLS


async def test_what_was_said_before_the_handshake_is_forgotten(certificate: Path) -> None:
    # CVE-2011-0411: someone on the way adds replies behind the one to STARTTLS; read later they would pass as the
    # server's own, here as an answer to the second EHLO that hides AUTH and names a limit.
    async def injected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        await reader.readline()
        writer.write(b"250-hi\r\n250 STARTTLS\r\n")
        await reader.readline()
        writer.write(b"220 go on\r\n250-injected\r\n250 SIZE 1\r\n")
        await writer.start_tls(certificates.served(certificate))
        await reader.readline()
        writer.write(b"250-hi\r\n250 SIZE 1000000\r\n")
        await reader.readline()

    async with served(injected) as settings:
        async with connected(replace(settings, tls="starttls", ca_file=str(certificate))) as connection:
            assert connection._extensions.size == 1_000_000


@pytest.mark.parametrize("move", [Act.CLOSE, Act.RESET, Act.HANG, Say("454 4.7.0 not now")], ids=str)
async def test_a_failing_starttls_is_not_gone_on_without(move: Move, certificate: Path) -> None:
    async with Postbox(script=at(Stage.STARTTLS, move), service=offering(certificate)) as box:
        with pytest.raises(RelayRefused if isinstance(move, Say) else RelayUnreachable) as caught:
            await relay.connect(hasty(box, tls="starttls", ca_file=str(certificate)))
        assert getattr(caught.value, "phase", None) is Phase.TLS
        assert box.count == 0


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("password", ["right", "wröng"])
async def test_a_login_is_believed_or_the_relay_is_stopped(mechanism: str, password: str, certificate: Path) -> None:
    service = offering(certificate, login=("desk", "right"), mechanisms=(mechanism,))
    async with Postbox(service=service) as box:
        given_settings = patient(box, tls="starttls", ca_file=str(certificate), username="desk")
        if password == "right":
            async with connected(given_settings, password) as connection:
                assert judged(await send(connection)).state is DeliveryState.ACCEPTED
            return
        with pytest.raises(RelayRefused) as caught:
            await relay.connect(given_settings, password)
        assert (caught.value.phase, caught.value.reply.code) == (Phase.AUTH, 535)
        assert judged(caught.value.result).stop
        assert password not in str(caught.value)


async def test_a_relay_that_wants_a_login_stops_us_at_mail() -> None:
    async with Postbox(service=Service(login=("desk", "right"))) as box, connected(patient(box)) as connection:
        found = judged(await send(connection))
        assert (found.scope, found.stop) == (Scope.RELAY, True)


async def test_a_relay_without_a_known_login_is_stopped() -> None:
    async with Postbox() as box:
        with pytest.raises(RelayUnreachable, match="neither AUTH PLAIN nor LOGIN") as caught:
            await relay.connect(patient(box, username="desk"), "secret")
        assert judged(caught.value.result).stop


async def test_a_password_never_leaves_this_machine_without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def script(moment: object) -> Move | None:
        asked.append(moment)
        return None

    monkeypatch.setattr("newsletter.delivery.line.Line.peer", "192.0.2.1")
    async with Postbox(script=script, service=Service(login=("desk", "right"))) as box:
        with pytest.raises(RelayUnreachable, match="no password is sent without TLS"):
            await relay.connect(patient(box, username="desk"), "right")
    assert not any("auth" in str(moment) for moment in asked)


async def test_a_name_that_could_smuggle_a_command_is_no_helo_name() -> None:
    async with Postbox() as box:
        with pytest.raises(RelayUnreachable, match="no host name"):
            await relay.connect(patient(box, helo_name="a\r\nMAIL FROM:<b@c>"))


def behave_not() -> Move:
    return Say("550 never reached")


def fill(connection: Connection) -> None:
    """Fill the kernel's buffer, so that it cannot take another byte."""
    descriptor = connection._line._transport.get_extra_info("socket").fileno()
    try:
        for chunk in (b"x" * 65_536, b"x"):
            while True:
                try:
                    os.write(descriptor, chunk)
                except BlockingIOError:
                    break
    finally:
        assert connection._line.flushed


def end(connection: Connection) -> None:
    """Shut the socket, so that the next write fails at once."""
    with socket.socket(fileno=os.dup(connection._line._transport.get_extra_info("socket").fileno())) as again:
        again.shutdown(socket.SHUT_WR)


@asynccontextmanager
async def served(
    converse: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[RelaySettings]:
    """A server that says what no scripted one would."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await converse(reader, writer)
        except (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield RelaySettings(port=port, command_timeout_seconds=10, dot_timeout_seconds=10)
    finally:
        server.close()
        await server.wait_closed()
