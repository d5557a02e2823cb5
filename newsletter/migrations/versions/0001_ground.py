"""The ground: every table of the first release, and the guard on the consent ledger."""

import sqlalchemy as sa
from alembic import op

from subscribers import ledger_triggers

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("wait_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("role IN ('writer', 'editor', 'publisher', 'owner')", name=op.f("ck_account_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("name", name="uq_account_name"),
    )
    op.create_table(
        "attempt",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mailing_id", sa.Integer(), nullable=False),
        sa.Column("recipient_id", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("phase", sa.String(), nullable=False),
        sa.Column("code", sa.Integer(), nullable=False),
        sa.Column("reply", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt")),
    )
    op.create_index("ix_attempt_mailing_id_recipient_id", "attempt", ["mailing_id", "recipient_id"], unique=False)
    op.create_table(
        "consent_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("entry", sa.LargeBinary(length=32), nullable=False),
        sa.Column("mark", sa.LargeBinary(length=33), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_consent_head_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_head")),
    )
    op.create_table(
        "consent_wording",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_consent_wording")),
    )
    op.create_table(
        "delivery",
        sa.Column("mailing_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("recipient_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dot_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("code", sa.Integer(), nullable=False),
        sa.Column("enhanced", sa.String(), nullable=False),
        sa.Column("reply", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'claimed', 'accepted', 'deferred', 'refused', 'dropped', 'uncertain', 'expired')",
            name=op.f("ck_delivery_state"),
        ),
        sa.CheckConstraint("length(reply) <= 500", name=op.f("ck_delivery_reply")),
        sa.PrimaryKeyConstraint("mailing_id", "recipient_id", name=op.f("pk_delivery")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "edition",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("newsletter", sa.Text(), nullable=False),
        sa.Column("on", sa.Date(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("held_from", sa.Text(), nullable=True),
        sa.Column("document", sa.LargeBinary(), nullable=True),
        sa.Column("approval", sa.LargeBinary(), nullable=True),
        sa.Column("proof_digest", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("send_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("edited_by", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(state = 'held') = (held_from IS NOT NULL)", name=op.f("ck_edition_held_from")),
        sa.CheckConstraint(
            "state IN ('open', 'building', 'in_review', 'approved', 'scheduled', 'sending', 'sent', 'held', 'killed')",
            name=op.f("ck_edition_state"),
        ),
        sa.CheckConstraint("number IS NULL OR number > 0", name=op.f("ck_edition_number")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_edition")),
        sa.UniqueConstraint("newsletter", "number", name="uq_edition_newsletter_number"),
        sa.UniqueConstraint("newsletter", "on", name="uq_edition_newsletter_on"),
    )
    op.create_table(
        "frozen",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_frozen")),
    )
    op.create_table(
        "mailing",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("newsletter", sa.String(), nullable=False),
        sa.Column("on", sa.Date(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("proof_digest", sa.String(), nullable=False),
        sa.Column("frozen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("candidates", sa.Integer(), nullable=False),
        sa.Column("excluded", sa.String(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("cancelled", sa.Boolean(), nullable=False),
        sa.CheckConstraint("(kind = 'edition') = (\"on\" IS NOT NULL)", name=op.f("ck_mailing_dated")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mailing")),
        sa.UniqueConstraint("newsletter", "on", "kind", name="uq_mailing_newsletter_on_kind"),
    )
    op.create_table(
        "story",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("guid", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("headline", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("search", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("desk", sa.Text(), server_default="{}", nullable=False),
        sa.Column("duplicate_group", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("dated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pulled_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("version > 0", name=op.f("ck_story_version")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_story")),
        sa.UniqueConstraint("source", "guid", name="uq_story_source_guid"),
    )
    op.create_index(op.f("ix_story_dated_at"), "story", ["dated_at"], unique=False)
    op.create_table(
        "subscriber",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subject", sa.LargeBinary(length=16), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(length=33), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("created_on", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriber")),
        sa.UniqueConstraint("fingerprint", name="uq_subscriber_fingerprint"),
        sa.UniqueConstraint("subject", name="uq_subscriber_subject"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "suppression",
        sa.Column("fingerprint", sa.LargeBinary(length=33), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("month", sa.String(), nullable=False),
        sa.Column("added_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", "reason", name=op.f("pk_suppression")),
    )
    op.create_table(
        "wire_visit",
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("etag", sa.String(), nullable=False),
        sa.Column("last_modified", sa.String(), nullable=False),
        sa.Column("defaults", sa.String(), nullable=False),
        sa.Column("stories", sa.Integer(), nullable=False),
        sa.Column("visited_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("place", name=op.f("pk_wire_visit")),
    )
    op.create_table(
        "worker",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("heartbeat_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worker")),
    )
    op.create_table(
        "chunk",
        sa.Column("mailing_id", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("first_recipient", sa.Integer(), nullable=False),
        sa.Column("last_recipient", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("first_recipient <= last_recipient", name=op.f("ck_chunk_range")),
        sa.ForeignKeyConstraint(["mailing_id"], ["mailing.id"], name=op.f("fk_chunk_mailing_id")),
        sa.PrimaryKeyConstraint("mailing_id", "n", name=op.f("pk_chunk")),
    )
    op.create_index(
        "ix_chunk_due_at",
        "chunk",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_table(
        "consent",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("subject", sa.LargeBinary(length=16), nullable=False),
        sa.Column("newsletter", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("wording", sa.String(length=64), nullable=True),
        sa.Column("header", sa.Text(), nullable=False),
        sa.Column("commitment", sa.LargeBinary(length=32), nullable=False),
        sa.Column("previous", sa.LargeBinary(length=32), nullable=False),
        sa.Column("entry", sa.LargeBinary(length=32), nullable=False),
        sa.CheckConstraint("seq > 0", name=op.f("ck_consent_seq")),
        sa.ForeignKeyConstraint(["wording"], ["consent_wording.digest"], name="fk_consent_wording"),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_consent")),
    )
    op.create_index("ix_consent_subject", "consent", ["subject", "newsletter", "seq"], unique=False)
    op.create_table(
        "desk_session",
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_desk_session_account_id")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_desk_session")),
    )
    op.create_index(op.f("ix_desk_session_account_id"), "desk_session", ["account_id"], unique=False)
    op.create_table(
        "edition_history",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("edition_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["edition_id"], ["edition.id"], name=op.f("fk_edition_history_edition_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_edition_history")),
    )
    op.create_index(op.f("ix_edition_history_edition_id"), "edition_history", ["edition_id"], unique=False)
    op.create_table(
        "edition_printed",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("edition_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["edition_id"], ["edition.id"], name=op.f("fk_edition_printed_edition_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_edition_printed")),
    )
    op.create_index(op.f("ix_edition_printed_edition_id"), "edition_printed", ["edition_id"], unique=False)
    op.create_table(
        "consent_payload",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["seq"], ["consent.seq"], name="fk_consent_payload_seq"),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_consent_payload")),
    )
    op.create_table(
        "signup_request",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("subject", sa.LargeBinary(length=16), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(length=33), nullable=False),
        sa.Column("mailbox", sa.LargeBinary(length=33), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("newsletter", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("wording", sa.String(length=64), nullable=False),
        sa.Column("form", sa.String(length=64), nullable=False),
        sa.Column("requested_by", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state IN ('pending', 'confirmed', 'superseded', 'withdrawn')", name=op.f("ck_signup_request_state")
        ),
        sa.ForeignKeyConstraint(["requested_by"], ["consent.seq"], name="fk_signup_request_requested_by"),
        sa.ForeignKeyConstraint(["wording"], ["consent_wording.digest"], name="fk_signup_request_wording"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signup_request")),
        sa.UniqueConstraint("public_id", name="uq_signup_request_public_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_signup_request_mailbox", "signup_request", ["mailbox", "requested_at"], unique=False)
    op.create_index("ix_signup_request_requested_at", "signup_request", ["requested_at"], unique=False)
    op.create_index(
        "uq_signup_request_live",
        "signup_request",
        ["fingerprint", "newsletter"],
        unique=True,
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "subscription",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("newsletter", sa.String(), nullable=False),
        sa.Column("public_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("ended_reason", sa.String(), nullable=True),
        sa.Column("authorised_by", sa.Integer(), nullable=True),
        sa.Column("paused_until", sa.BigInteger(), nullable=True),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("(state = 'ended') = (ended_reason IS NOT NULL)", name=op.f("ck_subscription_ended")),
        sa.CheckConstraint("(state = 'paused') = (paused_until IS NOT NULL)", name=op.f("ck_subscription_paused")),
        sa.CheckConstraint("state IN ('active', 'paused', 'ended', 'unknown')", name=op.f("ck_subscription_state")),
        sa.CheckConstraint(
            "state NOT IN ('active', 'paused') OR authorised_by IS NOT NULL", name=op.f("ck_subscription_authorised")
        ),
        sa.ForeignKeyConstraint(["authorised_by"], ["consent.seq"], name="fk_subscription_authorised_by"),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscriber.id"], name="fk_subscription_subscriber"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription")),
        sa.UniqueConstraint("public_id", name="uq_subscription_public_id"),
        sa.UniqueConstraint("subscriber_id", "newsletter", name="uq_subscription_subscriber_newsletter"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_subscription_newsletter", "subscription", ["newsletter", "state"], unique=False)
    for statement in ledger_triggers(op.get_bind().dialect.name, ("consent_wording", "consent", "consent_payload")):
        op.execute(sa.text(statement))


def downgrade() -> None:
    op.drop_index("ix_subscription_newsletter", table_name="subscription")
    op.drop_table("subscription")
    op.drop_index("uq_signup_request_live", table_name="signup_request")
    op.drop_index("ix_signup_request_requested_at", table_name="signup_request")
    op.drop_index("ix_signup_request_mailbox", table_name="signup_request")
    op.drop_table("signup_request")
    op.drop_table("consent_payload")
    op.drop_index(op.f("ix_edition_printed_edition_id"), table_name="edition_printed")
    op.drop_table("edition_printed")
    op.drop_index(op.f("ix_edition_history_edition_id"), table_name="edition_history")
    op.drop_table("edition_history")
    op.drop_index(op.f("ix_desk_session_account_id"), table_name="desk_session")
    op.drop_table("desk_session")
    op.drop_index("ix_consent_subject", table_name="consent")
    op.drop_table("consent")
    op.drop_index("ix_chunk_due_at", table_name="chunk")
    op.drop_table("chunk")
    op.drop_table("worker")
    op.drop_table("wire_visit")
    op.drop_table("suppression")
    op.drop_table("subscriber")
    op.drop_index(op.f("ix_story_dated_at"), table_name="story")
    op.drop_table("story")
    op.drop_table("mailing")
    op.drop_table("frozen")
    op.drop_table("edition")
    op.drop_table("delivery")
    op.drop_table("consent_wording")
    op.drop_table("consent_head")
    op.drop_index("ix_attempt_mailing_id_recipient_id", table_name="attempt")
    op.drop_table("attempt")
    op.drop_table("account")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.text("DROP FUNCTION IF EXISTS consent_append_only()"))
