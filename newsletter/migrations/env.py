"""Alembic's entry: the tables of every room, on the engine `newsletter.database` hands over."""

import importlib
import importlib.util

from alembic import context
from sqlmodel import SQLModel

for module in (
    "newsletter.stories.wire",
    "newsletter.editions.store",
    "newsletter.delivery.ledger",
    "newsletter.desk.accounts",
    "subscribers",
):
    if importlib.util.find_spec(module):
        importlib.import_module(module)

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
