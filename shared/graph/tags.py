"""Tags say which contracts of the graph a part of it belongs to; see docs/partners.md.

Fields, enums and inputs are tagged by hand. Two things follow, so that nobody forgets them: the
arguments of a tagged field, and the connections over a tagged type.
"""

from collections.abc import Iterable, Sequence
from typing import Any, cast

from strawberry.federation.schema_directives import Tag
from strawberry.schema import BaseSchema
from strawberry.types.base import StrawberryObjectDefinition, get_object_definition

# What belongs to every contract that uses it: money, times, pages and refusals.
PUBLIC = "public"


def spread_tags(schema: BaseSchema) -> None:
    """Give arguments the tags of their field, and connections and edges those of their node.

    Without it an optional argument would be missing from a contract that has its field. What has
    tags of its own keeps them alone: so an argument is kept out of a contract. A node's tags are
    its type's and those of its id.
    """
    for found in list(schema.schema_converter.type_map.values()):
        definition = found.definition
        if isinstance(definition, StrawberryObjectDefinition):
            _spread_over_arguments(definition)
            if (node := _node_of(definition)) is not None:
                definition.directives = _with(definition.directives, _tags_of_node(node))


def _spread_over_arguments(definition: StrawberryObjectDefinition) -> None:
    for field in definition.fields:
        tags = _tags(field.directives)
        for argument in field.arguments if tags else ():
            argument.directives = tuple(_with(argument.directives, tags))


def _node_of(definition: StrawberryObjectDefinition) -> StrawberryObjectDefinition | None:
    """What a generic type was made for, when that is a type of the graph."""
    if definition.concrete_of is None or len(definition.type_var_map) != 1:
        return None
    (node,) = definition.type_var_map.values()
    # A type that is named before it is defined is resolved when it is asked for.
    return get_object_definition(getattr(node, "resolve_type", lambda: node)())


def _tags_of_node(node: StrawberryObjectDefinition) -> list[Tag]:
    by_name = {field.python_name: field for field in node.fields}
    own = _tags(node.directives)
    return own + [tag for tag in _tags(_directives(by_name.get("id"))) if tag not in own]


def _directives(field: Any) -> Sequence[object]:
    return cast("Sequence[object]", field.directives) if field is not None else ()


def _tags(directives: Iterable[object] | None) -> list[Tag]:
    return [each for each in directives or () if isinstance(each, Tag)]


def _with(directives: Iterable[object] | None, tags: list[Tag]) -> list[object]:
    given = list(directives or ())
    return given if _tags(given) else [*given, *tags]
