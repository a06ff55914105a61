"""Examples made from a schema: an operation for each root field, and an answer that fits it.

The answer comes from executing the operation over sample values, so an example can never show a
field that the contract does not have.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from graphql import (
    GraphQLAbstractType,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLSchema,
    execute_sync,
    get_named_type,
    is_composite_type,
    is_list_type,
    is_non_null_type,
    is_required_argument,
    is_required_input_field,
    parse,
    print_ast,
    validate,
)

DEEPEST = 3
MOST_FIELDS = 6
_FIRST = ("id", "title", "name", "headline")
_SAMPLES = Path(__file__).parent / "samples.yaml"


@dataclass(frozen=True, slots=True)
class Example:
    """One operation with its variables and an answer."""

    operation: str
    variables: str
    answer: str


class ExampleError(Exception):
    """An example does not fit its schema: a defect of this module."""


@cache
def _samples() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(_SAMPLES.read_text(encoding="utf-8"))
    return found


def example_of(schema: GraphQLSchema, kind: str, name: str, field: GraphQLField) -> Example:
    """An example for a field of the query or mutation type. Raises ExampleError."""
    declared = [
        (key, argument)
        for key, argument in field.args.items()
        if is_required_argument(argument) or key == "first"
    ]
    variables = {key: sample_input(argument.type, key) for key, argument in declared}
    head = f"{kind} {name[0].upper()}{name[1:]}"
    if declared:
        head += f"({', '.join(f'${key}: {argument.type}' for key, argument in declared)})"
    call = name + (f"({', '.join(f'{key}: ${key}' for key, _ in declared)})" if declared else "")
    selection = _selection(schema, field.type, DEEPEST, path=())
    text = print_ast(parse(f"{head} {{ {call} {selection} }}"))
    document = parse(text)
    answered = None
    if not (errors := validate(schema, document)):
        answered = execute_sync(
            schema,
            document,
            root_value={},
            variable_values=variables,
            field_resolver=_sample,
            type_resolver=_first_member,
        )
        errors = answered.errors or []
    if errors or answered is None:
        raise ExampleError(f"{name}: {errors[0].message if errors else 'no answer'}")
    return Example(
        operation=text,
        variables=_json(variables) if variables else "",
        answer=_json({"data": answered.data}),
    )


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _selection(
    schema: GraphQLSchema, type_: GraphQLOutputType, depth: int, *, path: tuple[str, ...]
) -> str:
    named = get_named_type(type_)
    if not is_composite_type(named):
        return ""
    if isinstance(named, GraphQLObjectType):
        return f"{{ {' '.join(_fields(schema, named, depth, path))} }}"
    parts = ["__typename"]
    for member in sorted(schema.get_possible_types(named), key=lambda each: each.name):
        fields = " ".join(_fields(schema, member, depth, path))
        parts.append(f"... on {member.name} {{ {fields} }}")
    return f"{{ {' '.join(parts)} }}"


def _fields(
    schema: GraphQLSchema, type_: GraphQLObjectType, depth: int, path: tuple[str, ...]
) -> Iterator[str]:
    """The plain fields, then a few that lead on, while there is depth left and no way back."""
    usable = {
        name: field
        for name, field in type_.fields.items()
        if field.deprecation_reason is None
        and not any(is_required_argument(each) for each in field.args.values())
    }
    plain = [name for name, field in usable.items() if not _leads_on(field)]
    # What says which one it is, then what has a sample of its own, which tells more than "text".
    first = {name: place for place, name in enumerate(_FIRST)}
    plain.sort(key=lambda name: (first.get(name, len(first)), name not in _samples()))
    yield from plain[:MOST_FIELDS]
    # The entries of a page are its point; a page nested in something else is a question of its own.
    chosen = [name for name in ("nodes", "pageInfo") if name in usable] or [
        name for name, field in usable.items() if _leads_on(field) and not _is_page(field)
    ][: 3 if depth > 1 else 0]
    shown = bool(plain)
    for name in chosen:
        target = get_named_type(usable[name].type).name
        if depth < 1 or target in path:
            continue
        step = 0 if name in ("nodes", "pageInfo") else 1
        inner = _selection(
            schema, usable[name].type, depth - step - (0 if step else 1), path=(*path, type_.name)
        )
        if inner not in ("", "{ __typename }"):
            shown = True
            yield f"{name} {inner}"
    if not shown:
        yield "__typename"


def _leads_on(field: GraphQLField) -> bool:
    return bool(is_composite_type(get_named_type(field.type)))


def _is_page(field: GraphQLField) -> bool:
    return get_named_type(field.type).name.endswith("Connection")


def _first_member(value: object, info: GraphQLResolveInfo[Any], type_: GraphQLAbstractType) -> str:
    members = sorted(each.name for each in info.schema.get_possible_types(type_))
    return next((name for name in members if name != "Problem"), members[0])


def _sample(source: object, info: GraphQLResolveInfo[Any], **_: object) -> object:
    return _value(info.return_type, f"{info.parent_type.name}.{info.field_name}", info.field_name)


def _value(type_: GraphQLOutputType, coordinate: str, name: str) -> object:
    if is_non_null_type(type_):
        return _value(type_.of_type, coordinate, name)
    named = get_named_type(type_)
    value: object = {} if is_composite_type(named) else _leaf(named, coordinate, name)
    if is_list_type(type_):
        return value if isinstance(value, list) else [value]
    return value[0] if isinstance(value, list) else value


def _leaf(type_: GraphQLNamedType, *keys: str) -> object:
    """The first sample that the type can hold; by the type's own name in the end."""
    if isinstance(type_, GraphQLEnumType):
        return next(iter(type_.values))
    fitting = {"Int": int, "Float": float | int, "Boolean": bool}.get(type_.name, object)
    for key in (*keys, type_.name):
        sample = _samples().get(key)
        items = sample if isinstance(sample, list) else [sample]
        if items and all(each is not None and isinstance(each, fitting) for each in items):
            return sample
    return "…"


def sample_input(type_: GraphQLInputType, name: str) -> object:
    """A value for an argument or variable of that name; of inputs what has to be given."""
    if isinstance(type_, GraphQLNonNull):
        return sample_input(type_.of_type, name)
    named = get_named_type(type_)
    value: object
    if isinstance(named, GraphQLInputObjectType):
        value = {
            key: sample_input(field.type, key)
            for key, field in named.fields.items()
            if is_required_input_field(field)
        }
    else:
        value = _leaf(named, name)
    if isinstance(type_, GraphQLList):
        return value if isinstance(value, list) else [value]
    return value[0] if isinstance(value, list) else value
