"""The database's own guard on the consent ledger: rows may be added, never changed, replaced or removed.

An owner of the database can drop a trigger, so this stops mistakes, not attackers; those are found by `verify`.
SQLite rebuilds a table to alter it and loses its triggers then: such a migration must run these statements again.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import DDL, MetaData, event

# Each guarded table with its primary key.
GUARDED: Final = {"consent_wording": "digest", "consent": "seq", "consent_payload": "seq"}
MESSAGE: Final = "the consent ledger is append-only"
_FUNCTION: Final = "consent_append_only()"
_RAISE: Final = f"BEGIN RAISE EXCEPTION '{MESSAGE}'; END"
_EVERY: Final = "BEFORE UPDATE OR DELETE OR TRUNCATE"
_CALL: Final = f"FOR EACH STATEMENT EXECUTE FUNCTION {_FUNCTION}"


def ledger_triggers(dialect_name: str) -> list[str]:
    """The statements that guard the ledger's tables, for a migration to run after creating them."""
    return [statement for table in GUARDED for statement in _guard(dialect_name, table)]


def attach(metadata: MetaData, tables: Sequence[str] = tuple(GUARDED)) -> None:
    """Have `metadata.create_all` guard the tables, too."""
    for name in tables:
        for dialect in ("sqlite", "postgresql"):
            for statement in _guard(dialect, name):
                guard = DDL(statement)  # type: ignore[no-untyped-call]
                event.listen(metadata.tables[name], "after_create", guard.execute_if(dialect=dialect))


def _guard(dialect: str, table: str) -> list[str]:
    key = GUARDED[table]
    if dialect == "postgresql":
        refuse = f"CREATE OR REPLACE FUNCTION {_FUNCTION} RETURNS trigger LANGUAGE plpgsql AS $$ {_RAISE} $$"
        return [refuse, f"CREATE TRIGGER {table}_append_only {_EVERY} ON {table} {_CALL}"]
    abort = f"BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END"
    # INSERT OR REPLACE removes the old row without firing a delete trigger.
    known = f"EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key})"  # noqa: S608 -- our own names
    return [
        f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {abort}",
        f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {abort}",
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN {known} {abort}",
    ]
