"""Contract pages: what a template needs to know of a schema, and the files that come of it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLError,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    get_named_type,
    is_introspection_type,
    is_specified_scalar_type,
    print_ast,
)
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from schema.contracts import contracts, schema_path
from schema.registry import ROOT
from schema.site.examples import Example, ExampleError, example_of
from schema.site.history import History, history
from shared.contracts import Contract, ContractsError

_CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True, slots=True)
class TypeRef:
    """A type as it is written; `name` can be linked unless it is one of GraphQL's own."""

    before: str
    name: str
    after: str
    is_linked: bool


@dataclass(frozen=True, slots=True)
class Member:
    """A field, an argument or a value of an enum."""

    name: str
    coordinate: str
    description: str
    type: TypeRef | None = None
    default: str | None = None
    deprecation: str | None = None
    since: str | None = None
    arguments: tuple["Member", ...] = ()
    example: Example | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """One type of the schema."""

    name: str
    kind: str
    description: str
    members: tuple[Member, ...] = ()
    possible: tuple[TypeRef, ...] = ()
    interfaces: tuple[TypeRef, ...] = ()
    url: str | None = None


@dataclass
class Page:
    """Everything that the page of one contract shows."""

    name: str
    contract: Contract
    api_url: str
    queries: list[Member] = field(default_factory=list)
    mutations: list[Member] = field(default_factory=list)
    sections: dict[str, list[Shown]] = field(default_factory=dict)
    deprecated: list[Member] = field(default_factory=list)
    history: History = field(default_factory=lambda: History((), {}))

    @property
    def first_query(self) -> Example | None:
        """What a reader tries first: a list, which needs no id."""
        examples = [each.example for each in self.queries if each.example]
        return min(examples, key=lambda each: '"id"' in each.variables, default=None)

    @property
    def counted(self) -> int:
        """How many types there are besides queries and mutations."""
        return sum(map(len, self.sections.values()))


_KINDS = {
    GraphQLObjectType: "Objects",
    GraphQLInterfaceType: "Interfaces",
    GraphQLUnionType: "Unions",
    GraphQLInputObjectType: "Inputs",
    GraphQLEnumType: "Enums",
    GraphQLScalarType: "Scalars",
}
_LISTS = "Pages of lists"


def page_of(
    name: str, contract: Contract, sdl: str, *, api_url: str, past: History | None = None
) -> Page:
    """The page of a contract. Raises ExampleError when no example fits the schema."""
    schema = build_schema(sdl)
    page = Page(name, contract, api_url, history=past or History((), {}))
    roots = {"query": schema.query_type, "mutation": schema.mutation_type}
    for kind, root in roots.items():
        if root is not None:
            target = page.queries if kind == "query" else page.mutations
            target += _members(root, page.history, schema=schema, root_kind=kind)
    page.sections = {kind: [] for kind in (*_KINDS.values(), _LISTS)}
    for type_ in sorted(schema.type_map.values(), key=lambda each: each.name):
        own = is_introspection_type(type_) or is_specified_scalar_type(type_)
        if own or type_ in roots.values() or type_.name.startswith("_"):
            continue
        shown = _shown(type_, page.history)
        page.sections[_LISTS if _is_list(type_) else shown.kind].append(shown)
    page.sections = {kind: shown for kind, shown in page.sections.items() if shown}
    page.deprecated = sorted(_deprecated(page), key=lambda each: each.coordinate)
    return page


def _is_list(type_: GraphQLNamedType) -> bool:
    return isinstance(type_, GraphQLObjectType) and (
        type_.name.endswith(("Connection", "Edge")) or type_.name == "PageInfo"
    )


def _deprecated(page: Page) -> Iterable[Member]:
    shown = [
        each for section in page.sections.values() for type_ in section for each in type_.members
    ]
    for member in [*page.queries, *page.mutations, *shown]:
        if member.deprecation is not None:
            yield member
        yield from (each for each in member.arguments if each.deprecation is not None)


def _shown(type_: GraphQLNamedType, past: History) -> Shown:
    possible: tuple[TypeRef, ...] = ()
    interfaces: tuple[TypeRef, ...] = ()
    if isinstance(type_, GraphQLUnionType):
        possible = tuple(_ref(each) for each in sorted(type_.types, key=lambda each: each.name))
    if isinstance(type_, GraphQLObjectType):
        interfaces = tuple(_ref(each) for each in type_.interfaces)
    return Shown(
        name=type_.name,
        kind=next(kind for cls, kind in _KINDS.items() if isinstance(type_, cls)),
        description=type_.description or "",
        members=tuple(_members(type_, past)),
        possible=possible,
        interfaces=interfaces,
        url=type_.specified_by_url if isinstance(type_, GraphQLScalarType) else None,
    )


def _ref(type_: object) -> TypeRef:
    name = get_named_type(type_).name  # type: ignore[call-overload]
    before, _, after = str(type_).partition(name)
    return TypeRef(before, name, after, not is_specified_scalar_type(get_named_type(type_)))  # type: ignore[call-overload]


def _members(
    type_: GraphQLNamedType,
    past: History,
    *,
    schema: GraphQLSchema | None = None,
    root_kind: str = "",
) -> list[Member]:
    if isinstance(type_, GraphQLEnumType):
        return [
            Member(
                name=name,
                coordinate=f"{type_.name}.{name}",
                description=value.description or "",
                deprecation=value.deprecation_reason,
                since=past.deprecated_since.get(f"{type_.name}.{name}"),
            )
            for name, value in type_.values.items()
        ]
    if isinstance(type_, GraphQLInputObjectType):
        return [
            _value(name, f"{type_.name}.{name}", each, past) for name, each in type_.fields.items()
        ]
    if not isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
        return []
    return [
        _field(type_, name, each, past, schema, root_kind) for name, each in type_.fields.items()
    ]


def _field(
    type_: GraphQLObjectType | GraphQLInterfaceType,
    name: str,
    each: GraphQLField,
    past: History,
    schema: GraphQLSchema | None,
    root_kind: str,
) -> Member:
    coordinate = f"{type_.name}.{name}"
    return Member(
        name=name,
        coordinate=coordinate,
        description=each.description or "",
        type=_ref(each.type),
        deprecation=each.deprecation_reason,
        since=past.deprecated_since.get(coordinate),
        arguments=tuple(
            _value(key, f"{coordinate}({key}:)", argument, past)
            for key, argument in each.args.items()
        ),
        example=None if schema is None else example_of(schema, root_kind, name, each),
    )


def _value(
    name: str, coordinate: str, each: GraphQLArgument | GraphQLInputField, past: History
) -> Member:
    written = each.ast_node.default_value if each.ast_node else None
    return Member(
        name=name,
        coordinate=coordinate,
        description=each.description or "",
        type=_ref(each.type),
        # That nothing is the default is what an optional value means.
        default=print_ast(written) if written and written.kind != "null_value" else None,
        deprecation=each.deprecation_reason,
        since=past.deprecated_since.get(coordinate),
    )


def _prose(text: str) -> Markup:
    """A description as HTML: paragraphs and `code`; everything else is text."""
    paragraphs = [part.strip() for part in text.split("\n\n") if part.strip()]
    return Markup("").join(Markup("<p>{}</p>").format(_inline(part)) for part in paragraphs)


def _inline(text: str) -> Markup:
    # Every second part was between backticks.
    parts = _CODE.split(text.replace("\n", " "))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(parts)
    )


def _anchor(coordinate: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", coordinate).strip("-")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        autoescape=select_autoescape(enabled_extensions=("html",)),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"prose": _prose, "anchor": _anchor}
    return environment


def render(page: Page) -> str:
    """The HTML of a contract's page."""
    return _environment().get_template("contract.html").render(page=page)


def render_index(pages: Iterable[Page]) -> str:
    """The HTML of the page that lists the contracts."""
    return _environment().get_template("index.html").render(pages=list(pages))


def site(*, api_url: str, root: Path = ROOT) -> Mapping[str, str]:
    """Every file of the site by name. Raises ContractsError when a schema is missing or broken."""
    pages = []
    for name, contract in contracts().items():
        path = schema_path(name)
        try:
            sdl = (root / path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise ContractsError(f"{path} is missing or unreadable: run `make schema`.") from None
        past = history(path, root=root, now=sdl)
        try:
            pages.append(page_of(name, contract, sdl, api_url=api_url, past=past))
        except (GraphQLError, TypeError, ExampleError) as error:
            reason = str(error).splitlines()[0]
            raise ContractsError(f"{path} cannot be shown: {reason}") from None
    files = {f"{page.name}.html": render(page) for page in pages}
    return {"index.html": render_index(pages), **files}
