"""GraphQL face of reviews: types and resolvers by noun, no rules."""

import strawberry

from shared.graph import build_schema
from subgraphs.reviews.graph.context import Context
from subgraphs.reviews.graph.entities import Course, Lesson, TutorProfile, User
from subgraphs.reviews.graph.moderation import ModerationMutations, ModerationQueries
from subgraphs.reviews.graph.reviews import ReviewMutations, ReviewQueries


@strawberry.type(description="What can be asked.")
class Query(ReviewQueries, ModerationQueries):
    pass


@strawberry.type(description="What can be done; each field is one transaction.")
class Mutation(ReviewMutations, ModerationMutations):
    pass


schema = build_schema(
    "reviews", query=Query, mutation=Mutation, types=[User, Lesson, Course, TutorProfile]
)

__all__ = ["Context", "schema"]
