"""Rows by their keys, for loaders: one for each key, in one statement."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from shared.db import ReadSession, among_given

R = TypeVar("R")


class ByKey(Generic[R]):
    """What a column leads to, such as the users of some ids.

    Made once in a module: putting a statement together costs half of what sending it does. The
    statement selects one entity and has no value of a request in it.
    """

    def __init__(self, statement: sa.Select[R], column: Any) -> None:
        self._given, self._column = statement, column

    @cached_property
    def _statement(self) -> sa.Select[R]:
        return self._given.where(among_given(self._column, "_keys"))

    async def find(
        self,
        session: ReadSession,
        keys: Sequence[Any],
        *,
        visible: Callable[[R], bool] = lambda _: True,
    ) -> list[R | None]:
        """One row for each key, in their order; None where there is none that is visible."""
        rows = await session.scalars(self._statement, {"_keys": list(keys)})
        found = {getattr(row, self._column.key): row for row in rows if visible(row)}
        return [found.get(key) for key in keys]
