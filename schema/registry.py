"""The subgraphs that `gateway/supergraph.yaml` names; everything else loops over it."""

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.garbage import nothing_is_garbage

if TYPE_CHECKING:
    # Many ask for names and files alone, and need no library of a subgraph.
    from shared.runtime import Subgraph

ROOT = Path(__file__).resolve().parent.parent
PATH = ROOT / "gateway" / "supergraph.yaml"


class RegistryError(Exception):
    """The registry or a name given to a command is not usable; one line says why."""


class PublicRoute(BaseModel):
    """A route that is not GraphQL and is reached from the outside."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: tuple[str, ...]
    path: str = Field(pattern=r"^/")
    partners: bool = False


class Entry(BaseModel):
    """One subgraph as the registry names it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(pattern=r"^https?://")
    schema_path: Path = Field(alias="schema")
    owner: str
    stores: tuple[str, ...]
    topics: tuple[str, ...]
    public: tuple[PublicRoute, ...] = ()


class Registry(BaseModel):
    """All subgraphs by name, in the order of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subgraphs: dict[str, Entry]


@cache
def registry(path: Path = PATH) -> Registry:
    """Read the registry. Raises RegistryError."""
    try:
        return Registry.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        line = str(error).replace("\n", " ")
        raise RegistryError(f"{path} cannot be used: {line}") from None


def names() -> list[str]:
    """The names of all subgraphs."""
    return list(registry().subgraphs)


def load_subgraph(name: str) -> "Subgraph":
    """A subgraph by name. Raises RegistryError for one that the registry does not know."""
    if name not in registry().subgraphs:
        raise RegistryError(f"No subgraph {name!r}; there are: {', '.join(names())}.")
    from shared.runtime import Subgraph

    found = import_module(f"subgraphs.{name}.app").subgraph
    if not isinstance(found, Subgraph):
        raise RegistryError(f"subgraphs/{name}/app.py has no Subgraph named `subgraph`.")
    return found


def load_subgraphs(chosen: list[str] | None = None) -> "list[Subgraph]":
    """The named subgraphs, or all of them. Raises RegistryError."""
    with nothing_is_garbage():
        return [load_subgraph(name) for name in (chosen or names())]
