"""The tools that clients compile their documents with take our schema and documents as they are."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from gql.dsl import DSLInlineFragment, DSLMutation, DSLQuery, DSLSchema, dsl_gql
from graphql import FragmentDefinitionNode, build_schema, parse, print_ast, validate

from deploy.local import tools
from schema import documents
from schema.compose import node_environment
from schema.contracts import contracts, schema_path
from schema.documents import RegisteredDocument
from schema.registry import ROOT
from schema.site.pages import page_of

CLIENTS = ROOT / "tests" / "clients"
SCHEMAS = {"public": documents.PUBLIC} | {name: schema_path(name) for name in contracts()}
# What a check of these packages may find: nothing that asks for the source of whoever uses them.
PERMISSIVE = {"MIT", "0BSD", "ISC", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0"}


@pytest.fixture(scope="module", autouse=True)
def packages() -> None:
    """The locked packages, as `edtech local prepare` installs them."""
    tools.npm_install(CLIENTS, title="Client compilers")


def sdl(name: str) -> str:
    """A schema that clients see, as the file has it."""
    return (ROOT / SCHEMAS[name]).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def web() -> list[RegisteredDocument]:
    """The web app's documents."""
    return [each for each in documents.read() if each.client == "web"]


def of_contract(name: str, web: list[RegisteredDocument]) -> dict[str, str]:
    """Documents for a schema by module: the web app's, or the examples of a contract's page."""
    if name in ("public", "web"):
        return {Path(each.path).stem: each.text for each in web}
    page = page_of(name, contracts()[name], sdl(name), api_url="https://api.example.org")
    found = {}
    for kind, operations in (("Query", page.queries), ("Mutation", page.mutations)):
        for each in operations:
            assert each.example is not None
            module = each.name[0].upper() + each.name[1:]
            text = re.sub(rf"^(\w+) {module}", rf"\1 {module}{kind}", each.example.operation)
            found[module] = text
    return found


@pytest.mark.parametrize("name", SCHEMAS)
def test_relay_compiler_takes_schema_and_documents(
    name: str, web: list[RegisteredDocument], tmp_path: Path
) -> None:
    (tmp_path / "schema.graphql").write_text(sdl(name))
    (tmp_path / "src").mkdir()
    modules = of_contract(name, web)
    expected = set()
    for module, text in modules.items():
        tags = []
        for node in parse(text).definitions:
            tags.append(f"graphql`\n{print_ast(node)}\n`;")
            named = getattr(node, "name", None)
            assert named is not None
            expected.add(f"{named.value}.graphql.js")
        code = "import {graphql} from 'react-relay';\n" + "\n".join(tags) + "\n"
        (tmp_path / "src" / f"{module}.js").write_text(code)
    config = {
        "src": "./src",
        "schema": "./schema.graphql",
        "language": "javascript",
        "artifactDirectory": "./artifacts",
    }
    (tmp_path / "relay.config.json").write_text(json.dumps(config))
    (tmp_path / "artifacts").mkdir()
    done = subprocess.run(
        [tools.node(), CLIENTS / "node_modules" / "relay-compiler" / "cli.js"],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env=node_environment(),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path.name for path in (tmp_path / "artifacts").iterdir()} == expected


@pytest.mark.parametrize("name", SCHEMAS)
def test_graphql_codegen_takes_schema_and_documents(
    name: str, web: list[RegisteredDocument]
) -> None:
    modules = of_contract(name, web)
    given = {
        "schema": sdl(name),
        "documents": [{"path": path, "text": text} for path, text in modules.items()],
    }
    done = subprocess.run(
        [tools.node(), CLIENTS / "codegen.mjs"],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env=node_environment(),
        cwd=CLIENTS,
    )
    assert done.returncode == 0, done.stderr
    for text in modules.values():
        for node in parse(text).definitions:
            named = getattr(node, "name", None)
            assert named is not None
            suffix = "Fragment" if isinstance(node, FragmentDefinitionNode) else ""
            written = f"{named.value}{suffix}".replace("_", "").lower()
            assert written in done.stdout.replace("_", "").lower(), named.value


@pytest.mark.parametrize("name", SCHEMAS)
def test_gql_dsl_builds_operations_from_the_schema(name: str) -> None:
    schema = build_schema(sdl(name))
    ds = DSLSchema(schema)
    money = ds.Course.price.select(ds.Money.amount, ds.Money.currency)
    query = dsl_gql(
        DSLQuery(
            ds.Query.course(id="0198c0de-0000-7000-8000-000000000001").select(
                ds.Course.id, ds.Course.title, money
            ),
            ds.Query.searchCourses(filter={"text": "algebra"}, sort="NEWEST", first=5).select(
                ds.CourseSearchConnection.nodes.select(ds.Course.id)
            ),
        )
    )
    test = ds.Mutation.sendTestWebhook(id="0198c0de-0000-7000-8000-000000000001").select(
        DSLInlineFragment().on(ds.WebhookDelivery).select(ds.WebhookDelivery.status),
        DSLInlineFragment().on(ds.Problem).select(ds.Problem.code),
    )
    mutation = dsl_gql(DSLMutation(test))
    for request in (query, mutation):
        assert validate(schema, request.document) == []
    assert "sort: NEWEST" in print_ast(query.document)
    assert "... on Problem {" in print_ast(mutation.document)


def test_only_permissive_packages_are_installed() -> None:
    lock = json.loads((CLIENTS / "package-lock.json").read_text())
    found = {each["license"] for path, each in lock["packages"].items() if path}
    assert found <= PERMISSIVE
