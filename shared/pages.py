"""Pages by key cursors: stable under writes, where offsets skip and repeat.

A cursor is the sort key of one row, with a mark of the order that it belongs to. `keyset` serves
one list; `ListsByParent` serves the same page of many parents in one statement. Free of GraphQL,
since services take it.
"""

import base64
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, TypeVar, overload
from uuid import UUID

import orjson
import sqlalchemy as sa

from shared.db import ReadSession
from shared.errors import InvalidInput

T = TypeVar("T")
U = TypeVar("U")
MOST = 100


@dataclass(frozen=True)
class PageRequest:
    """What part of a list is wanted, checked. Hashable, so that loaders can share it."""

    size: int
    backward: bool = False
    cursor: str | None = None

    @classmethod
    def of(
        cls,
        *,
        first: int | None,
        after: str | None,
        last: int | None,
        before: str | None,
        default: int = 20,
    ) -> "PageRequest":
        """Check Relay's four arguments. Raises InvalidInput that names argument and limit."""
        if first is not None and last is not None:
            raise InvalidInput("Give first or last, not both.", field="last")
        if (last is not None or before is not None) and (first is not None or after is not None):
            raise InvalidInput("Give first/after or last/before, not a mix.", field="before")
        backward = last is not None or before is not None
        name, size = ("last", last) if backward else ("first", first)
        if size is not None and not 0 <= size <= MOST:
            raise InvalidInput(f"{name} must be between 0 and {MOST}.", field=name)
        return cls(
            size=default if size is None else size,
            backward=backward,
            cursor=before if backward else after,
        )


@dataclass
class Page(Generic[T]):
    """One page in the list's own order, whichever direction it was read in."""

    items: list[T] = field(default_factory=list)
    cursors: Sequence[str] = ()
    has_next: bool = False
    has_previous: bool = False
    total: int | None = None

    def map(self, convert: Callable[[T], U]) -> "Page[U]":
        """The same page of other things."""
        return Page(
            [convert(item) for item in self.items],
            self.cursors,
            self.has_next,
            self.has_previous,
            self.total,
        )


@dataclass(frozen=True)
class Order:
    """A total order: columns with their direction, the last one unique. None of them nullable."""

    columns: tuple[tuple[sa.ColumnElement[Any], bool], ...]  # (column, descending)

    @classmethod
    def by(cls, *columns: Any) -> "Order":
        """From columns and `column.desc()` expressions."""
        found = []
        for column in columns:
            unary = isinstance(column, sa.UnaryExpression)
            found.append((column.element, True) if unary else (sa.inspect(column), False))
        return cls(
            tuple(
                (c.__clause_element__() if hasattr(c, "__clause_element__") else c, d)
                for c, d in found
            )
        )

    @cached_property
    def mark(self) -> int:
        """What tells this order from others in cursors, with its parameters (a search's text)."""
        parts = [(column.compile(), descending) for column, descending in self.columns]
        return zlib.crc32(repr([(str(c), c.params, d) for c, d in parts]).encode())


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"t": value.isoformat()}
    if isinstance(value, UUID):
        return {"u": str(value)}
    return value


def _rich(value: Any) -> Any:
    if isinstance(value, dict):
        return datetime.fromisoformat(value["t"]) if "t" in value else UUID(value["u"])
    return value


def encode_cursor(order: Order, values: Sequence[Any]) -> str:
    """An opaque, URL-safe cursor for the sort key of one row."""
    content = orjson.dumps([order.mark, *(_plain(value) for value in values)])
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


class _Cursors(Sequence[str]):
    """The cursors of a page, each written when it is looked at: few clients ask for them."""

    def __init__(self, order: Order, keys: Sequence[Sequence[Any]]) -> None:
        self._order, self._keys = order, keys

    def __len__(self) -> int:
        return len(self._keys)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> "_Cursors": ...
    def __getitem__(self, index: int | slice) -> "str | _Cursors":
        if isinstance(index, slice):
            return _Cursors(self._order, self._keys[index])
        return encode_cursor(self._order, self._keys[index])


def decode_cursor(cursor: str, order: Order, *, argument: str) -> list[Any]:
    """The sort key in a cursor. Raises InvalidInput for one that is not of this list."""
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        mark, *values = [_rich(value) for value in orjson.loads(raw)]
        if mark != order.mark or len(values) != len(order.columns):
            raise ValueError(cursor)
        for value, (column, _) in zip(values, order.columns, strict=True):
            # Exactly the type: True is an int to Python, and none to the database.
            if type(value) is not column.type.python_type:
                raise TypeError(cursor)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise InvalidInput(f"{argument} is not a cursor of this list.", field=argument) from None
    return values


def _beyond(order: Order, values: Sequence[Any], *, backward: bool) -> sa.ColumnElement[bool]:
    """Rows after the key (before it, when backward)."""
    columns, directions = zip(*order.columns, strict=True)
    if len(set(directions)) == 1:
        # One comparison of whole keys: an index begins right there, however deep the page.
        key = sa.tuple_(*values, types=[column.type for column in columns])
        row = sa.tuple_(*columns)
        return row < key if directions[0] != backward else row > key
    # Mixed directions: a > x OR (a = x AND b < y) …
    options = []
    for i, (column, descending) in enumerate(order.columns):
        equal = [c == v for c, v in zip(columns[:i], values[:i], strict=True)]
        further = column < values[i] if descending != backward else column > values[i]
        options.append(sa.and_(*equal, further))
    return sa.or_(*options)


def _key_of(page: PageRequest, order: Order) -> list[Any] | None:
    """The key from which the page goes on. Raises InvalidInput."""
    if page.cursor is None:
        return None
    return decode_cursor(page.cursor, order, argument="before" if page.backward else "after")


def _from_key(
    statement: sa.Select[Any], order: Order, key: Sequence[Any] | None, *, backward: bool
) -> sa.Select[Any]:
    if key is not None:
        statement = statement.where(_beyond(order, key, backward=backward))
    for column, descending in order.columns:
        statement = statement.order_by(column.desc() if descending != backward else column.asc())
    return statement


def from_cursor(statement: sa.Select[Any], order: Order, page: PageRequest) -> sa.Select[Any]:
    """The rows of a select from the page's cursor on, in the direction in which it is read."""
    return _from_key(statement, order, _key_of(page, order), backward=page.backward)


def _page(rows: list[Any], keys: list[Sequence[Any]], order: Order, page: PageRequest) -> Page[Any]:
    more = len(rows) > page.size
    rows, keys = rows[: page.size], keys[: page.size]
    if page.backward:
        rows, keys = rows[::-1], keys[::-1]
    return Page(
        items=rows,
        cursors=_Cursors(order, keys),
        has_next=page.cursor is not None if page.backward else more,
        has_previous=more if page.backward else page.cursor is not None,
    )


async def keyset(
    session: ReadSession, statement: sa.Select[Any], order: Order, page: PageRequest
) -> Page[Any]:
    """One page of a select whose first column is the item. One statement."""
    keys = [column for column, _ in order.columns]
    # One row more than asked for tells whether the list goes on.
    prepared = from_cursor(statement.add_columns(*keys), order, page).limit(page.size + 1)
    rows = (await session.execute(prepared)).all()
    width = len(keys)
    return _page([row[0] for row in rows], [tuple(row[-width:]) for row in rows], order, page)


class ListsByParent:
    """A list that each parent has, such as a student's courses: the same page for many at once.

    `statement` selects one ORM entity, `parent` is the column that holds the parent's id. Made once
    in a module where it has no value of a request in it: SQLAlchemy takes longer to put the
    statement together than to send it.
    """

    def __init__(self, statement: sa.Select[Any], order: Order, *, parent: Any) -> None:
        self._statement, self._order, self._parent = statement, order, parent
        # By direction, and whether the page goes on from a key.
        self._prepared: dict[tuple[bool, bool], sa.Select[Any]] = {}

    async def pages(
        self, session: ReadSession, page: PageRequest, parents: Sequence[UUID]
    ) -> list[Page[Any]]:
        """A page for each parent, in the order of `parents`. One statement (LATERAL join)."""
        key = _key_of(page, self._order)
        kind = page.backward, key is not None
        prepared = self._prepared.get(kind)
        if prepared is None:
            prepared = self._prepared[kind] = self._prepare(*kind)
        values = {f"_key_{i}": value for i, value in enumerate(key or ())}
        values |= {"_parents": list(parents), "_size": page.size + 1}
        grouped: dict[UUID, list[Any]] = {}
        for row in await session.execute(prepared, values):
            grouped.setdefault(row[1], []).append(row)
        return [
            _page(
                [row[0] for row in grouped.get(id_, [])],
                [tuple(row[2:]) for row in grouped.get(id_, [])],
                self._order,
                page,
            )
            for id_ in parents
        ]

    def _prepare(self, backward: bool, goes_on: bool) -> sa.Select[Any]:
        entity = self._statement.column_descriptions[0]["entity"]
        columns = self._order.columns
        key = [
            sa.bindparam(f"_key_{i}", type_=column.type) for i, (column, _) in enumerate(columns)
        ]
        wanted = (
            sa.func.unnest(sa.bindparam("_parents", type_=sa.ARRAY(sa.Uuid)))
            .table_valued(sa.column("id", sa.Uuid))
            .render_derived("p")
        )
        keys = [column.label(f"_key_{i}") for i, (column, _) in enumerate(columns)]
        inner = _from_key(
            self._statement.add_columns(*keys),
            self._order,
            key if goes_on else None,
            backward=backward,
        )
        lateral = (
            inner.where(self._parent == wanted.c.id)
            .limit(sa.bindparam("_size", type_=sa.Integer))
            .lateral("rows_of_parent")
        )
        places = [
            lateral.c[label.name].desc() if descending != backward else lateral.c[label.name]
            for label, (_, descending) in zip(keys, columns, strict=True)
        ]
        return (
            sa.select(
                sa.orm.aliased(entity, lateral),
                wanted.c.id,
                *(lateral.c[label.name] for label in keys),
            )
            .select_from(wanted)
            .join(lateral, sa.true())
            # A join promises no order, not even that of its parts.
            .order_by(*places)
        )


async def keyset_by_parent(
    session: ReadSession,
    statement: sa.Select[Any],
    order: Order,
    page: PageRequest,
    *,
    parent: Any,
    parents: Sequence[UUID],
) -> list[Page[Any]]:
    """The pages of a list with values of the request in it, such as the viewer."""
    return await ListsByParent(statement, order, parent=parent).pages(session, page, parents)
