"""When a form was shown, signed: what is posted by whoever never looked at it, or at once, is no person's. Pure."""

import base64
import binascii
import hmac
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

NONCE_BYTES: Final = 9
TIME_BYTES: Final = 6
MAC_BYTES: Final = 18
LIVES: Final = timedelta(hours=24)


def stamp(key: bytes, bound: str, now: datetime, chance: Callable[[int], bytes]) -> str:
    """A stamp for one form, `bound` to what it is about, such as a newsletter or a link."""
    body = int(now.timestamp() * 1000).to_bytes(TIME_BYTES, "big") + chance(NONCE_BYTES)
    return base64.urlsafe_b64encode(body + _mac(key, bound, body)).decode("ascii")


def read(key: bytes, bound: str, text: str) -> datetime | None:
    """When the form was shown; None when this is no stamp of ours for it."""
    try:
        raw = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError, ValueError):
        return None
    body, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
    if len(body) != TIME_BYTES + NONCE_BYTES or not hmac.compare_digest(mac, _mac(key, bound, body)):
        return None
    return datetime.fromtimestamp(int.from_bytes(body[:TIME_BYTES], "big") / 1000, UTC)


def _mac(key: bytes, bound: str, body: bytes) -> bytes:
    return hmac.digest(key, b"wb/stamp/v1" + body + bound.encode(), "sha256")[:MAC_BYTES]
