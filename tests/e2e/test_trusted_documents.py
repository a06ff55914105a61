"""A router in production mode serves the web app's documents by id, and no other text."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import GraphQLSchema, OperationDefinitionNode, build_schema, type_from_ast
from graphql.type import is_input_type

from deploy.local.platform import Platform
from deploy.local.router import Router
from schema import documents
from schema.registry import ROOT
from schema.site.examples import sample_input
from tests.e2e.client import Client


@pytest.fixture(scope="module")
def production(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    """A second router over the same subgraphs, with the manifest of the repository."""
    router = Router(
        tmp_path_factory.mktemp("production"),
        settings=platform.router.settings
        | {"ROUTER_ENV": "production", "TRUSTED_DOCUMENTS": str(ROOT / documents.MANIFEST)},
    )
    router.start()
    yield router
    router.stop()


@pytest.fixture
def http(production: Router) -> Iterator[httpx.Client]:
    """A client of that router."""
    base = f"http://127.0.0.1:{production.port}"
    with httpx.Client(base_url=base, timeout=20, trust_env=False) as client:
        yield client


def variables_of(schema: GraphQLSchema, document: documents.RegisteredDocument) -> dict[str, Any]:
    """A value for each variable that has to be given."""
    [operation] = [
        each for each in document.node.definitions if isinstance(each, OperationDefinitionNode)
    ]
    found = {}
    for variable in operation.variable_definitions or ():
        type_ = type_from_ast(schema, variable.type)
        assert is_input_type(type_)
        if variable.default_value is None and str(type_).endswith("!"):
            found[variable.variable.name.value] = sample_input(type_, variable.variable.name.value)
    return found


def test_every_document_runs_by_its_id_and_within_the_limits(http: httpx.Client) -> None:
    schema = build_schema((ROOT / documents.PUBLIC).read_text())
    refusals = []
    for document in documents.read():
        if document.client != "web":
            continue
        sent = {"documentId": document.id, "variables": variables_of(schema, document)}
        answer = http.post("/graphql", json=sent).json()
        for error in answer.get("errors", ()):
            code = error["extensions"]["code"]
            # A guest may do little; but no document is refused for what it is.
            if code not in ("UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND") and not (
                code == "INVALID_INPUT" and "limit" not in error["extensions"]
            ):
                refusals.append((document.name, error))
        assert "data" in answer, (document.name, answer)
    assert refusals == []


def test_document_answers_as_its_text_does(
    http: httpx.Client, client: Client, platform: Platform
) -> None:
    ana = client.join()
    [document] = [each for each in documents.read() if each.name == "SettingsQuery"]
    by_id = http.post(
        "/graphql",
        json={"documentId": document.id},
        headers={"authorization": f"Bearer {ana.token}"},
    )
    assert by_id.json() == {"data": ana.ask(document.text)}
    assert by_id.json()["data"]["me"]["email"].startswith("student-")


def test_text_and_unknown_ids_are_refused(http: httpx.Client) -> None:
    [document] = [each for each in documents.read() if each.name == "CalendarFeedQuery"]
    for body, status, code in (
        ({"query": "{ me { id } }"}, 403, "FORBIDDEN"),
        ({"query": document.text}, 403, "FORBIDDEN"),
        ({"documentId": "0" * 64}, 400, "INVALID_INPUT"),
        ({"query": "{ __schema { types { name } } }"}, 403, "FORBIDDEN"),
    ):
        answer = http.post("/graphql", json=body)
        assert answer.status_code == status
        assert [error["extensions"]["code"] for error in answer.json()["errors"]] == [code]


def test_router_of_the_image_gets_the_manifest() -> None:
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    assert f"COPY {documents.MANIFEST.as_posix()} ./" in dockerfile
    name = documents.MANIFEST.name
    assert f"ENV TRUSTED_DOCUMENTS=/app/gateway/{name}" in dockerfile
    assert Path(ROOT / documents.MANIFEST).is_file()
    assert all(len(id_) == 64 for id_ in json.loads((ROOT / documents.MANIFEST).read_text()))
