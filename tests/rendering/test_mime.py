"""The header serialiser, against both of Python's parsers and hostile text."""

import re
import unicodedata
from email import message_from_bytes, policy
from email.header import decode_header, make_header

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.errors import MessageError
from newsletter.rendering import mime, transfer

SCRIPTS = st.sampled_from(
    [
        "Québec\u00a0: 10\u202f000",
        "نشرة الأخبار",
        "می\u200cخواهم",
        "世界简报",
        "👩🏽\u200d🚀 lands",
        "ज़िन्दगी क्\u200dष",
        "O’Neil",
        "e\u0301",
    ]
)
WORDS = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
    | SCRIPTS
    | st.sampled_from(["=?", "?=", "\r\n", "x" * 90])
)
TEXTS = st.lists(WORDS, max_size=12).map(" ".join)
INJECTIONS = [
    "=?utf-8?q?x=0d=0aBcc:_v@x.org?=",
    "=?utf-8?b?eA0KQmNjOiB2QHgub3Jn?=",
    "=\u200b?utf-8?q?x=0d=0aBcc:_v@x.org?=",
    "==??utf-8?q?x=0d=0aBcc:_v@x.org?=",
    "x\r\nBcc: v@x.org",
    "x\nBcc: v@x.org",
    "x\rBcc: v@x.org",
    "x\x00\r\n\r\n<b>body</b>",
    "x\u0085Bcc: v@x.org",
    "x\u2028Bcc: v@x.org\u2029",
    "x\x0b\x0c\x1c\x1d\x1eBcc: v@x.org",
    "\u202egro.x@v :ccB",
    '"Ed" <evil@x.org>, v@x.org',
    "Ed <evil@x.org>\\",
]


def read(header: mime.Header, how: policy.Policy = policy.default) -> str:
    lines = header.lines()
    assert lines.isascii()
    assert lines.endswith("\r\n")
    message = message_from_bytes(lines.encode() + b"\r\nbody", policy=how)
    assert message.keys() == [header.name]
    return str(message[header.name])


def verified(*headers: mime.Header, text: str = "text", html: str = "<p>html</p>") -> bytes:
    every = (*headers, *mime.multipart_headers("=_b"))
    form = mime.alternatives(every, [transfer.part("plain", text, {}), transfer.part("html", html, {})], "=_b", {})
    message = form.head.fill({}) + form.body({})
    mime.verify(message, every, [("plain", text), ("html", html)])
    return message


@given(TEXTS)
def test_safe_text_is_one_normal_line_and_stays_as_it_is(text: str) -> None:
    safe = mime.safe_text(text)
    assert mime.safe_text(safe) == safe
    assert unicodedata.is_normalized("NFC", safe)
    assert "=?" not in safe
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\u200b\ufeff]", safe)
    assert safe.splitlines() in ([], [safe])


@pytest.mark.parametrize(
    "text", ["می\u200cخواهم", "👩🏽\u200d🚀", "❤\ufe0f\u200d🔥", "क्\u200dष", "Québec\u00a0: 10\u202f000"]
)
def test_joiners_and_spaces_that_shape_words_are_kept(text: str) -> None:
    assert mime.safe_text(text) == text


def test_joiners_between_latin_letters_are_dropped() -> None:
    assert mime.safe_text("pay\u200cpal\u200d.com \u200d") == "paypal.com"


@settings(max_examples=200)
@given(TEXTS)
def test_a_subject_is_read_back_as_it_was_meant(text: str) -> None:
    if not mime.safe_text(text):
        return
    header = mime.unstructured("Subject", text)
    assert read(header) == mime.safe_text(text)
    raw = re.sub(r"\r\n(?= )", "", read(header, policy.compat32))
    assert str(make_header(decode_header(raw))) == mime.safe_text(text)
    lines = header.lines().split("\r\n")
    assert all(len(line) <= 76 for line in lines)
    for word in re.findall(r"=\?utf-8\?([bq])\?(\S*?)\?=", header.lines()):
        assert len("=?utf-8?q?") + len(word[1]) + 2 <= 75
        (make_header(decode_header(f"=?utf-8?{word[0]}?{word[1]}?="))).encode()  # each is whole characters


def test_the_smaller_of_the_two_encodings_is_used() -> None:
    assert "?q?" in mime.unstructured("Subject", "A café opens in the old town hall of Lyon").lines()
    assert "?b?" in mime.unstructured("Subject", "世界简报：今天的重点").lines()
    assert mime.unstructured("Subject", "Plain words").lines() == "Subject: Plain words\r\n"


def test_an_empty_subject_is_refused() -> None:
    with pytest.raises(MessageError, match="Subject: is empty"):
        mime.unstructured("Subject", "\u200b \r\n")


def test_an_endless_subject_is_refused() -> None:
    with pytest.raises(MessageError, match="longer than"):
        mime.unstructured("Subject", "x" * 2_001)


@settings(max_examples=200)
@given(TEXTS)
def test_a_display_name_is_read_back_as_it_was_meant(text: str) -> None:
    header = mime.mailbox("From", text, "brief@news.example.org")
    verified(header, mime.plain("To", "a@example.org"))
    assert all(len(line) <= 78 for line in header.lines().split("\r\n"))


@pytest.mark.parametrize("hostile", INJECTIONS)
def test_no_text_can_add_a_header(hostile: str) -> None:
    message = verified(
        mime.mailbox("From", hostile, "brief@news.example.org"),
        mime.unstructured("Subject", hostile),
        mime.list_id("List-ID", hostile, "brief.news.example.org"),
    )
    for how in (policy.default, policy.compat32, policy.SMTP):
        parsed = message_from_bytes(message, policy=how)
        assert parsed.keys() == ["From", "Subject", "List-ID", "MIME-Version", "Content-Type"]
        assert "Bcc" not in re.sub("(?m)^(Subject|From|List-ID): .*$", "", parsed.as_string())
    assert len(message_from_bytes(message, policy=policy.default)["From"].addresses) == 1


@pytest.mark.parametrize("hostile", [*INJECTIONS, "", " ", "a  b", "a ", "é", "a\tb"])
def test_a_plain_header_refuses_what_would_have_to_be_changed(hostile: str) -> None:
    if re.fullmatch(r"[!-~]+( [!-~]+)*", hostile) and "=?" not in hostile:
        verified(mime.plain("List-Unsubscribe", hostile))
        return
    with pytest.raises(MessageError):
        mime.plain("List-Unsubscribe", hostile)


def test_a_header_name_is_letters() -> None:
    for name in ("", "a b", "A:", "Ä", "X\r\nBcc"):
        with pytest.raises(MessageError, match="no header name"):
            mime.plain(name, "x")


def test_a_line_is_folded_between_words_only_and_never_inside_angle_brackets() -> None:
    long = "<https://example.org/" + "x" * 100 + ">"
    assert mime.plain("List-Unsubscribe", f"{long}, <mailto:a b@c>").lines() == (
        f"List-Unsubscribe: {long},\r\n <mailto:a b@c>\r\n"
    )


def test_a_line_above_998_octets_is_refused() -> None:
    with pytest.raises(MessageError, match="998"):
        mime.plain("List-Archive", f"<https://example.org/{'x' * 990}>").lines()


def test_a_list_name_beyond_ascii_is_left_out() -> None:
    assert mime.list_id("List-ID", "世界", "brief.example.org").lines() == "List-ID: <brief.example.org>\r\n"
    assert mime.list_id("List-ID", 'The "B", Ltd.', "b.example.org").lines() == (
        'List-ID: "The \\"B\\", Ltd." <b.example.org>\r\n'
    )


@pytest.mark.parametrize(
    "name", ["Subject", "From", "To", "Date", "Message-ID", "Reply-To", "List-ID", "List-Unsubscribe"]
)
def test_a_second_header_of_a_name_is_refused(name: str) -> None:
    with pytest.raises(MessageError, match="only one"):
        verified(mime.plain(name, "a"), mime.plain(name.upper(), "b"))


def test_a_domain_is_written_in_a_labels() -> None:
    assert mime.safe_address("Ana+news@bücher.example") == "Ana+news@xn--bcher-kva.example"
    assert mime.safe_address("ana@straße.example") == "ana@xn--strae-oqa.example"


@pytest.mark.parametrize(
    "address",
    [
        "", "ana", "@x.org", "ana@", "añá@x.org", '"a b"@x.org', "a b@x.org", "a@x.org\r\nBcc: v@x.org", "a@x.org>",
        "=?utf-8?q?a?=@x.org", "a@[127.0.0.1]", "a@-x.org", "a@x..org", ".a@x.org", "a..b@x.org", "a@b@x.org ",
        "x" * 65 + "@x.org",
        "a@" + "x" * 64 + ".org", "a@" + "x." * 130 + "org", "a@x.org\n", "a\u200b@x.org", "a,b@x.org",
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_written_safely_is_refused(address: str) -> None:
    with pytest.raises(MessageError):
        mime.safe_address(address)


def test_a_message_that_says_something_else_is_refused() -> None:
    headers = (mime.unstructured("Subject", "One"), *mime.multipart_headers("=_b"))
    form = mime.alternatives(headers, [transfer.part("plain", "a", {})], "=_b", {})
    message, bodies = form.head.fill({}) + form.body({}), [("plain", "a")]
    mime.verify(message, headers, bodies)
    for changed in (
        message.replace(b"Subject: One", b"Subject: One\r\nX-Long: " + b"x" * 999),
        message.replace(b"One", b"Two"),
        b"Bcc: v@x.org\r\n" + message,
        message.replace(b"\r\n\r\na", b"\r\n\r\nb"),
        message.replace(b"One\r\n", b"One\n"),
        message.replace(b"One", b"=?utf-8?q?One?="),
        message.replace(b"plain", b"html"),
        message.replace(b"One", "Öne".encode()),
    ):
        with pytest.raises(MessageError):
            mime.verify(changed, headers, bodies)
