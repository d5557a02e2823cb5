"""What must hold for every letter on the wire, and letters meant to break it: 34 languages, hostile words and names.

A check is a function of a specimen that says whether it holds.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cache, cached_property
from html import escape
from pathlib import Path
from typing import Any, Final, Literal

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import strategies as st

from newsletter.delivery.dkim import Signer
from newsletter.delivery.keyfiles import Key
from newsletter.rendering import counting, letter, mime
from newsletter.rendering.letter import Asked, Letter, Recipient
from newsletter.rendering.proof import Mailbox, Proof, blank
from newsletter.signing import Dkim
from tests.delivery import oracle, reader
from tests.headlines import LANGUAGES

AT: Final = datetime(2026, 11, 23, 5, 30, tzinfo=UTC)
NONCE: Final = "k3j9x0q2m5aa"
SELECTOR: Final = "wb1"
SES: Final = ("message-id", "date")  # what Amazon SES writes anew, whatever stood there
PROFILES: Final[tuple[Mapping[str, str], ...]] = (
    {},
    {"Feedback-ID": "", "X-SES-CONFIGURATION-SET": "brief"},
    {"CFBL-Address": "fbl@bounce.worldbrief.test; report=arf", "Precedence": ""},
)
HOSTILE: Final = (
    "=?utf-8?q?x=0d=0aBcc:_v@x.org?=",
    "=?utf-8?b?eA0KQmNjOiB2QHgub3Jn?=",
    "x\r\nBcc: v@x.org",
    "x\rBcc: v@x.org\nTo: v@x.org",
    "x\r\n\r\n--=_boundary\r\nContent-Type: text/html",
    "x\x00\x0b\x0c\x1c\x85\u2028\u2029Bcc: v@x.org",
    "\u202egro.x@v :ccB",
    '"Ed" <evil@x.org>, v@x.org\\',
    "می\u200cخواهم",
    "👩🏽\u200d🚀 lands",
    "e\u0301",
    "x" * 300,
    "=" * 90,
    "\t two  spaces \t",
)
KINDS: Final[tuple[Literal["edition", "letter"], ...]] = ("edition", "edition", "edition", "letter")
CHARACTERS: Final = st.characters(exclude_categories=["Cs"])
HEADLINES: Final = st.sampled_from([headline for headline, _ in LANGUAGES.values()])
SENTENCES: Final = st.sampled_from([sentence for _, sentence in LANGUAGES.values()])
LINES: Final = st.lists(HEADLINES | st.sampled_from(HOSTILE) | st.text(CHARACTERS, max_size=40), max_size=3).map(
    " ".join
)
PARAGRAPHS: Final = st.lists(
    st.builds(lambda text, times: text * times, SENTENCES, st.integers(1, 12))
    | st.sampled_from([*HOSTILE, ".", "..", "From here", "x" * 2_000, "=2E", "\n \n", "a\t", ""])
    | st.text(CHARACTERS, max_size=80),
    max_size=12,
)
TOKENS: Final = st.from_regex(r"[A-Za-z0-9_-]{1,200}", fullmatch=True)
RETURN_TOKENS: Final = st.from_regex(r"[a-z2-7]{32}|[A-Za-z0-9_-]{1,62}", fullmatch=True)
# How Form-Sub tells each network, by draft-levine-mailbomb-header.
NETWORKS: Final = {"192.0.2.0/24": "ip4=192.0.2.x", "2001:db8:85a3::/48": "ip6=2001:db8:85a3::x", "": "ip=none"}
ASKED: Final = st.builds(
    lambda code, network: Asked(code=code, at=AT, network=network),
    st.from_regex(r"[A-Z2-7]{8}", fullmatch=True),
    st.sampled_from(list(NETWORKS)),
)
ADDRESSES: Final = st.builds(
    "@".join,
    st.tuples(
        st.from_regex(r"[A-Za-z0-9!#$%&'*+/=^_`{|}~-]{1,30}(?:\.[A-Za-z0-9!#$%&'*+/=^_`{|}~-]{1,30})?", fullmatch=True),
        st.sampled_from(
            ["inbox.test", "bücher.example", "straße.example", "例え.example", "x" * 60 + "." + "y" * 60 + ".org"]
        ),
    ),
)


@cache
def keys() -> Mapping[str, Key]:
    """One key of each kind, made once for a whole run."""
    made: dict[str, Any] = {
        SELECTOR: rsa.generate_private_key(65537, 2048),
        f"{SELECTOR}-ed25519": Ed25519PrivateKey.generate(),
    }
    return {name: Key(selector=name, file=Path(name), made_at=AT, private=one) for name, one in made.items()}


@dataclass(frozen=True)
class Specimen:
    """One letter, and what it was made from."""

    proof: Proof
    recipient: Recipient
    profile: Mapping[str, str]
    unsigned: tuple[str, ...]
    ed25519: bool
    checkpoint: str = ""

    def write(self) -> Letter:
        settings = Dkim(selector=SELECTOR, ed25519=self.ed25519)
        signer = Signer(settings=settings, unsigned=frozenset(self.unsigned), keys=keys())
        stencil = letter.cut(
            self.proof,
            bounce_domain="bounce.worldbrief.test",
            date=AT,
            checkpoint=self.checkpoint,
            headers=self.profile,
        )
        return signer.seal(stencil).sign(letter.address(stencil, self.recipient))

    @cached_property
    def letter(self) -> Letter:
        return self.write()

    @cached_property
    def message(self) -> bytes:
        return self.letter.message

    @cached_property
    def read(self) -> reader.Read:
        return reader.read(self.message)

    @cached_property
    def email(self) -> EmailMessage:
        parsed = message_from_bytes(self.message, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    def holds(self, message: bytes) -> list[bool]:
        """What a receiver says of the message's signatures."""
        return oracle.verdicts(message, oracle.published(list(keys().values()), "worldbrief.test"), AT)

    def refused(self, message: bytes) -> bool:
        """Whether not one signature holds any more."""
        return not any(self.holds(message))


@st.composite
def specimens(draw: st.DrawFn) -> Specimen:
    """A letter about anything to anybody, through any relay."""
    language = draw(st.sampled_from(sorted(LANGUAGES)))
    headline, sentence = LANGUAGES[language]
    token, reader_ = blank(NONCE, "token"), blank(NONCE, "address")
    site = draw(st.sampled_from(["https://worldbrief.test", f"https://worldbrief.test/{'path/' * 30}news"]))
    written = [sentence, *draw(PARAGRAPHS)]
    kind: Literal["edition", "letter"] = draw(st.sampled_from(KINDS))
    asked = draw(ASKED) if kind == "letter" else None
    if asked:
        written.append(", ".join(blank(NONCE, name) for name in ("code", "asked", "network")))
    proof = Proof(
        kind=kind,
        newsletter="world-brief",
        on=date(2026, 11, 23) if kind == "edition" else None,
        subject=f"{headline} {draw(LINES)}",
        sender=Mailbox(name=draw(LINES), address="brief@worldbrief.test"),
        reply_to=draw(st.sampled_from(["", "desk@worldbrief.test"])),
        list_id="world-brief.worldbrief.test",
        list_name=draw(LINES),
        language=language,
        direction="rtl" if language in {"ar", "fa", "he", "ur"} else "ltr",
        site=site,
        html=f'<body><p><a href="{site}/go/world-brief/2026-11-23/1">{escape(headline)}</a></p>'
        + "".join(f"<p>{escape(one)}</p>" for one in written)
        + f'<p>Sent to {reader_}. <a href="{site}/u/{token}">Unsubscribe</a></p>'
        + "</table>" * draw(st.integers(0, 30))
        + "</body>",
        text="\n".join([*written, f"Sent to {reader_}.", f"Unsubscribe: {site}/u/{token}", *written[:1]]) + "\n",
        nonce=NONCE,
        template_digest="t",
        content_digest="c",
        personal=kind == "edition" and draw(st.booleans()),
    )
    return Specimen(
        proof=proof,
        recipient=Recipient(
            address=draw(ADDRESSES),
            token=draw(TOKENS),
            return_token=draw(RETURN_TOKENS),
            reading=draw(st.just("") | TOKENS),
            asked=asked,
        ),
        profile=draw(st.sampled_from(PROFILES)),
        unsigned=draw(st.sampled_from([(), (), SES])),
        ed25519=draw(st.booleans()),
        checkpoint=draw(st.sampled_from(["", f"worldbrief.test/consent-ledger {'ab' * 32}"])),
    )


def _short(one: Specimen) -> bool:
    head, _, body = one.message.partition(b"\r\n\r\n")
    longest = [max(len(line) for line in part.split(b"\r\n")) for part in (head, body)]
    return longest[0] <= 998 and longest[1] <= 76


def _plain(one: Specimen) -> bool:
    return re.fullmatch(rb"(?:[\t\x20-\x7e]|\r\n)*\r\n", one.message) is not None


def _unstuffed(one: Specimen) -> bool:
    return not re.search(rb"(?m)^(?:\.|From )", one.message)


def _once(one: Specimen) -> bool:
    counts = Counter(name.lower() for name, _ in one.read.fields)
    signatures = counts.pop("dkim-signature")
    return set(counts.values()) == {1} and signatures == 1 + one.ed25519


def _bare(one: Specimen) -> bool:
    named = re.compile(r"(?i)list-.*|message-id|feedback-id|to|date")
    return not any("=?" in value for name, value in one.read.fields if named.fullmatch(name))


def _agreed(one: Specimen) -> bool:
    ours, theirs = one.read, one.email
    [sender] = theirs["From"].addresses
    name, address = reader.mailbox_of(ours["From"])
    parts = [(part.get_content_subtype(), _decoded(part)) for part in theirs.iter_parts()]
    return (
        [name for name, _ in ours.fields] == theirs.keys()
        and not theirs.defects
        and reader.text_of(ours["Subject"]) == str(theirs["Subject"])
        # In a phrase Python's parser merges no-break spaces; every other octet must be the same.
        and ("".join(name.split()), address) == ("".join(sender.display_name.split()), sender.addr_spec)
        and all(ours[name] == str(theirs[name]) for name, _ in ours.fields if name in {"To", "Message-ID", "List-ID"})
        and ours.parts == parts
    )


def _decoded(part: Any) -> str:
    octets = part.get_payload(decode=True)
    assert isinstance(octets, bytes)
    return octets.decode("utf-8").replace("\r\n", "\n")


def _meant(one: Specimen) -> bool:
    found, proof = one.read, one.proof
    door = "u" if proof.kind == "edition" else "refuse"
    asked = one.recipient.asked or letter.SPECIMEN.asked
    assert asked is not None
    return (
        reader.text_of(found["Subject"]) == mime.safe_text(proof.subject)
        and reader.mailbox_of(found["From"]) == (mime.safe_text(proof.sender.name), proof.sender.address)
        and found["To"] == mime.safe_address(one.recipient.address)
        and found["Message-ID"] == one.letter.message_id == f"<{one.recipient.return_token}@worldbrief.test>"
        and found["Date"] == "Mon, 23 Nov 2026 05:30:00 +0000"
        and found["List-Unsubscribe"] == f"<{proof.site}/{door}/{one.recipient.token}>"
        and (proof.kind == "letter" or found["List-ID"].endswith(f"<{proof.list_id}>"))
        and (proof.kind == "edition" or found["Form-Sub"] == f"v=1 ; {NETWORKS[asked.network]}")
        and all((name in dict(found.fields)) == bool(value) for name, value in one.profile.items())
    )


def _source(one: Specimen) -> bool:
    proof, reader_ = one.proof, one.recipient
    shown = counting.for_agreed(proof) if proof.personal and reader_.reading else proof

    def filled(text: str, spell: Callable[[str], str]) -> str:
        text = text.replace("\r\n", "\n").replace("\r", "\n").replace(blank(proof.nonce, "token"), reader_.token)
        text = text.replace(blank(proof.nonce, "reading"), reader_.reading)
        if reader_.asked:
            marks = {
                "code": reader_.asked.code,
                "asked": "2026-11-23 05:30",
                "network": NETWORKS[reader_.asked.network],
            }
            for name, value in marks.items():
                text = text.replace(blank(proof.nonce, name), value)
        return text.replace(blank(proof.nonce, "address"), spell(mime.safe_address(reader_.address)))

    return one.read.parts == [("plain", filled(shown.text, str)), ("html", filled(shown.html, escape))]


def _again(one: Specimen) -> bool:
    return one.write().message == one.message


def _canonical(one: Specimen) -> bool:
    _, _, body = oracle.parted(one.message)
    lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    return b"\r\n".join(lines).rstrip(b"\r\n") + b"\r\n" == body


def _verified(one: Specimen) -> bool:
    return one.holds(one.message) == [True] * (1 + one.ed25519)


def _covered(one: Specimen) -> bool:
    named = re.findall(r"; h=([^;]*);", " ".join(value for name, value in one.read.fields if name == "DKIM-Signature"))
    wanted = {"from", "to", "subject", "list-unsubscribe", "list-unsubscribe-post"}
    wanted |= {"x-consent-checkpoint"} if one.checkpoint else set()
    return len(named) == 1 + one.ed25519 and all(wanted <= set(re.split(r"\s*:\s*", names)) for names in named)


def _second(one: Specimen) -> bool:
    added = {
        "From": "Ed <evil@x.org>",
        "Subject": "Your prize",
        "To": "v@x.org",
        "List-Unsubscribe": "<https://x.org/u>",
    }
    head, _, body = one.message.partition(b"\r\n\r\n")
    changed = []
    for n, (name, value) in enumerate(added.items(), len(one.recipient.token)):
        field = f"{name}: {value}".encode()
        # By turns above everything, where a receiver looks first, and below, where a signer does.
        around = (field, head) if n % 2 else (head, field)
        changed.append(b"\r\n".join((*around, b"", body)))
    return all(one.refused(message) for message in changed)


def _altered(one: Specimen) -> bool:
    # A different octet in a different place for each letter: over a run every kind of line is hit.
    size = len(oracle.parted(one.message)[2])
    start = len(one.message) - size
    place = start + (size * 7919 + len(one.recipient.token) * 104729) % size
    while one.message[place : place + 1] in b"\r\n":
        place -= 1
    instead = b"x" if one.message[place : place + 1] != b"x" else b"y"
    return one.refused(one.message[:place] + instead + one.message[place + 1 :])


def _rewritten(one: Specimen) -> bool:
    """Whether the signature outlives SES just where its profile says that it must."""
    changed = re.sub(rb"\r\nMessage-ID: [^\r]*", b"\r\nMessage-ID: <0100@email.amazonses.com>", one.message)
    changed = re.sub(rb"\r\nDate: [^\r]*", b"\r\nDate: Mon, 23 Nov 2026 05:31:07 +0000", changed)
    survives = all(one.holds(b"Feedback-ID: 1.us-east-1.x:AmazonSES\r\n" + changed))
    return survives is (one.unsigned == SES)


CHECKS: Final[Mapping[str, Callable[[Specimen], bool]]] = {
    "lines within 998 octets, in bodies within 76": _short,
    "seven-bit, and CRLF alone ends a line": _plain,
    "no line begins with a dot or “From ”": _unstuffed,
    "each header once": _once,
    "no encoded-word in List-*, Message-ID, Feedback-ID": _bare,
    "two parsers agree": _agreed,
    "headers say what was meant": _meant,
    "decoded bodies are the rendered source": _source,
    "written again, the same to the octet": _again,
    "the body is its own canonical form": _canonical,
    "every signature holds (dkimpy)": _verified,
    "List-Unsubscribe, -Post and the checkpoint are covered": _covered,
    "a second From, Subject, To or List-Unsubscribe voids": _second,
    "one changed octet of the body voids": _altered,
    "Message-ID and Date of a relay’s own: holds as configured": _rewritten,
}


def results(one: Specimen) -> dict[str, bool]:
    """What every check says."""
    return {name: answer(check, one) for name, check in CHECKS.items()}


def answer(check: Callable[[Specimen], bool], one: Specimen) -> bool:
    """What a check says; one that cannot even read the letter says no."""
    try:
        return check(one)
    except (ValueError, KeyError):
        return False
