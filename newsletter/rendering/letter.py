"""One recipient's letter: envelope and message. What is the same for everybody is cut once, from the proof.

Only here does a reader's address meet an edition. The same stencil and recipient give the same bytes, always: that is
what makes a repeated delivery recognisable.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from html import escape
from typing import Final

from newsletter.errors import MessageError
from newsletter.rendering import counting, mime, transfer
from newsletter.rendering.mime import Form, Header
from newsletter.rendering.proof import Proof, blank

SENDER_ID: Final = "worldbrief"  # Feedback-ID wants 5 to 15 characters that never change.
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")
_RETURN_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,62}")  # RFC 5321 4.5.3.1.1: 64 octets, of which `b+` takes two.
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


SPECIMEN: Final = Recipient(
    address="a.reader+brief@mail.example.org",
    token="t" * 60,
    return_token="r" * 40,
    reading="d" * 60,
    asked=Asked(code="ABCD2345", at=datetime(2026, 11, 23, 5, 30, tzinfo=UTC), network="2001:db8:85a3::/48"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """RFC 5321: where refusals go, and where the letter goes."""

    mail_from: str
    rcpt_to: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """An envelope and the RFC 5322 bytes that go in it: seven-bit, CRLF, no line above 998 octets.

    `proven` when that is known, and that no line begins with a dot, so that nobody needs to look.
    """

    envelope: Envelope
    message: bytes = field(repr=False)
    message_id: str
    proven: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An addressed letter that lacks its signature only; `form` and `values` made head and body.

    `head` ends with the empty line.
    """

    envelope: Envelope
    message_id: str
    head: bytes = field(repr=False)
    body: bytes = field(repr=False)
    form: Form = field(repr=False)
    values: Mapping[str, bytes] = field(repr=False)

    def letter(self, signature: bytes = b"") -> Letter:
        """The whole, as it leaves, with the fields of a signature on top."""
        message = b"".join((signature, self.head, self.body))
        # `transfer` writes no dot at the start of a line, a header none either, and `_form` read both back.
        return Letter(envelope=self.envelope, message=message, message_id=self.message_id, proven=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stencil:
    """A proof ready to be addressed: all that is the same for every recipient of a mailing through one relay.

    `personal` is the same for those who agreed to be counted, where the newsletter counts readers at all.
    """

    form: Form
    sender: str
    bounce_domain: str
    date: datetime
    personal: Form | None = None

    @property
    def domain(self) -> str:
        """The sender's domain, which is also that of the Message-ID."""
        return self.sender.rpartition("@")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """What a mailing says of itself, beside its proof."""

    date: datetime
    checkpoint: str
    profile: Mapping[str, str]


def cut(
    proof: Proof,
    *,
    bounce_domain: str,
    date: datetime,
    checkpoint: str = "",
    headers: Mapping[str, str] | None = None,
) -> Stencil:
    """The stencil of a mailing; `date` is the one Date of all its letters, and aware.

    `checkpoint` is the line all its letters testify to, in the header X-Consent-Checkpoint.
    `headers` is the relay's profile: what it wants said beside, and with an empty text which of ours it does not.
    A specimen is read back with two parsers and compared. Raises MessageError when a header or part cannot be written
    safely, or was read back differently from what was intended.
    """
    if date.tzinfo is None:
        raise MessageError("Date", "has no time zone")
    made = _Made(date=date, checkpoint=checkpoint, profile=headers or {})
    return Stencil(
        form=_form(proof, made),
        sender=mime.safe_address(proof.sender.address),
        bounce_domain=mime.safe_domain(bounce_domain) if bounce_domain else "",
        date=date,
        personal=_form(counting.for_agreed(proof), made) if proof.personal else None,
    )


def address(stencil: Stencil, recipient: Recipient) -> Draft:
    """A letter, but for its signature. Raises MessageError when the address or a token cannot be written safely."""
    to = mime.safe_address(recipient.address)
    tokens = [recipient.token, *([recipient.reading] if recipient.reading else [])]
    if not all(map(_TOKEN.fullmatch, tokens)) or not _RETURN_TOKEN.fullmatch(recipient.return_token):
        raise MessageError("token", "may hold only letters, digits, hyphens and underscores, and not too many")
    values = _values(recipient) | {"address": to}
    octets = {name: value.encode("ascii") for name, value in values.items()}
    form = stencil.personal if stencil.personal and recipient.reading else stencil.form
    domain = stencil.bounce_domain
    try:
        head, body = form.head.fill(octets), form.body(values)
    except KeyError as error:
        raise MessageError(str(error.args[0]), "is not known of this recipient") from error
    return Draft(
        envelope=Envelope(mail_from=f"b+{recipient.return_token}@{domain}" if domain else stencil.sender, rcpt_to=to),
        message_id=f"<{recipient.return_token}@{stencil.domain}>",
        head=head,
        body=body,
        form=form,
        values=octets,
    )


def _values(recipient: Recipient) -> dict[str, str]:
    """What fills the blanks of a proof, by name."""
    return {
        "address": recipient.address,
        "token": recipient.token,
        "return": recipient.return_token,
        "reading": recipient.reading,
        **_marks(recipient.asked),
    }


def _form(proof: Proof, made: _Made) -> Form:
    specimen = _values(SPECIMEN)
    names = {blank(proof.nonce, name): name for name in specimen}
    parts = (transfer.part("plain", proof.text, names), transfer.part("html", proof.html, names))
    marked, meant = (
        _profiled(_headers(proof, made, values), made.profile)
        for values in ({name: marker for marker, name in names.items()}, specimen)
    )
    form = mime.alternatives(marked, parts, _boundary(proof), names)
    message = form.head.fill({name: value.encode("ascii") for name, value in specimen.items()}) + form.body(specimen)
    bodies = [("plain", _filled(proof.text, names)), ("html", _filled(proof.html, names, html=True))]
    mime.verify(message, meant, bodies)
    return form


def _marks(asked: Asked | None) -> dict[str, str]:
    if asked is None:
        return {}
    marks = {"code": asked.code, "asked": f"{asked.at:%Y-%m-%d %H:%M}", "network": _redacted(asked.network)}
    for name, value in marks.items():
        if not _MARK.fullmatch(value):
            raise MessageError(name, "holds what no such mark is made of")
    return marks


def _profiled(headers: Sequence[Header], profile: Mapping[str, str]) -> tuple[Header, ...]:
    """The headers as one relay wants them."""
    told = {name.lower() for name in profile}
    kept = [header for header in headers if header.name.lower() not in told]
    return (*kept, *(mime.plain(name, value) for name, value in profile.items() if value))


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
    values = _values(SPECIMEN)
    for marker, name in names.items():
        text = text.replace(marker, escape(values[name]) if html else values[name])
    return text


def _headers(proof: Proof, made: _Made, values: Mapping[str, str]) -> tuple[Header, ...]:
    """Every header in order; `values` fills the blanks, with markers or with a specimen."""
    sender = mime.safe_address(proof.sender.address)
    domain = sender.rpartition("@")[2]
    headers = [
        mime.mailbox("From", proof.sender.name, sender),
        mime.plain("To", values["address"]),
        mime.unstructured("Subject", proof.subject),
        mime.plain("Date", format_datetime(made.date)),
        mime.plain("Message-ID", f"<{values['return']}@{domain}>"),
    ]
    if proof.reply_to and proof.reply_to != proof.sender.address:
        headers.append(mime.mailbox("Reply-To", "", proof.reply_to))
    headers += _edition_headers(proof, values["token"]) if proof.kind == "edition" else _letter_headers(proof, values)
    if made.checkpoint:
        headers.append(mime.plain("X-Consent-Checkpoint", made.checkpoint))
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
