"""Objects: whether a value is one of the type, and which type stands behind an abstract one.

The schema's own `is_type_of` and `resolve_type` decide. Their answer is remembered per class where
the class alone decides it: when it is the Strawberry type itself, not generic, and not cast.
"""

from collections.abc import Callable
from typing import Any

from graphql import (
    GraphQLAbstractType,
    GraphQLObjectType,
)
from graphql.execution.executor import invalid_return_type_error
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.cast import TYPE_CAST_ATTRIBUTE

from .guard import give_up
from .leaves import may_remember
from .slots import (
    Completer,
    Path,
    ResolveInfo,
    Slot,
    absent,
    delegate,
    refuse_unusual,
)

DEFINITION = GraphQLCoreConverter.DEFINITION_BACKREF
Check = Callable[[Any, Path, Any], bool]


def is_cast(value: Any) -> bool:
    """Whether `strawberry.cast` decided what this value is."""
    return getattr(value, TYPE_CAST_ATTRIBUTE, None) is not None


def decides(cls: type, type_: GraphQLObjectType) -> bool:
    """Whether being an instance of the class is to be a value of the type."""
    own = getattr(cls, "__strawberry_definition__", None)
    return (
        isinstance(own, StrawberryObjectDefinition)
        and own.is_type_of is None
        and own is type_.extensions.get(DEFINITION)
    )


def object_check(slot: Slot, type_: GraphQLObjectType, known: set[type]) -> Check:
    """A check whether a value is such an object; false for null and for what core must judge.

    Classes that need no further look are put into `known`, for generated code.
    """
    is_type_of = type_.is_type_of

    def check(value: Any, path: Path, run: Any) -> bool:
        if absent(value):
            return False
        refuse_unusual(value, run)
        cls = type(value)
        if is_type_of is None:
            if may_remember(cls, known):
                known.add(cls)
            return True
        belongs = is_type_of(value, ResolveInfo(run, slot, path))  # type: ignore[arg-type]
        if run.is_awaitable(belongs):
            give_up(belongs)
            return False
        if not belongs:
            raise invalid_return_type_error(type_, value, slot.details)
        if decides(cls, type_) and not is_cast(value) and may_remember(cls, known):
            known.add(cls)
        return True

    return check


def abstract_completer(
    slot: Slot, type_: GraphQLAbstractType, body_of: Callable[[GraphQLObjectType], Completer]
) -> tuple[dict[type, Completer], Completer]:
    """What is known per class, and a completer for values of all other classes.

    What is known must not be used for a value that is cast.
    """
    known: dict[type, Completer] = {}
    bodies: dict[str, Completer] = {}
    own_resolver = getattr(type_.extensions.get(DEFINITION), "resolve_type", None)

    def complete(value: Any, path: Path, run: Any) -> Any:
        if absent(value):
            return slot.null()
        refuse_unusual(value, run)
        info: Any = ResolveInfo(run, slot, path)
        name = (type_.resolve_type or run.type_resolver)(value, info, type_)
        if run.is_awaitable(name):
            give_up(name)
            return delegate(slot, value, path, run)
        runtime = run.core.ensure_valid_runtime_type(name, type_, slot.details, info, value)
        if runtime.is_type_of:
            belongs = runtime.is_type_of(value, info)
            if run.is_awaitable(belongs):
                give_up(belongs)
                return delegate(slot, value, path, run)
            if not belongs:
                raise invalid_return_type_error(runtime, value, slot.details)
        body = bodies.get(runtime.name)
        if body is None:
            body = bodies[runtime.name] = body_of(runtime)
        cls = type(value)
        by_class = own_resolver is None and decides(cls, runtime) and not is_cast(value)
        if by_class and may_remember(cls, known):
            known[cls] = body
        return body(value, path, run)

    return known, complete
