"""What is not kept any longer: sign-ups nobody confirmed, and keys that open nothing. Each call is one short step.

Who calls keeps calling until a step finds nothing, shreds after each commit, and may stop between any two.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session

from subscribers import bulk, registry, requests
from subscribers.erasure import Closing, Erased, close_ledger
from subscribers.keys import Keys
from subscribers.ledger import consent
from subscribers.ledger.evidence import RELEASING, Evidence, Kind
from subscribers.requests import KEPT

STEP: Final = 1_000
# A key is kept before what it seals. After this long whatever was to be sealed with it will not be.
ORPHANED: Final = timedelta(days=1)
_LAST: Final = ", ".join(f"'{kind}'" for kind in sorted(RELEASING))
_TOLD: Final = (
    f"SELECT subject, SUM(CASE WHEN kind IN ({_LAST}) THEN 1 ELSE 0 END) FROM consent "  # noqa: S608 -- our own kinds
    "WHERE subject {among} GROUP BY subject"
)


def expire_requests(session: Session, keys: Keys, now: datetime, limit: int = STEP) -> Erased:
    """Delete some sign-up requests seven days after their link expired.

    Where nobody else has the pseudonym, the ledger says `request_expired` and the key is to be shredded.
    """
    consent.lock(session)
    stale = requests.expired_before(session, now - KEPT, limit)
    requests.delete(session, [one.id for one in stale])
    alone = _nobodys(session, sorted({one.subject for one in stale}))
    _expire(session, keys, alone, now)
    return Erased(subjects=tuple(alone), requests=tuple(one.id for one in stale))


def count_expired(session: Session, now: datetime) -> int:
    """How many requests `expire_requests` would delete."""
    return requests.count_expired(session, now - KEPT)


def sweep_keys(
    transaction: Callable[[], AbstractContextManager[Session]], keys: Keys, now: datetime, *, dry_run: bool = False
) -> int:
    """Shred the keys that open nothing: of the erased, whose shredding was interrupted, and those day-old ones that
    nothing was ever sealed with. Returns how many.
    """
    swept = 0
    for made_before in ("9999", (now - ORPHANED).date().isoformat()):
        for step in keys.subjects(STEP, made_before):
            with transaction() as session:
                gone = (
                    [one for one, last in _told(session, step).items() if last]
                    if made_before == "9999"
                    else _orphans(session, keys, step, now, dry_run=dry_run)
                )
            swept += len(gone) if dry_run else keys.shred(gone)
    return swept


def _orphans(session: Session, keys: Keys, step: Sequence[bytes], now: datetime, *, dry_run: bool) -> list[bytes]:
    """Those that have no row. What the ledger says of them is closed first, or their loss would look like damage."""
    if not dry_run:
        consent.lock(session)
    alone = _nobodys(session, step)
    told = _told(session, alone)
    if not dry_run:
        _expire(session, keys, sorted(one for one, last in told.items() if not last), now)
    return [one for one in alone if not (dry_run and told.get(one))]


def _told(session: Session, subjects: Sequence[bytes]) -> dict[bytes, bool]:
    """Those of the subjects the ledger says anything of, and whether it has said the last."""
    found = map(tuple, bulk.among(session, _TOLD, subjects))
    return {bytes(subject): bool(last) for subject, last in found}


def _nobodys(session: Session, subjects: Sequence[bytes]) -> list[bytes]:
    taken = registry.known_among(session, subjects) | requests.known_among(session, subjects)
    return [one for one in subjects if one not in taken]


def _expire(session: Session, keys: Keys, subjects: Sequence[bytes], now: datetime) -> None:
    evidence = Evidence(method="retention")
    close_ledger(session, keys, subjects, Closing(kind=Kind.REQUEST_EXPIRED, evidence=evidence, now=now))
