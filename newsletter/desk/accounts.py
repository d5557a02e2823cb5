"""Desk accounts and their sessions. Passwords are Argon2id, session tokens are stored as SHA-256 only."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Final

import argon2
from sqlalchemy import CheckConstraint, Column, UniqueConstraint, delete
from sqlmodel import Field, Session, SQLModel, col, select

from newsletter.database import Moment
from newsletter.errors import AccountError

# ASVS 5.0 6.2.1 and 6.2.9: at least 8, better 15 characters, and at least 64 must be possible.
MIN_PASSWORD_CHARACTERS: Final = 12
MAX_PASSWORD_CHARACTERS: Final = 256
FREE_FAILURES: Final = 3
LONGEST_DELAY: Final = timedelta(minutes=15)

_hasher = argon2.PasswordHasher()


class Role(StrEnum):
    """What an account may do; each may do what those before it may."""

    WRITER = "writer"
    EDITOR = "editor"
    PUBLISHER = "publisher"
    OWNER = "owner"

    def may(self, needed: "Role") -> bool:
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(needed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody who may use the desk."""

    id: int
    name: str
    role: Role


class AccountRow(SQLModel, table=True):
    """A name, a role and the Argon2id hash of a password."""

    __tablename__ = "account"
    __table_args__ = (
        UniqueConstraint("name", name="uq_account_name"),
        CheckConstraint("role IN ('writer', 'editor', 'publisher', 'owner')", name="role"),
    )

    id: int | None = Field(default=None, primary_key=True)
    name: str
    role: str
    password_hash: str
    created_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    failures: int = 0
    wait_until: datetime | None = Field(default=None, sa_column=Column(Moment))


class SessionRow(SQLModel, table=True):
    """A logged-in browser, known by the hash of its token."""

    __tablename__ = "desk_session"

    token_hash: str = Field(primary_key=True)
    account_id: int = Field(foreign_key="account.id", index=True)
    created_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    expires_at: datetime = Field(sa_column=Column(Moment, nullable=False))


def create(session: Session, name: str, role: Role, password: str, now: datetime) -> Account:
    """Add an account, or give an existing one this role and password and end its sessions.

    Raises AccountError when the name is empty or the password too short or too long.
    """
    name = name.strip()
    if not name or len(name) > 100 or not name.isprintable():
        raise AccountError("the account's name must be 1 to 100 printable characters")
    if not MIN_PASSWORD_CHARACTERS <= len(password) <= MAX_PASSWORD_CHARACTERS:
        raise AccountError(f"the password must have {MIN_PASSWORD_CHARACTERS} to {MAX_PASSWORD_CHARACTERS} characters")
    row = session.exec(select(AccountRow).where(AccountRow.name == name)).first()
    if row is None:
        row = AccountRow(name=name, role=role, password_hash="", created_at=now)
    row.role, row.password_hash, row.failures, row.wait_until = role.value, _hasher.hash(password), 0, None
    session.add(row)
    session.flush()
    session.exec(delete(SessionRow).where(col(SessionRow.account_id) == row.id))
    return _account(row)


def checked(session: Session, name: str, password: str) -> str:
    """Check a password, slowly and outside of any write, and return a witness for `log_in`; "" when it is wrong.

    A wrong name takes as long as a wrong password.
    """
    row = session.exec(select(AccountRow).where(AccountRow.name == name.strip())).first()
    matches = _matches(row.password_hash if row else _nobody(), password)
    return row.password_hash if row and matches else ""


def log_in(session: Session, name: str, witness: str, now: datetime, lifetime: timedelta) -> tuple[Account, str] | None:
    """Open a session for whom `checked` vouched: its account and the token for the cookie, or None.

    After three failures an account waits twice as long each time, whatever password is tried meanwhile.
    """
    # Locked, or tries made side by side would count as one.
    row = session.exec(select(AccountRow).where(AccountRow.name == name.strip()).with_for_update()).first()
    if row is None or (row.wait_until and row.wait_until > now):
        return None
    session.add(row)
    if not witness or not same(witness, row.password_hash):
        _delay(row, now)
        return None
    row.failures, row.wait_until = 0, None
    token = secrets.token_urlsafe(32)
    account = _account(row)
    session.add(SessionRow(token_hash=_hash(token), account_id=account.id, created_at=now, expires_at=now + lifetime))
    session.exec(delete(SessionRow).where(col(SessionRow.expires_at) <= now))
    return account, token


def whose(session: Session, token: str, now: datetime) -> Account | None:
    """The account a session token belongs to, or None when it is unknown or over."""
    found = session.exec(
        select(AccountRow, SessionRow)
        .where(col(AccountRow.id) == col(SessionRow.account_id))
        .where(SessionRow.token_hash == _hash(token))
    ).first()
    if found is None or found[1].expires_at <= now:
        return None
    return _account(found[0])


def log_out(session: Session, token: str) -> None:
    """End one session; unknown tokens are as good as ended."""
    session.exec(delete(SessionRow).where(col(SessionRow.token_hash) == _hash(token)))


def any_account(session: Session) -> bool:
    """Whether anybody can log in at all."""
    return session.exec(select(AccountRow.id).limit(1)).first() is not None


def require(session: Session, name: str, role: Role) -> None:
    """Refuse a name that is no account's, or whose account may do less than this role. Raises AccountError."""
    held = session.exec(select(AccountRow.role).where(AccountRow.name == name)).one_or_none()
    if held is None or not Role(held).may(role):
        raise AccountError(f"{name} is no account of the desk with the rights of {role}")


def form_token(key: bytes, session_token: str) -> str:
    """The token a form of this session must carry, so that no other site can post it."""
    return hmac.new(key, b"form|" + session_token.encode(), hashlib.sha256).hexdigest()


def same(one: str, other: str) -> bool:
    """Compare two tokens without telling by time where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())


def _account(row: AccountRow) -> Account:
    if row.id is None:
        raise AccountError("the account has not been stored yet")
    return Account(id=row.id, name=row.name, role=Role(row.role))


def _delay(row: AccountRow, now: datetime) -> None:
    row.failures += 1
    if row.failures >= FREE_FAILURES:
        seconds = 2 ** min(row.failures - FREE_FAILURES, 20)
        row.wait_until = now + min(timedelta(seconds=seconds), LONGEST_DELAY)


def _matches(stored: str, password: str) -> bool:
    try:
        return _hasher.verify(stored, password[: MAX_PASSWORD_CHARACTERS + 1])
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


@cache
def _nobody() -> str:
    return _hasher.hash(secrets.token_urlsafe(32))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
