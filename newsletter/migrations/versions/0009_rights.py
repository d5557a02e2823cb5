"""Evidence under a legal hold, sealed; the letter that tells of an erasure; and since when a form shows other words."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "held_evidence",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(length=33), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_held_evidence")),
    )
    op.create_index("ix_held_evidence_fingerprint", "held_evidence", ["fingerprint"])
    op.create_table(
        "last_letter",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subject", sa.LargeBinary(length=16), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_last_letter")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "consent_display",
        sa.Column("newsletter", sa.String(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("page", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("replaced_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("newsletter", "digest", name=op.f("pk_consent_display")),
    )


def downgrade() -> None:
    op.drop_table("consent_display")
    op.drop_table("last_letter")
    op.drop_table("held_evidence")
