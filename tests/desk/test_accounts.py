"""Accounts let in who should be let in, and tell nobody else anything."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import text
from sqlmodel import Session

from newsletter.database import Database
from newsletter.desk import accounts
from newsletter.desk.accounts import Role
from newsletter.errors import AccountError

PASSWORD = "a long enough password"
DAY = timedelta(hours=8)


def _log_in(session: Session, name: str, password: str, now: datetime) -> tuple[accounts.Account, str] | None:
    return accounts.log_in(session, name, accounts.checked(session, name, password), now, DAY)


def _owner(database: Database, now: datetime) -> None:
    with database.transaction() as session:
        accounts.create(session, "ana", Role.OWNER, PASSWORD, now)


def test_the_right_password_opens_a_session_that_ends_by_itself(database: Database, now: datetime) -> None:
    _owner(database, now)
    with database.transaction() as session:
        opened = _log_in(session, "ana", PASSWORD, now)
    assert opened is not None
    account, token = opened
    assert (account.name, account.role) == ("ana", Role.OWNER)
    with database.snapshot() as session:
        assert accounts.whose(session, token, now + timedelta(hours=7)) == account
        assert accounts.whose(session, token, now + timedelta(hours=8)) is None
        assert accounts.whose(session, "another token", now) is None


@pytest.mark.parametrize("name", ["ana", "nobody", ""])
def test_a_wrong_password_and_an_unknown_name_are_the_same_answer(database: Database, now: datetime, name: str) -> None:
    _owner(database, now)
    with database.transaction() as session:
        assert _log_in(session, name, "not the password", now) is None


def test_after_three_failures_even_the_right_password_has_to_wait(database: Database, now: datetime) -> None:
    _owner(database, now)
    for _ in range(5):
        with database.transaction() as session:
            _log_in(session, "ana", "wrong", now)
            now += timedelta(seconds=30)
    with database.transaction() as session:
        _log_in(session, "ana", "wrong", now)
        assert _log_in(session, "ana", PASSWORD, now) is None
        assert _log_in(session, "ana", PASSWORD, now + timedelta(minutes=15)) is not None


def test_a_password_changed_between_check_and_log_in_opens_nothing(database: Database, now: datetime) -> None:
    _owner(database, now)
    with database.transaction() as session:
        witness = accounts.checked(session, "ana", PASSWORD)
        accounts.create(session, "ana", Role.OWNER, "another long password", now)
        assert accounts.log_in(session, "ana", witness, now, DAY) is None


def test_a_new_password_ends_every_open_session(database: Database, now: datetime) -> None:
    _owner(database, now)
    with database.transaction() as session:
        opened = _log_in(session, "ana", PASSWORD, now)
        assert opened is not None
        accounts.create(session, "ana", Role.OWNER, "another long password", now)
        assert accounts.whose(session, opened[1], now) is None


def test_logging_out_ends_the_session(database: Database, now: datetime) -> None:
    _owner(database, now)
    with database.transaction() as session:
        opened = _log_in(session, "ana", PASSWORD, now)
        assert opened is not None
        accounts.log_out(session, opened[1])
        assert accounts.whose(session, opened[1], now) is None


def test_the_database_holds_neither_password_nor_session_token(database: Database, now: datetime) -> None:
    _owner(database, now)
    with database.transaction() as session:
        opened = _log_in(session, "ana", PASSWORD, now)
        assert opened is not None
        rows = str(session.connection().execute(text("SELECT * FROM account")).all())
        rows += str(session.connection().execute(text("SELECT * FROM desk_session")).all())
    assert PASSWORD not in rows
    assert opened[1] not in rows


@pytest.mark.parametrize("password", ["", "short", "x" * 257])
def test_a_password_of_the_wrong_length_is_refused(database: Database, now: datetime, password: str) -> None:
    with database.transaction() as session, pytest.raises(AccountError, match="characters"):
        accounts.create(session, "ana", Role.EDITOR, password, now)


def test_a_role_may_do_what_the_lower_ones_may() -> None:
    assert Role.OWNER.may(Role.PUBLISHER)
    assert Role.EDITOR.may(Role.EDITOR)
    assert not Role.EDITOR.may(Role.PUBLISHER)


def test_a_form_token_belongs_to_one_session() -> None:
    assert accounts.same(accounts.form_token(b"k", "one"), accounts.form_token(b"k", "one"))
    assert not accounts.same(accounts.form_token(b"k", "one"), accounts.form_token(b"k", "two"))
