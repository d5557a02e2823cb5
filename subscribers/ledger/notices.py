"""What people were shown beside the wording: forms, privacy policies and terms, each under the digest of its bytes.

Nothing here ever changes: a new version is a new text that names the one before, and the old one stays where every
consent given under it points. (EDPB 05/2020 paragraph 108: a copy of the information presented.)
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Boolean, CheckConstraint, Column, ForeignKey, Index, String, Text, select
from sqlalchemy.sql.elements import conv
from sqlmodel import Field, Session, SQLModel

from subscribers.errors import NoticeRefused
from subscribers.ledger import triggers
from subscribers.ledger.evidence import digest


class NoticeKind(StrEnum):
    """What a text is."""

    FORM = "form"
    PRIVACY = "privacy"
    TERMS = "terms"
    COOKIES = "cookies"


class NoticeRow(SQLModel, table=True):
    """One text as it was shown. A form has no versions: it is kept when somebody was shown it."""

    __tablename__ = "consent_notice"
    __table_args__ = (
        CheckConstraint("kind IN ('form', 'privacy', 'terms', 'cookies')", name=conv("ck_consent_notice_kind")),
        Index("ix_consent_notice_kind", "kind", "language"),
    )

    digest: str = Field(sa_column=Column(String(64), primary_key=True))
    kind: str
    language: str
    text: str = Field(sa_column=Column(Text, nullable=False))
    effective_on: str = Field(sa_column=Column(String(10), nullable=False))
    requires_reconsent: bool = Field(sa_column=Column(Boolean, nullable=False))
    previous: str | None = Field(
        sa_column=Column(
            String(64), ForeignKey("consent_notice.digest", name="fk_consent_notice_previous"), nullable=True
        )
    )


triggers.attach(SQLModel.metadata, ["consent_notice"])
_NOTICES: Final = SQLModel.metadata.tables["consent_notice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A text that is to be published: from which day it holds, and whether new purposes wait for a fresh consent."""

    kind: NoticeKind
    language: str
    text: str
    effective_on: date
    requires_reconsent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A text as it is kept; `previous` is the digest of the version before, empty for the first."""

    digest: str
    kind: NoticeKind
    language: str
    text: str
    effective_on: date
    requires_reconsent: bool
    previous: str


def publish(session: Session, draft: Draft) -> Notice:
    """Keep the next version of a policy or terms; the same text again changes nothing.

    Raises NoticeRefused when it would hold from an earlier day than the version before, or when its text was published
    earlier or as something else: what a digest names is one text at one time.
    """
    known = versions(session, draft.kind, draft.language)
    name = digest(draft.text)
    if known and known[-1].digest == name:
        return known[-1]
    if draft.kind is NoticeKind.FORM or find(session, name):
        raise NoticeRefused(name, "this very text was published before; change it, if only its date")
    if known and draft.effective_on < known[-1].effective_on:
        raise NoticeRefused(name, f"a version that holds from {known[-1].effective_on} was published before it")
    made = Notice(
        digest=name,
        kind=draft.kind,
        language=draft.language,
        text=draft.text,
        effective_on=draft.effective_on,
        requires_reconsent=draft.requires_reconsent,
        previous=known[-1].digest if known else "",
    )
    _insert(session, made)
    return made


def keep(session: Session, form: str, language: str, on: date) -> str:
    """Store a form as it was shown, unless it is there already, and return its digest."""
    name = digest(form)
    if find(session, name) is None:
        made = Notice(
            digest=name,
            kind=NoticeKind.FORM,
            language=language,
            text=form,
            effective_on=on,
            requires_reconsent=False,
            previous="",
        )
        _insert(session, made)
    return name


def find(session: Session, name: str) -> Notice | None:
    """The text of a digest."""
    row = session.connection().execute(select(_NOTICES).where(_NOTICES.c.digest == name)).one_or_none()
    return None if row is None else _notice(row)


def current(session: Session, kind: NoticeKind, language: str, on: date) -> Notice | None:
    """The version that holds on a day."""
    held = [one for one in versions(session, kind, language) if one.effective_on <= on]
    return held[-1] if held else None


def versions(session: Session, kind: NoticeKind, language: str) -> list[Notice]:
    """All versions, oldest first."""
    wanted = select(_NOTICES).where(_NOTICES.c.kind == kind.value, _NOTICES.c.language == language)
    after = {one.previous: one for one in map(_notice, session.connection().execute(wanted))}
    ordered: list[Notice] = []
    while found := after.get(ordered[-1].digest if ordered else ""):
        ordered.append(found)
    return ordered


def intact(session: Session) -> dict[str, NoticeKind]:
    """The digests whose stored text still has them, and what each is."""
    found = session.connection().execute(select(_NOTICES.c.digest, _NOTICES.c.kind, _NOTICES.c.text))
    known = {one.value: one for one in NoticeKind}
    return {str(name): known[kind] for name, kind, text in found if kind in known and digest(str(text)) == name}


def forms(session: Session) -> list[Notice]:
    """Every form that was shown to somebody."""
    found = session.connection().execute(select(_NOTICES).where(_NOTICES.c.kind == NoticeKind.FORM.value))
    return [_notice(row) for row in found]


def _insert(session: Session, one: Notice) -> None:
    values = {
        "digest": one.digest,
        "kind": one.kind.value,
        "language": one.language,
        "text": one.text,
        "effective_on": one.effective_on.isoformat(),
        "requires_reconsent": one.requires_reconsent,
        "previous": one.previous or None,
    }
    session.connection().execute(_NOTICES.insert(), values)


def _notice(row: Any) -> Notice:
    return Notice(
        digest=str(row.digest),
        kind=NoticeKind(row.kind),
        language=str(row.language),
        text=str(row.text),
        effective_on=date.fromisoformat(row.effective_on),
        requires_reconsent=bool(row.requires_reconsent),
        previous=row.previous or "",
    )
