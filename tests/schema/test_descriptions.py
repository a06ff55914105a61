"""The SDL is the manual: everything in it is described."""

from collections.abc import Iterator

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    build_ast_schema,
    parse,
)
from graphql.type import is_introspection_type, is_specified_scalar_type

from schema.registry import load_subgraph, names

# What the federation specification defines is not ours to describe.
FEDERATION = {
    "_Any",
    "_Entity",
    "_Service",
    "_FieldSet",
    "FieldSet",
    "link__Import",
    "federation__",
}
FEDERATION_FIELDS = {"Query._service", "Query._entities"}


def undescribed(sdl: str) -> Iterator[str]:
    """The path of everything without a description."""
    schema = build_ast_schema(parse(sdl), assume_valid_sdl=True)
    for name, kind in schema.type_map.items():
        if is_introspection_type(kind) or is_specified_scalar_type(kind) or name in FEDERATION:
            continue
        # A subgraph without queries has a `Query` of the federation's fields alone.
        bare = (
            name == "Query"
            and isinstance(kind, GraphQLObjectType)
            and set(kind.fields) <= {"_service", "_entities"}
        )
        if not kind.description and not bare:
            yield name
        if isinstance(kind, GraphQLEnumType):
            yield from (f"{name}.{k}" for k, v in kind.values.items() if not v.description)
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            for field_name, field in kind.fields.items():
                path = f"{name}.{field_name}"
                if path in FEDERATION_FIELDS:
                    continue
                if not field.description:
                    yield path
                for argument_name, argument in getattr(field, "args", {}).items():
                    if not argument.description:
                        yield f"{path}({argument_name})"


def test_missing_descriptions_are_found() -> None:
    sdl = """
      "A type." type Query { "A field." good("An argument." a: Int): Kind bare(a: Int): Int }
      "An enum." enum Kind { "A value." GOOD BARE }
      input Bare { field: Int }
      union Either = Query
    """
    assert sorted(undescribed(sdl)) == [
        "Bare",
        "Bare.field",
        "Either",
        "Kind.BARE",
        "Query.bare",
        "Query.bare(a)",
    ]


@pytest.mark.parametrize("name", names())
def test_everything_has_a_description(name: str) -> None:
    assert list(undescribed(load_subgraph(name).schema.as_str())) == []
