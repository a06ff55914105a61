"""Enums of the layers below as GraphQL enums: those layers may not know GraphQL."""

from collections.abc import Sequence
from enum import Enum
from typing import Any, TypeVar

import strawberry

E = TypeVar("E", bound=type[Enum])


def described_enum(enum: E, description: str, *, tags: Sequence[str] = (), **values: str) -> E:
    """Show an enum under its own name; `tags` name the contracts that it belongs to.

    Raises TypeError unless each value has a description.
    """
    if values.keys() != enum.__members__.keys():
        differing = ", ".join(sorted(values.keys() ^ enum.__members__.keys()))
        raise TypeError(f"{enum.__name__}: describe each value once; differing: {differing}")
    shown: Any = strawberry.federation.enum(enum, description=description, tags=tags)
    for value in shown.__strawberry_definition__.values:
        value.description = values[value.name]
    return enum
