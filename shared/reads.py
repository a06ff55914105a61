"""Reads without a session: a select goes to psycopg as text, and what comes back are plain rows.

SQLAlchemy's session costs several times what the statement itself costs. A `ReadSession` therefore
lets SQLAlchemy put a select together once, keeps its text under SQLAlchemy's own cache key, and
from then on sends it directly. The result is SQLAlchemy's. In the place of an entity stands an
object that reads like it, with its columns, properties and methods, which no session knows; what
was not read, such as a deferred column, raises AttributeError. See "Database" in
docs/architecture.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from types import FunctionType
from typing import Any, cast

import sqlalchemy as sa
from psycopg_pool import AsyncConnectionPool
from sqlalchemy.engine import Dialect, IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.orm import aliased

MOST_STATEMENTS = 1000

Values = Sequence[Any]
Make = Callable[[Values], Any]
Decode = Callable[[Any], Any]
_UNKNOWN: Any = object()
_READS_LIKE = (property, classmethod, staticmethod, FunctionType)


class Reads:
    """The selects of one subgraph, and the pool on which they run."""

    def __init__(self, pool: AsyncConnectionPool[Any], dialect: Dialect) -> None:
        self._pool, self._dialect = pool, dialect
        # None for a statement that needs a session.
        self._known: dict[Any, _Prepared | None] = {}

    async def execute(
        self, statement: sa.Select[Any], values: dict[str, Any] | None
    ) -> sa.Result[Any] | None:
        """The result of a select; None if only a session can execute it."""
        key = statement._generate_cache_key()
        # What `params()` put into the statement is not in the key.
        if key is None or key.params:
            return None
        # Once: hashing a key takes a while.
        prepared: _Prepared | None = self._known.get(key.key, _UNKNOWN)
        if prepared is _UNKNOWN:
            prepared = _prepare(statement, key, self._dialect)
            self._remember(key.key, prepared)
        if prepared is None:
            return None
        text, parameters = prepared.bound(values, key.bindparams)
        connection = await self._pool.getconn()
        try:
            cursor = await connection.execute(text, parameters, binary=True)
            return prepared.result(await cursor.fetchall(), cursor)
        finally:
            await self._pool.putconn(connection)

    def _remember(self, key: Any, prepared: "_Prepared | None") -> None:
        if len(self._known) >= MOST_STATEMENTS:
            del self._known[next(iter(self._known))]
        self._known[key] = prepared


@dataclass(frozen=True)
class _Part:
    """What a select asks for in one place: a column, or an entity with what is loaded with it."""

    columns: list[Any]
    make: Make | None = None
    joined: tuple[Any, ...] = ()


class _Prepared:
    """A select as text, with what makes parameters of values and a result of rows."""

    def __init__(self, compiled: Any, names: Sequence[str], parts: Sequence[_Part]) -> None:
        self._compiled, self._metadata = compiled, SimpleResultMetaData(names)
        self._text = str(compiled)
        self._has_lists = bool(compiled.post_compile_params or compiled.literal_execute_params)
        self._types = [column.type for part in parts for column in part.columns]
        self._decoders: list[tuple[int, Decode]] | None = None
        # Where rows of nothing but columns come, they are taken as they are.
        self._places: list[tuple[int, int, Make | None]] = []
        at = 0
        for part in parts:
            self._places.append((at, at + len(part.columns), part.make))
            at += len(part.columns)
        self._is_plain = not any(part.make for part in parts)

    def bound(self, values: dict[str, Any] | None, extracted: Any) -> tuple[str, dict[str, Any]]:
        """Text and parameters of one execution."""
        compiled, text = self._compiled, self._text
        found: dict[str, Any] = compiled.construct_params(values, extracted)
        encoders = compiled._bind_processors
        if self._has_lists:
            # A list in the text, with one parameter for each value.
            state = compiled._process_parameters_for_postcompile(found)
            text, encoders = state.statement, {**encoders, **state.processors}
        for name, encode in encoders.items():
            if name in found:
                found[name] = encode(found[name])
        return text, found

    def result(self, rows: list[Any], cursor: Any) -> sa.Result[Any]:
        """The rows as SQLAlchemy gives them."""
        if self._decoders is None:
            self._decoders = self._find_decoders(cursor)
        if self._decoders:
            rows = [self._decoded(row, self._decoders) for row in rows]
        if not self._is_plain:
            rows = [self._made(row) for row in rows]
        return IteratorResult(self._metadata, iter(rows))

    def _find_decoders(self, cursor: Any) -> list[tuple[int, Decode]]:
        dialect = self._compiled.dialect
        found = []
        for at, (type_, column) in enumerate(zip(self._types, cursor.description, strict=True)):
            decode = type_.dialect_impl(dialect).result_processor(dialect, column.type_code)
            # psycopg gives lists as they are wanted, unless something is to be done to each item.
            if isinstance(type_, sa.ARRAY) and not type_.as_tuple:
                item = type_.item_type.dialect_impl(dialect)
                decode = item.result_processor(dialect, None) and decode
            if decode is not None:
                found.append((at, decode))
        return found

    @staticmethod
    def _decoded(row: Values, decoders: list[tuple[int, Decode]]) -> Values:
        changed = list(row)
        for at, decode in decoders:
            changed[at] = decode(changed[at])
        return tuple(changed)

    def _made(self, row: Values) -> Values:
        return tuple(
            row[first] if make is None else make(row[first:end])
            for first, end, make in self._places
        )


def _prepare(statement: sa.Select[Any], key: Any, dialect: Dialect) -> _Prepared | None:
    if statement._with_options or statement._for_update_arg or statement.get_execution_options():
        return None
    described = statement.column_descriptions
    # Some aliases have no name.
    names = [each["name"] or f"_{at}" for at, each in enumerate(described)]
    parts = [
        _entity(each["entity"])
        if each.get("entity") is not None and each["expr"] is each["entity"]
        else _Part([each["expr"]])
        for each in described
    ]
    if None in parts or len(set(names)) < len(names):
        return None
    known = [part for part in parts if part is not None]
    if any(part.make for part in known):
        statement = statement.with_only_columns(*(c for part in known for c in part.columns))
    for target in (target for part in known for target in part.joined):
        statement = statement.join(target)
    compiled: Any = statement.compile(dialect=dialect, cache_key=key)
    return None if compiled.escaped_bind_names else _Prepared(compiled, names, known)


def _entity(entity: Any) -> _Part | None:
    """All columns of an entity, and of those that its mapping always joins."""
    mapper = sa.inspect(entity).mapper
    part = _columns(entity)
    for relationship in mapper.relationships:
        if relationship.lazy in ("select", "raise"):
            continue
        if relationship.lazy != "joined" or not relationship.innerjoin or relationship.uselist:
            return None
        other = aliased(relationship.mapper.class_)
        part = _with_other(part, relationship.key, _columns(other))
        target = getattr(entity, relationship.key).of_type(other)
        part = replace(part, joined=(*part.joined, target))
    return part


def _columns(entity: Any) -> _Part:
    mapper = sa.inspect(entity).mapper
    keys = [each.key for each in mapper.column_attrs if not each.deferred]
    likeness = _likeness(mapper.class_)

    def make(values: Values) -> Any:
        made = likeness()
        made.__dict__ = dict(zip(keys, values, strict=True))
        return made

    return _Part([getattr(entity, key) for key in keys], make)


def _with_other(part: _Part, key: str, other: _Part) -> _Part:
    width = len(part.columns)
    make, make_other = cast("Make", part.make), cast("Make", other.make)

    def make_both(values: Values) -> Any:
        made = make(values[:width])
        setattr(made, key, make_other(values[width:]))
        return made

    return replace(part, columns=part.columns + other.columns, make=make_both)


@cache
def _likeness(entity: type) -> type:
    """A class with the properties and methods of an entity's, which SQLAlchemy does not know."""
    own: dict[str, Any] = {}
    for base in reversed(entity.__mro__):
        for name, value in vars(base).items():
            if isinstance(value, _READS_LIKE) and not name.startswith("__"):
                own[name] = value
    return type(entity.__name__, (), own)
