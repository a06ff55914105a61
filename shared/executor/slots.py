"""Places in a response: what belongs there, the way to it, and what resolvers are told."""

from collections.abc import Callable
from typing import Any

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLOutputType,
    Undefined,
    is_non_null_type,
)
from graphql.pyutils import Path as CorePath
from graphql.pyutils import is_iterable

# The way to a place, from its end: (way to the parent, key or index, name of the parent's type).
# Structurally equal to graphql-core's `Path`, and made only when somebody may look at it.
Path = tuple[Any, str | int, str | None]
# Turns a resolved value into response data: (value, path, run) -> data.
Completer = Callable[[Any, Any, Any], Any]


class Slot:
    """A place in the responses of one plan: a field of an object, or the items of a list."""

    __slots__ = (
        "complete",
        "definition",
        "details",
        "key",
        "nodes",
        "nonnull",
        "owner",
        "parent",
        "type",
    )

    def __init__(
        self,
        parent: "Slot | None",
        owner: GraphQLObjectType,
        definition: GraphQLField,
        details: list[Any],
        type_: GraphQLOutputType,
        key: str | None,
    ) -> None:
        self.parent, self.owner, self.definition, self.details = parent, owner, definition, details
        self.type, self.nonnull, self.key = type_, is_non_null_type(type_), key
        self.nodes: list[FieldNode] = [detail.node for detail in details]
        self.complete: Completer = delegate_to(self)

    def items(self, type_: GraphQLOutputType) -> "Slot":
        """The slot of the items when a list stands here."""
        return Slot(self, self.owner, self.definition, self.details, type_, None)

    def null(self) -> None:
        """The response for no value: null. Raises TypeError where null is not allowed."""
        if self.nonnull:
            name = self.nodes[0].name.value
            raise TypeError(f"Cannot return null for non-nullable field {self.owner}.{name}.")


class Await(Exception):
    """A value can only be had by awaiting it; `done` when that gives response data."""

    def __init__(self, value: Any, done: bool = False) -> None:
        self.value, self.done = value, done


def refuse_unusual(value: Any, run: Any) -> None:
    """Raise what may stand in the place of any value: an awaitable, or an exception."""
    if run.is_awaitable(value):
        raise Await(value)
    if isinstance(value, Exception):
        raise value


def list_check(slot: Slot) -> Callable[[Any, Any], bool]:
    """A check whether a value can be iterated; false for what graphql-core must iterate."""

    def is_list(value: Any, run: Any) -> bool:
        refuse_unusual(value, run)
        if run.is_async_iterable(value):
            return False
        if not is_iterable(value):
            name = slot.nodes[0].name.value
            raise GraphQLError(
                f"Expected Iterable, but did not find one for field '{slot.owner}.{name}'."
            )
        return True

    return is_list


def absent(value: Any) -> bool:
    """Whether a resolver gave no value."""
    return value is None or value is Undefined


def delegate(slot: Slot, value: Any, path: Path, run: Any) -> Any:
    """Let graphql-core complete one value. Raises Await when that takes time."""
    info = ResolveInfo(run, slot, path)
    core = run.core
    done = core.complete_value(slot.type, slot.details, info, core_path(path), value, None)
    if run.is_awaitable(done):
        raise Await(done, done=True)
    return done


def delegate_to(slot: Slot) -> Completer:
    """A completer that leaves every value of the slot to graphql-core."""

    def complete(value: Any, path: Path, run: Any) -> Any:
        return delegate(slot, value, path, run)

    return complete


def keys_of(path: Path | None) -> list[str | int]:
    """The path as a list of keys from the root."""
    keys = []
    while path is not None:
        keys.append(path[1])
        path = path[0]
    return keys[::-1]


def core_path(path: Path | None) -> CorePath | None:
    """The path as graphql-core's own type."""
    return None if path is None else CorePath(core_path(path[0]), path[1], path[2])


def is_below(path: Path | None, top: Path | None) -> bool:
    """Whether one place is another, or below it."""
    while path is not None and path != top:
        path = path[0]
    return path == top


class ResolveInfo:
    """What graphql-core tells resolvers; each part is made only when asked for.

    Unlike there it is no tuple: it can be neither unpacked nor replaced in parts.
    """

    __slots__ = ("_path", "_run", "_slot")

    def __init__(self, run: Any, slot: Slot, path: Path) -> None:
        self._run, self._slot, self._path = run, slot, path

    field_name = property(lambda self: self._slot.nodes[0].name.value)
    field_nodes = property(lambda self: self._slot.nodes)
    return_type = property(lambda self: self._slot.definition.type)
    parent_type = property(lambda self: self._slot.owner)
    schema = property(lambda self: self._run.operation.schema)
    fragments = property(lambda self: self._run.operation.fragment_definitions)
    operation = property(lambda self: self._run.operation.node)
    root_value = property(lambda self: self._run.root_value)
    variable_values = property(lambda self: self._run.variable_values.coerced)
    context = property(lambda self: self._run.context_value)
    is_awaitable = property(lambda self: self._run.is_awaitable)
    abort_signal = None  # an operation that can be aborted is not compiled
    async_helpers = property(lambda self: self._run.core.async_helpers)
    operation_extensions = property(lambda self: self._run.operation_extensions)

    @property
    def path(self) -> CorePath:
        """The path of the field, also while an item of its list is completed."""
        path = self._path
        while path[2] is None:
            path = path[0]
        return CorePath(core_path(path[0]), path[1], path[2])
