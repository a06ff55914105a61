"""What tutors teach, as they change it."""

from typing import Annotated

import strawberry

from shared.graph import MinorUnits, Problem
from shared.ids import parse_id
from subgraphs.matching import models
from subgraphs.matching.graph.context import Info
from subgraphs.matching.graph.profiles import ProfileId, TutorProfile
from subgraphs.matching.service import skills

SetTutorSkillsResult = Annotated[
    TutorProfile | Problem,
    strawberry.union("SetTutorSkillsResult", description="The profile, or why it was refused."),
]


@strawberry.input(description="A skill that a tutor teaches.")
class TutorSkillInput:
    skill_id: strawberry.ID = strawberry.field(description="The skill.")
    level: models.SkillLevel = strawberry.field(description="Up to which level.")
    hourly_rate: MinorUnits | None = strawberry.field(
        default=None, description="In the profile's currency; the usual rate without."
    )


@strawberry.type
class TutorSkillMutations:
    @strawberry.mutation(description="Replace what a tutor teaches; at most 50 skills.")
    async def set_tutor_skills(
        self,
        info: Info,
        profile_id: ProfileId,
        given: Annotated[
            list[TutorSkillInput], strawberry.argument(name="skills", description="The skills.")
        ],
    ) -> SetTutorSkillsResult:
        taught = [
            skills.TaughtSkill(
                skill_id=parse_id(each.skill_id, field="skillId"),
                level=each.level,
                rate_amount=each.hourly_rate,
            )
            for each in given
        ]
        async with info.context.write() as session:
            row = await skills.set_tutor_skills(
                session, info.context.viewer, parse_id(profile_id, field="profileId"), taught
            )
        return TutorProfile(row=row)
