"""What was read: clicks by link and day, and the days of readers who agreed to be counted."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "click",
        sa.Column("newsletter", sa.String(), nullable=False),
        sa.Column("edition_on", sa.Date(), nullable=False),
        sa.Column("link", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("newsletter", "edition_on", "link", "day", name=op.f("pk_click")),
    )
    op.create_table(
        "reading",
        sa.Column("subscription_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("newsletter", sa.String(), nullable=False),
        sa.Column("edition_on", sa.Date(), nullable=False),
        sa.Column("link", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscription.id"], name="fk_reading_subscription", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("subscription_id", "newsletter", "edition_on", "link", name=op.f("pk_reading")),
    )
    op.create_index("ix_reading_day", "reading", ["day"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_reading_day", table_name="reading")
    op.drop_table("reading")
    op.drop_table("click")
