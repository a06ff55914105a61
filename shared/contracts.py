"""Contracts: the parts of the graph that partners get, as `schema/contracts.yaml` names them.

A contract is a set of tags; with it go its scopes, limits and events. The file decides at the
moment of the question: a contract that leaves it is closed within the next request here.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

PATH = Path(__file__).resolve().parent.parent / "schema" / "contracts.yaml"
NAME = re.compile(r"[a-z][a-z0-9-]{1,49}")

Tag = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_/-]*$", max_length=128)]
Scope = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*:[a-z][a-z0-9_-]*$")]
Count = Annotated[int, Field(ge=1, le=2**31)]


class ContractsError(Exception):
    """The file of contracts is not usable; one line says why."""


class Limits(BaseModel):
    """How much one partner may ask of a contract."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests_per_minute: Count
    burst: Count
    cost: Count
    cost_per_minute: Count
    depth: Count
    aliases: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _an_operation_fits_into_a_minute(self) -> Self:
        if self.cost > self.cost_per_minute:
            raise ValueError("cost is more than cost_per_minute: the largest operation never runs")
        return self


class Contract(BaseModel):
    """One contract; tokens for it carry its audience.

    The first scope opens the contract, further ones open the fields that name them. A contract
    without scopes is not for partners' programs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Annotated[str, Field(min_length=1)]
    owner: Annotated[str, Field(min_length=1)]
    include: tuple[Tag, ...] = ()
    exclude: tuple[Tag, ...] = ()
    audience: str = ""
    scopes: tuple[Scope, ...] = ()
    limits: Limits | None = None
    events: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _partners_have_scopes_and_limits(self) -> Self:
        if overlap := sorted(set(self.include) & set(self.exclude)):
            raise ValueError(f"{overlap[0]} is both included and excluded")
        if len(set(self.scopes)) != len(self.scopes):
            raise ValueError("a scope is named twice")
        if bool(self.scopes) != (self.limits is not None):
            raise ValueError("a contract for partners has scopes and limits, another has neither")
        return self

    @property
    def for_partners(self) -> bool:
        """Whether partners' programs can be bound to it."""
        return bool(self.scopes)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    contracts: dict[str, Contract]

    @model_validator(mode="before")
    @classmethod
    def _each_is_its_own_audience(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("contracts"), dict):
            return data
        found = {
            name: {"audience": name, **given} if isinstance(given, dict) else given
            for name, given in data["contracts"].items()
        }
        return {**data, "contracts": found}

    @model_validator(mode="after")
    def _names_and_audiences(self) -> Self:
        for name, contract in self.contracts.items():
            if not NAME.fullmatch(name) or name == "graph":
                raise ValueError(f"{name}: not a contract's name")
            if contract.for_partners and contract.audience != name:
                raise ValueError(f"{name}: partners' tokens are for the contract's own name")
        return self


def read_contracts(path: Path = PATH) -> Mapping[str, Contract]:
    """All contracts by name, read again whenever the file changed. Raises ContractsError."""
    try:
        stat = path.stat()
    except OSError:
        raise ContractsError(f"{path} cannot be read.") from None
    return _read(path, stat.st_mtime_ns, stat.st_size, stat.st_ino)


@lru_cache(maxsize=16)
def _read(path: Path, *_version: int) -> Mapping[str, Contract]:
    try:
        return _File.model_validate(yaml.safe_load(path.read_text(encoding="utf-8"))).contracts
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        reason = first["msg"].removeprefix("Value error, ")
        raise ContractsError(f"{path} cannot be used: {place}: {reason}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        line = " ".join(str(error).split())
        raise ContractsError(f"{path} cannot be used: {line}") from None
