"""A departure from the journal, done again in a database that does not know of it. Doing it twice changes nothing."""

from datetime import datetime

from sqlmodel import Session

from subscribers import departures, registry, requests, suppressions
from subscribers.departures import Departure
from subscribers.erasure import Erased, erase_fingerprint
from subscribers.keys import Keys
from subscribers.ledger import consent
from subscribers.ledger.evidence import Evidence
from subscribers.opt_out import end_again
from subscribers.states import EndReason, RequestState, State, SuppressionReason


def depart_again(session: Session, keys: Keys, gone: Departure, now: datetime) -> tuple[bool, Erased]:
    """Take out whom the journal says left; whether that changed anything, and what was erased.

    What is newer here than the entry was done by somebody who came back after it, and stays.
    """
    consent.lock(session)
    mine = registry.subscriptions_of(session, [gone.fingerprint])
    older = [one for one in mine if one.changed_at <= gone.at]
    asked = [one for one in requests.of_address(session, gone.fingerprint) if one.requested_at <= gone.at]
    if gone.action == departures.ERASED:
        if not older and not asked:
            return False, Erased()
        evidence = Evidence(method="restore journal", given_at=gone.at)
        return True, erase_fingerprint(session, keys, gone.fingerprint, evidence, now)
    if gone.action == departures.SUPPRESSED:
        new = gone.reason not in suppressions.reasons(session, gone.fingerprint)
        suppressions.add(session, gone.fingerprint, gone.reason, "restore journal", now)
        return new, Erased()
    if not (mine or requests.of_address(session, gone.fingerprint)):
        # Nobody to end, but an older file must not bring in as a reader who is known to have left.
        new = not suppressions.reasons(session, gone.fingerprint)
        suppressions.add(session, gone.fingerprint, SuppressionReason.LEFT.value, "restore journal", now)
        return new, Erased()
    wanted = [one for one in older if one.newsletter == gone.newsletter and one.state is not State.ENDED]
    for one in asked:
        if one.state is RequestState.PENDING and one.newsletter == gone.newsletter:
            requests.move(session, one.id, RequestState.WITHDRAWN)
    ended = end_again(session, keys, wanted, EndReason(gone.reason), gone.at, now)
    return bool(ended), Erased()
