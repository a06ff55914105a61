"""Mutations as tests send them, and a guard for what a refusal may not change."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa

from shared.runtime import Runtime
from tests.support.graph import GraphClient


def mutation(field: str, declared: str, answers: str, selection: str) -> str:
    """A mutation whose arguments carry the names of its variables."""
    names = ", ".join(f"{name}: ${name}" for name in re.findall(r"\$(\w+)", declared))
    return (
        f"mutation({declared}) {{ result: {field}({names}) {{ __typename"
        f" ... on {answers} {{ {selection} }} ... on Problem {{ code message field }} }} }}"
    )


async def run(client: GraphClient, operation: str, **variables: Any) -> dict[str, Any]:
    """What the mutation answers: the thing or a Problem."""
    result: dict[str, Any] = (await client.ask(operation, **variables)).data["result"]
    return result


async def code(client: GraphClient, operation: str, **variables: Any) -> str:
    """The Problem's code; the refusal neither writes nor publishes anything."""
    async with unchanged(client.runtime):
        result = await run(client, operation, **variables)
    assert result["__typename"] == "Problem", result
    return str(result["code"])


async def contents(runtime: Runtime) -> dict[str, list[str]]:
    """Every row of every table, the outbox included."""
    async with runtime.database.read() as session:
        every = await session.scalar(_EVERY_ROW)
        rows = await session.execute(sa.text(str(every)))
        found: dict[str, list[str]] = {}
        for name, row in rows:
            found.setdefault(name, []).append(row)
        return found


# One statement over all tables, made by another one.
_EVERY_ROW = sa.text("""
SELECT string_agg(
    format('SELECT %L AS name, to_jsonb(t)::text AS row FROM %I t', tablename, tablename),
    ' UNION ALL '
  ) || ' ORDER BY 1, 2'
FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'
""")


@asynccontextmanager
async def unchanged(runtime: Runtime) -> AsyncIterator[None]:
    """What happens inside writes nothing and publishes nothing."""
    before = await contents(runtime)
    yield
    assert await contents(runtime) == before
