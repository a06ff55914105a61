"""What is made of each contract of `contracts.yaml`: a schema to read, a supergraph to run."""

from collections.abc import Mapping
from pathlib import Path

from schema.registry import ROOT
from shared.contracts import Contract, read_contracts

FOLDER = Path("schema") / "contracts"
PATH = ROOT / "schema" / "contracts.yaml"


def contracts() -> Mapping[str, Contract]:
    """All contracts by name. Raises ContractsError."""
    return read_contracts(PATH)


def schema_path(name: str) -> Path:
    """Where the schema that a contract's clients see is kept, below the repository."""
    return FOLDER / f"{name}.graphql"


def supergraph_path(name: str) -> Path:
    """Where the supergraph of a contract's router is kept, below the repository."""
    return FOLDER / f"{name}.supergraph.graphql"
