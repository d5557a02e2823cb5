"""Letters: the same bytes for the same recipient, seven-bit, and saying what the proof says whatever it says."""

import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from html import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.errors import MessageError
from newsletter.rendering.letter import Asked, Letter, Recipient, address, cut
from newsletter.rendering.proof import Mailbox, Proof, blank
from tests.builders import make_letter, make_proof

NONCE = "k3j9x0q2m5aa"
AT = datetime(2026, 11, 23, 5, 30, tzinfo=UTC)
ANA = Recipient(address="ana.reader@example.org", token="t0" * 13, return_token="r1" * 18)
# draft-levine-mailbomb-header-02 section 3, with its FWS as one space.
FORM_SUB = re.compile(r"Form-Sub: v=1(?: ; (?:ip4=[0-9x]+(?:\.[0-9x]+){3}|ip6=[0-9a-fx:]+|ip=none))*")
HOSTILE = [
    "=?utf-8?q?x=0d=0aBcc:_v@x.org?=",
    "x\r\nBcc: v@x.org",
    "x\x00y",
    "x\u0085Bcc: v@x.org",
    "x\u2028Bcc: v@x.org",
    "=?utf-8?b?eA0KQmNjOiB2QHgub3Jn?=",
    "x\r\n\r\n--=_boundary\r\nContent-Type: text/html",
]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=120) | st.sampled_from(
    [
        "世界简报：今天的重点" * 6,
        "نشرة الأخبار " * 9,
        "می\u200cخواهم",
        "Zürich — “ja”",
        "👩🏽\u200d🚀" * 20,
        "x" * 300,
        *HOSTILE,
    ]
)


def make(**changes: object) -> Proof:
    token, reader = blank(NONCE, "token"), blank(NONCE, "address")
    one = Proof(
        kind="edition",
        newsletter="world-brief",
        on=date(2026, 11, 23),
        number=7,
        subject="Ceasefire talks, a rate cut, and a heron",
        sender=Mailbox(name="World Brief", address="brief@worldbrief.test"),
        list_id="world-brief.worldbrief.test",
        list_name="World Brief",
        language="en",
        direction="ltr",
        site="https://worldbrief.test",
        html=f'<p>Sent to {reader}.</p><a href="https://worldbrief.test/u/{token}">Unsubscribe</a>',
        text=f"Sent to {reader}.\nUnsubscribe: https://worldbrief.test/u/{token}\n",
        nonce=NONCE,
        template_digest="t",
        content_digest="c",
    )
    return replace(one, **changes)  # type: ignore[arg-type]


def letter(proof: Proof, recipient: Recipient = ANA, bounce_domain: str = "bounce.worldbrief.test") -> Letter:
    return address(cut(proof, bounce_domain=bounce_domain, date=AT), recipient).letter()


def read(one: Letter) -> EmailMessage:
    message = message_from_bytes(one.message, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def bodies(message: Message) -> list[str]:
    parts = [part.get_payload(decode=True) for part in message.walk() if not part.is_multipart()]
    return [part.decode().replace("\r\n", "\n") for part in parts if isinstance(part, bytes)]


def test_an_edition_carries_its_headers_in_order() -> None:
    message = read(letter(make(reply_to="desk@worldbrief.test")))
    assert dict(message.items()) == {
        "From": "World Brief <brief@worldbrief.test>",
        "To": "ana.reader@example.org",
        "Subject": "Ceasefire talks, a rate cut, and a heron",
        "Date": "Mon, 23 Nov 2026 05:30:00 +0000",
        "Message-ID": f"<{ANA.return_token}@worldbrief.test>",
        "Reply-To": "desk@worldbrief.test",
        "List-ID": "World Brief <world-brief.worldbrief.test>",
        "List-Unsubscribe": f"<https://worldbrief.test/u/{ANA.token}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Archive": "<https://worldbrief.test/archive/>",
        "List-Post": "NO",
        "Feedback-ID": "2026-11-23:world-brief:edition:worldbrief",
        "Precedence": "bulk",
        "X-Auto-Response-Suppress": "OOF, AutoReply",
        "Content-Language": "en",
        "MIME-Version": "1.0",
        "Content-Type": message["Content-Type"],
    }
    assert list(message.keys())[:5] == ["From", "To", "Subject", "Date", "Message-ID"]
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


def test_a_confirmation_is_no_list_mail() -> None:
    message = read(letter(make(kind="letter", on=None)))
    assert message["Auto-Submitted"] == "auto-generated"
    assert not {"Precedence", "List-ID", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Archive"} & set(
        message.keys()
    )
    assert message["Feedback-ID"] == "world-brief:letter:worldbrief"


def test_the_envelope_bounces_to_the_bounce_domain_or_else_to_the_sender() -> None:
    assert letter(make()).envelope.mail_from == f"b+{ANA.return_token}@bounce.worldbrief.test"
    assert letter(make(), bounce_domain="").envelope.mail_from == "brief@worldbrief.test"
    assert letter(make()).envelope.rcpt_to == ANA.address
    assert letter(make()).message_id == f"<{ANA.return_token}@worldbrief.test>"


def test_the_same_recipient_gets_the_same_bytes_again() -> None:
    assert letter(make()) == letter(make())
    assert letter(make(subject="Other")).message != letter(make()).message


def test_a_domain_beyond_ascii_is_written_in_a_labels() -> None:
    one = letter(make(), replace(ANA, address="ana@bücher.example"))
    assert one.envelope.rcpt_to == read(one)["To"] == "ana@xn--bcher-kva.example"


@pytest.mark.parametrize(
    "bad", ["añá@example.org", "ana", "a@x.org\r\nBcc: v@x.org", "a b@x.org", "=?utf-8?q?a?=@x.org"]
)
def test_an_address_that_cannot_be_written_is_refused(bad: str) -> None:
    with pytest.raises(MessageError):
        letter(make(), replace(ANA, address=bad))


@pytest.mark.parametrize("bad", ["", "a b", "a\r\nBcc: v@x.org", "a>", "é", "x" * 300])
def test_a_token_that_is_no_token_is_refused(bad: str) -> None:
    for one in (replace(ANA, token=bad), replace(ANA, return_token=bad)):
        with pytest.raises(MessageError, match="token"):
            letter(make(), one)


@pytest.mark.parametrize(
    "broken",
    [
        make(sender=Mailbox(name="Brief", address="brief")),
        make(sender=Mailbox(name="Brief", address="b@x.org>\r\nBcc: v@x.org")),
        make(subject="\r\n"),
        make(list_id="brief example"),
        make(site="https://worldbrief.test/a b"),
        make(language="en\r\nBcc: v@x.org"),
        make(html="<p>\ud83d</p>"),
        make(subject="half \ud83d"),
    ],
)
def test_a_proof_that_cannot_be_written_safely_is_refused(broken: Proof) -> None:
    with pytest.raises(MessageError):
        cut(broken, bounce_domain="", date=AT)


def test_a_date_without_a_zone_is_refused() -> None:
    with pytest.raises(MessageError, match="zone"):
        cut(make(), bounce_domain="", date=AT.replace(tzinfo=None))


@settings(max_examples=80, deadline=None)
@given(subject=TEXTS, name=TEXTS, list_name=TEXTS, body=TEXTS)
def test_whatever_is_written_the_letter_is_sound(subject: str, name: str, list_name: str, body: str) -> None:
    proof = make()
    proof = replace(
        proof,
        subject=f"S {subject}",
        sender=Mailbox(name=name, address="brief@worldbrief.test"),
        list_name=list_name,
        html=f"<p>{escape(body)}</p>{proof.html}" * 3,
        text=f"{body}\n.{body}\nFrom {body}{proof.text}",
    )
    one = letter(proof, replace(ANA, address="o'neil+a=b&c@example.org"))
    head, _, _ = one.message.partition(b"\r\n\r\n")
    assert re.fullmatch(rb"(?:[\t\x20-\x7e]|\r\n)*", one.message)
    assert all(len(line) <= 78 for line in one.message.split(b"\r\n"))
    assert not re.search(rb"(?m)^\.", one.message)
    for how in (policy.default, policy.compat32):
        parsed = message_from_bytes(one.message, policy=how)
        assert set(Counter(key.lower() for key in parsed.keys()).values()) == {1}  # noqa: SIM118
        assert parsed.keys() == read(letter(make())).keys()
        assert bodies(parsed) == [filled(proof.text, str), filled(proof.html, escape)]
    for line in re.findall(rb"(?mi)^(?:list-|message-id|feedback-id|to:)[^\r]*(?:\r\n [^\r]*)*", head):
        assert b"=?" not in line


def filled(text: str, spell: type[str] | object) -> str:
    assert callable(spell)
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace(blank(NONCE, "token"), ANA.token)
    return text.replace(blank(NONCE, "address"), spell("o'neil+a=b&c@example.org"))


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_headline_from_a_feed_cannot_add_a_header(hostile: str) -> None:
    one = letter(make(subject=hostile, sender=Mailbox(name=hostile, address="b@worldbrief.test"), list_name=hostile))
    for how in (policy.default, policy.compat32):
        parsed = message_from_bytes(one.message, policy=how)
        assert parsed.keys() == read(letter(make())).keys()
    assert len(read(one)["From"].addresses) == 1
    assert "\n" not in read(one)["Subject"]
    assert read(one)["Bcc"] is None


@pytest.mark.parametrize("proof", [make_proof(), make_letter()], ids=["edition", "letter"])
def test_what_the_shipped_templates_make_is_what_arrives(proof: Proof) -> None:
    asked = Asked(code="ABCD2345", at=AT, network="192.0.2.0/24")
    one = letter(proof, replace(ANA, asked=asked if proof.kind == "letter" else None))
    marks = {"token": ANA.token, "address": ANA.address, "code": asked.code, "asked": f"{AT:%Y-%m-%d %H:%M}"}
    parts = [proof.text, proof.html]
    for name, mark in marks.items():
        parts = [part.replace(blank(proof.nonce, name), mark) for part in parts]
    assert bodies(read(one)) == parts
    assert proof.nonce not in one.message.decode("ascii")
    assert all(len(line) <= 78 for line in one.message.split(b"\r\n"))


@pytest.mark.parametrize(
    ("network", "told"),
    [
        ("192.0.2.0/24", "ip4=192.0.2.x"),
        ("198.51.0.0/16", "ip4=198.51.x.x"),
        ("192.0.2.7/32", "ip4=192.0.2.7"),
        ("2001:db8:85a3::/48", "ip6=2001:db8:85a3::x"),
        ("2001:db8::/48", "ip6=2001:db8:0::x"),
        ("2001:db8::1/128", "ip6=2001:db8:0:0:0:0:0:1"),
        ("local", "ip=none"),
        ("", "ip=none"),
        ("192.0.2.0/24\r\nBcc: x@example.org", "ip=none"),
    ],
)
def test_a_confirmation_says_by_the_drafts_grammar_where_the_form_was_posted_from(network: str, told: str) -> None:
    one = letter(make_letter(), replace(ANA, asked=Asked(code="ABCD2345", at=AT, network=network)))
    assert read(one)["Form-Sub"] == f"v=1 ; {told}"
    assert FORM_SUB.fullmatch(f"Form-Sub: {read(one)['Form-Sub']}")
    assert read(one)["Bcc"] is None
    assert read(letter(make()))["Form-Sub"] is None


def test_the_checkpoint_is_in_every_letter_of_a_mailing_the_same() -> None:
    line = f"worldbrief.test/consent-ledger {'A' * 43}="
    stencil = cut(make(), bounce_domain="", date=AT, checkpoint=line)
    readers = (ANA, replace(ANA, address="ben@example.org", token="t" * 60))
    letters = [address(stencil, reader).letter() for reader in readers]
    assert [read(one)["X-Consent-Checkpoint"] for one in letters] == [line, line]
    assert address(stencil, ANA).letter().message == letters[0].message
    assert read(letter(make()))["X-Consent-Checkpoint"] is None
