"""The error tree of the people's room. Expected results are values; these are for what a caller cannot go on from.

SubscribersError
├─ InvalidAddress(text, reason)          also ValueError; the message never repeats the address
├─ InvalidToken                          also ValueError; forged, cut, of another purpose, or good for nothing now
├─ ExpiredToken(issued_at)               also ValueError; genuine, but its time is over: the page can offer a new letter
├─ NotSubscribed(newsletter)             also LookupError; there is no subscription this could be done to
├─ IllegalChange(before, kind, actor)    also ValueError; nothing leads from there by that event at that hand
├─ UnreadableSeal                        also ValueError; sealed by another key, or altered
├─ BrokenChain(seq, reason)              the consent ledger cannot be appended to as it stands
├─ InvalidCheckpoint                     also ValueError; no checkpoint, no key of one, or a signature of another key
├─ NoticeRefused(digest, reason)         also ValueError; a policy's text was published before, or comes too early
├─ ReceiptRefused                        also ValueError; there is nothing to certify, or a receipt does not hold
├─ ImportRefused(file, row, reason)      also ValueError; the whole file is refused, nothing of it was kept
├─ UndoRefused(batch, reason)            also LookupError; there is no such import, or it is too late
├─ RightsRefused                         also ValueError; a request about rights cannot be kept or answered so
└─ ErasureHeld(reason, owner, until)     a legal hold keeps somebody's evidence for now
"""

from datetime import date, datetime


class SubscribersError(Exception):
    """Something the people's room cannot go on from."""


class InvalidAddress(SubscribersError, ValueError):
    """The text is no address we would write to."""

    def __init__(self, text: str, reason: str) -> None:
        self.text, self.reason = text, reason
        super().__init__(reason)


class InvalidToken(SubscribersError, ValueError):
    """The token gives no right to what was asked."""

    def __init__(self, reason: str = "this link is not valid") -> None:
        self.reason = reason
        super().__init__(reason)


class ExpiredToken(SubscribersError, ValueError):
    """The token was genuine, and its time is over."""

    def __init__(self, issued_at: datetime) -> None:
        self.issued_at = issued_at
        super().__init__(f"this link, made {issued_at:%Y-%m-%d %H:%M} UTC, has expired")


class NotSubscribed(SubscribersError, LookupError):
    """There is no running subscription to do this to."""

    def __init__(self, newsletter: str) -> None:
        self.newsletter = newsletter
        super().__init__(f"no running subscription to {newsletter}")


class IllegalChange(SubscribersError, ValueError):
    """A request or subscription does not go that way."""

    def __init__(self, before: str, kind: str, actor: str) -> None:
        self.before, self.kind, self.actor = before, kind, actor
        super().__init__(f"{before} is not changed by `{kind}` at the hand of {actor}")


class UnreadableSeal(SubscribersError, ValueError):
    """What is sealed was sealed by another key, for another purpose, or has been altered."""


class BrokenChain(SubscribersError):
    """The consent ledger cannot be appended to as it stands."""

    def __init__(self, seq: int, reason: str) -> None:
        self.seq, self.reason = seq, reason
        super().__init__(f"consent ledger, entry {seq}: {reason}")


class InvalidCheckpoint(SubscribersError, ValueError):
    """The text is no checkpoint or key, or one does not fit the other."""


class NoticeRefused(SubscribersError, ValueError):
    """A version of a policy or terms cannot be published."""

    def __init__(self, digest: str, reason: str) -> None:
        self.digest, self.reason = digest, reason
        super().__init__(f"{digest[:16]}: {reason}")


class ReceiptRefused(SubscribersError, ValueError):
    """There is nothing to certify, or what a receipt certifies does not hold."""


class ImportRefused(SubscribersError, ValueError):
    """A whole file is refused."""

    def __init__(self, file: str, row: int, reason: str) -> None:
        self.file, self.row, self.reason = file, row, reason
        super().__init__(f"{file}: row {row}: {reason}")


class UndoRefused(SubscribersError, LookupError):
    """An import cannot be undone."""

    def __init__(self, batch: int, reason: str) -> None:
        self.batch, self.reason = batch, reason
        super().__init__(f"import {batch}: {reason}")


class ErasureHeld(SubscribersError):
    """A legal hold keeps somebody's evidence for now (GDPR 17(3)(e)); the answer to the person says so."""

    def __init__(self, reason: str, owner: str, until: date) -> None:
        self.reason, self.owner, self.until = reason, owner, until
        super().__init__(f"not erased: held until {until} by {owner} ({reason})")


class RightsRefused(SubscribersError, ValueError):
    """A request about rights cannot be kept or answered so."""
