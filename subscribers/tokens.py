"""Links that give one right and no other, made of a key and an id alone. Pure: nothing is stored, nothing is looked up.

A token is base32 in lower case of: key number (1 byte), public id (16), HMAC-SHA256 cut to 144 bits (18). That is
always 56 characters of a-z and 2-7, so no mail program breaks it, folds it or loses its last character.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from subscribers.errors import InvalidToken

ID_BYTES: Final = 16
MAC_BYTES: Final = 18
TOKEN_CHARACTERS: Final = 56
TOKEN_BYTES: Final = 1 + ID_BYTES + MAC_BYTES


class Purpose(StrEnum):
    """What a token can do; its name is part of what is signed."""

    CONFIRM = "confirm"
    LEAVE = "leave"
    READ = "read"
    ACCESS = "access"
    CHANGE = "change"


def mint(key: bytes, number: int, purpose: Purpose, public_id: bytes) -> str:
    """The token for `public_id`: the same every time, so that a letter sent again is the same letter."""
    if len(public_id) != ID_BYTES:
        raise ValueError(f"a public id has {ID_BYTES} bytes")
    body = bytes([number]) + public_id
    return base64.b32encode(body + _mac(key, purpose, body)).decode("ascii").lower()


def read(keys: Mapping[int, bytes], purpose: Purpose, token: str) -> bytes:
    """The public id a genuine token names. Raises InvalidToken for everything else, without saying why."""
    if len(token) != TOKEN_CHARACTERS or not token.isascii():
        raise InvalidToken
    try:
        # Some systems write links in capitals; base32 loses nothing by it.
        raw = base64.b32decode(token.upper())
    except binascii.Error as error:
        raise InvalidToken from error
    if len(raw) != TOKEN_BYTES or raw[0] not in keys:
        raise InvalidToken
    body, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(keys[raw[0]], purpose, body)):
        raise InvalidToken
    return body[1:]


def _mac(key: bytes, purpose: Purpose, body: bytes) -> bytes:
    return hmac.digest(key, b"wb/token/v1/" + purpose.encode() + b"\0" + body, "sha256")[:MAC_BYTES]
