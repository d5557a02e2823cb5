"""An edition or a letter, rendered and complete but for the recipient's blanks. `proving` makes it.

A proof is what an editor approves: its bytes are canonical, and its digest covers everything a reader will see.
"""

import json
from dataclasses import asdict, dataclass
from datetime import date
from hashlib import sha256
from typing import Final, Literal

from pydantic import TypeAdapter

# Under which paths of the site a reader's token stands.
TOKEN_PATHS: Final = ("u", "preferences", "confirm", "refuse", "my/open", "my/address")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """A name and an address, as in From."""

    name: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Everything a letter is cut from; `site` has no trailing slash, `nonce` is 12 characters of [a-z0-9].

    `links` are the targets behind the numbers of counted links, first number 1; nothing is counted when it is empty.
    With `personal`, readers who agreed get a letter that tells which of them followed a link.
    """

    kind: Literal["edition", "letter"]
    newsletter: str
    on: date | None = None
    number: int = 0
    subject: str
    preheader: str = ""
    sender: Mailbox
    reply_to: str = ""
    list_id: str
    list_name: str
    language: str
    direction: Literal["ltr", "rtl"]
    site: str
    html: str
    text: str
    nonce: str
    template_digest: str
    content_digest: str
    links: tuple[str, ...] = ()
    personal: bool = False

    @property
    def digest(self) -> str:
        """What an approval is bound to: sha256 over the whole proof."""
        return sha256(to_bytes(self)).hexdigest()


_ADAPTER: Final = TypeAdapter(Proof)


def blank(nonce: str, name: str) -> str:
    """The marker that stands for `name` until the letter is addressed: [a-z0-9] only, which no encoding changes."""
    return f"wb{nonce}{name}x{nonce[::-1]}"


def to_bytes(proof: Proof) -> bytes:
    """The frozen document: canonical JSON in UTF-8, the same bytes for the same proof."""
    values = asdict(proof) | {"on": proof.on.isoformat() if proof.on else None}
    return json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def from_bytes(data: bytes) -> Proof:
    """The proof that `to_bytes` froze; raises ValueError when the bytes are none."""
    return _ADAPTER.validate_json(data)


def neutral(proof: Proof) -> tuple[str, str]:
    """HTML and text as the archive shows them: no reader's link leads anywhere but to the site."""
    return _neutral(proof, proof.html), _neutral(proof, proof.text)


def _neutral(proof: Proof, part: str) -> str:
    token, home = blank(proof.nonce, "token"), f"{proof.site}/"
    for path in TOKEN_PATHS:
        part = part.replace(f"{proof.site}/{path}/{token}", home)
    for name, shown in (("token", ""), ("address", "your address"), ("code", "········"), ("asked", "…")):
        part = part.replace(blank(proof.nonce, name), shown)
    return part
