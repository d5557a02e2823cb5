"""The keys of the people's room: one for each subject, kept in the keyring, and those derived from a 32-byte root.

Neither root nor keyring is in the database, so a stolen one discloses no address and no evidence, and no token can be
made from it. A retired root stays in `former` for as long as old letters may come back.
"""

import base64
import hmac
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import copy
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from subscribers import tokens
from subscribers.addresses import Address
from subscribers.errors import InvalidToken, UnreadableSeal
from subscribers.keyring import Keyring, WrappedKey
from subscribers.tokens import Purpose

ROOT_BYTES: Final = 32
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
SUBJECT_BYTES: Final = 16
CODE_BYTES: Final = 5
# The first byte of a seal, should another cipher ever take this one's place.
FORMAT: Final = b"\x01"
# Keys at hand, some 120 bytes each.
MOST_AT_HAND: Final = 10_000


class Sealed(StrEnum):
    """What a seal holds. Bound into it, so that nothing sealed as one thing opens as another."""

    ADDRESS = "address"
    REQUEST = "request"
    EVIDENCE = "evidence"


class Box:
    """What one subject's things are sealed in."""

    __slots__ = ("_chance", "_cipher", "_subject")

    def __init__(self, subject: bytes, key: bytes, chance: Callable[[int], bytes]) -> None:
        self._subject, self._chance = subject, chance
        self._cipher = AESGCM(key)

    def seal(self, what: Sealed, plaintext: bytes) -> bytes:
        """Format, nonce, AES-256-GCM ciphertext and tag."""
        nonce = self._chance(NONCE_BYTES)
        return FORMAT + nonce + self._cipher.encrypt(nonce, plaintext, _bound(self._subject, what))

    def open(self, what: Sealed, sealed: bytes) -> bytes:
        """What `seal` was given; raises UnreadableSeal when it was altered, moved or made with another key."""
        if len(sealed) <= len(FORMAT) + NONCE_BYTES or sealed[:1] != FORMAT:
            raise UnreadableSeal(f"the sealed {what} is no seal")
        nonce, ciphertext = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, ciphertext, _bound(self._subject, what))
        except (InvalidTag, ValueError) as error:
            raise UnreadableSeal(f"the sealed {what} does not open") from error


class Keys:
    """Seals, fingerprints and tokens. `chance` is where every key, nonce, salt and public id comes from.

    Without a `ring` nothing that belongs to one subject can be sealed or opened, except with keys drawn here.
    `offline` is the public key that evidence under a legal hold is sealed to (a PEM), or nothing.
    """

    __slots__ = (
        *("_at_hand", "_head", "_kek", "_mailbox", "_number", "_pepper", "_pepper_number", "_tokens"),
        *("_code", "_counter", "_ticket", "chance", "offline", "ring"),
    )

    def __init__(
        self,
        root: bytes,
        *,
        number: int = 1,
        former: Mapping[int, bytes] | None = None,
        ring: Keyring | None = None,
        offline: bytes = b"",
        chance: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        roots = {**(former or {}), number: root}
        for key_number, one in roots.items():
            if len(one) != ROOT_BYTES or not 0 < key_number < 256:
                raise ValueError(f"a root is {ROOT_BYTES} bytes, its number 1 to 255")
        self.chance, self.ring, self.offline = chance, ring, offline
        self._at_hand: dict[bytes, bytes] = {}
        self._number = number
        self._kek = {n: _derive(one, "kek/1") for n, one in roots.items()}
        self._head = {n: _derive(one, "head/1") for n, one in roots.items()}
        self._tokens = {p: {n: _derive(one, f"token/{p}/1") for n, one in roots.items()} for p in Purpose}
        # A fingerprint cannot be made again when its address is gone, so the oldest root keeps making them.
        self._pepper_number = min(roots)
        self._pepper = _derive(roots[self._pepper_number], "fingerprint/1")
        self._mailbox = _derive(roots[self._pepper_number], "mailbox/1")
        self._counter, self._code = _derive(root, "ratelimit/1"), _derive(root, "code/1")
        self._ticket = _derive(root, "ticket/1")

    def __repr__(self) -> str:
        return f"Keys(number={self._number})"

    def fingerprint(self, address: Address) -> bytes:
        """By what an address is found: its key's number and the keyed hash of its identity (33 bytes)."""
        return self._tagged(self._pepper, address.identity)

    def mailbox(self, address: Address) -> bytes:
        """By what letters to one mailbox are counted; of no use for finding anybody."""
        return self._tagged(self._mailbox, address.mailbox)

    def draw(self, subject: bytes) -> tuple[Box, WrappedKey]:
        """A new key for a subject, not stored yet: give it to `keep` before anything sealed with it is kept."""
        key, nonce = self.chance(KEY_BYTES), self.chance(NONCE_BYTES)
        wrapped = nonce + AESGCM(self._kek[self._number]).encrypt(nonce, key, subject)
        return Box(subject, key, self.chance), WrappedKey(subject, self._number, wrapped)

    def without_ring(self) -> "Keys":
        """The same keys for another process, which draws new ones but neither reads nor keeps any."""
        twin = copy(self)
        twin.ring = None
        return twin

    def __getstate__(self) -> tuple[None, dict[str, object]]:
        """What a copy is given: never a key of a subject."""
        return None, {name: getattr(self, name) for name in self.__slots__} | {"_at_hand": {}}

    def keep(self, drawn: Sequence[WrappedKey], now: datetime) -> None:
        """Store drawn keys in the keyring, at once and whatever becomes of the transaction at hand."""
        if drawn:
            self._ring().keep(drawn, now)

    def new_subject(self, now: datetime) -> bytes:
        """A new person's pseudonym, its key kept."""
        subject = self.chance(SUBJECT_BYTES)
        self.keep([self.draw(subject)[1]], now)
        return subject

    def fetch(self, subjects: Collection[bytes]) -> None:
        """Have the keys of many subjects at hand, read at once instead of one by one."""
        missing = {one for one in subjects if one not in self._at_hand}
        if not missing:
            return
        if len(self._at_hand) + len(missing) > MOST_AT_HAND:
            self._at_hand.clear()
            missing = set(subjects)
        for subject, stored in self._ring().find(missing).items():
            key = self._unwrapped(stored)
            if key is not None:
                self._at_hand[subject] = key

    def missing(self, subjects: Collection[bytes]) -> set[bytes]:
        """The subjects that have no key in the keyring any more; one that does not open is not missing."""
        return set(subjects) - self._ring().find(subjects).keys() if subjects else set()

    def holds(self, subject: bytes) -> bool:
        """Whether a subject's key is there."""
        self.fetch([subject])
        return subject in self._at_hand

    def subjects(self, step: int, made_before: str = "9999") -> Iterator[list[bytes]]:
        """Every subject that has a key made before a day (ISO 8601), in steps that may be shredded meanwhile."""
        found = self._ring().subjects(made_before)
        while some := list(islice(found, step)):
            yield some

    def scrub(self) -> None:
        """Leave nothing of shredded keys in the keyring's files."""
        self._ring().scrub()

    def has_at_hand(self, subject: bytes) -> bool:
        """Whether `fetch` found this subject's key."""
        return subject in self._at_hand

    def forget(self) -> None:
        """Ask the keyring anew for every key."""
        self._at_hand.clear()

    def shred(self, subjects: Collection[bytes]) -> int:
        """Destroy the keys of subjects for good; returns how many there were."""
        for subject in subjects:
            self._at_hand.pop(subject, None)
        return self._ring().shred(subjects)

    def is_wrapped(self) -> bool:
        """Whether the newest root wraps every key, so that no rotation is unfinished."""
        return not self._ring().wrapped_by_others(self._number)

    def rewrap(self, progress: Callable[[int], None] | None = None) -> int:
        """Wrap every key under the newest root, in steps; an interrupted run goes on where it stopped."""
        done = 0
        while step := self._ring().wrapped_by_others(self._number):
            anew = [self._rewrapped(one) for one in step]
            self._ring().replace(anew)
            done += len(anew)
            if progress:
                progress(done)
        return done

    def box(self, subject: bytes) -> Box:
        """What a subject's things are sealed in and opened with; raises UnreadableSeal when its key is gone."""
        if subject not in self._at_hand:
            self.fetch([subject])
        if subject not in self._at_hand:
            raise UnreadableSeal("the key of this subject is not in the keyring")
        return Box(subject, self._at_hand[subject], self.chance)

    def seal(self, subject: bytes, what: Sealed, plaintext: bytes) -> bytes:
        """Encrypt under the subject's own key."""
        return self.box(subject).seal(what, plaintext)

    def open(self, subject: bytes, what: Sealed, sealed: bytes) -> bytes:
        """Decrypt what `seal` made; raises UnreadableSeal when it was altered or moved, or its key is gone."""
        return self.box(subject).open(what, sealed)

    def token(self, purpose: Purpose, public_id: bytes) -> str:
        """The token for one request or subscription."""
        return tokens.mint(self._tokens[purpose][self._number], self._number, purpose, public_id)

    def read_token(self, purpose: Purpose, token: str) -> bytes:
        """The public id of a genuine token; raises InvalidToken."""
        return tokens.read(self._tokens[purpose], purpose, token)

    def counted(self, what: str) -> bytes:
        """By what something is counted without saying what; with a new root counting begins anew."""
        return hmac.digest(self._counter, what.encode(), "sha256")

    def code(self, public_id: bytes) -> str:
        """The eight characters (40 bits) that confirm a request where its form was posted."""
        return base64.b32encode(hmac.digest(self._code, public_id, "sha256")[:CODE_BYTES]).decode("ascii")

    def ticket(self, what: bytes) -> str:
        """What a page carries for us and nobody can read: as long for everybody if `what` is."""
        nonce = self.chance(NONCE_BYTES)
        return (
            base64.urlsafe_b64encode(nonce + AESGCM(self._ticket).encrypt(nonce, what, None))
            .decode("ascii")
            .rstrip("=")
        )

    def read_ticket(self, ticket: str) -> bytes:
        """What `ticket` was given; raises InvalidToken."""
        try:
            raw = base64.urlsafe_b64decode(ticket + "=" * (-len(ticket) % 4))
            return AESGCM(self._ticket).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], None)
        except (ValueError, InvalidTag) as error:
            raise InvalidToken from error

    def sign_head(self, statement: bytes) -> bytes:
        """The mark on the ledger's head, which nobody can make with the database alone."""
        return bytes([self._number]) + hmac.digest(self._head[self._number], statement, "sha256")

    def is_head(self, statement: bytes, mark: bytes) -> bool:
        """Whether `mark` was made by `sign_head` for exactly this statement."""
        if not mark or mark[0] not in self._head:
            return False
        return hmac.compare_digest(mark[1:], hmac.digest(self._head[mark[0]], statement, "sha256"))

    def _ring(self) -> Keyring:
        if self.ring is None:
            raise UnreadableSeal("no keyring is open")
        return self.ring

    def _unwrapped(self, stored: WrappedKey) -> bytes | None:
        if stored.kek not in self._kek:
            return None
        nonce, ciphertext = stored.wrapped[:NONCE_BYTES], stored.wrapped[NONCE_BYTES:]
        try:
            return AESGCM(self._kek[stored.kek]).decrypt(nonce, ciphertext, stored.subject)
        except (InvalidTag, ValueError):
            return None

    def _rewrapped(self, stored: WrappedKey) -> WrappedKey:
        key = self._unwrapped(stored)
        if key is None:
            raise UnreadableSeal(f"a key of root {stored.kek} does not open; put that root back")
        nonce = self.chance(NONCE_BYTES)
        wrapped = nonce + AESGCM(self._kek[self._number]).encrypt(nonce, key, stored.subject)
        return WrappedKey(stored.subject, self._number, wrapped)

    def _tagged(self, key: bytes, text: str) -> bytes:
        return bytes([self._pepper_number]) + hmac.digest(key, text.encode(), "sha256")


def _derive(root: bytes, label: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"world-brief/subscribers/{label}".encode()).derive(root)


def _bound(subject: bytes, what: Sealed) -> bytes:
    return what.encode() + b"\0" + subject
