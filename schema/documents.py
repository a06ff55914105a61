"""The documents that clients have registered: `operations/<client>/<version>/<Name>.graphql`.

One operation per file, with its fragments. The id of a document is the SHA-256 of the file's bytes,
so that `sha256sum` gives the same. The router serves them by id; the schema checks know from them
whom a change would break.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    parse,
    validate,
)

from schema.registry import ROOT

OPERATIONS = Path("schema") / "operations"
PUBLIC = Path("schema") / "public.graphql"
MANIFEST = Path("schema") / "trusted-documents.json"
_CLIENT = re.compile(r"[a-z][a-z0-9-]{0,49}")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,49}")


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """What is wrong with a document, and where."""

    path: str
    line: int
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.code}: {self.message}"


class DocumentError(Exception):
    """Documents that cannot be used; `findings` has one entry per fault."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("\n".join(map(str, findings)))
        self.findings = list(findings)


@dataclass(frozen=True, slots=True)
class RegisteredDocument:
    """One operation of a client in one of its versions."""

    client: str
    version: str
    name: str
    kind: str  # query, mutation or subscription
    path: str
    line: int  # of the operation
    text: str
    node: DocumentNode

    @property
    def id(self) -> str:
        """SHA-256 of the file, in lower-case hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def read(root: Path = ROOT) -> list[RegisteredDocument]:
    """Every registered document below a repository, by path. Raises DocumentError with all faults.

    Without the folder there are none.
    """
    documents: list[RegisteredDocument] = []
    findings: list[Finding] = []
    for file in sorted((root / OPERATIONS).rglob("*.graphql")):
        path = file.relative_to(root).as_posix()
        try:
            documents.append(_document(file, path, file.relative_to(root / OPERATIONS).parts))
        except DocumentError as error:
            findings += error.findings
    findings += _taken_names(documents)
    if findings:
        raise DocumentError(sorted(findings))
    return documents


def _document(file: Path, path: str, parts: tuple[str, ...]) -> RegisteredDocument:
    def refusal(code: str, message: str, line: int = 1) -> DocumentError:
        return DocumentError([Finding(path, line, code, message)])

    if len(parts) != 3 or not _CLIENT.fullmatch(parts[0]) or not _VERSION.fullmatch(parts[1]):
        raise refusal("DOCUMENT_MISPLACED", "a document stands in <client>/<version>/.")
    try:
        text = file.read_bytes().decode()
        node = parse(text)
    except UnicodeDecodeError:
        raise refusal("DOCUMENT_SYNTAX", "the file is not UTF-8.") from None
    except OSError as error:
        raise refusal("DOCUMENT_SYNTAX", f"cannot be read: {error.strerror}.") from None
    except RecursionError:
        raise refusal("DOCUMENT_SYNTAX", "the document is nested too deeply.") from None
    except GraphQLError as error:
        raise refusal("DOCUMENT_SYNTAX", error.message, _line(error)) from None
    operations = [each for each in node.definitions if isinstance(each, OperationDefinitionNode)]
    if len(operations) != 1 or operations[0].name is None:
        message = f"a document has one operation with a name, this one has {len(operations)}."
        raise refusal("DOCUMENT_OPERATIONS", message)
    [operation] = operations
    return RegisteredDocument(
        client=parts[0],
        version=parts[1],
        name=operations[0].name.value,
        kind=operation.operation.value,
        path=path,
        line=operation.loc.start_token.line if operation.loc else 1,
        text=text,
        node=node,
    )


def _line(error: GraphQLError) -> int:
    return error.locations[0].line if error.locations else 1


def _taken_names(documents: Iterable[RegisteredDocument]) -> list[Finding]:
    """A name is one operation of one client: usage is counted by it, across its versions."""
    first: dict[str, RegisteredDocument] = {}
    findings = []
    for document in documents:
        known = first.setdefault(document.name, document)
        same_version = (known.client, known.version) == (document.client, document.version)
        if known is not document and (known.client != document.client or same_version):
            message = f"{document.name} is the name of the operation in {known.path}, too."
            findings.append(Finding(document.path, document.line, "OPERATION_NAME_TAKEN", message))
    return findings


def public_schema(root: Path = ROOT) -> GraphQLSchema:
    """What clients may ask for. Raises DocumentError when the file is missing or no schema."""
    try:
        return build_schema((root / PUBLIC).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, GraphQLError, TypeError) as error:
        reason = str(error).splitlines()[0]
        finding = Finding(PUBLIC.as_posix(), 1, "SCHEMA_UNREADABLE", reason)
        raise DocumentError([finding]) from None


def invalid(documents: Iterable[RegisteredDocument], schema: GraphQLSchema) -> list[Finding]:
    """What the schema does not allow, with file and line."""
    return sorted(
        Finding(document.path, _line(error), "DOCUMENT_INVALID", error.message)
        for document in documents
        for error in validate(schema, document.node)
    )


def manifest(documents: Iterable[RegisteredDocument]) -> str:
    """`{id: text}` as JSON, for the router's TRUSTED_DOCUMENTS."""
    return json.dumps({each.id: each.text for each in documents}, indent=1) + "\n"
