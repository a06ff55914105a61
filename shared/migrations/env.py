"""Run the migrations of one subgraph: the section's name in alembic.ini is the subgraph's."""

from importlib import import_module

from alembic import context
from sqlalchemy import MetaData, create_engine, pool, text

from shared.config import SubgraphSettings, load
from shared.db import sync_url


def run() -> None:
    """Apply migrations in one transaction each; a lock that others hold is not waited for long."""
    section = context.config.config_ini_section
    metadata: MetaData = import_module(f"subgraphs.{section}.models").Base.metadata
    settings: type[SubgraphSettings] = import_module(f"subgraphs.{section}.config").Settings
    engine = create_engine(sync_url(load(settings)), poolclass=pool.NullPool)
    with engine.connect() as connection:
        # A migration that waits for a lock makes everybody behind it wait, too.
        connection.execute(text("SET lock_timeout = '5s'"))
        connection.execute(text("SET statement_timeout = 0"))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=metadata,
            transaction_per_migration=True,
            compare_server_default=True,
            # Extensions' own tables are not ours to compare.
            include_object=lambda item, name, kind, reflected, other: (
                not (
                    kind == "table" and reflected and other is None and name == "pg_stat_statements"
                )
            ),
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()
