"""GraphQL face of matching: types and resolvers by noun, no rules."""

import strawberry

from shared.graph import build_schema
from subgraphs.matching.graph.availability import AvailabilityMutations
from subgraphs.matching.graph.context import Context
from subgraphs.matching.graph.courses import Course, CourseMutations
from subgraphs.matching.graph.lessons import Lesson
from subgraphs.matching.graph.profiles import ProfileMutations, ProfileQueries
from subgraphs.matching.graph.requests import RequestMutations, RequestQueries
from subgraphs.matching.graph.search import SearchQueries
from subgraphs.matching.graph.skills import SkillMutations, SkillQueries
from subgraphs.matching.graph.slots import SlotQueries
from subgraphs.matching.graph.students import StudentMutations, StudentQueries
from subgraphs.matching.graph.tutor_skills import TutorSkillMutations
from subgraphs.matching.graph.users import User
from subgraphs.matching.graph.verifications import VerificationMutations, VerificationQueries


@strawberry.type(description="What can be asked.")
class Query(
    ProfileQueries,
    SearchQueries,
    SlotQueries,
    SkillQueries,
    VerificationQueries,
    RequestQueries,
    StudentQueries,
):
    pass


@strawberry.type(description="What can be done; each field is one transaction.")
class Mutation(
    ProfileMutations,
    AvailabilityMutations,
    SkillMutations,
    TutorSkillMutations,
    CourseMutations,
    VerificationMutations,
    RequestMutations,
    StudentMutations,
):
    pass


schema = build_schema("matching", query=Query, mutation=Mutation, types=[User, Lesson, Course])

__all__ = ["Context", "schema"]
