"""What every subgraph's graph.py needs: context, schema, problems, connections, scalars."""

from shared.graph.connection import (
    After,
    Before,
    Connection,
    Edge,
    First,
    IdempotencyKey,
    Last,
    PageInfo,
    ReferenceConnection,
    ReferenceEdge,
    page_of,
)
from shared.graph.context import BaseContext
from shared.graph.enums import described_enum
from shared.graph.problem import Problem
from shared.graph.sagas import Saga
from shared.graph.scalars import Currency, MinorUnits, Money, MoneyInput
from shared.graph.schema import REFERENCE, Schema, build_schema

__all__ = [
    "REFERENCE",
    "After",
    "BaseContext",
    "Before",
    "Connection",
    "Currency",
    "Edge",
    "First",
    "IdempotencyKey",
    "Last",
    "MinorUnits",
    "Money",
    "MoneyInput",
    "PageInfo",
    "Problem",
    "ReferenceConnection",
    "ReferenceEdge",
    "Saga",
    "Schema",
    "build_schema",
    "described_enum",
    "page_of",
]
