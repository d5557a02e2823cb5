"""DKIM (RFC 6376): each letter signed by the sender's domain, in the time the signature itself takes.

What all letters of a mailing share is canonicalised and hashed once, when a stencil is sealed; a letter adds its own
headers and what follows its first blank. The same letter gets the same signature, so that one sent again is the same.
"""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from typing import Final

from newsletter.config import Config
from newsletter.delivery import keyfiles
from newsletter.delivery.keyfiles import Key
from newsletter.errors import MessageError
from newsletter.relays import RelaySettings
from newsletter.rendering import letter, transfer
from newsletter.rendering.letter import SPECIMEN, Draft, Letter, Stencil
from newsletter.rendering.mime import CRLF, Form, Header
from newsletter.signing import Dkim

# RFC 6376 5.4.1, RFC 8058 4 and RFC 9477 3.1, in the order in which they are signed; those a letter has are covered.
SIGNED: Final = (
    *("from", "subject", "date", "reply-to", "sender", "cc", "mime-version", "content-type"),
    *("content-transfer-encoding", "content-language", "list-id", "list-unsubscribe-post", "list-help", "list-archive"),
    *("list-post", "feedback-id", "cfbl-address", "cfbl-feedback-id", "form-sub"),
    *("x-consent-checkpoint", "to", "message-id", "list-unsubscribe"),
)
# RFC 6376 8.15: named once more than there are, so that nobody adds a second one, or a first.
OVERSIGNED: Final = (
    *("from", "to", "cc", "subject", "date", "reply-to", "sender", "mime-version", "content-type"),
    *("list-unsubscribe", "list-unsubscribe-post"),
)
_FIELD: Final = "DKIM-Signature"
_RUN: Final = 72  # Columns a line of names or of the signature takes.
_SPACE: Final = re.compile(rb"[ \t]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """The keys in memory, and how one relay wants its letters signed; without keys letters stay as they are."""

    settings: Dkim
    unsigned: frozenset[str] = frozenset()
    keys: Mapping[str, Key]

    def seal(self, stencil: Stencil) -> "Seal":
        """What signs the letters of a stencil.

        A specimen of each form is signed and verified as a receiver would. Raises MessageError when that fails.
        """
        selector = self.settings.selector_at(stencil.date)
        keys = [self.keys[name] for name in keyfiles.pair(selector, twin=self.settings.ed25519) if self.keys]
        seal = Seal(stencil, self, keys)
        for reading in ("", SPECIMEN.reading) if stencil.personal else ("",):
            specimen = letter.address(stencil, replace(SPECIMEN, reading=reading))
            verify(seal.sign(specimen).message, keys)
        return seal


def signer(config: Config, relay: RelaySettings | None = None) -> Signer:
    """The signer for a relay, or for the one that stands alone, its keys read.

    Raises SecretError when a key that is to sign cannot be.
    """
    dkim, relay = config.dkim, relay or config.relay
    chosen = [] if relay.dkim == "relay" else [dkim.selector, dkim.next_selector if dkim.switch_at else ""]
    names = [name for selector in chosen if selector for name in keyfiles.pair(selector, twin=dkim.ed25519)]
    keys = {name: keyfiles.read(config.home, name) for name in names}
    return Signer(settings=dkim, unsigned=frozenset(name.lower() for name in relay.unsigned), keys=keys)


class Seal:
    """A stencil with its common octets hashed once for all letters, and the signatures that each of them gets."""

    def __init__(self, stencil: Stencil, signer: Signer, keys: Sequence[Key]) -> None:
        self.stencil = stencil
        forms = [form for form in (stencil.form, stencil.personal) if form]
        self._prepared = [_Prepared(form, stencil, signer, keys) for form in forms] if keys else []

    def sign(self, draft: Draft) -> Letter:
        """The letter of this stencil with its signatures on top."""
        for prepared in self._prepared:
            if prepared.form is draft.form:
                return draft.letter(prepared.signatures(draft))
        if self._prepared:
            raise MessageError(_FIELD, "the letter is of another stencil")
        return draft.letter()


class _Prepared:
    """What all letters of one form share, canonical and hashed, up to the first octet in which they differ."""

    def __init__(self, form: Form, stencil: Stencil, signer: Signer, keys: Sequence[Key]) -> None:
        self.form = form
        present = {header.name.lower(): _relaxed(header) for header in form.headers}
        covered = [name for name in SIGNED if name in present and name not in signer.unsigned]
        common = [name for name in covered if not any(marker in present[name] for marker in form.blanks)]
        personal = [name for name in covered if name not in common]
        self._personal = transfer.segments("".join(present[name] for name in personal).encode("ascii"), form.blanks)
        self._headers = sha256("".join(present[name] for name in common).encode("ascii"))
        # `transfer` writes parts in canonical form, so the octets that leave are those to hash.
        self._length, self._body = len(form.opening), sha256(form.opening)
        names = [*common, *personal, *(name for name in OVERSIGNED if name not in signer.unsigned)]
        self._marks = [_Mark.of(key, _tags(stencil, signer.settings, key, names)) for key in keys]

    def signatures(self, draft: Draft) -> bytes:
        """The fields that sign a letter of this form."""
        body, headers = self._body.copy(), self._headers.copy()
        body.update(memoryview(draft.body)[self._length :])
        headers.update(self._personal.fill(draft.values))
        digest = base64.b64encode(body.digest())
        fields = []
        for mark in self._marks:
            signed = headers.copy()
            signed.update(mark.hashed + digest + b"; b=")
            fields.append(mark.field(digest, signed.digest()))
        return b"".join(fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    """One signature's field up to the body's hash: as it leaves, and as it is hashed."""

    key: Key
    shown: bytes
    hashed: bytes

    @classmethod
    def of(cls, key: Key, tags: Header) -> "_Mark":
        shown = f"{tags.lines()} bh="
        return cls(key=key, shown=shown.encode("ascii"), hashed=f"{_relaxed(tags).strip()} bh=".encode("ascii"))

    def field(self, body_digest: bytes, headers_digest: bytes) -> bytes:
        text = base64.b64encode(self.key.sign(headers_digest))
        folded = b"\r\n ".join(text[n : n + _RUN] for n in range(0, len(text), _RUN))
        return b"".join((self.shown, body_digest, b";\r\n b=", folded, b"\r\n"))


def _tags(stencil: Stencil, settings: Dkim, key: Key, names: Sequence[str]) -> Header:
    """The tags before bh=; the mailing's moment is the signature's, or a letter sent again would be another one."""
    signed = int(stencil.date.timestamp())
    expires = int((stencil.date + timedelta(days=settings.expire_days)).timestamp())
    words = (
        *("v=1;", f"a={key.algorithm}-sha256;", "c=relaxed/relaxed;"),
        *(f"d={settings.domain or stencil.domain};", f"s={key.selector};", f"t={signed};", f"x={expires};"),
        *_runs(names),
    )
    return Header(name=_FIELD, kind="plain", meaning=" ".join(words), words=words)


def _runs(names: Sequence[str]) -> Iterator[str]:
    """The names of the signed headers, in runs that fit a line."""
    run = "h="
    for name in (*(f"{name}:" for name in names[:-1]), f"{names[-1]};"):
        if len(run) + len(name) > _RUN:
            yield run
            run = ""
        run += name
    yield run


def _relaxed(header: Header) -> str:
    """The header in canonical form (RFC 6376 3.4.2): how `Header.lines` folds it makes no difference."""
    return f"{header.name.lower()}:{' '.join(header.words)}{CRLF}"


def verify(message: bytes, keys: Sequence[Key]) -> None:
    """Check the signatures, one for each key in turn, from the octets alone, as a receiver does.

    Raises MessageError when one does not hold. Nothing that signs is used here, or it could be wrong twice.
    """
    head, _, body = message.partition(b"\r\n\r\n")
    fields = [_read(field) for field in re.split(rb"\r\n(?![ \t])", head)]
    signatures = [value for name, value in fields if name == b"dkim-signature"]
    if len(signatures) != len(keys):
        raise MessageError(_FIELD, f"is there {len(signatures)} times, not {len(keys)}")
    lines = [_SPACE.sub(b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    digest = sha256(b"\r\n".join(lines).rstrip(b"\r\n") + b"\r\n").digest()
    for value, key in zip(signatures, keys, strict=True):
        tags = {
            name.strip(): _SPACE.sub(b"", text) for name, _, text in (tag.partition(b"=") for tag in value.split(b";"))
        }
        if base64.b64decode(tags[b"bh"]) != digest:
            raise MessageError(_FIELD, "does not hold for the body")
        unsigned = value[: value.rindex(b"; b=") + len(b"; b=")]
        chosen = b"".join(_chosen(fields, tags[b"h"].split(b":")))
        if not key.made(base64.b64decode(tags[b"b"]), sha256(chosen + b"dkim-signature:" + unsigned).digest()):
            raise MessageError(_FIELD, f"does not hold for the headers with selector {key.selector}")


def _read(field: bytes) -> tuple[bytes, bytes]:
    name, _, value = field.partition(b":")
    return name.strip().lower(), _SPACE.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ")


def _chosen(fields: Sequence[tuple[bytes, bytes]], names: Sequence[bytes]) -> Iterator[bytes]:
    """The canonical headers that h= names: the lowest of each name first, and nothing for one too many."""
    left = list(fields)
    for wanted in names:
        place = max((n for n, (name, _) in enumerate(left) if name == wanted), default=None)
        if place is not None:
            name, value = left.pop(place)
            yield name + b":" + value + b"\r\n"
