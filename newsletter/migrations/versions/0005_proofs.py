"""What proves the consent ledger to others: checkpoints, subtree roots, and the texts people were shown."""

import sqlalchemy as sa
from alembic import op

from subscribers import ledger_triggers

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = ("consent_checkpoint", "consent_subtree", "consent_notice")


def upgrade() -> None:
    op.create_table(
        "consent_checkpoint",
        sa.Column("size", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("nonce", sa.LargeBinary(length=32), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("size >= 0", name=op.f("ck_consent_checkpoint_size")),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_consent_checkpoint")),
    )
    op.create_table(
        "consent_subtree",
        sa.Column("block", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.CheckConstraint("block >= 0", name=op.f("ck_consent_subtree_block")),
        sa.PrimaryKeyConstraint("block", name=op.f("pk_consent_subtree")),
    )
    op.create_table(
        "consent_notice",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("effective_on", sa.String(length=10), nullable=False),
        sa.Column("requires_reconsent", sa.Boolean(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=True),
        sa.CheckConstraint("kind IN ('form', 'privacy', 'terms', 'cookies')", name=op.f("ck_consent_notice_kind")),
        sa.ForeignKeyConstraint(["previous"], ["consent_notice.digest"], name="fk_consent_notice_previous"),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_consent_notice")),
    )
    op.create_index("ix_consent_notice_kind", "consent_notice", ["kind", "language"])
    for statement in ledger_triggers(op.get_bind().dialect.name, TABLES):
        op.execute(sa.text(statement))
    op.add_column("mailing", sa.Column("checkpoint", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("mailing", "checkpoint")
    op.drop_index("ix_consent_notice_kind", table_name="consent_notice")
    for table in reversed(TABLES):
        op.drop_table(table)
