"""GraphQL face of learning: types and resolvers, no rules."""

from shared.graph import build_schema
from subgraphs.learning.graph.context import Context
from subgraphs.learning.graph.operations import Mutation, Query
from subgraphs.learning.graph.users import User

schema = build_schema("learning", query=Query, mutation=Mutation, types=[User])

__all__ = ["Context", "schema"]
