"""What matching adds to a course. The course itself is learning's."""

from typing import Annotated, Self
from uuid import UUID

import strawberry

from shared.graph import Problem
from shared.ids import parse_id, parse_id_or_none
from subgraphs.matching.graph.context import Info
from subgraphs.matching.graph.skills import Skill
from subgraphs.matching.service import skills


@strawberry.federation.type(keys=["id"], description="A course that a tutor offers.")
class Course:
    id: strawberry.ID = strawberry.field(description="Identifies the course.")
    course_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, course_id: UUID) -> Self:
        """A reference; learning answers whether there is such a course."""
        return cls(id=strawberry.ID(str(course_id)), course_id=course_id)

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> Self | None:
        course_id = parse_id_or_none(id)
        return cls.of(course_id) if course_id else None

    @strawberry.federation.field(
        description="What the course teaches, by name.", tags=["course", "tutor"]
    )
    async def skills(self, info: Info) -> list[Skill] | None:
        rows = await info.context.loader(skills.get_course_skills).load(self.course_id)
        return [Skill(row=row) for row in rows]


SetCourseSkillsResult = Annotated[
    Course | Problem,
    strawberry.union("SetCourseSkillsResult", description="The course, or why it was refused."),
]


@strawberry.type
class CourseMutations:
    @strawberry.mutation(description="Replace what a published course teaches; at most 20 skills.")
    async def set_course_skills(
        self,
        info: Info,
        course_id: Annotated[strawberry.ID, strawberry.argument(description="The course.")],
        skill_ids: Annotated[
            list[strawberry.ID], strawberry.argument(description="What it teaches.")
        ],
    ) -> SetCourseSkillsResult:
        async with info.context.write() as session:
            changed = await skills.set_course_skills(
                session,
                info.context.viewer,
                parse_id(course_id, field="courseId"),
                [parse_id(each, field="skillIds") for each in skill_ids],
            )
        return Course.of(changed)
