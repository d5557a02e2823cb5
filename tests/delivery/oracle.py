"""What a receiver says of our signatures: dkimpy, which shares no line with us, asking a DNS of our own."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import SimpleNamespace
from unittest import mock

import dkim

from newsletter.delivery import keyfiles
from newsletter.delivery.keyfiles import Key

Records = Mapping[str, str]


def published(keys: Sequence[Key], domain: str) -> Records:
    """The DNS with these keys in it."""
    return {keyfiles.record_name(key.selector, domain): key.record() for key in keys}


def parted(message: bytes) -> tuple[bytes, bytes, bytes]:
    """The fields of the signatures on top, the other headers with the empty line, and the body."""
    fields = re.match(rb"(?:DKIM-Signature:[^\r]*\r\n(?: [^\r]*\r\n)*)*", message)
    signature = fields[0] if fields else b""
    head, gap, body = message[len(signature) :].partition(b"\r\n\r\n")
    return signature, head + gap, body


def verdicts(message: bytes, records: Records, at: datetime) -> list[bool]:
    """Whether each DKIM-Signature holds at that moment, from the top."""

    def asked(name: bytes, timeout: int = 5) -> bytes:
        return records.get(name.decode().rstrip("."), "").encode()

    # The oracle reads the clock; the tests have one of their own.
    with mock.patch.object(dkim, "time", SimpleNamespace(time=at.timestamp)):
        count = sum(name.lower() == b"dkim-signature" for name, _ in dkim.DKIM(message).headers)
        return [_holds(dkim.DKIM(message), number, asked) for number in range(count)]


def _holds(one: dkim.DKIM, number: int, asked: object) -> bool:
    try:
        return bool(one.verify(idx=number, dnsfunc=asked))
    except dkim.DKIMException:
        return False
