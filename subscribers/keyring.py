"""The keys of the people's room, all derived from one 32-byte root that never enters the database.

A stolen database therefore discloses no address and no evidence, and no token can be made from it. A retired root stays
in `former` for as long as old letters may come back; what it sealed stays readable, what is new uses the current one.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from subscribers import tokens
from subscribers.addresses import Address
from subscribers.errors import UnreadableSeal
from subscribers.tokens import Purpose

ROOT_BYTES: Final = 32
NONCE_BYTES: Final = 12
SUBJECT_BYTES: Final = 16


class Sealed(StrEnum):
    """What a seal holds. Bound into it, so that nothing sealed as one thing opens as another."""

    ADDRESS = "address"
    REQUEST = "request"
    EVIDENCE = "evidence"


class Box:
    """What one subject's things are sealed in, its key made once."""

    __slots__ = ("_chance", "_cipher", "_number", "_subject")

    def __init__(self, number: int, subject: bytes, key: bytes, chance: Callable[[int], bytes]) -> None:
        self._number, self._subject, self._chance = bytes([number]), subject, chance
        self._cipher = AESGCM(key)

    def seal(self, what: Sealed, plaintext: bytes) -> bytes:
        """Key number, nonce, AES-256-GCM ciphertext and tag."""
        nonce = self._chance(NONCE_BYTES)
        return self._number + nonce + self._cipher.encrypt(nonce, plaintext, _bound(self._subject, what))


class Keys:
    """Seals, fingerprints and tokens. `chance` is where every nonce, salt and public id comes from."""

    __slots__ = ("_head", "_leaf", "_mailbox", "_number", "_pepper", "_pepper_number", "_tokens", "chance")

    def __init__(
        self,
        root: bytes,
        *,
        number: int = 1,
        former: Mapping[int, bytes] | None = None,
        chance: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        roots = {**(former or {}), number: root}
        for key_number, one in roots.items():
            if len(one) != ROOT_BYTES or not 0 < key_number < 256:
                raise ValueError(f"a root is {ROOT_BYTES} bytes, its number 1 to 255")
        self.chance = chance
        self._number = number
        self._leaf = {n: _derive(one, "subject/1") for n, one in roots.items()}
        self._head = {n: _derive(one, "head/1") for n, one in roots.items()}
        self._tokens = {p: {n: _derive(one, f"token/{p}/1") for n, one in roots.items()} for p in Purpose}
        # A fingerprint cannot be made again when its address is gone, so the oldest root keeps making them.
        self._pepper_number = min(roots)
        self._pepper = _derive(roots[self._pepper_number], "fingerprint/1")
        self._mailbox = _derive(roots[self._pepper_number], "mailbox/1")

    def __repr__(self) -> str:
        return f"Keys(number={self._number})"

    def fingerprint(self, address: Address) -> bytes:
        """By what an address is found: its key's number and the keyed hash of its identity (33 bytes)."""
        return self._tagged(self._pepper, address.identity)

    def mailbox(self, address: Address) -> bytes:
        """By what letters to one mailbox are counted; of no use for finding anybody."""
        return self._tagged(self._mailbox, address.mailbox)

    def seal(self, subject: bytes, what: Sealed, plaintext: bytes) -> bytes:
        """Encrypt under the subject's own key."""
        return self.box(subject).seal(what, plaintext)

    def box(self, subject: bytes) -> Box:
        """For sealing several things of one subject."""
        return Box(self._number, subject, self._subject_key(self._number, subject), self.chance)

    def open(self, subject: bytes, what: Sealed, sealed: bytes) -> bytes:
        """Decrypt what `seal` made; raises UnreadableSeal when it was altered, moved or made by an unknown key."""
        if len(sealed) <= NONCE_BYTES or sealed[0] not in self._leaf:
            raise UnreadableSeal("sealed by a key that is not here")
        nonce, ciphertext = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            return AESGCM(self._subject_key(sealed[0], subject)).decrypt(nonce, ciphertext, _bound(subject, what))
        except (InvalidTag, ValueError) as error:
            raise UnreadableSeal(f"the sealed {what} does not open") from error

    def token(self, purpose: Purpose, public_id: bytes) -> str:
        """The token for one request or subscription."""
        return tokens.mint(self._tokens[purpose][self._number], self._number, purpose, public_id)

    def read_token(self, purpose: Purpose, token: str) -> bytes:
        """The public id of a genuine token; raises InvalidToken."""
        return tokens.read(self._tokens[purpose], purpose, token)

    def sign_head(self, statement: bytes) -> bytes:
        """The mark on the ledger's head, which nobody can make with the database alone."""
        return bytes([self._number]) + hmac.digest(self._head[self._number], statement, "sha256")

    def is_head(self, statement: bytes, mark: bytes) -> bool:
        """Whether `mark` was made by `sign_head` for exactly this statement."""
        if not mark or mark[0] not in self._head:
            return False
        return hmac.compare_digest(mark[1:], hmac.digest(self._head[mark[0]], statement, "sha256"))

    def _tagged(self, key: bytes, text: str) -> bytes:
        return bytes([self._pepper_number]) + hmac.digest(key, text.encode(), "sha256")

    def _subject_key(self, number: int, subject: bytes) -> bytes:
        # HKDF-Expand to one block (RFC 5869 2.3): T(1) = HMAC(PRK, info | 0x01).
        return hmac.digest(self._leaf[number], subject + b"\x01", "sha256")


def _derive(root: bytes, label: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"world-brief/subscribers/{label}".encode()).derive(root)


def _bound(subject: bytes, what: Sealed) -> bytes:
    return what.encode() + b"\0" + subject
