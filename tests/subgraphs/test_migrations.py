"""Migrations of every subgraph go up, down to nothing and up again, and match the models."""

import os

import psycopg
import pytest

from deploy import provision
from schema.registry import load_subgraph, names
from shared.config import load

# Tables whose `updated_at` would never move, or whose new rows would not wake the relay.
WITHOUT_TRIGGER = """
  SELECT c.table_name::text FROM information_schema.columns c
  WHERE c.table_schema = 'public' AND c.column_name = 'updated_at' AND NOT EXISTS (
    SELECT 1 FROM pg_trigger t WHERE t.tgrelid = c.table_name::text::regclass
    AND t.tgname = c.table_name || '_touch')
  UNION ALL
  SELECT 'outbox' WHERE NOT EXISTS (
    SELECT 1 FROM pg_trigger t WHERE t.tgrelid = 'outbox'::regclass AND t.tgname = 'outbox_notify')
"""


def connect(database: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        host=os.environ["DB_HOST"],
        port=os.environ["DB_PORT"],
        user="postgres",
        dbname=database,
    )


@pytest.mark.parametrize("name", names())
def test_migrations_go_up_down_and_up(
    name: str, environment: None, worker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{name.upper()}_DB_NAME", f"edtech_{name}_db_test_migrations_{worker}")
    settings = load(load_subgraph(name).settings)
    provision.create_database(settings, load(provision.AdminSettings))
    provision.upgrade(name)
    provision.check(name)
    with connect(settings.database) as connection:
        assert connection.execute(WITHOUT_TRIGGER).fetchall() == []
    provision.downgrade(name)
    with connect(settings.database) as connection:
        left = connection.execute(
            "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'v', 'S') UNION ALL SELECT proname::text FROM pg_proc"
            " WHERE pronamespace = 'public'::regnamespace AND proowner = %s::regrole",
            (settings.login,),
        ).fetchall()
    assert left == [("alembic_version",)]
    provision.upgrade(name)
    provision.check(name)
