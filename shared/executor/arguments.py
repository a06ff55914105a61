"""Arguments and variables: taken as they are where that is plainly right, else by graphql-core.

What a resolver could change (lists, input objects, custom scalars) is made anew for each call. The
rest is made once a request, and once a plan where no variable is in it.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLError,
    GraphQLID,
    GraphQLInputType,
    GraphQLInt,
    GraphQLString,
    is_enum_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution.get_variable_signature import GraphQLVariableSignature
from graphql.execution.values import VariableValues, VariableValueSource, get_argument_values
from graphql.language import Node, VariableNode
from strawberry import Schema
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

from .slots import Slot

# Makes the keyword arguments of a call: (run, Strawberry's info or None) -> arguments.
Binder = Callable[[Any, Any], dict[str, Any]]
# Takes a variable's value as it is. Raises TypeError when graphql-core must look at it.
Coercer = Callable[[Any], Any]

_LEAVES = (GraphQLString, GraphQLID, GraphQLBoolean, GraphQLInt)
_EXACT = {GraphQLString: str, GraphQLID: str, GraphQLBoolean: bool}
_ANY = "_Any"  # federation's representations: a scalar that takes each object as it is


def has_variable(node: Node) -> bool:
    """Whether a variable is used in an argument, or in a part of it."""
    if isinstance(node, VariableNode):
        return True
    parts = [getattr(node, key, None) for key in ("arguments", "value", "values", "fields")]
    nodes = [n for part in parts for n in (part if isinstance(part, tuple | list) else (part,))]
    return any(isinstance(n, Node) and has_variable(n) for n in nodes)


def raw_arguments(slot: Slot) -> Binder | None:
    """The arguments as graphql-core passes them to a field's `resolve`; None if there are none."""
    field, node = slot.definition, slot.nodes[0]
    if not field.args:
        return None
    return lambda run, _info: get_argument_values(field, node, run.variable_values)


def resolver_arguments(slot: Slot, source: StrawberryField, strawberry: Schema) -> Binder | None:
    """The arguments as Strawberry passes them to a field's function; None if there are none."""
    raw = raw_arguments(slot)
    if raw is None or not source.arguments:
        return None
    config, registry = strawberry.config, strawberry.schema_converter.scalar_registry

    def convert(run: Any, info: Any) -> dict[str, Any]:
        return convert_arguments(raw(run, info), source.arguments, registry, config, info)

    if not all(_is_immutable(argument.type) for argument in slot.definition.args.values()):
        return convert
    if not has_variable(slot.nodes[0]):
        with suppress(Exception):  # what is wrong with them is said at each call
            constant = convert(_NoVariables, None)
            return lambda run, info: constant

    def convert_once(run: Any, info: Any) -> dict[str, Any]:
        found: dict[str, Any] | None = run.arguments.get(slot)
        if found is None:
            found = run.arguments[slot] = convert(run, info)
        return found

    return convert_once


class _NoVariables:
    variable_values = VariableValues({}, {})


def _inner(type_: GraphQLInputType) -> Any:
    return type_.of_type if is_non_null_type(type_) else type_


def _is_immutable(type_: GraphQLInputType) -> bool:
    return is_enum_type(_inner(type_)) or _inner(type_) in _LEAVES


class Coercion:
    """Takes the variables of an operation quickly where all are given and plainly right."""

    def __init__(self, signatures: Sequence[GraphQLVariableSignature | GraphQLError]) -> None:
        self._parts: list[tuple[GraphQLVariableSignature, Coercer]] | None = []
        for signature in signatures:
            if not isinstance(signature, GraphQLError) and (coercer := _coercer(signature.type)):
                self._parts.append((signature, coercer))
            else:  # a type that graphql-core must look into
                self._parts = None
                break

    def __call__(self, inputs: dict[str, Any]) -> VariableValues | None:
        """The variables, or None when graphql-core must look at them."""
        if self._parts is None:
            return None
        sources, coerced = {}, {}
        try:
            for signature, coerce in self._parts:
                name = signature.name
                if name not in inputs and signature.default is None:
                    if is_non_null_type(signature.type):
                        return None
                    sources[name] = VariableValueSource(signature)
                else:
                    value = inputs[name]
                    coerced[name] = coerce(value)
                    sources[name] = VariableValueSource(signature, value)
        except (KeyError, TypeError):
            return None
        return VariableValues(sources, coerced)


def _coercer(type_: GraphQLInputType) -> Coercer | None:
    if not is_non_null_type(type_):
        strict = _strict_coercer(type_)
        return strict and (lambda value: None if value is None else strict(value))
    return _strict_coercer(type_.of_type)


def _strict_coercer(type_: Any) -> Coercer | None:
    if is_list_type(type_):
        each = _coercer(type_.of_type)
        return each and (lambda value: [each(v) for v in _exactly(list, value)])
    if type_ is GraphQLInt:
        return _int
    cls = dict if getattr(type_, "name", None) == _ANY else _EXACT.get(type_)
    return None if cls is None else lambda value: _exactly(cls, value)


def _exactly(cls: type, value: Any) -> Any:
    if type(value) is not cls:
        raise TypeError
    return value


def _int(value: Any) -> Any:
    if type(value) is not int or not -(2**31) <= value < 2**31:
        raise TypeError
    return value
