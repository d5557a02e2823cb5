"""What was imported when and by whom, so that it can be undone."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "import_batch",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("newsletter", sa.String(), nullable=False),
        sa.Column("file", sa.String(), nullable=False),
        sa.Column("loader", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("added_by", sa.String(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("imported", sa.Integer(), nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.Column("unknown", sa.Integer(), nullable=False),
        sa.Column("suppressed", sa.Integer(), nullable=False),
        sa.Column("ended", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("undone_at", sa.BigInteger(), nullable=True),
        sa.Column("undone_by", sa.String(), nullable=True),
        sa.CheckConstraint(
            "rows = imported + unchanged + unknown + suppressed + ended + refused", name=op.f("ck_import_batch_rows")
        ),
        sa.CheckConstraint("(undone_at IS NULL) = (undone_by IS NULL)", name=op.f("ck_import_batch_undone")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_batch")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "import_span",
        sa.Column("batch_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first_seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_seq", sa.Integer(), nullable=False),
        sa.CheckConstraint("first_seq <= last_seq", name=op.f("ck_import_span_order")),
        sa.ForeignKeyConstraint(["batch_id"], ["import_batch.id"], name="fk_import_span_batch"),
        sa.ForeignKeyConstraint(["first_seq"], ["consent.seq"], name="fk_import_span_first"),
        sa.ForeignKeyConstraint(["last_seq"], ["consent.seq"], name="fk_import_span_last"),
        sa.PrimaryKeyConstraint("batch_id", "first_seq", name=op.f("pk_import_span")),
    )


def downgrade() -> None:
    op.drop_table("import_span")
    op.drop_table("import_batch")
