"""A postbox is a real relay to a client that knows nothing of it: here the standard library's, and a bare socket."""

import asyncio
import gc
import logging
import os
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from newsletter.errors import NewsletterError
from newsletter.postbox import (
    Act,
    Drip,
    Half,
    Moment,
    Move,
    Postbox,
    PostboxError,
    Say,
    Service,
    Stage,
    after,
    at,
    first_of,
    greylist,
    refuse,
    running,
)
from tests.delivery import certificates

SENDER, READER = "brief@worldbrief.test", "reader@example.test"
LETTER = b"Subject: Monday\r\n\r\nGood morning.\r\n"


@contextmanager
def client(box: Postbox) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP(box.host, box.port, local_hostname="client.test", timeout=10) as one:
        yield one


def talk(box: Postbox, *parts: bytes) -> bytes:
    """What a postbox answers to bytes sent as they are, up to its last word; after an empty part we send no more."""
    with socket.create_connection((box.host, box.port), timeout=10) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            raw.sendall(part)
        if parts and not parts[-1]:
            raw.shutdown(socket.SHUT_WR)
        heard = b""
        while chunk := raw.recv(65_536):
            heard += chunk
    return heard


ENVELOPE = b"EHLO c.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n"


def test_a_letter_is_kept_with_its_envelope_and_time() -> None:
    with running(Postbox()) as box:
        with client(box) as one:
            one.sendmail(SENDER, [READER, "other@example.test"], LETTER)
        (arrived,) = box.messages
    assert (arrived.mail_from, arrived.rcpt_to, arrived.data) == (SENDER, (READER, "other@example.test"), LETTER)
    assert arrived.at.utcoffset() is not None
    assert box.count == 1


def test_letters_become_files_and_need_no_memory(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "letters"
    with running(Postbox(folder=folder, keep=False)) as box:
        with client(box) as one:
            for n in range(12):
                one.sendmail(SENDER, f"r{n}@example.test", LETTER + b"%d\r\n" % n)
        assert (box.count, box.messages) == (12, ())
    files = sorted(folder.iterdir())
    assert [file.read_bytes() for file in files] == [LETTER + b"%d\r\n" % n for n in range(12)]
    assert all(file.name.endswith(f"-r{n}@example.test.eml") for n, file in enumerate(files))


def test_a_second_postbox_overwrites_nothing_in_the_same_folder(tmp_path: Path) -> None:
    for _ in range(2):
        with running(Postbox(folder=tmp_path)) as box, client(box) as one:
            one.sendmail(SENDER, READER, LETTER)
    assert len(list(tmp_path.glob("*.eml"))) == 2


def test_a_hostile_address_names_no_file_outside_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "letters"
    hostile = [
        '"../../evil"@example.test',
        '"a b\\"c"@example.test',
        "x" * 300 + "@example.test",
        '"/etc/x"@example.test',
    ]
    with running(Postbox(folder=folder)) as box:
        with client(box) as one:
            for address in hostile:
                one.sendmail(SENDER, address, LETTER)
        assert box.count == len(hostile)
    assert len(list(folder.glob("*.eml"))) == len(hostile)
    assert [entry.name for entry in tmp_path.iterdir()] == ["letters"]
    assert max(len(os.fsencode(file.name)) for file in folder.iterdir()) <= 100


def test_a_folder_that_cannot_be_written_is_a_temporary_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "letters"
    with running(Postbox(folder=folder)) as box:
        folder.rmdir()
        with client(box) as one, pytest.raises(smtplib.SMTPDataError, match="Insufficient system storage") as caught:
            one.sendmail(SENDER, READER, LETTER)
        assert caught.value.smtp_code == 452
        assert (box.count, box.messages) == (0, ())
    assert "could not be kept" in caplog.text


def test_a_port_in_use_is_said_in_one_line() -> None:
    with running(Postbox()) as box:
        with pytest.raises(PostboxError, match="cannot be opened") as caught, running(Postbox(port=box.port)):
            pass
    assert isinstance(caught.value, NewsletterError)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_the_end_is_found_however_the_bytes_come(size: int) -> None:
    bodies = [
        b"",
        b".",
        b"\r\n",
        b"\r\n.",
        b"x\r\n.\r",
        b"\r\r\n",
        b".\r\n..\r\n",
        b"a\nb",
        b"x\n.\r\ny",
        b"\r",
        b"MAIL\r\n\r\n",
    ]
    stream = b""
    for body in bodies:
        stuffed = (b"\r\n" + body).replace(b"\r\n.", b"\r\n..")[2:]
        stream += ENVELOPE[13:] + (stuffed + b"\r\n" if body else b"") + b".\r\n"
    stream = ENVELOPE[:13] + stream + b"QUIT\r\n"
    with running(Postbox()) as box:
        talk(box, *(stream[n : n + size] for n in range(0, len(stream), size)))
        assert [one.data for one in box.messages] == [body + b"\r\n" if body else b"" for body in bodies]


def test_a_bare_line_end_does_not_end_a_letter() -> None:
    # CVE-2023-51764 and its kin: a lone dot between bare line feeds must not let a second letter be smuggled in.
    smuggled = b"Subject: x\r\n\r\na\n.\nMAIL FROM:<e@vil.test>\r\nb\n.\r\nc\r\n.\r\nQUIT\r\n"
    with running(Postbox()) as box:
        talk(box, ENVELOPE + smuggled)
        (only,) = box.messages
    assert only.data.endswith(b"b\n.\r\nc\r\n")


def test_long_lines_and_eight_bit_data_are_taken() -> None:
    letter = b"Subject: x\r\n\r\n" + "ü".encode() * 100_000 + b"\r\n"
    with running(Postbox()) as box:
        with client(box) as one:
            one.sendmail(SENDER, READER, letter)
        assert [arrived.data for arrived in box.messages] == [letter]


@pytest.mark.parametrize("declared", [True, False])
def test_a_letter_that_is_too_large_is_refused_and_the_next_is_taken(declared: bool) -> None:
    large = b"Subject: x\r\n\r\n" + b"x" * 2_000_000 + b"\r\n"
    with running(Postbox(service=Service(most_octets=10_000))) as box:
        with client(box) as one:
            if declared:
                with pytest.raises(smtplib.SMTPSenderRefused) as refused:
                    one.sendmail(SENDER, READER, large)
                assert refused.value.smtp_code == 552
            else:
                one.ehlo()
                one.mail(SENDER)
                one.rcpt(READER)
                code, text = one.data(large)
                assert (code, text) == (552, b"5.3.4 Message size exceeds fixed limit")
            one.sendmail(SENDER, READER, LETTER)
        assert [arrived.data for arrived in box.messages] == [LETTER]


def test_an_error_of_ours_is_not_told_to_strangers(caplog: pytest.LogCaptureFixture) -> None:
    def broken(moment: Moment) -> Move | None:
        if moment.stage is Stage.RCPT:
            raise ValueError("secret-path")
        return None

    with running(Postbox(script=broken)) as box, client(box) as one:
        one.ehlo()
        one.mail(SENDER)
        assert one.rcpt(READER) == (451, b"4.3.0 Local error in processing")
    with caplog.at_level(logging.ERROR):
        assert "secret-path" in caplog.text


def test_commands_out_of_order_are_refused() -> None:
    with running(Postbox()) as box, client(box) as one:
        one.ehlo()
        assert one.docmd("DATA")[0] == 503
        assert one.docmd("RCPT", f"TO:<{READER}>")[0] == 503
        assert one.docmd("NONSENSE")[0] == 500


def test_extensions_are_announced_as_offered(certificate: Path) -> None:
    with running(Postbox()) as box, client(box) as one:
        one.ehlo()
        assert set(one.esmtp_features) >= {"size", "pipelining", "enhancedstatuscodes"}
        assert not {"auth", "starttls"} & set(one.esmtp_features)
    offer = Service(pipelining=False, login=("a", "b"), mechanisms=("LOGIN",), tls=certificates.served(certificate))
    with running(Postbox(service=offer)) as box, client(box) as one:
        one.ehlo()
        assert one.esmtp_features["auth"].split() == ["LOGIN"]
        assert "starttls" in one.esmtp_features
        assert "pipelining" not in one.esmtp_features


@pytest.mark.parametrize("implicit", [True, False])
def test_tls_and_a_login_are_insisted_on(implicit: bool, certificate: Path) -> None:
    trust = ssl.create_default_context(cafile=str(certificate))
    service = Service(tls=certificates.served(certificate), implicit_tls=implicit, login=("desk", "pass"))
    with running(Postbox(service=service)) as box:
        one = smtplib.SMTP_SSL(box.host, box.port, context=trust) if implicit else smtplib.SMTP(box.host, box.port)
        with one:
            if not implicit:
                one.starttls(context=trust)
            with pytest.raises(smtplib.SMTPSenderRefused, match="Authentication required"):
                one.sendmail(SENDER, READER, LETTER)
            with pytest.raises(smtplib.SMTPAuthenticationError):
                one.login("desk", "wrong")
            one.login("desk", "pass")
            one.sendmail(SENDER, READER, LETTER)
        assert box.count == 1


def test_recipients_are_refused_and_greylisted_as_scripted() -> None:
    with running(Postbox(script=first_of(refuse("gone"), greylist()))) as box:
        with client(box) as one:
            with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
                one.sendmail(SENDER, "gone@example.test", LETTER)
            assert refused.value.recipients["gone@example.test"] == (550, b"5.1.1 User unknown")
            with pytest.raises(smtplib.SMTPRecipientsRefused) as put_off:
                one.sendmail(SENDER, READER, LETTER)
            assert put_off.value.recipients[READER][0] == 450
            one.sendmail(SENDER, READER, LETTER)
        assert box.count == 1


def test_a_connection_ends_with_421_after_so_many_letters() -> None:
    with running(Postbox(script=after(2, at(Stage.MAIL, Say("421 4.7.0 enough"))))) as box:
        with client(box) as one:
            one.sendmail(SENDER, READER, LETTER)
            one.sendmail(SENDER, READER, LETTER)
            with pytest.raises(smtplib.SMTPSenderRefused, match="enough"):
                one.sendmail(SENDER, READER, LETTER)
        assert box.count == 2


@pytest.mark.parametrize(("stage", "kept"), [(Stage.DOT, 0), (Stage.ANSWER, 1)])
def test_a_letter_may_be_kept_or_not_when_the_answer_is_lost(stage: Stage, kept: int) -> None:
    with running(Postbox(script=at(stage, Act.CLOSE, times=1))) as box:
        heard = talk(box, ENVELOPE + LETTER + b".\r\n")
        assert heard.endswith(b"<CR><LF>.<CR><LF>\r\n")
        assert box.count == kept


def test_half_a_reply_is_just_that() -> None:
    with running(Postbox(script=at(Stage.BANNER, Half("22")))) as box:
        assert talk(box) == b"22"


def test_a_reset_is_a_reset() -> None:
    with running(Postbox(script=at(Stage.EHLO, Act.RESET))) as box, pytest.raises(ConnectionResetError):
        talk(box, b"EHLO c.test\r\n")


def test_a_hanging_client_does_not_keep_the_postbox_open() -> None:
    with running(Postbox(script=at(Stage.DATA, Act.HANG))) as box:
        idle = [socket.create_connection((box.host, box.port)) for _ in range(3)]
        idle[0].sendall(ENVELOPE)
        assert idle[0].recv(3) == b"220"
    for one in idle:
        one.close()


def test_clients_that_have_just_come_leave_nothing_open() -> None:
    # A connection that is accepted, but not yet a conversation, once stayed open and warned of itself much later.
    for _ in range(20):
        with running(Postbox()) as box:
            arriving = [socket.create_connection((box.host, box.port), timeout=10) for _ in range(3)]
        for one in arriving:
            one.close()
    gc.collect()


def test_a_client_silent_in_its_handshake_does_not_keep_the_postbox_open(certificate: Path) -> None:
    # Python 3.12 waits for such a connection a whole minute when a server closes, and 3.11 forgets it.
    async def visit() -> bytes:
        async with Postbox(service=Service(tls=certificates.served(certificate), implicit_tls=True)) as box:
            reader, writer = await asyncio.open_connection(box.host, box.port)
            await asyncio.sleep(0.05)
        try:
            return await asyncio.wait_for(reader.read(), timeout=10)
        finally:
            writer.close()

    assert asyncio.run(visit()) == b""


def test_a_client_that_speaks_no_tls_disturbs_nobody(certificate: Path) -> None:
    trust = ssl.create_default_context(cafile=str(certificate))
    service = Service(tls=certificates.served(certificate), implicit_tls=True)
    with running(Postbox(service=service)) as box:
        assert talk(box, b"EHLO c.test\r\n") == b""
        with smtplib.SMTP_SSL(box.host, box.port, context=trust) as one:
            one.sendmail(SENDER, READER, LETTER)
        assert box.count == 1


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70_000), ("a..b", 0), ("no host", 0)])
def test_an_address_that_is_none_is_said_in_one_line(host: str, port: int) -> None:
    with pytest.raises(PostboxError, match="cannot be opened"), running(Postbox(host, port)):
        pass


def test_a_postbox_that_cannot_open_for_another_reason_keeps_nobody_waiting() -> None:
    with pytest.raises(TypeError), running(Postbox("\0")):
        pass


def test_a_client_that_goes_away_in_the_middle_leaves_nothing() -> None:
    with running(Postbox()) as box:
        talk(box, ENVELOPE + LETTER, b"")
        assert box.count == 0


CHUNKED = b"EHLO c.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n"


@pytest.mark.parametrize("size", [1, 11, 100_000])
def test_a_letter_in_chunks_is_taken_as_it_is(size: int) -> None:
    stream = CHUNKED + b"BDAT 3\r\na\r\nBDAT 0\r\nBDAT 7 LAST\r\n.\r\n.\r\n\rQUIT\r\n"
    with running(Postbox(service=Service(chunking=True))) as box:
        heard = talk(box, *(stream[n : n + size] for n in range(0, len(stream), size)))
        assert [one.data for one in box.messages] == [b"a\r\n.\r\n.\r\n\r"]
    assert heard.count(b"250 2.0.0") == 3


def test_a_chunk_that_is_too_large_is_read_and_refused() -> None:
    letter = b"x" * 1_000_000
    with running(Postbox(service=Service(chunking=True, most_octets=1_000))) as box:
        heard = talk(box, CHUNKED, b"BDAT %d LAST\r\n" % len(letter), letter, b"QUIT\r\n")
        assert box.count == 0
    assert b"552 5.3.4" in heard
    assert heard.endswith(b"221 Bye\r\n")


def test_chunks_without_a_recipient_are_read_and_refused() -> None:
    with running(Postbox(service=Service(chunking=True))) as box:
        heard = talk(box, b"EHLO c.test\r\nBDAT 6\r\nQUIT\r\nBDAT 0 LAST\r\nRSET\r\nBDAT x\r\nQUIT\r\n")
    assert heard.count(b"503 5.5.1") == 2
    assert b"501 5.5.4" in heard


def test_a_client_that_goes_away_in_a_chunk_leaves_nothing() -> None:
    with running(Postbox(service=Service(chunking=True))) as box:
        talk(box, CHUNKED, b"BDAT 100 LAST\r\nhalf of it", b"")
        assert box.count == 0


def test_a_client_that_leaves_during_the_banner_is_hung_up_on() -> None:
    with running(Postbox(script=at(Stage.BANNER, Drip(0.05)))) as box:
        # Without that this would wait in vain for the end of the connection.
        assert not talk(box, b"").endswith(b"\r\n")
