"""Readers’ own doors: mailed links and the visits they open, and how often each subscription is sent."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Not in a batch: SQLite would rebuild the table, and with it forget which ids were ever given.
    op.execute(
        sa.text(
            "ALTER TABLE subscription ADD COLUMN rhythm VARCHAR DEFAULT 'every' NOT NULL "
            "CONSTRAINT ck_subscription_rhythm CHECK (rhythm IN ('every', 'weekdays', 'friday'))"
        )
    )
    op.create_table(
        "access_grant",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("errand", sa.String(), nullable=False),
        sa.Column("subject", sa.LargeBinary(length=16), nullable=False),
        sa.Column("mailbox", sa.LargeBinary(length=33), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("errand IN ('access', 'change', 'moved')", name=op.f("ck_access_grant_errand")),
        sa.CheckConstraint("(errand = 'access') = (sealed IS NULL)", name=op.f("ck_access_grant_sealed")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_grant")),
        sa.UniqueConstraint("public_id", name="uq_access_grant_public_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_access_grant_mailbox", "access_grant", ["mailbox", "made_at"], unique=False)
    op.create_index("ix_access_grant_subject", "access_grant", ["subject"], unique=False)
    op.create_table(
        "reader_session",
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("subject", sa.LargeBinary(length=16), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_reader_session")),
    )
    op.create_index("ix_reader_session_subject", "reader_session", ["subject"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_reader_session_subject", table_name="reader_session")
    op.drop_table("reader_session")
    op.drop_index("ix_access_grant_subject", table_name="access_grant")
    op.drop_index("ix_access_grant_mailbox", table_name="access_grant")
    op.drop_table("access_grant")
    op.execute(sa.text("ALTER TABLE subscription DROP COLUMN rhythm"))
