"""Triggers that migrations install. Once released, a function here keeps its meaning for ever."""

from alembic import op

_TOUCH = """
CREATE OR REPLACE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN NEW.updated_at = clock_timestamp(); RETURN NEW; END $$
"""
_NOTIFY = """
CREATE OR REPLACE FUNCTION notify_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_notify('outbox', ''); RETURN NULL; END $$
"""


def keep_updated_at(*tables: str) -> None:
    """Set `updated_at` on every update of the tables."""
    op.execute(_TOUCH)
    for table in tables:
        op.execute(
            f"CREATE TRIGGER {table}_touch BEFORE UPDATE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION touch_updated_at()"
        )


def notify_relay() -> None:
    """Wake the relay when a transaction that wrote to the outbox commits."""
    op.execute(_NOTIFY)
    op.execute(
        "CREATE TRIGGER outbox_notify AFTER INSERT ON outbox"
        " FOR EACH STATEMENT EXECUTE FUNCTION notify_outbox()"
    )


def drop_trigger_functions() -> None:
    """Undo both, after the tables are gone."""
    op.execute("DROP FUNCTION IF EXISTS notify_outbox()")
    op.execute("DROP FUNCTION IF EXISTS touch_updated_at()")
