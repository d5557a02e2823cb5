"""One recipient's letter: envelope and message. What is the same for everybody is cut once, from the proof.

Only here does a reader's address meet an edition. The same stencil and recipient give the same bytes, always: that is
what makes a repeated delivery recognisable.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from html import escape
from typing import Final

from newsletter.errors import MessageError
from newsletter.rendering import counting, mime
from newsletter.rendering.mime import Form, Header
from newsletter.rendering.proof import Proof, blank

SENDER_ID: Final = "worldbrief"  # Feedback-ID wants 5 to 15 characters that never change.
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")
_RETURN_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,62}")  # RFC 5321 4.5.3.1.1: 64 octets, of which `b+` takes two.
_SPECIMEN: Final = {
    "address": "a.reader+brief@mail.example.org",
    "token": "t" * 60,
    "return": "r" * 40,
    "reading": "d" * 60,
    "code": "ABCD2345",
    "asked": "2026-11-23 05:30",
    "network": "ip6=2001:db8:85a3::x",
}
_MARK: Final = re.compile(r"[A-Za-z0-9:./=-]+(?: [A-Za-z0-9:./-]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Who a letter goes to: the address, the token of the links in it, the token of its way back.

    `reading` is the token of who agreed to be counted; only the letter cut for such readers has a place for it.
    """

    address: str = field(repr=False)
    token: str = field(repr=False)
    return_token: str
    reading: str = field(default="", repr=False)
    asked: "Asked | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What only a letter that asks for confirmation says: the code, when it was asked for, and from which network."""

    code: str = field(repr=False)
    at: datetime
    network: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """RFC 5321: where refusals go, and where the letter goes."""

    mail_from: str
    rcpt_to: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """An envelope and the RFC 5322 bytes that go in it: seven-bit, CRLF, no line above 998 octets."""

    envelope: Envelope
    message: bytes = field(repr=False)
    message_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stencil:
    """A proof ready to be addressed: all that is the same for every recipient of a mailing.

    `personal` is the same for those who agreed to be counted, where the newsletter counts readers at all.
    """

    form: Form
    sender: str
    bounce_domain: str
    personal: Form | None = None

    @property
    def domain(self) -> str:
        """The sender's domain, which is also that of the Message-ID."""
        return self.sender.rpartition("@")[2]


def cut(proof: Proof, *, bounce_domain: str, date: datetime, checkpoint: str = "") -> Stencil:
    """The stencil of a mailing; `date` is the one Date of all its letters, and aware.

    `checkpoint` is the line all its letters testify to, in the header X-Consent-Checkpoint.

    A specimen is read back with two parsers and compared. Raises MessageError when a header or part cannot be written
    safely, or was read back differently from what was intended.
    """
    if date.tzinfo is None:
        raise MessageError("Date", "has no time zone")
    bounces_to = mime.safe_domain(bounce_domain) if bounce_domain else ""
    return Stencil(
        form=_form(proof, date, checkpoint),
        sender=mime.safe_address(proof.sender.address),
        bounce_domain=bounces_to,
        personal=_form(counting.for_agreed(proof), date, checkpoint) if proof.personal else None,
    )


def address(stencil: Stencil, recipient: Recipient) -> Letter:
    """The letter to one recipient. Raises MessageError when the address or a token cannot be written safely."""
    to = mime.safe_address(recipient.address)
    tokens = [recipient.token, *([recipient.reading] if recipient.reading else [])]
    if not all(map(_TOKEN.fullmatch, tokens)) or not _RETURN_TOKEN.fullmatch(recipient.return_token):
        raise MessageError("token", "may hold only letters, digits, hyphens and underscores, and not too many")
    values = {"address": to, "token": recipient.token, "return": recipient.return_token, "reading": recipient.reading}
    form = stencil.personal if stencil.personal and recipient.reading else stencil.form
    try:
        message = form.fill(values | _marks(recipient.asked))
    except KeyError as error:
        raise MessageError(str(error.args[0]), "is not known of this recipient") from error
    domain = stencil.bounce_domain
    return Letter(
        envelope=Envelope(mail_from=f"b+{recipient.return_token}@{domain}" if domain else stencil.sender, rcpt_to=to),
        message=message,
        message_id=f"<{recipient.return_token}@{stencil.domain}>",
    )


def _form(proof: Proof, date: datetime, checkpoint: str) -> Form:
    names = {blank(proof.nonce, name): name for name in _SPECIMEN}
    markers = {name: marker for marker, name in names.items()}
    parts = (mime.part("plain", proof.text, names), mime.part("html", proof.html, names))
    form = mime.alternatives(_headers(proof, date, markers, checkpoint), parts, _boundary(proof), names)
    bodies = [("plain", _filled(proof.text, names)), ("html", _filled(proof.html, names, html=True))]
    mime.verify(form.fill(_SPECIMEN), _headers(proof, date, _SPECIMEN, checkpoint), bodies)
    return form


def _marks(asked: Asked | None) -> dict[str, str]:
    if asked is None:
        return {}
    marks = {"code": asked.code, "asked": f"{asked.at:%Y-%m-%d %H:%M}", "network": _redacted(asked.network)}
    for name, value in marks.items():
        if not _MARK.fullmatch(value):
            raise MessageError(name, "holds what no such mark is made of")
    return marks


def _redacted(network: str) -> str:
    """Where a form was posted from, as Form-Sub tells it: an `x` for the part of the address that is not told."""
    try:
        told = ipaddress.ip_network(network)
    except ValueError:
        return "ip=none"
    if told.version == 4:
        octets = str(told.network_address).split(".")[: told.prefixlen // 8]
        return f"ip4={'.'.join([*octets, *'xxxx'][:4])}"
    groups = told.network_address.exploded.split(":")[: told.prefixlen // 16]
    return f"ip6={':'.join(f'{int(one, 16):x}' for one in groups)}{'::x' * (len(groups) < 8)}"


def _boundary(proof: Proof) -> str:
    try:
        return f"=_{proof.digest[:32]}"
    except UnicodeEncodeError as error:
        raise MessageError("proof", "holds half a surrogate pair, which is no character") from error


def _filled(text: str, names: Mapping[str, str], *, html: bool = False) -> str:
    for marker, name in names.items():
        text = text.replace(marker, escape(_SPECIMEN[name]) if html else _SPECIMEN[name])
    return text


def _headers(proof: Proof, date: datetime, values: Mapping[str, str], checkpoint: str) -> tuple[Header, ...]:
    """Every header in order; `values` fills the blanks, with markers or with a specimen."""
    sender = mime.safe_address(proof.sender.address)
    domain = sender.rpartition("@")[2]
    headers = [
        mime.mailbox("From", proof.sender.name, sender),
        mime.plain("To", values["address"]),
        mime.unstructured("Subject", proof.subject),
        mime.plain("Date", format_datetime(date)),
        mime.plain("Message-ID", f"<{values['return']}@{domain}>"),
    ]
    if proof.reply_to and proof.reply_to != proof.sender.address:
        headers.append(mime.mailbox("Reply-To", "", proof.reply_to))
    headers += _edition_headers(proof, values["token"]) if proof.kind == "edition" else _letter_headers(proof, values)
    if checkpoint:
        headers.append(mime.plain("X-Consent-Checkpoint", checkpoint))
    headers += [
        mime.plain("X-Auto-Response-Suppress", "OOF, AutoReply"),
        mime.plain("Content-Language", proof.language),
        *mime.multipart_headers(_boundary(proof)),
    ]
    return tuple(headers)


def _edition_headers(proof: Proof, token: str) -> list[Header]:
    # List-Unsubscribe names the https door only: a mailto that nobody reads would lose withdrawals.
    return [
        mime.list_id("List-ID", proof.list_name, proof.list_id),
        mime.plain("List-Unsubscribe", _link(f"{proof.site}/u/{token}")),
        mime.plain("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        mime.plain("List-Archive", _link(f"{proof.site}/archive/")),
        mime.plain("List-Post", "NO"),
        mime.plain("Feedback-ID", f"{proof.on}:{_field(proof.newsletter)}:edition:{SENDER_ID}"),
        mime.plain("Precedence", "bulk"),
    ]


def _letter_headers(proof: Proof, values: Mapping[str, str]) -> list[Header]:
    # Asked for by one person and sent once (RFC 3834): no list's headers, since nobody is on the list yet.
    headers = [
        mime.plain("Feedback-ID", f"{_field(proof.newsletter)}:letter:{SENDER_ID}"),
        mime.plain("Auto-Submitted", "auto-generated"),
    ]
    if blank(proof.nonce, "code") not in proof.text:
        return headers
    # It asks for confirmation: receivers can tell what a form caused (draft-levine-mailbomb-header-02 section 3, whose
    # grammar has white space on both sides of a semicolon), and a mail program's own button cancels the request.
    return [
        *headers,
        mime.plain("Form-Sub", f"v=1 ; {values['network']}"),
        mime.plain("List-Unsubscribe", _link(f"{proof.site}/refuse/{values['token']}")),
        mime.plain("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
    ]


def _link(url: str) -> str:
    if re.search(r"[\s<>]", url):
        raise MessageError("List-Unsubscribe", f"{url[:60]!r} is no address of a page")
    return f"<{url}>"


def _field(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", text)
