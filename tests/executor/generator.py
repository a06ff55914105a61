"""Random operations, valid by construction, with variables that are now and then wrong."""

from random import Random
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLNonNull,
    GraphQLSchema,
    OperationType,
    get_named_type,
    is_abstract_type,
    is_enum_type,
    is_input_object_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)

_LITERALS = {
    "Int": ("0", "1", "2", "3"),
    "ID": ('"0"', '"1"', '"2"', '"3"', "4"),
    "String": ('"x"', '"boom"', '"h\\u00e9"', '"declined"', '"none"'),
    "Boolean": ("true", "false"),
    "Float": ("1.5",),
    "Even": ("2", "3"),
}
_VALUES: dict[str, tuple[Any, ...]] = {
    "Int": (0, 1, 2, 3),
    "ID": ("0", "1", "2", "3", "4"),
    "String": ("v", "boom", "declined", "none"),
    "Boolean": (True, False),
    "Float": (2.5,),
    "Even": (2, "4"),
}
_INTROSPECTION = (
    "__schema { queryType { name } directives { name args { name type { kind } } } }",
    '__type(name: "Level") { kind name enumValues { name isDeprecated } }',
    '__type(name: "Anything") { possibleTypes { name interfaces { name } } } __typename',
)
_REPRESENTATIONS: tuple[dict[str, Any], ...] = (
    *({"__typename": "User", "id": str(n)} for n in range(5)),
    *({"__typename": "Address", "id": str(n)} for n in range(5)),
    *({"__typename": "Course", "id": str(n)} for n in range(5)),
    {"__typename": "Stub", "id": "1"},
    {"__typename": "Stub", "id": "1", "size": {}},
    {"__typename": "Stub"},
    {"__typename": "Level", "id": "1"},
    {"__typename": "Nobody", "id": "1"},
    {"__typename": "Address", "code": "1"},
    {"id": "1"},
)
_WRONG: tuple[Any, ...] = ({"what": 1}, "wrong", 2**40, [None])


class Generator:
    """Draws one operation."""

    def __init__(self, schema: GraphQLSchema, random: Random) -> None:
        self._schema, self._random = schema, random
        self._declared: dict[str, str] = {}
        self._fragments: dict[str, str] = {}
        self._aliases = 0
        self.variables: dict[str, Any] = {}
        # Variables which decide what is selected.
        self.toggles: set[str] = set()

    def operation(self) -> str:
        """The text of the operation; its variables are in `variables`."""
        kind = "mutation" if self._chance(12) else "query"
        root = self._schema.get_root_type(OperationType(kind))
        body = self._selection(root, self._random.choice((1, 2, 2, 3, 3, 4)))
        head = f"({', '.join(self._declared.values())})" if self._declared else ""
        return " ".join((f"{kind} Drawn{head} {body}", *self._fragments.values()))

    def _chance(self, percent: int) -> bool:
        return self._random.random() * 100 < percent

    def _selection(self, type_: Any, depth: int) -> str:
        if type_ is self._schema.query_type and self._chance(4):
            return "{ " + self._random.choice(_INTROSPECTION) + " }"
        fields = [name for name in getattr(type_, "fields", {}) if name != "_service"]
        parts = []
        for _ in range(self._random.choice((1, 1, 2, 2, 2, 3, 4))):
            drawn = self._random.random()
            if drawn < 0.08 or (not fields and depth <= 0):
                parts.append("__typename" + self._directive())
            elif (drawn < 0.22 or not fields) and depth > 0:
                parts.append(self._fragment(type_, depth))
            else:
                parts.append(self._field(type_, self._random.choice(fields), depth))
        return "{ " + (" ".join(filter(None, parts)) or "__typename") + " }"

    def _field(self, type_: Any, name: str, depth: int) -> str:
        field = type_.fields[name]
        named = get_named_type(field.type)
        if not is_leaf_type(named) and depth <= 0:
            return ""
        arguments = self._arguments(field)
        alias = ""
        if arguments or self._chance(10):
            # Numbered, so that no two fields with other arguments meet under one name.
            self._aliases += 1
            alias = f"a{self._aliases}: "
        below = "" if is_leaf_type(named) else " " + self._selection(named, depth - 1)
        return f"{alias}{name}{arguments}{self._directive()}{below}"

    def _fragment(self, type_: Any, depth: int) -> str:
        on = [type_, type_]
        if is_abstract_type(type_):
            on += self._schema.get_possible_types(type_)
        if self._schema.type_map["Node"] in getattr(type_, "interfaces", ()):
            on.append(self._schema.type_map["Node"])
        target = self._random.choice(on)
        directive = self._directive()
        if self._chance(60):
            condition = "" if target is type_ and self._chance(50) else f" on {target.name}"
            return f"...{condition}{directive} {self._selection(target, depth - 1)}"
        name = f"F{len(self._fragments)}"
        self._fragments[name] = ""  # taken while its own selection is drawn
        selection = self._selection(target, depth - 1)
        self._fragments[name] = f"fragment {name} on {target.name} {selection}"
        return f"...{name}{directive} ...{name}" if self._chance(20) else f"...{name}{directive}"

    def _arguments(self, field: Any) -> str:
        given = []
        for name, argument in field.args.items():
            if not is_non_null_type(argument.type) and self._chance(45):
                continue
            if get_named_type(argument.type).name == "_Any" or self._chance(40):
                given.append(f"{name}: {self._variable(argument.type)}")
            else:
                given.append(f"{name}: {self._literal(argument.type)}")
        return f"({', '.join(given)})" if given else ""

    def _directive(self) -> str:
        if not self._chance(14):
            return ""
        name = self._random.choice(("skip", "include"))
        declared = [v for v, text in self._declared.items() if text.endswith(": Boolean!")]
        if self._chance(50):
            value = self._random.choice(("true", "false"))
        elif declared and self._chance(60):
            value = "$" + self._random.choice(declared)
        else:
            value = self._variable(GraphQLNonNull(GraphQLBoolean))
        self.toggles |= {value[1:]} & self._declared.keys()
        return f" @{name}(if: {value})"

    def _variable(self, type_: Any) -> str:
        name = f"v{len(self._declared)}"
        default = ""
        required = is_non_null_type(type_)
        if not required and get_named_type(type_).name != "_Any" and self._chance(30):
            default = f" = {self._literal(type_)}"
        self._declared[name] = f"${name}: {type_}{default}"
        if self._chance(99 if required else 70):
            self.variables[name] = self._value(type_)
        return "$" + name

    def _literal(self, type_: Any) -> str:
        if is_non_null_type(type_):
            type_ = type_.of_type
        elif self._chance(12):
            return "null"
        if is_list_type(type_):
            items = [self._literal(type_.of_type) for _ in range(self._random.randint(0, 2))]
            return f"[{', '.join(items)}]"
        if is_enum_type(type_):
            return str(self._random.choice(list(type_.values)))
        if is_input_object_type(type_):
            given = [name for name in type_.fields if self._chance(50)]
            pairs = [f"{name}: {self._literal(type_.fields[name].type)}" for name in given]
            return "{" + ", ".join(pairs) + "}"
        return self._random.choice(_LITERALS[type_.name])

    def _value(self, type_: Any) -> Any:
        if is_non_null_type(type_):
            type_ = type_.of_type
        elif self._chance(12):
            return None
        if self._chance(1):
            return self._random.choice(_WRONG)
        if get_named_type(type_).name == "_Any" and is_list_type(type_) and self._chance(50):
            # As a router asks: several of one type.
            name = self._random.choice(("User", "Address", "Course", "Course"))
            return [{"__typename": name, "id": str(n)} for n in self._random.sample(range(5), 3)]
        if is_list_type(type_):
            return [self._value(type_.of_type) for _ in range(self._random.randint(0, 2))]
        if is_enum_type(type_):
            return self._random.choice(list(type_.values))
        if is_input_object_type(type_):
            fields = type_.fields.items()
            return {name: self._value(field.type) for name, field in fields if self._chance(50)}
        if type_.name == "_Any":
            return dict(self._random.choice(_REPRESENTATIONS))
        return self._random.choice(_VALUES[type_.name])
