"""Leaves: scalars and enums, taken as they are when their type is plainly right."""

from collections.abc import Sized
from contextlib import suppress
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLNamedType,
    GraphQLString,
    Undefined,
    is_enum_type,
)
from graphql.pyutils import inspect

from .slots import Completer, Path, Slot, absent, refuse_unusual

MOST_CLASSES = 64
# Conditions under which a value is its own response, for generated code.
_AS_IT_IS: dict[GraphQLNamedType, str] = {
    GraphQLString: "type({0}) is str",
    GraphQLID: "type({0}) is str",
    GraphQLBoolean: "type({0}) is bool",
    GraphQLInt: "type({0}) is int and -2147483648 <= {0} <= 2147483647",
    GraphQLFloat: "type({0}) is float and -1.7976931348623157e308 <= {0} <= 1.7976931348623157e308",
}


def as_it_is(type_: Any, name: str, nullable: bool) -> str | None:
    """The condition under which the value of that name needs no completer, or None."""
    condition = _AS_IT_IS.get(type_)
    if condition is None:
        return None
    return condition.format(name) + (f" or {name} is None" if nullable else "")


def may_remember(cls: type, classes: Sized) -> bool:
    """Whether what is true of one value of a class is true of all.

    It is not where a class answers for attributes that its values do not have. The bound keeps
    classes that are made at run time from piling up.
    """
    lookup: object = cls.__getattribute__
    steady = lookup is object.__getattribute__ and not hasattr(cls, "__getattr__")
    return steady and len(classes) < MOST_CLASSES


def leaf_completer(slot: Slot, type_: GraphQLLeafType) -> Completer:
    """A completer that asks the type itself for everything but the members of an enum."""
    coerce = type_.coerce_output_value
    cls, names = _enum(type_)
    usual: set[type] = set()

    def complete(value: Any, _path: Path, run: Any) -> Any:
        if absent(value):
            return slot.null()
        kind = type(value)
        if kind is cls and value._name_ in names:
            return names[value._name_]
        if kind not in usual:
            refuse_unusual(value, run)
            if may_remember(kind, usual):
                usual.add(kind)
        coerced = coerce(value)
        if coerced is None or coerced is Undefined:
            raise TypeError(
                f"Expected `{inspect(type_)}.coerce_output_value({inspect(value)})`"
                f" to return non-nullable value, returned: {inspect(coerced)}"
            )
        return coerced

    return complete


def _enum(type_: GraphQLLeafType) -> tuple[Any, dict[str, str]]:
    """The Python class of an enum, and what the type answers for each of its members."""
    cls = getattr(type_, "wrapped_cls", None) if is_enum_type(type_) else None
    names: dict[str, str] = {}
    for member in cls or ():
        # A member that the schema does not show is an error where it is returned.
        with suppress(Exception):
            names[member._name_] = type_.coerce_output_value(member)
    return cls, names
