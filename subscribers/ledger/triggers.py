"""The database's own guards: the consent ledger only grows, and no subscription runs without a consent that stands.

An owner of the database can drop a trigger, so this stops mistakes, not attackers; those are found by `verify`.
SQLite rebuilds a table to alter it and loses its triggers then: such a migration must run these statements again.
"""

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import DDL, MetaData, event

from subscribers.ledger.evidence import AUTHORISING, ENDING

# Each guarded table with its primary key.
GUARDED: Final = {
    "consent_wording": "digest",
    "consent": "seq",
    "consent_payload": "seq",
    "consent_checkpoint": "size",
    "consent_subtree": "block",
    "consent_notice": "digest",
}
MESSAGE: Final = "the consent ledger is append-only"
RESTLESS: Final = "a running subscription rests on a consent of its own that stands"
OTHER: Final = "a pseudonym stays with its person"
_FUNCTION_OTHER: Final = "subscriber_no_other()"
_RUNNING: Final = ("active", "paused")
_FUNCTION: Final = "consent_append_only()"
_RAISE: Final = f"BEGIN RAISE EXCEPTION '{MESSAGE}'; END"
_EVERY: Final = "BEFORE UPDATE OR DELETE OR TRUNCATE"
_CALL: Final = f"FOR EACH STATEMENT EXECUTE FUNCTION {_FUNCTION}"


def ledger_triggers(dialect_name: str, tables: Sequence[str]) -> list[str]:
    """The statements that guard these tables of the ledger, for a migration to run after creating them."""
    return [statement for table in tables for statement in _guard(dialect_name, table)]


def attach(metadata: MetaData, tables: Sequence[str]) -> None:
    """Have `metadata.create_all` guard the tables, too."""
    for name in tables:
        for dialect in ("sqlite", "postgresql"):
            for statement in _guard(dialect, name):
                guard = DDL(statement)  # type: ignore[no-untyped-call]
                event.listen(metadata.tables[name], "after_create", guard.execute_if(dialect=dialect))


def standing_triggers(dialect_name: str) -> list[str]:
    """The statements that have every running subscription rest on a consent of its own that nothing has ended since.

    They look when a subscription is written: the ledger is told of an end first, the subscription then. A subscriber's
    pseudonym never changes, or another's consent could be slipped under a subscription.
    """
    return _rests_postgresql() if dialect_name == "postgresql" else _rests_sqlite()


def attach_standing(metadata: MetaData) -> None:
    """Have `metadata.create_all` guard the subscriptions, too."""
    for dialect in ("sqlite", "postgresql"):
        for statement in standing_triggers(dialect):
            guard = DDL(statement)  # type: ignore[no-untyped-call]
            event.listen(metadata.tables["subscription"], "after_create", guard.execute_if(dialect=dialect))


def _stands(subscription: str) -> str:
    """The SQL that is true when the event a subscription names is its own, authorises, and is the last word."""
    # One row after the other by primary keys and the ledger's own index; an import asks this a million times.
    return (
        f"EXISTS (SELECT 1 FROM subscriber p JOIN consent e ON e.seq = {subscription}.authorised_by "  # noqa: S608
        f"AND e.subject = p.subject AND e.newsletter = {subscription}.newsletter AND {_among('e.kind', AUTHORISING)} "
        f"WHERE p.id = {subscription}.subscriber_id AND NOT EXISTS (SELECT 1 FROM consent later WHERE "
        f"later.subject = e.subject AND later.newsletter = e.newsletter AND later.seq > e.seq "
        f"AND {_among('later.kind', ENDING)}))"
    )


def _among(column: str, kinds: Collection[str]) -> str:
    whens = " ".join(f"WHEN '{one}' THEN true" for one in sorted(kinds))
    # For IN, SQLite would build a little table anew for each row a trigger looks at.
    return f"CASE {column} {whens} ELSE false END"


def _rests_sqlite() -> list[str]:
    abort = f"SELECT RAISE(ABORT, '{RESTLESS}') WHERE NOT {_stands('NEW')}"
    refuse = f"WHEN {_among('NEW.state', _RUNNING)} BEGIN {abort}; END"
    other = f"SELECT RAISE(ABORT, '{OTHER}')"
    columns = "state, authorised_by, subscriber_id, newsletter"
    return [
        f"CREATE TRIGGER subscription_rests_insert BEFORE INSERT ON subscription {refuse}",
        f"CREATE TRIGGER subscription_rests_update BEFORE UPDATE OF {columns} ON subscription {refuse}",
        f"CREATE TRIGGER subscriber_no_other BEFORE UPDATE OF subject ON subscriber BEGIN {other}; END",
    ]


def _rests_postgresql() -> list[str]:
    found = f"EXISTS (SELECT 1 FROM fresh f WHERE {_among('f.state', _RUNNING)} AND NOT {_stands('f')})"  # noqa: S608
    check = f"IF {found} THEN RAISE EXCEPTION '{RESTLESS}' USING ERRCODE = 'check_violation'; END IF; RETURN NULL;"
    refuse = f"RAISE EXCEPTION '{OTHER}' USING ERRCODE = 'check_violation';"
    # One statement may bring thousands of rows, and was planned when the tables were small: always by the indexes.
    plan = "SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off"
    made = "RETURNS trigger LANGUAGE plpgsql"
    by_statement = "FOR EACH STATEMENT EXECUTE FUNCTION"
    fresh = f"REFERENCING NEW TABLE AS fresh {by_statement} subscription_rests()"
    return [
        f"CREATE OR REPLACE FUNCTION subscription_rests() {made} {plan} AS $$ BEGIN {check} END $$",
        f"CREATE OR REPLACE FUNCTION {_FUNCTION_OTHER} {made} AS $$ BEGIN {refuse} END $$",
        f"CREATE TRIGGER subscription_rests_insert AFTER INSERT ON subscription {fresh}",
        f"CREATE TRIGGER subscription_rests_update AFTER UPDATE ON subscription {fresh}",
        f"CREATE TRIGGER subscriber_no_other BEFORE UPDATE OF subject ON subscriber {by_statement} {_FUNCTION_OTHER}",
    ]


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
