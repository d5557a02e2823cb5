"""The headers of events: what stays readable of each for ever, without any key. Reads only."""

from collections.abc import Collection
from typing import Final

from sqlalchemy import column, select, table
from sqlmodel import Session

_EVENTS: Final = table("consent", column("seq"), column("header"))


def headers(session: Session, seqs: Collection[int]) -> dict[int, str]:
    """The headers of these events as JSON, exactly as they were chained."""
    wanted = select(_EVENTS.c.seq, _EVENTS.c.header).where(_EVENTS.c.seq.in_(list(seqs)))
    return {int(seq): str(text) for seq, text in session.connection().execute(wanted)}
