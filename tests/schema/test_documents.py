"""Registered documents: what is wrong with one has a code and a place; the rest is a manifest."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from graphql import build_schema
from typer.testing import CliRunner

from deploy.cli import app
from schema import documents
from schema.documents import DocumentError, RegisteredDocument
from schema.registry import ROOT

SCHEMA = build_schema("type Query { hello(name: String!): String } type Mutation { wave: Int }")
GOOD = "query HelloQuery($name: String!) {\n  hello(name: $name)\n}\n"


def write(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """A repository with these documents."""
    for name, content in files.items():
        path = root / documents.OPERATIONS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def faults(root: Path, files: Mapping[str, str | bytes]) -> list[tuple[str, int, str]]:
    """Place and code of everything that keeps documents from being read."""
    with pytest.raises(DocumentError) as refused:
        documents.read(write(root, files))
    prefix = documents.OPERATIONS.as_posix() + "/"
    return [(f.path.removeprefix(prefix), f.line, f.code) for f in refused.value.findings]


@pytest.fixture(scope="module")
def registered() -> list[RegisteredDocument]:
    """What the web app has registered."""
    return documents.read()


def test_web_app_has_registered_what_the_graph_offers_it(
    registered: list[RegisteredDocument],
) -> None:
    web = [each for each in registered if each.client == "web"]
    assert len(web) >= 25
    assert documents.invalid(web, documents.public_schema()) == []
    assert {each.kind for each in web} == {"query", "mutation"}
    for each in web:
        file = Path(each.path)
        # Relay's compiler wants the name of the module first and the kind last.
        assert each.name == file.stem + each.kind.capitalize()


def test_id_is_what_sha256sum_prints(registered: list[RegisteredDocument]) -> None:
    for each in registered:
        assert each.id == hashlib.sha256((ROOT / each.path).read_bytes()).hexdigest()


def test_manifest_has_every_document_by_id(registered: list[RegisteredDocument]) -> None:
    found = json.loads(documents.manifest(registered))
    assert found == {each.id: each.text for each in registered}
    assert (ROOT / documents.MANIFEST).read_text() == documents.manifest(registered)


def test_without_the_folder_there_are_no_documents(tmp_path: Path) -> None:
    assert documents.read(tmp_path) == []
    assert json.loads(documents.manifest([])) == {}


@pytest.mark.parametrize(
    ("content", "line", "code"),
    [
        ("query A {\n  hello(\n}\n", 3, "DOCUMENT_SYNTAX"),
        ("", 1, "DOCUMENT_SYNTAX"),
        (b"query A { hello } # \xff", 1, "DOCUMENT_SYNTAX"),
        ("query A {" * 20_000, 1, "DOCUMENT_SYNTAX"),
        ("{ hello }", 1, "DOCUMENT_OPERATIONS"),
        ("query A { hello } query B { hello }", 1, "DOCUMENT_OPERATIONS"),
        ("fragment F on Query { hello }", 1, "DOCUMENT_OPERATIONS"),
    ],
)
def test_document_that_cannot_be_read_is_named(
    tmp_path: Path, content: str | bytes, line: int, code: str
) -> None:
    assert faults(tmp_path, {"web/1.0.0/A.graphql": content}) == [
        ("web/1.0.0/A.graphql", line, code)
    ]


@pytest.mark.parametrize(
    "place", ["A.graphql", "web/A.graphql", "web/1/x/A.graphql", "W B/1/A.graphql"]
)
def test_document_in_the_wrong_place_is_named(tmp_path: Path, place: str) -> None:
    assert faults(tmp_path, {place: GOOD}) == [(place, 1, "DOCUMENT_MISPLACED")]


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    found = faults(
        tmp_path, {"web/1.0.0/B.graphql": "{", "web/1.0.0/A.graphql": "{ a }", "C.graphql": GOOD}
    )
    assert [code for _, _, code in found] == [
        "DOCUMENT_MISPLACED",
        "DOCUMENT_OPERATIONS",
        "DOCUMENT_SYNTAX",
    ]


def test_name_belongs_to_one_operation_of_one_client(tmp_path: Path) -> None:
    taken = [("web/1.0.0/Other.graphql", 2, "OPERATION_NAME_TAKEN")]
    same = {"web/1.0.0/Hello.graphql": GOOD, "web/1.0.0/Other.graphql": "# again\n" + GOOD}
    assert faults(tmp_path / "one", same) == taken
    clients = {"app/1.0.0/Hello.graphql": GOOD, "web/1.0.0/Other.graphql": "# again\n" + GOOD}
    assert faults(tmp_path / "two", clients) == taken
    versions = {"web/1.0.0/Hello.graphql": GOOD, "web/1.1.0/Hello.graphql": GOOD}
    assert len(documents.read(write(tmp_path / "three", versions))) == 2


def test_what_the_schema_does_not_allow_is_named_with_its_line(tmp_path: Path) -> None:
    files = {
        "web/1.0.0/Good.graphql": GOOD,
        "web/1.0.0/Bad.graphql": "mutation BadMutation {\n  wave\n  goodbye\n}\n",
    }
    [finding] = documents.invalid(documents.read(write(tmp_path, files)), SCHEMA)
    assert str(finding) == (
        "schema/operations/web/1.0.0/Bad.graphql:3: DOCUMENT_INVALID:"
        " Cannot query field 'goodbye' on type 'Mutation'."
    )


def test_public_schema_that_is_missing_or_broken_is_named(tmp_path: Path) -> None:
    for content in (None, "type Query {", "type Query { a: Unknown }"):
        if content is not None:
            (tmp_path / documents.PUBLIC).parent.mkdir(exist_ok=True)
            (tmp_path / documents.PUBLIC).write_text(content)
        with pytest.raises(DocumentError) as refused:
            documents.public_schema(tmp_path)
        [finding] = refused.value.findings
        assert (finding.path, finding.code) == ("schema/public.graphql", "SCHEMA_UNREADABLE")


def test_command_lists_documents(registered: list[RegisteredDocument]) -> None:
    # As somebody runs it.
    listed = subprocess.run(
        [sys.executable, "-m", "deploy", "schema", "documents"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "300"},
    )
    assert listed.returncode == 0
    assert [line.split()[0] for line in listed.stdout.splitlines()] == [e.id for e in registered]


def test_command_writes_the_manifest_or_one_line(
    registered: list[RegisteredDocument], tmp_path: Path
) -> None:
    file = tmp_path / "deep" / "manifest.json"
    written = CliRunner().invoke(app, ["schema", "documents", "--manifest", str(file)])
    assert (written.exit_code, written.stdout) == (0, "")
    assert file.read_text() == documents.manifest(registered)
    nowhere = "/proc/nowhere/manifest.json"
    refused = CliRunner().invoke(app, ["schema", "documents", "--manifest", nowhere])
    assert refused.exit_code == 3
    assert len(refused.stderr.splitlines()) == 1
