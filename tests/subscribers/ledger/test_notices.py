"""What people were shown stays as it was, under its digest, and each version names the one before."""

from datetime import date

import pytest

from newsletter.database import Database
from subscribers.errors import NoticeRefused
from subscribers.ledger import notices
from subscribers.ledger.evidence import digest
from subscribers.ledger.notices import Draft, NoticeKind

FIRST = Draft(kind=NoticeKind.PRIVACY, language="en", text="We keep your address.", effective_on=date(2026, 1, 1))
SECOND = Draft(
    kind=NoticeKind.PRIVACY,
    language="en",
    text="We keep your address, encrypted.",
    effective_on=date(2026, 6, 1),
    requires_reconsent=True,
)


def test_versions_follow_each_other_and_the_one_of_a_day_is_found(database: Database) -> None:
    with database.transaction() as session:
        first, second = notices.publish(session, FIRST), notices.publish(session, SECOND)
        assert (first.digest, first.previous) == (digest(FIRST.text), "")
        assert (second.previous, second.requires_reconsent) == (first.digest, True)
        assert notices.find(session, first.digest) == first
        assert notices.versions(session, NoticeKind.PRIVACY, "en") == [first, second]
        found = [notices.current(session, NoticeKind.PRIVACY, "en", date(2026, month, 1)) for month in (1, 5, 6)]
        assert found == [first, first, second]
        assert notices.current(session, NoticeKind.PRIVACY, "en", date(2025, 12, 31)) is None
        assert notices.current(session, NoticeKind.PRIVACY, "de", date(2026, 6, 1)) is None
        assert notices.current(session, NoticeKind.TERMS, "en", date(2026, 6, 1)) is None


def test_publishing_the_same_again_changes_nothing(database: Database) -> None:
    with database.transaction() as session:
        assert notices.publish(session, FIRST) == notices.publish(session, FIRST)
        assert len(notices.versions(session, NoticeKind.PRIVACY, "en")) == 1


def test_two_versions_may_hold_from_one_day_and_the_later_counts(database: Database) -> None:
    with database.transaction() as session:
        notices.publish(session, FIRST)
        mended = notices.publish(
            session, Draft(kind=FIRST.kind, language="en", text="Mended.", effective_on=FIRST.effective_on)
        )
        assert notices.current(session, NoticeKind.PRIVACY, "en", FIRST.effective_on) == mended


@pytest.mark.parametrize(
    ("draft", "says"),
    [
        (FIRST, "published before"),
        (
            Draft(kind=NoticeKind.TERMS, language="en", text=FIRST.text, effective_on=date(2026, 9, 1)),
            "published before",
        ),
        (Draft(kind=NoticeKind.PRIVACY, language="en", text="New.", effective_on=date(2026, 5, 31)), "holds from"),
    ],
)
def test_a_digest_names_one_text_at_one_time(database: Database, draft: Draft, says: str) -> None:
    with database.transaction() as session:
        notices.publish(session, FIRST)
        notices.publish(session, SECOND)
        with pytest.raises(NoticeRefused, match=says):
            notices.publish(session, draft)


def test_a_form_is_kept_once(database: Database) -> None:
    with database.transaction() as session:
        name = notices.keep(session, "<form></form>", "en", date(2026, 1, 1))
        assert notices.keep(session, "<form></form>", "de", date(2026, 2, 1)) == name == digest("<form></form>")
        assert [one.text for one in notices.forms(session)] == ["<form></form>"]
        assert notices.intact(session) == {name: NoticeKind.FORM}
