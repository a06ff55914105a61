"""What every subgraph's graph.py needs: context, schema, problems, connections, scalars."""

from shared.graph.connection import Connection, Edge, PageInfo, ReferenceConnection, ReferenceEdge
from shared.graph.context import BaseContext
from shared.graph.problem import Problem
from shared.graph.scalars import Currency, MinorUnits, Money, MoneyInput
from shared.graph.schema import REFERENCE, Schema, build_schema

__all__ = [
    "REFERENCE",
    "BaseContext",
    "Connection",
    "Currency",
    "Edge",
    "MinorUnits",
    "Money",
    "MoneyInput",
    "PageInfo",
    "Problem",
    "ReferenceConnection",
    "ReferenceEdge",
    "Schema",
    "build_schema",
]
