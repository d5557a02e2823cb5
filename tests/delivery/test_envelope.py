"""What a relay is told of a letter fits what it offers, and nothing in an address or a letter can become a command."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.delivery import envelope
from newsletter.delivery.outcome import Phase, Replied
from newsletter.delivery.replies import Extensions
from tests.delivery.submitting import BODY, SENDER, letter

PLAIN = Extensions()
UTF8 = Extensions(smtputf8=True)


def withheld(found: Replied | None) -> tuple[Phase, int, str]:
    assert found is not None
    return found.phase, found.reply.code, found.reply.enhanced


def test_a_plain_relay_hears_the_two_addresses_alone() -> None:
    one = letter()
    assert envelope.mail(one, PLAIN) == f"MAIL FROM:<{SENDER}>\r\n".encode()
    assert envelope.rcpt(one, PLAIN) == b"RCPT TO:<reader@example.test>\r\n"


@pytest.mark.parametrize("size", [0, 10_000_000])
def test_the_size_is_told_where_it_is_asked_for(size: int) -> None:
    assert envelope.mail(letter(), Extensions(size=size)).endswith(f"> SIZE={len(BODY)}\r\n".encode())


def test_a_bounce_is_asked_to_bring_the_letters_token_back() -> None:
    one, offered = letter(reader="a+b=c@example.test"), Extensions(dsn=True)
    assert envelope.mail(one, offered).endswith(b"> RET=HDRS ENVID=token\r\n")
    told = b"RCPT TO:<a+b=c@example.test> NOTIFY=FAILURE,DELAY ORCPT=rfc822;a+2Bb+3Dc@example.test\r\n"
    assert envelope.rcpt(one, offered) == told


def test_smtputf8_is_used_only_for_an_address_that_needs_it() -> None:
    assert b"SMTPUTF8" not in envelope.mail(letter(), UTF8)
    one = letter(reader="röder@example.test")
    assert envelope.unfit(one, UTF8) is None
    assert envelope.mail(one, UTF8) == f"MAIL FROM:<{SENDER}> BODY=8BITMIME SMTPUTF8\r\n".encode()
    assert envelope.rcpt(one, UTF8) == "RCPT TO:<röder@example.test>\r\n".encode()
    assert envelope.rcpt(one, Extensions(smtputf8=True, dsn=True)) == envelope.rcpt(one, UTF8)


def test_an_address_that_needs_smtputf8_is_unsupported_without_it() -> None:
    found = envelope.unfit(letter(reader="röder@example.test"), PLAIN)
    assert withheld(found) == (Phase.RCPT, 553, "5.6.7")
    assert "SMTPUTF8" in str(found)


def test_only_a_letter_to_such_an_address_may_have_eight_bit_headers() -> None:
    body = "To: röder@example.test\r\n\r\nHello\r\n".encode()
    assert envelope.unfit(letter(body, "röder@example.test"), UTF8) is None
    assert withheld(envelope.unfit(letter(body), UTF8)) == (Phase.DATA, 554, "5.6.3")


@pytest.mark.parametrize(
    "address",
    [
        "a@b>\r\nRCPT TO:<victim@example.test",
        "a b@example.test",
        "<a@b.test>",
        "a\x00@example.test",
        "ä\r\nDATA@example.test",
        "ä ö@example.test",
        "ä\u2028@example.test",
        "ä>@example.test",
    ],
)
@pytest.mark.parametrize("offered", [PLAIN, UTF8], ids=["plain", "utf8"])
def test_an_address_that_could_be_a_command_is_never_said(address: str, offered: Extensions) -> None:
    assert withheld(envelope.unfit(letter(reader=address), offered)) == (Phase.RCPT, 553, "5.6.7")
    assert withheld(envelope.unfit(letter(sender=address), offered)) == (Phase.MAIL, 553, "5.1.7")


def test_nobody_is_no_reader_but_may_be_a_sender() -> None:
    assert withheld(envelope.unfit(letter(reader=""), PLAIN)) == (Phase.RCPT, 553, "5.6.7")
    assert envelope.unfit(letter(sender=""), PLAIN) is None


def test_a_letter_is_no_larger_than_the_relay_takes() -> None:
    assert envelope.unfit(letter(), Extensions(size=len(BODY))) is None
    assert withheld(envelope.unfit(letter(), Extensions(size=len(BODY) - 1))) == (Phase.MAIL, 552, "5.3.4")


@given(st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b"x", b".", b"", b"\r\n.\r\n"]), max_size=12))
def test_a_line_end_is_crlf_or_the_letter_is_unfit(pieces: list[bytes]) -> None:
    body = b"".join(pieces)
    clean = re.search(rb"\r(?!\n)|(?<!\r)\n", body) is None
    assert (envelope.unfit(letter(body), PLAIN) is None) == clean


@given(st.lists(st.sampled_from([b"\r\n", b"x", b".", b"..", b"\r\n."]), max_size=12))
def test_no_line_of_a_stuffed_letter_is_a_lone_dot_and_stuffing_can_be_undone(pieces: list[bytes]) -> None:
    body = b"".join(pieces)
    lines = envelope.stuffed(letter(body)).split(b"\r\n")
    assert b"." not in lines
    assert b"\r\n".join(line.removeprefix(b".") for line in lines) == body


@given(st.text(st.characters(max_codepoint=127), max_size=30))
def test_xtext_can_be_read_back_and_holds_nothing_that_ends_a_parameter(text: str) -> None:
    written = envelope.xtext(text)
    assert re.fullmatch(r"(?:[\x21-\x2a\x2c-\x3c\x3e-\x7e]|\+[0-9A-F]{2})*", written)
    assert re.sub(r"\+([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), written) == text
