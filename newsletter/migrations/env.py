"""Alembic's entry: the tables of every room, on the engine `newsletter.database` hands over."""

from alembic import context
from sqlmodel import SQLModel

import newsletter.delivery.allowance
import newsletter.delivery.idle
import newsletter.delivery.ledger
import newsletter.desk.accounts
import newsletter.editions.store
import newsletter.readership
import newsletter.safekeeping.arming
import newsletter.stories.bank
import subscribers

engine = context.config.attributes["engine"]
with engine.connect() as connection:
    # SQLite rebuilds a table to alter it, which a foreign key to that table would forbid.
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        render_as_batch=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
