"""Reply lines become a code, an enhanced code and one clean line of text, or are no reply at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.delivery import replies
from newsletter.delivery.outcome import Reply
from newsletter.delivery.replies import Extensions


@pytest.mark.parametrize(
    ("lines", "reply"),
    [
        ([b"250 2.0.0 Ok: queued as 4F1"], Reply(code=250, enhanced="2.0.0", text="Ok: queued as 4F1")),
        ([b"250"], Reply(code=250)),
        ([b"354 "], Reply(code=354)),
        ([b"550 5.1.1"], Reply(code=550, enhanced="5.1.1")),
        ([b"550 5.1.1\tgone"], Reply(code=550, enhanced="5.1.1", text="gone")),
        ([b"550 version 5.1.1 is old"], Reply(code=550, text="version 5.1.1 is old")),
        (
            [b"550-5.7.26 This mail is", b"550-5.7.26 unauthenticated", b"550 5.7.26 - gsmtp"],
            Reply(code=550, enhanced="5.7.26", text="This mail is unauthenticated - gsmtp"),
        ),
        ([b"250-first", b"250"], Reply(code=250, text="first")),
        ([b"450 a\x00b\x1b[31mc\x7f"], Reply(code=450, text="a b [31mc")),
        (["450 a\u202eb\u2028c".encode()], Reply(code=450, text="a b c")),
        ([b"450 gr\xc3\xbc\xc3\x9fe \xff"], Reply(code=450, text="grüße \N{REPLACEMENT CHARACTER}")),
    ],
)
def test_a_reply_is_read(lines: list[bytes], reply: Reply) -> None:
    assert replies.parse(lines) == reply


@pytest.mark.parametrize(
    "line",
    [
        b"550 5.1.1 <reader.name+news@example.test>: Recipient address rejected: User unknown",
        b"551 User not local; please try <reader.name+news@example.test>",
        b"550 'reader.name+news@example.test' is not known here",
        b"550 5.1.1 READER.NAME+NEWS@EXAMPLE.TEST... User unknown",
        "550 rödér@bücher.example unknown".encode(),
    ],
)
def test_no_address_of_a_reader_is_kept(line: bytes) -> None:
    text = replies.parse([line]).text
    assert "@" not in text
    assert "example" not in text.lower()
    assert "(address)" in text


@pytest.mark.parametrize(
    "line",
    [b"", b"25", b"HTTP/1.1 400 Bad", b"199 a", b"600 a", b"2500 a", b"250_a", b" 250 a", "２５０ a".encode(), b"+OK"],
)
def test_what_is_no_reply_is_said_to_be_none(line: bytes) -> None:
    with pytest.raises(ValueError, match="not an SMTP reply"):
        replies.is_last(line)


def test_lines_of_two_replies_are_not_one() -> None:
    with pytest.raises(ValueError, match="different codes"):
        replies.parse([b"250-a", b"550 b"])


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5))
def test_whatever_bytes_a_reply_has_its_text_is_one_short_line(lines: list[bytes]) -> None:
    reply = replies.parse([b"550-" + line for line in lines])
    assert reply.code == 550
    assert len(reply.text) <= 400
    assert reply.text.isprintable()


def test_extensions_are_read_in_any_case_and_the_greeting_is_none() -> None:
    lines = [
        b"250-PIPELINING at your service",
        b"250-size 10240000",
        b"250-StartTLS",
        b"250-chunking",
        b"250-DSN",
        b"250-8BITMIME",
        b"250-SMTPUTF8",
        b"250-LIMITS RCPTMAX=20 MAILMAX=5 ODD",
        b"250-AUTH PLAIN login",
        b"250 HELP",
    ]
    assert replies.extensions(lines) == Extensions(
        starttls=True,
        chunking=True,
        dsn=True,
        smtputf8=True,
        size=10_240_000,
        most_letters=5,
        auth=frozenset({"PLAIN", "LOGIN"}),
    )


def test_what_is_not_announced_is_not_there() -> None:
    assert replies.extensions([b"250 hi"]) == Extensions(size=None)


def test_smtputf8_without_8bitmime_is_of_no_use() -> None:
    assert not replies.extensions([b"250-hi", b"250 SMTPUTF8"]).smtputf8


@pytest.mark.parametrize(
    "line", [b"250 SIZE", b"250 SIZE x", b"250 SIZE -1", "250 SIZE ²".encode(), b"250 SIZE " + b"9" * 30]
)
def test_a_size_that_is_none_is_no_limit(line: bytes) -> None:
    assert replies.extensions([b"250-hi", line]).size == 0
    limit = line.replace(b"SIZE ", b"LIMITS MAILMAX=")
    assert replies.extensions([b"250-hi", limit]).most_letters == 0
