"""A proof of work in the format of ALTCHA's first version, made and checked here: nobody else is asked. Pure.

The challenge is SHA-256(salt + number) for a number the client has to find; the salt carries when it expires and ends
in `&`, so that no digit of the number can be counted to it. The signature is an HMAC over the challenge.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs

LIVES: Final = timedelta(hours=1)
ALGORITHM: Final = "SHA-256"
MOST_CHARACTERS: Final = 1_000


def challenge(key: bytes, cost: int, now: datetime, chance: Callable[[int], bytes]) -> dict[str, Any]:
    """The JSON a client is given: it tries numbers up to `maxnumber`, half of them on average."""
    number = int.from_bytes(chance(8), "big") % (cost + 1)
    salt = f"{chance(12).hex()}?expires={int((now + LIVES).timestamp())}&"
    found = hashlib.sha256(f"{salt}{number}".encode()).hexdigest()
    return {
        "algorithm": ALGORITHM,
        "challenge": found,
        "maxnumber": cost,
        "salt": salt,
        "signature": _signature(key, found),
    }


def verify(key: bytes, payload: str, now: datetime) -> str:
    """The challenge that was solved, to be used once; empty when this is no proof, for whatever reason."""
    try:
        told = json.loads(base64.b64decode(payload[:MOST_CHARACTERS], validate=True))
        salt, number, signature = str(told["salt"]), int(told["number"]), str(told["signature"])
        expires = int(parse_qs(salt.partition("?")[2])["expires"][0])
    except (binascii.Error, ValueError, KeyError, TypeError, IndexError, RecursionError, OverflowError):
        return ""
    found = hashlib.sha256(f"{salt}{number}".encode()).hexdigest()
    genuine = hmac.compare_digest(_signature(key, found).encode(), signature.encode("utf-8", "replace"))
    return found if genuine and salt.endswith("&") and now.timestamp() < expires else ""


def _signature(key: bytes, found: str) -> str:
    return hmac.digest(key, found.encode(), "sha256").hex()
