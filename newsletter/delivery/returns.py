"""The signed return path: what a bounce must bear to be believed. Pure.

`b+TOKEN@bounces.example.org` names a mailing and a recipient by number and proves that we wrote it, so no address
leaves in it, no look-up is needed to read it, and nobody can bounce somebody else off a list. The numbers are masked,
since a row of readers comparing theirs would know how many we are.
"""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from newsletter.errors import NewsletterError

# 5 bytes reach a million million; 20 bytes fill 32 characters of base32 without padding, so tokens have one length.
_ID_BYTES: Final = 5
_MAC_BYTES: Final = 10
_MAC_USE: Final = b"newsletter/return-path/1"
_MASK_USE: Final = b"newsletter/return-path-mask/1"
USE: Final = "returns/1"
"""What the key is derived for."""
_LENGTH: Final = (2 * _ID_BYTES + _MAC_BYTES) * 8 // 5


class ReturnPathError(NewsletterError, ValueError):
    """A token that is not one of ours, was altered, or was signed with another key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnPath:
    """Which letter a bounce is about."""

    mailing_id: int
    recipient_id: int


def sign(key: bytes, mailing_id: int, recipient_id: int) -> str:
    """The token of one letter: 32 characters of [a-z2-7], the same for the same letter."""
    numbers = mailing_id.to_bytes(_ID_BYTES, "big") + recipient_id.to_bytes(_ID_BYTES, "big")
    mac = _mac(key, numbers)
    return base64.b32encode(mac + _masked(key, mac, numbers)).decode().lower()


def read(key: bytes, token: str) -> ReturnPath:
    """The letter a token names, in any case, since relays fold it. Raises ReturnPathError."""
    try:
        data = base64.b32decode(token.encode("ascii"), casefold=True) if len(token) == _LENGTH else b""
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ReturnPathError("not a return path of ours") from error
    mac = data[:_MAC_BYTES]
    numbers = _masked(key, mac, data[_MAC_BYTES:])
    if not hmac.compare_digest(mac, _mac(key, numbers)):
        raise ReturnPathError("not a return path of ours")
    return ReturnPath(
        mailing_id=int.from_bytes(numbers[:_ID_BYTES], "big"), recipient_id=int.from_bytes(numbers[_ID_BYTES:], "big")
    )


def _mac(key: bytes, numbers: bytes) -> bytes:
    return hmac.digest(key, _MAC_USE + numbers, hashlib.sha256)[:_MAC_BYTES]


def _masked(key: bytes, mac: bytes, numbers: bytes) -> bytes:
    """The numbers under a mask that only the key and this very token make; masking twice unmasks."""
    mask = hmac.digest(key, _MASK_USE + mac, hashlib.sha256)
    return bytes(one ^ other for one, other in zip(numbers, mask, strict=False))
