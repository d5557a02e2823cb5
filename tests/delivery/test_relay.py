"""Before the first letter: greeting, TLS and login, with a relay that does them right and with many that do not."""

import asyncio
import base64
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from newsletter.delivery.outcome import DeliveryState, Fault, Phase, Scope
from newsletter.delivery.relay import Relay, RelayRefused, RelayUnreachable
from newsletter.errors import RelayError
from newsletter.postbox import Act, Half, Moment, Move, Postbox, Say, Service, Stage, at
from newsletter.relays import RelaySettings
from tests.delivery import certificates
from tests.delivery.submitting import connected, hasty, judged, offering, patient, send, served

pytestmark = pytest.mark.anyio

TLS = pytest.mark.parametrize("tls", ["starttls", "implicit"])


@pytest.mark.parametrize("move", [Act.CLOSE, Act.RESET, Half("25"), Act.HANG], ids=str)
@pytest.mark.parametrize(
    ("stage", "phase"), [(Stage.CONNECT, Phase.BANNER), (Stage.BANNER, Phase.BANNER), (Stage.EHLO, Phase.EHLO)]
)
async def test_a_relay_that_goes_away_while_greeting_is_unreachable(stage: Stage, phase: Phase, move: Move) -> None:
    async with Postbox(script=at(stage, move)) as box:
        with pytest.raises(RelayUnreachable) as caught:
            await Relay(hasty(box) if move is Act.HANG else patient(box)).connect()
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
            await Relay(patient(box)).connect()
        assert (caught.value.phase, str(caught.value.reply)) == (stage.value, reply)
        assert judged(caught.value.result).stop == stop
        assert str(caught.value) == f"127.0.0.1:{box.port} refuses in {stage}: {reply}"


async def test_no_relay_at_all_is_unreachable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(RelayUnreachable) as caught:
            await Relay(RelaySettings(port=free.getsockname()[1])).connect()
    assert caught.value.phase is Phase.CONNECT
    assert "\n" not in str(caught.value)


async def test_a_host_that_is_no_name_is_unreachable() -> None:
    with pytest.raises(RelayUnreachable) as caught:
        await Relay(RelaySettings(host="no..host")).connect()
    assert caught.value.phase is Phase.CONNECT


@pytest.mark.parametrize(
    "banner",
    [
        "HTTP/1.1 400 Bad Request",
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
        with pytest.raises(RelayUnreachable) as caught:
            await Relay(patient(box, command_timeout_seconds=2)).connect()
        assert caught.value.phase is Phase.BANNER
        assert len(str(caught.value)) < 200


async def test_a_banner_of_a_code_alone_is_one() -> None:
    async with Postbox(script=at(Stage.BANNER, Say("220"))) as box, connected(patient(box)) as connection:
        assert judged(await send(connection)).state is DeliveryState.ACCEPTED


async def test_a_reply_that_drips_is_given_no_more_time_than_one_that_comes_at_once() -> None:
    async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"220-hi\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with served(dripping) as settings:
        with pytest.raises(RelayUnreachable, match="no answer in time"):
            await Relay(replace(settings, command_timeout_seconds=0.3)).connect()


async def test_a_server_that_knows_no_ehlo_is_greeted_with_helo() -> None:
    async with Postbox(script=at(Stage.EHLO, Say("502 5.5.1 what?"))) as box:
        async with connected(patient(box)) as connection:
            assert judged(await send(connection)).state is DeliveryState.ACCEPTED


async def test_a_name_that_could_smuggle_a_command_is_no_helo_name() -> None:
    async with Postbox() as box:
        with pytest.raises(RelayUnreachable, match="no host name"):
            await Relay(patient(box, helo_name="a\r\nMAIL FROM:<b@c>")).connect()


async def test_several_connections_of_one_relay_stand_side_by_side() -> None:
    async with Postbox() as box:
        one = Relay(patient(box))
        connections = [await one.connect() for _ in range(5)]
        results = await asyncio.gather(*(send(connection) for connection in connections))
        assert {judged(result).state for result in results} == {DeliveryState.ACCEPTED}
        await asyncio.gather(*(connection.close() for connection in connections))
        assert box.count == 5


# --- TLS


@TLS
async def test_letters_go_under_tls_to_a_trusted_certificate(tls: str, certificate: Path) -> None:
    async with Postbox(service=offering(certificate, implicit_tls=tls == "implicit")) as box:
        async with connected(patient(box, tls=tls, ca_file=str(certificate))) as connection:
            assert connection._line.secured
            for _ in range(3):
                assert judged(await send(connection)).state is DeliveryState.ACCEPTED


@TLS
async def test_an_untrusted_certificate_stops_the_relay(tls: str, certificate: Path) -> None:
    async with Postbox(service=offering(certificate, implicit_tls=tls == "implicit")) as box:
        with pytest.raises(RelayUnreachable, match="certificate is not trusted") as caught:
            await Relay(patient(box, tls=tls)).connect()
        assert caught.value.phase is Phase.TLS
        assert judged(caught.value.result).stop


async def test_a_certificate_for_another_host_is_not_trusted(tmp_path: Path) -> None:
    other = certificates.make(tmp_path, "127.0.0.2")
    async with Postbox(service=offering(other)) as box:
        with pytest.raises(RelayUnreachable, match="certificate is not trusted"):
            await Relay(patient(box, tls="starttls", ca_file=str(other))).connect()


async def test_verification_can_be_switched_off(certificate: Path) -> None:
    async with Postbox(service=offering(certificate)) as box:
        async with connected(patient(box, tls="starttls", verify_certificate=False)) as connection:
            assert judged(await send(connection)).state is DeliveryState.ACCEPTED


@TLS
async def test_a_pinned_certificate_is_trusted_whoever_issued_it_and_for_whatever_host(
    tls: str, tmp_path: Path
) -> None:
    other = certificates.make(tmp_path, "127.0.0.2")
    pins = ("00" * 32, colons(certificates.fingerprint(other)).upper())
    async with Postbox(service=offering(other, implicit_tls=tls == "implicit")) as box:
        async with connected(patient(box, tls=tls, pinned_certificates=pins)) as connection:
            assert judged(await send(connection)).state is DeliveryState.ACCEPTED


@TLS
async def test_a_certificate_that_is_not_the_pinned_one_stops_the_relay_although_it_is_trusted(
    tls: str, certificate: Path
) -> None:
    service = offering(certificate, implicit_tls=tls == "implicit", login=("desk", "right"))
    asked: list[Stage] = []

    def script(moment: Moment) -> Move | None:
        asked.append(moment.stage)
        return None

    async with Postbox(service=service, script=script) as box:
        one = patient(box, tls=tls, ca_file=str(certificate), pinned_certificates=("00" * 32,), username="desk")
        with pytest.raises(RelayUnreachable, match=certificates.fingerprint(certificate)) as caught:
            await Relay(one, "right").connect()
        assert (caught.value.phase, judged(caught.value.result).stop) == (Phase.TLS, True)
        assert Stage.AUTH not in asked


async def test_a_relay_without_starttls_gets_nothing_in_the_clear() -> None:
    async with Postbox() as box:
        with pytest.raises(RelayUnreachable, match="STARTTLS is not offered") as caught:
            await Relay(patient(box, tls="starttls")).connect()
        assert judged(caught.value.result).stop


async def test_a_ca_file_that_is_not_there_is_named() -> None:
    with pytest.raises(RelayUnreachable, match=r"/nowhere\.pem") as caught:
        await Relay(RelaySettings(tls="implicit", ca_file="/nowhere.pem")).connect()
    assert caught.value.permanent


async def test_a_plain_server_behind_implicit_tls_is_unreachable() -> None:
    async with Postbox() as box:
        with pytest.raises(RelayUnreachable) as caught:
            await Relay(patient(box, tls="implicit")).connect()
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
            assert connection._offered.size == 1_000_000


@pytest.mark.parametrize("move", [Act.CLOSE, Act.RESET, Act.HANG, Say("454 4.7.0 not now")], ids=str)
@TLS
async def test_a_failing_handshake_is_not_gone_on_without(tls: str, move: Move, certificate: Path) -> None:
    service = offering(certificate, implicit_tls=tls == "implicit")
    async with Postbox(script=at(Stage.TLS, move), service=service) as box:
        spoken = isinstance(move, Say) and tls == "starttls"
        one = patient(box, tls=tls, ca_file=str(certificate), connect_timeout_seconds=0.5)
        with pytest.raises(RelayRefused if spoken else RelayUnreachable) as caught:
            await Relay(one).connect()
        assert getattr(caught.value, "phase", None) is Phase.TLS
        assert box.count == 0


# --- the login


def logging_in(box: Postbox, certificate: Path, **changes: object) -> RelaySettings:
    return patient(box, tls="starttls", ca_file=str(certificate), username="desk", **changes)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("auth", ["auto", "the same"])
@pytest.mark.parametrize("password", ["right", "wröng"])
async def test_a_password_is_believed_or_the_relay_is_stopped(
    mechanism: str, auth: str, password: str, certificate: Path
) -> None:
    service = offering(certificate, login=("desk", "right"), mechanisms=(mechanism,))
    async with Postbox(service=service) as box:
        one = logging_in(box, certificate, auth="auto" if auth == "auto" else mechanism.lower())
        if password == "right":
            async with connected(one, password) as connection:
                assert judged(await send(connection)).state is DeliveryState.ACCEPTED
            return
        with pytest.raises(RelayRefused) as caught:
            await Relay(one, password).connect()
        assert (caught.value.phase, caught.value.reply.code) == (Phase.AUTH, 535)
        assert password not in str(caught.value)
        found = judged(caught.value.result)
        assert (found.state, found.stop, found.fault) == (DeliveryState.WAITING, True, Fault.RELAY)


async def test_a_relay_that_cannot_look_up_a_login_now_is_asked_again() -> None:
    script, service = at(Stage.AUTH, Say("454 4.7.0 Temporary failure")), Service(login=("a", "b"))
    async with Postbox(script=script, service=service) as box:
        with pytest.raises(RelayRefused) as caught:
            await Relay(patient(box, username="a"), "b").connect()
        found = judged(caught.value.result)
        assert (found.scope, found.stop, found.counted) == (Scope.RELAY, False, False)


async def test_a_relay_that_wants_a_login_stops_us_at_mail() -> None:
    async with Postbox(service=Service(login=("desk", "right"))) as box, connected(patient(box)) as connection:
        found = judged(await send(connection))
        assert (found.scope, found.stop) == (Scope.RELAY, True)


@pytest.mark.parametrize(
    ("auth", "offered", "says"),
    [
        ("auto", (), "AUTH PLAIN or LOGIN is not offered"),
        ("auto", ("XOAUTH2",), "AUTH PLAIN or LOGIN is not offered"),
        ("login", ("PLAIN",), "AUTH LOGIN is not offered"),
    ],
)
async def test_a_relay_without_the_wanted_login_is_stopped(auth: str, offered: tuple[str, ...], says: str) -> None:
    service = Service(login=("desk", "secret") if offered else None, mechanisms=offered)
    async with Postbox(service=service) as box:
        with pytest.raises(RelayUnreachable, match=says) as caught:
            await Relay(patient(box, username="desk", auth=auth), "secret").connect()
        assert judged(caught.value.result).stop


async def test_a_password_never_leaves_this_machine_without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Stage] = []

    def script(moment: Moment) -> Move | None:
        asked.append(moment.stage)
        return None

    monkeypatch.setattr("newsletter.delivery.line.Line.peer", "192.0.2.1")
    async with Postbox(script=script, service=Service(login=("desk", "right"))) as box:
        with pytest.raises(RelayUnreachable, match="no password is sent without TLS"):
            await Relay(patient(box, username="desk"), "right").connect()
    assert Stage.EHLO in asked
    assert Stage.AUTH not in asked


# --- the login with a token


def token_file(folder: Path, text: str) -> str:
    file = folder / "token"
    file.write_text(f"{text}\n")
    file.chmod(0o600)
    return str(file)


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
@pytest.mark.parametrize("token", ["right", "expired"])
async def test_a_token_is_believed_or_the_relay_is_stopped(mechanism: str, token: str, tmp_path: Path) -> None:
    service = Service(login=("desk,eu=1", "right"), mechanisms=(mechanism,))
    async with Postbox(service=service) as box:
        one = patient(box, username="desk,eu=1", token_file=token_file(tmp_path, token))
        if token == "right":
            async with connected(one) as connection:
                assert judged(await send(connection)).state is DeliveryState.ACCEPTED
            return
        with pytest.raises(RelayRefused) as caught:
            await Relay(one).connect()
        assert (caught.value.phase, caught.value.reply.code) == (Phase.AUTH, 535)
        assert judged(caught.value.result).stop


@pytest.mark.parametrize(
    ("auth", "said"),
    [
        ("oauthbearer", "n,a=desk,\1host=127.0.0.1\1port={port}\1auth=Bearer right\1\1"),
        ("xoauth2", "user=desk\1auth=Bearer right\1\1"),
    ],
)
async def test_a_token_is_shown_in_the_words_of_its_mechanism(auth: str, said: str, tmp_path: Path) -> None:
    heard: list[str] = []

    def script(moment: Moment) -> Move | None:
        if moment.stage is Stage.AUTH:
            heard.append(moment.argument)
        return None

    async with Postbox(script=script, service=Service(login=("desk", "right"))) as box:
        async with connected(patient(box, username="desk", auth=auth, token_file=token_file(tmp_path, "right"))):
            pass
        [words] = heard
    mechanism, told = words.split()
    assert mechanism == auth.upper()
    assert base64.b64decode(told).decode() == said.format(port=box.port)


async def test_a_token_that_was_withdrawn_is_asked_for_again_at_once(tmp_path: Path) -> None:
    async with Postbox(service=Service(login=("desk", "first"))) as box:
        one = Relay(patient(box, username="desk", token_file=token_file(tmp_path, "first")))
        await (await one.connect()).close()
        box._desk = replace(box._desk, service=Service(login=("desk", "second")))
        token_file(tmp_path, "second")
        assert one.bearer.known == "first"
        connection = await one.connect()
        assert judged(await send(connection)).state is DeliveryState.ACCEPTED
        await connection.close()
        assert one.bearer.known == "second"


async def test_a_withdrawn_token_is_asked_for_once_by_all_connections(tmp_path: Path) -> None:
    async with Postbox(service=Service(login=("desk", "first"))) as box:
        one = Relay(patient(box, username="desk", token_file=token_file(tmp_path, "first")))
        await (await one.connect()).close()
        box._desk = replace(box._desk, service=Service(login=("desk", "second")))
        token_file(tmp_path, "second")
        connections = await asyncio.gather(*(one.connect() for _ in range(8)))
        await asyncio.gather(*(connection.close() for connection in connections))


async def test_a_token_that_cannot_be_had_is_the_relays_own_fault(tmp_path: Path) -> None:
    async with Postbox(service=Service(login=("desk", "right"))) as box:
        with pytest.raises(RelayUnreachable, match=r"none: missing; relay\.token_file names it") as caught:
            await Relay(patient(box, username="desk", token_file=str(tmp_path / "none"))).connect()
    found = judged(caught.value.result)
    assert (caught.value.phase, found.scope, found.stop, found.counted) == (Phase.AUTH, Scope.RELAY, True, False)


def colons(digest: str) -> str:
    return ":".join(digest[n : n + 2] for n in range(0, len(digest), 2))
