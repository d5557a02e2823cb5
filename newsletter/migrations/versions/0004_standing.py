"""No subscription runs without a consent that stands; requests may be refused or expire; letters to the suppressed."""

import sqlalchemy as sa
from alembic import op

from subscribers import standing_triggers

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BEFORE = "'pending', 'confirmed', 'superseded', 'withdrawn'"


def upgrade() -> None:
    op.add_column("suppression", sa.Column("letter_month", sa.String(), nullable=True))
    _states(f"{BEFORE}, 'refused', 'expired'")
    for statement in standing_triggers(op.get_bind().dialect.name):
        op.execute(statement)


def downgrade() -> None:
    on = {"subscription_rests_insert": "subscription", "subscription_rests_update": "subscription"}
    postgresql = op.get_bind().dialect.name == "postgresql"
    for name, table in {**on, "subscriber_no_other": "subscriber"}.items():
        op.execute(f"DROP TRIGGER {name} ON {table}" if postgresql else f"DROP TRIGGER {name}")
    if postgresql:
        op.execute("DROP FUNCTION subscription_rests()")
        op.execute("DROP FUNCTION subscriber_no_other()")
    op.execute("UPDATE signup_request SET state = 'withdrawn' WHERE state IN ('refused', 'expired')")
    _states(BEFORE)
    with op.batch_alter_table("suppression") as table:
        table.drop_column("letter_month")


def _states(allowed: str) -> None:
    # SQLite alters a constraint by building the table anew, which would forget that its ids are never used again.
    kept = {"sqlite_autoincrement": True}
    with op.batch_alter_table("signup_request", table_kwargs=kept) as table:
        table.drop_constraint(op.f("ck_signup_request_state"), type_="check")
        table.create_check_constraint(op.f("ck_signup_request_state"), f"state IN ({allowed})")
