"""Code generation: each selection of fields becomes one Python function.

Which fields an object has is asked of graphql-core, so that fragments, aliases, merging and
directives mean here exactly what they mean there. What stands below a place is compiled when the
first value comes to it.
"""

from collections.abc import Callable
from typing import Any

from graphql import (
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution.collect_fields import FragmentDetails, collect_fields, collect_subfields
from graphql.execution.values import VariableValues
from graphql.type import TypeNameMetaFieldDef

from . import functions
from .abstract import abstract_completer, object_check
from .fields import FieldCode
from .functions import ITEM_PATH, Source
from .leaves import as_it_is, leaf_completer
from .slots import Completer, Path, Slot, absent, delegate_to, list_check


class Compiler:
    """Compiles one operation for one set of values of its directive variables."""

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: dict[str, FragmentDetails],
        variables: VariableValues,
    ) -> None:
        self._schema, self._operation = schema, operation
        self._fragments, self._variables = fragments, variables
        self._strawberry = getattr(schema, "_strawberry_schema", None)

    def steps(self) -> list[Completer]:
        """Functions that run the operation one after another: one, or one per root mutation."""
        kind = self._operation.operation
        root = self._schema.get_root_type(kind)
        assert root is not None  # noqa: S101 - else the operation is left to graphql-core
        fields = collect_fields(
            self._schema, self._fragments, self._variables, root, self._operation
        ).grouped_field_set
        if kind is not OperationType.MUTATION:
            return [self._body(root, fields, None)]
        return [self._body(root, {key: details}, None) for key, details in fields.items()]

    # -- one place

    def _completer(self, slot: Slot, source: Source, name: str) -> Any:
        """Give the slot a completer, and the function in the making a name for it.

        The type without its non-null wrapper is returned.
        """
        type_: Any = slot.type.of_type if is_non_null_type(slot.type) else slot.type
        if is_leaf_type(type_):
            slot.complete = leaf_completer(slot, type_)
        elif is_list_type(type_):
            slot.complete = self._later(slot, lambda: self._list(slot, type_), source, name)
        elif is_abstract_type(type_):
            slot.complete = self._later(slot, lambda: self._any_of(slot, type_), source, name)
        else:
            slot.complete = self._later(slot, lambda: self._object(slot, type_), source, name)
        source.names[name] = slot.complete
        return type_

    def _later(
        self, slot: Slot, make: Callable[[], Completer], source: Source, name: str
    ) -> Completer:
        """A completer that is compiled when the first value comes, and then takes its own place."""

        def complete(value: Any, path: Path, run: Any) -> Any:
            if absent(value):
                return slot.null()
            made = slot.complete = source.names[name] = self._made(slot, make)
            return made(value, path, run)

        return complete

    def _abstract(self, slot: Slot, type_: Any) -> tuple[dict[type, Completer], Completer]:
        def body_of(runtime: GraphQLObjectType) -> Completer:
            return self._made(slot, lambda: self._body(runtime, self._fields(slot, runtime), slot))

        return abstract_completer(slot, type_, body_of)

    @staticmethod
    def _made(slot: Slot, make: Callable[[], Completer]) -> Completer:
        try:
            return make()
        except Exception:  # too large a selection, or a directive with a wrong argument
            return delegate_to(slot)

    def _fields(self, slot: Slot, type_: GraphQLObjectType) -> dict[str, Any]:
        return collect_subfields(
            self._schema,
            self._fragments,
            self._variables,
            self._operation,
            type_,
            slot.details,
        ).grouped_field_set

    # -- functions

    def _body(
        self, type_: GraphQLObjectType, fields: dict[str, Any], slot: Slot | None
    ) -> Completer:
        source = Source()
        lines = self._object_lines(type_, fields, slot, source, "path", "return {}")
        return source.load(functions.body_function(lines))

    def _any_of(self, slot: Slot, type_: Any) -> Completer:
        classes, each = self._abstract(slot, type_)
        lines = functions.abstract_lines("path", "return {}")
        return Source(classes=classes, each=each).load(functions.body_function(lines))

    def _object(self, slot: Slot, type_: GraphQLObjectType) -> Completer:
        source = Source(slot=slot)
        known = _known(slot, type_, source, "path")
        fields = self._fields(slot, type_)
        lines = self._object_lines(type_, fields, slot, source, "path", "return {}")
        return source.load(functions.object_function(known, lines))

    def _list(self, slot: Slot, type_: Any) -> Completer:
        item = slot.items(type_.of_type)
        source = Source(slot=slot, item=item, is_list=list_check(slot))
        inner = self._completer(item, source, "each")
        if is_leaf_type(inner):
            lines = functions.leaf_item(as_it_is(inner, "o", not item.nonnull))
        elif is_list_type(inner):
            lines = functions.list_item()
        elif is_abstract_type(inner):
            source.names["classes"], source.names["each"] = self._abstract(item, inner)
            lines = functions.abstract_lines(ITEM_PATH, "out.append({})")
        else:
            known = _known(item, inner, source, ITEM_PATH)
            fields = self._fields(item, inner)
            body = self._object_lines(inner, fields, item, source, ITEM_PATH, "out.append({})")
            lines = functions.object_item(known, body)
        return source.load(functions.list_function(lines))

    def _object_lines(
        self,
        type_: GraphQLObjectType,
        fields: dict[str, Any],
        slot: Slot | None,
        source: Source,
        path: str,
        result: str,
    ) -> list[str]:
        lines: list[str] = []
        pairs: list[str] = []
        for n, (key, details) in enumerate(fields.items()):
            field = self._schema.get_field(type_, details[0].node.name.value)
            if field is TypeNameMetaFieldDef:
                pairs.append(f"{key!r}: {type_.name!r}")
            elif field is not None:
                here = Slot(slot, type_, field, details, field.type, key)
                lines += self._field_lines(here, n, source, f"({path}, {key!r}, {type_.name!r})")
                pairs.append(f"{key!r}: v{n}")
        return functions.object_lines(lines, pairs, path, result)

    def _field_lines(self, slot: Slot, n: int, source: Source, where: str) -> list[str]:
        code = FieldCode(slot, n, where, self._strawberry)
        source.names.update(code.names)
        source.foreign.update(code.foreign)
        type_ = self._completer(slot, source, f"c{n}")
        if code.is_awaited:
            last = functions.deferring(n)
        elif is_leaf_type(type_):
            last = functions.completing_leaf(n, as_it_is(type_, f"v{n}", not slot.nonnull))
        else:
            last = functions.completing(n, where)
        return functions.field_lines(n, [*code.lines, *last], where)


def _known(slot: Slot, type_: GraphQLObjectType, source: Source, path: str) -> str:
    classes: set[type] = set()
    source.names["classes"] = classes
    source.names["check"] = object_check(slot, type_, classes)
    return functions.known_object(path, type_.is_type_of is not None)
