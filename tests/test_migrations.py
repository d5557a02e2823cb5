"""The schema the migrations make is the one the models say, on both databases, and it comes apart again."""

import alembic.command
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel

from newsletter.database import MIGRATIONS, Database


def test_the_models_are_the_sum_of_the_migrations(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_checks_and_partial_indexes_are_there_too(database: Database) -> None:
    found = inspect(database.engine)
    for table in SQLModel.metadata.sorted_tables:
        named = {str(one.name) for one in table.constraints if type(one).__name__ == "CheckConstraint"}
        assert {str(one["name"]) for one in found.get_check_constraints(table.name)} == named
    [live] = [one for one in found.get_indexes("signup_request") if one["name"] == "uq_signup_request_live"]
    assert live["unique"]
    assert any("pending" in str(value) for value in live["dialect_options"].values())


@pytest.mark.parametrize("table", ["consent", "consent_payload", "consent_wording"])
def test_the_consent_ledger_is_guarded_after_a_migration(database: Database, table: str) -> None:
    with database.transaction() as session:
        connection = session.connection()
        connection.execute(text("INSERT INTO consent_wording VALUES ('d', 'en', 'text')"))
        zeros = b"\0" * 32
        values = {"s": b"\0" * 16, "z": zeros}
        connection.execute(text("INSERT INTO consent VALUES (1, :s, 'n', 'requested', 'd', '{}', :z, :z, :z)"), values)
        connection.execute(text("INSERT INTO consent_payload VALUES (1, :z)"), {"z": zeros})
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET {_key(table)} = {_key(table)}"):
        with pytest.raises(DBAPIError, match="append-only"), database.transaction() as session:
            session.connection().execute(text(statement))


def test_the_schema_comes_apart_and_together_again(database: Database) -> None:
    alembic.command.downgrade(database._alembic(), "base")
    assert set(inspect(database.engine).get_table_names()) == {"alembic_version"}
    database.upgrade()
    assert database.revision()[0] == database.revision()[1] == ScriptDirectory(str(MIGRATIONS)).get_current_head()


def _key(table: str) -> str:
    return "digest" if table == "consent_wording" else "seq"
