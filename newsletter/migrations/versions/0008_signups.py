"""What keeps sign-ups from flooding anybody: counts by keyed names, the letters that were due, requests that wait."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "signup_count",
        sa.Column("key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_signup_count")),
    )
    op.create_index("ix_signup_count_until", "signup_count", ["until"])
    op.create_table(
        "signup_letter",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mailbox", sa.LargeBinary(length=33), nullable=False),
        sa.Column("domain", sa.LargeBinary(length=32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signup_letter")),
    )
    op.create_index("ix_signup_letter_mailbox", "signup_letter", ["mailbox", "at"])
    op.create_index("ix_signup_letter_domain", "signup_letter", ["domain", "at"])
    op.create_index("ix_signup_letter_at", "signup_letter", ["at"])
    # What was sent so far still counts; their domains are not known any more.
    op.execute("INSERT INTO signup_letter (mailbox, domain, at) SELECT mailbox, mailbox, requested_at FROM signup_request")
    op.drop_index("ix_signup_request_mailbox", table_name="signup_request")
    op.drop_column("signup_request", "mailbox")
    op.add_column("signup_request", sa.Column("hold", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("signup_request", "hold")
    nobody = sa.text("x'00'") if op.get_bind().dialect.name == "sqlite" else sa.text(r"'\\x00'::bytea")
    op.add_column(
        "signup_request", sa.Column("mailbox", sa.LargeBinary(length=33), nullable=False, server_default=nobody)
    )
    op.create_index("ix_signup_request_mailbox", "signup_request", ["mailbox", "requested_at"])
    op.drop_table("signup_letter")
    op.drop_table("signup_count")
