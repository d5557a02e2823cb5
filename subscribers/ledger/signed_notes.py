"""Signed notes and tree checkpoints in the spelling of C2SP (signed-note, tlog-checkpoint), signed with Ed25519. Pure.

A checkpoint says: the ledger called so had this many entries, and this was the hash of its tree. Whoever holds one and
the public key can tell later whether the ledger still begins with the same entries.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from subscribers.errors import InvalidCheckpoint

ED25519: Final = b"\x01"
HASH_BYTES: Final = 32
NONCE_BYTES: Final = 32
KEY_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256().digest()
BLANK: Final = "\n\n"
_SIGNATURE: Final = "\u2014 "
_BLINDED: Final = b"wb/checkpoint/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a checkpoint says of a ledger: its name, its size, the RFC 9162 hash of its tree."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The lines that are signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    def blinded(self, nonce: bytes) -> str:
        """One line that fixes the claim without telling it: nobody learns from it how many people there are."""
        told = hashlib.sha256(_BLINDED + self.size.to_bytes(8, "big") + self.root + nonce).digest()
        return f"{self.origin} {base64.b64encode(told).decode()}"


@dataclass(frozen=True)
class Verifier:
    """A public key under the name its signatures carry."""

    origin: str
    public: bytes

    @classmethod
    def parse(cls, text: str, origin: str = "") -> "Verifier":
        """From the text of a PEM, of a note verifier key (`name+hash+key`), or of both. Raises InvalidCheckpoint."""
        for line in text.splitlines():
            name, plus, rest = line.partition("+")
            told, _, key = rest.partition("+")
            if plus and name and not line.startswith("-") and " " not in line:
                raw = _decoded(key)
                found = cls(name, raw[1:])
                if raw[:1] == ED25519 and len(raw) == 1 + KEY_BYTES and told == found.key_hash.hex():
                    return found
        try:
            pem = load_pem_public_key(text[text.find("-----BEGIN") :].encode())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise InvalidCheckpoint("that is no public key of a consent ledger") from error
        if not isinstance(pem, Ed25519PublicKey):
            raise InvalidCheckpoint("the public key is not Ed25519")
        return cls(origin, pem.public_bytes(Encoding.Raw, PublicFormat.Raw))

    @property
    def key_hash(self) -> bytes:
        """The four bytes by which a signature names its key."""
        return hashlib.sha256(self.origin.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    @property
    def line(self) -> str:
        """The verifier key as C2SP writes it."""
        return f"{self.origin}+{self.key_hash.hex()}+{base64.b64encode(ED25519 + self.public).decode()}"

    @property
    def pem(self) -> str:
        """The same key as OpenSSL and everybody else reads it."""
        public = Ed25519PublicKey.from_public_bytes(self.public)
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def open(self, note: str) -> Claim:
        """The claim of a note this key has signed. Raises InvalidCheckpoint."""
        text, blank, signatures = note.replace("\r\n", "\n").partition("\n\n")
        claim = read(f"{text}\n") if blank else None
        if claim is None:
            raise InvalidCheckpoint("that is no signed checkpoint")
        known = Verifier(self.origin or claim.origin, self.public)
        for line in signatures.splitlines():
            name, _, mark = line.removeprefix(_SIGNATURE).partition(" ")
            made = _decoded(mark)
            if line.startswith(_SIGNATURE) and name == known.origin and made[:4] == known.key_hash:
                try:
                    Ed25519PublicKey.from_public_bytes(self.public).verify(made[4:], claim.text.encode())
                except InvalidSignature as error:
                    raise InvalidCheckpoint("the signature is not of this text") from error
                return claim
        raise InvalidCheckpoint("the checkpoint is not signed with this key")


@dataclass(frozen=True)
class Signer:
    """The private key of one ledger's checkpoints. It signs the same text with the same bytes, always."""

    origin: str
    pem: bytes = field(repr=False)

    @cached_property
    def _key(self) -> Ed25519PrivateKey:
        try:
            key = load_pem_private_key(self.pem, None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise InvalidCheckpoint("the key for checkpoints is no PEM of a private key") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise InvalidCheckpoint("the key for checkpoints is not Ed25519")
        return key

    @property
    def verifier(self) -> Verifier:
        """What everybody may have."""
        return Verifier(self.origin, self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def sign(self, claim: Claim) -> str:
        """The note."""
        mark = base64.b64encode(self.verifier.key_hash + self._key.sign(claim.text.encode())).decode()
        return f"{claim.text}\n{_SIGNATURE}{self.origin} {mark}\n"


def new_key(seed: bytes) -> bytes:
    """The PEM (PKCS #8) of the private key that 32 random bytes make."""
    key = Ed25519PrivateKey.from_private_bytes(seed)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read(text: str) -> Claim | None:
    """The claim in the lines of a checkpoint, signed or not; None when they are none."""
    lines = text.split("\n")
    if len(lines) < 4 or not lines[0] or not lines[1].isascii() or not lines[1].isdigit():
        return None
    claim = Claim(origin=lines[0], size=int(lines[1]), root=_decoded(lines[2]))
    # The one spelling: no leading zeros, no other base64, and lines beyond the third are not ours.
    return claim if claim.text == text and len(claim.root) == HASH_BYTES else None


def split(journal: str) -> list[str]:
    """The notes of a journal, where one stands after the other with an empty line between."""
    blocks = [one.strip("\n") for one in journal.replace("\r\n", "\n").split("\n\n")]
    pairs = pairwise(blocks)
    return [f"{text}\n\n{marks}\n" for text, marks in pairs if marks.startswith(_SIGNATURE)]


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
