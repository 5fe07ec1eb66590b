"""Runs the numbered steps on the connection that `store.migrate` opened, inside its transaction. Called by Alembic."""

from alembic import context

# Batch: SQLite cannot alter most things in place, so a changed table is copied.
context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
