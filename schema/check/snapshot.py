"""A registry as the check sees it: subgraphs, contracts, documents, events, references."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schema.check.findings import InputError
from schema.check.sources import REGISTRY, Files

CONTRACTS = "schema/contracts.yaml"
REFERENCES = "schema/references.yaml"
OPERATIONS = "schema/operations/"
EVENTS = "schema/events/"

# The same safe loader in C, where PyYAML was built with it: seven times as fast.
_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader

T = TypeVar("T", bound=BaseModel)


class Document(BaseModel):
    """A file of settings; what belongs to others is left to them."""

    model_config = ConfigDict(frozen=True)


class Subgraph(Document):
    """A subgraph of gateway/supergraph.yaml."""

    url: str
    path: str = Field(alias="schema")
    owner: str = ""


class _Subgraphs(Document):
    subgraphs: dict[str, Subgraph]


class Contract(Document):
    """The tags of a contract; with nothing to include it has all that is not excluded."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    events: tuple[str, ...] = ()


class _Contracts(Document):
    contracts: dict[str, Contract] = {}


class Reference(BaseModel):
    """Local columns, and the fields that fill them of every event of a topic."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subgraph: str
    table: str
    topic: str
    columns: dict[str, str]


class _References(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    references: tuple[Reference, ...]


class _Client(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    contract: str


@dataclass(frozen=True)
class RegisteredDocument:
    """A file of operations that a client has registered."""

    path: str
    client: str
    version: str
    text: str
    contract: str


@dataclass(frozen=True)
class Snapshot:
    """One registry; `misplaced` are documents that belong to no client's version."""

    digest: str
    revision: str | None
    subgraphs: dict[str, Subgraph]
    sdls: dict[str, str]
    contracts: dict[str, Contract]
    documents: dict[str, RegisteredDocument]
    misplaced: list[str]
    events: dict[str, dict[str, Any]]
    references: tuple[Reference, ...]
    texts: dict[str, str] = field(repr=False)

    def request(self) -> dict[str, Any]:
        """What the program that composes is told."""
        return {
            "subgraphs": [
                {"name": name, "url": each.url, "sdl": self.sdls[name]}
                for name, each in sorted(self.subgraphs.items())
            ],
            "contracts": [
                {"name": name, "include": each.include, "exclude": each.exclude}
                for name, each in sorted(self.contracts.items())
            ],
        }


def digest_of(texts: dict[str, str]) -> str:
    """A name for exactly these files."""
    whole = hashlib.sha256()
    for path, text in sorted(texts.items()):
        whole.update(f"{path}\0{hashlib.sha256(text.encode()).hexdigest()}\n".encode())
    return whole.hexdigest()


def read(files: Files) -> Snapshot:
    """Read a registry. Raises InputError with the file that cannot be used."""
    texts = files.texts
    subgraphs = read_yaml(texts, REGISTRY, _Subgraphs).subgraphs
    contracts = read_yaml(texts, CONTRACTS, _Contracts).contracts if CONTRACTS in texts else {}
    references = read_yaml(texts, REFERENCES, _References).references if REFERENCES in texts else ()
    sdls = {}
    for name, each in subgraphs.items():
        if each.path not in texts:
            raise InputError(f"{REGISTRY}: the schema of {name}, {each.path}, is missing.")
        sdls[name] = texts[each.path]
    documents, misplaced = _documents(texts, contracts)
    return Snapshot(
        digest=digest_of(texts),
        revision=files.revision,
        subgraphs=subgraphs,
        sdls=sdls,
        contracts=contracts,
        documents=documents,
        misplaced=misplaced,
        events=_events(texts),
        references=references,
        texts=texts,
    )


def read_yaml(texts: dict[str, str], path: str, model: type[T]) -> T:
    """A YAML file of a registry as its model. Raises InputError with one line."""
    try:
        return model.model_validate(yaml.load(texts[path], _LOADER) or {})  # noqa: S506 - a safe one
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or "it is no YAML"
        raise InputError(f"{path}:{line}: {problem}.") from None
    except ValidationError as error:
        # Before ValueError, which it is one of.
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(f"{path}: {where}: {first['msg']}.") from None
    except ValueError as error:
        raise InputError(f"{path}: {error}.") from None


def _documents(
    texts: dict[str, str], contracts: dict[str, Contract]
) -> tuple[dict[str, RegisteredDocument], list[str]]:
    documents, misplaced = {}, []
    for path, text in sorted(texts.items()):
        if not path.startswith(OPERATIONS) or not path.endswith(".graphql"):
            continue
        parts = PurePosixPath(path).parts[2:]
        if len(parts) != 3:
            misplaced.append(path)
            continue
        client, version, _ = parts
        documents[path] = RegisteredDocument(
            path, client, version, text, _contract_of(texts, client, contracts)
        )
    return documents, misplaced


def _contract_of(texts: dict[str, str], client: str, contracts: dict[str, Contract]) -> str:
    """The contract that a client's documents are for; empty for the whole public schema."""
    settings = f"{OPERATIONS}{client}/client.yaml"
    if settings not in texts:
        return client if client in contracts else ""
    contract = read_yaml(texts, settings, _Client).contract
    if contract not in contracts:
        raise InputError(f"{settings}: there is no contract {contract!r}.")
    return contract


def _events(texts: dict[str, str]) -> dict[str, dict[str, Any]]:
    events = {}
    for path, text in texts.items():
        if not path.startswith(EVENTS) or not path.endswith(".json"):
            continue
        try:
            schema = json.loads(text)
        except ValueError as error:
            raise InputError(f"{path} is no JSON: {error}.") from None
        if not _is_schema(schema):
            raise InputError(f"{path} is no JSON Schema.")
        events[path.removeprefix(EVENTS).removesuffix(".json")] = schema
    return events


# What the words of a JSON Schema hold, as far as the check reads them.
_HOLD_SCHEMAS = ("properties", "$defs")
_HOLD_LISTS = ("required", "enum", "anyOf")


def _is_schema(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("$ref", ""), str)
        and all(isinstance(value.get(word, []), list) for word in _HOLD_LISTS)
        and all(isinstance(name, str) for name in value.get("required", []))
        and all(map(_is_schema, value.get("anyOf", [])))
        and all(
            isinstance(value.get(word, {}), dict) and all(map(_is_schema, value[word].values()))
            for word in _HOLD_SCHEMAS
            if word in value
        )
        and (not isinstance(value.get("items"), dict) or _is_schema(value["items"]))
    )
