"""Enums of the layers below as GraphQL enums: those layers may not know GraphQL."""

from enum import Enum
from typing import Any, TypeVar

import strawberry

E = TypeVar("E", bound=type[Enum])


def described_enum(enum: E, description: str, **values: str) -> E:
    """Show an enum under its own name. Raises TypeError unless each value has a description."""
    if values.keys() != enum.__members__.keys():
        differing = ", ".join(sorted(values.keys() ^ enum.__members__.keys()))
        raise TypeError(f"{enum.__name__}: describe each value once; differing: {differing}")
    shown: Any = strawberry.enum(enum, description=description)
    for value in shown.__strawberry_definition__.values:
        value.description = values[value.name]
    return enum
