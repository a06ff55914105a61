"""GraphQL face of learning: types and resolvers by noun, no rules."""

import strawberry

from shared.graph import build_schema
from subgraphs.learning.graph.context import Context
from subgraphs.learning.graph.feeds import FeedMutations, FeedQueries
from subgraphs.learning.graph.homework import HomeworkMutations
from subgraphs.learning.graph.lesson_operations import LessonMutations, LessonQueries
from subgraphs.learning.graph.operations import CourseMutations, CourseQueries
from subgraphs.learning.graph.paths import PathMutations, PathQueries
from subgraphs.learning.graph.purchases import PurchaseMutations, PurchaseQueries
from subgraphs.learning.graph.quizzes import QuizMutations, QuizQueries
from subgraphs.learning.graph.users import User


@strawberry.type(description="What can be asked.")
class Query(CourseQueries, LessonQueries, PurchaseQueries, QuizQueries, PathQueries, FeedQueries):
    pass


@strawberry.type(description="What can be done; each field is one transaction.")
class Mutation(
    CourseMutations,
    PurchaseMutations,
    LessonMutations,
    HomeworkMutations,
    QuizMutations,
    PathMutations,
    FeedMutations,
):
    pass


schema = build_schema("learning", query=Query, mutation=Mutation, types=[User])

__all__ = ["Context", "schema"]
