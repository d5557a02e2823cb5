"""What each relay was given in the time its rates are about, for all processes and machines to share."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "relay_use",
        sa.Column("relay", sa.String(), nullable=False),
        sa.Column("window_seconds", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("slot", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("letters", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("relay", "window_seconds", "slot", name=op.f("pk_relay_use")),
    )


def downgrade() -> None:
    op.drop_table("relay_use")
