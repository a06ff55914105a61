"""The file of contracts, and what is made of it: nothing more than is meant, and nothing less."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from graphql import (
    DocumentNode,
    GraphQLObjectType,
    GraphQLSchema,
    ObjectTypeDefinitionNode,
    build_schema,
    parse,
    print_ast,
    value_from_ast_untyped,
)

from deploy.local.contracts import audiences, default_ports, known_contracts, require_known
from deploy.local.errors import LocalServiceError
from schema.contracts import contracts, schema_path, supergraph_path
from schema.registry import ROOT, registry
from shared.contracts import PATH, ContractsError, read_contracts
from shared.events import events_of

GOOD: dict[str, Any] = yaml.safe_load(PATH.read_text(encoding="utf-8"))["contracts"][
    "partner-catalog"
]
PARTNERS = [name for name, each in contracts().items() if each.for_partners]


def public(name: str) -> GraphQLSchema:
    return build_schema((ROOT / schema_path(name)).read_text(encoding="utf-8"))


def limits(**changes: Any) -> dict[str, Any]:
    return {"limits": GOOD["limits"] | changes}


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("Partner", {}, "not a contract's name"),
        ("graph", {}, "not a contract's name"),
        ("part", {"colour": "red"}, "Extra inputs"),
        ("part", {"title": ""}, "at least 1 character"),
        ("part", {"include": ["no tag!"]}, "should match pattern"),
        ("part", {"include": ["a"], "exclude": ["a"]}, "both included and excluded"),
        ("part", {"scopes": ["everything"]}, "should match pattern"),
        ("part", {"scopes": ["a:b", "a:b"]}, "named twice"),
        ("part", {"scopes": []}, "scopes and limits"),
        ("part", {"limits": None}, "scopes and limits"),
        ("part", {"audience": "graph"}, "the contract's own name"),
        ("part", limits(cost=0), "greater than or equal to 1"),
        ("part", limits(cost=20_001), "the largest operation never runs"),
        ("part", limits(depth="deep"), "valid integer"),
    ],
)
def test_bad_contract_is_one_line(
    tmp_path: Path, name: str, changes: dict[str, Any], reason: str
) -> None:
    file = tmp_path / "contracts.yaml"
    file.write_text(yaml.safe_dump({"contracts": {name: GOOD | changes}}))
    with pytest.raises(ContractsError) as refused:
        read_contracts(file)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "[]", "contracts: [", "contracts: []", "\0", "contracts:"])
def test_file_that_is_none_is_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "contracts.yaml"
    with pytest.raises(ContractsError, match="cannot be read"):
        read_contracts(file)
    file.write_text(text)
    with pytest.raises(ContractsError) as refused:
        read_contracts(file)
    assert "\n" not in str(refused.value)


def test_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "contracts.yaml"
    for names in (["one"], ["one", "two"], []):
        new = tmp_path / "new"
        new.write_text(yaml.safe_dump({"contracts": dict.fromkeys(names, GOOD)}))
        os.replace(new, file)
        assert list(read_contracts(file)) == names
        assert read_contracts(file) is read_contracts(file)


def test_platform_names_contracts_and_audiences(tmp_path: Path) -> None:
    assert audiences() == ",".join(["graph", *PARTNERS])
    assert default_ports(["partner-catalog", "web"]) == {
        "router_partner_catalog": 4010,
        "router_partner_catalog_admin": 4011,
        "router_web": 4012,
        "router_web_admin": 4013,
    }
    require_known(["web"])
    with pytest.raises(LocalServiceError, match="no contract 'nothing'"):
        require_known(["web", "nothing"])
    with pytest.raises(LocalServiceError, match="cannot be read"):
        known_contracts(tmp_path / "none")


def test_catalogue_holds_nothing_of_people() -> None:
    schema = public("partner-catalog")
    for name in ("User", "Enrollment", "Lesson", "Review", "Payment", "Availability"):
        assert name not in schema.type_map
    words = re.compile(r"email|phone|firstName|lastName|userId|username|avatar|bio$|video", re.I)
    assert [c for c in coordinates(schema) if words.search(c)] == []


def coordinates(schema: GraphQLSchema) -> list[str]:
    """Every field and argument of the types of a schema."""
    found = []
    for name, kind in schema.type_map.items():
        if name.startswith("__"):
            continue
        for field_name, field in getattr(kind, "fields", {}).items():
            found.append(f"{name}.{field_name}")
            found += [f"{name}.{field_name}({each}:)" for each in getattr(field, "args", {})]
    return found


def test_learning_platform_knows_students_by_id_alone() -> None:
    user = public("partner-lms").type_map["User"]
    assert isinstance(user, GraphQLObjectType)
    assert list(user.fields) == ["id"]


def test_web_app_has_everything_but_what_is_for_admins() -> None:
    whole = build_schema((ROOT / "schema" / "public.graphql").read_text(encoding="utf-8"))
    web = public("web")
    missing = set(coordinates(whole)) - set(coordinates(web))
    roots = {c for c in missing if c.split(".")[0] in ("Query", "Mutation") and "(" not in c}
    assert {"Query.auditLog", "Mutation.setRole", "Mutation.createOauthClient"} <= roots
    assert set(coordinates(web)) < set(coordinates(whole))
    for root in (web.query_type, web.mutation_type):
        assert root is not None
        texts = {name: field.description or "" for name, field in root.fields.items()}
        assert [
            n for n, text in texts.items() if re.search(r"; for admins\.|\(admins\)", text)
        ] == []


@pytest.mark.parametrize("name", PARTNERS)
def test_descriptions_speak_of_nothing_outside(name: str) -> None:
    schema = public(name)
    known = set(schema.type_map)
    for coordinate in coordinates(schema):
        known |= set(re.findall(r"\w+", coordinate))
    whole = build_schema((ROOT / "schema" / "public.graphql").read_text(encoding="utf-8"))
    outside = {word for c in coordinates(whole) for word in re.findall(r"\w+", c)} - known
    # A name that is no common word: it has a capital inside, as availableSlots.
    telling = {word for word in outside if re.search(r"[a-z][A-Z]", word)}
    texts = [kind.description or "" for kind in schema.type_map.values()]
    for kind in schema.type_map.values():
        for field in getattr(kind, "fields", {}).values():
            texts.append(field.description or "")
            texts += [arg.description or "" for arg in getattr(field, "args", {}).values()]
        texts += [value.description or "" for value in getattr(kind, "values", {}).values()]
    assert [t for t in texts if telling & set(re.findall(r"\w+", t))] == []


@pytest.mark.parametrize("name", PARTNERS)
def test_scopes_of_fields_are_scopes_of_the_contract(name: str) -> None:
    supergraph = (ROOT / supergraph_path(name)).read_text(encoding="utf-8")
    visible = set(coordinates(public(name)))
    needed = {
        scope
        for coordinate, scopes in required_scopes(parse(supergraph))
        if coordinate in visible
        for scope in scopes
    }
    assert needed <= set(contracts()[name].scopes)
    if name == "partner-lms":
        assert needed == {"enrollments:read"}


def required_scopes(document: DocumentNode) -> list[tuple[str, list[str]]]:
    """Coordinates with @requiresScopes, and the scopes that it names."""
    found = []
    for definition in document.definitions:
        if not isinstance(definition, ObjectTypeDefinitionNode):
            continue
        for field in definition.fields or ():
            for directive in field.directives or ():
                if directive.name.value == "requiresScopes":
                    [groups] = map(
                        value_from_ast_untyped, (a.value for a in directive.arguments or ())
                    )
                    coordinate = f"{definition.name.value}.{field.name.value}"
                    found.append((coordinate, [scope for group in groups for scope in group]))
    return found


def test_events_of_contracts_exist() -> None:
    known = {each for subgraph in registry().subgraphs for each in events_of(subgraph)}
    for contract in contracts().values():
        assert set(contract.events) <= known


@pytest.mark.parametrize("subgraph", list(registry().subgraphs))
def test_arguments_and_connections_follow_their_tags(subgraph: str) -> None:
    document = parse((ROOT / registry().subgraphs[subgraph].schema_path).read_text("utf-8"))
    types = [d for d in document.definitions if isinstance(d, ObjectTypeDefinitionNode)]
    tags = {each.name.value: tags_of(each) for each in types}
    for each in types:
        for field in each.fields or ():
            if tags_of(field):
                # A tagged field never loses an argument by accident.
                assert all(map(tags_of, field.arguments or ())), (
                    f"{each.name.value}.{field.name.value}"
                )
        if each.name.value.endswith("Connection"):
            edges = {field.name.value: print_ast(field.type) for field in each.fields or ()}[
                "edges"
            ]
            assert bool(tags[edges.strip("[]!")]) == bool(tags[each.name.value]), each.name.value


def tags_of(node: Any) -> set[str]:
    return {d.arguments[0].value.value for d in node.directives or () if d.name.value == "tag"}
