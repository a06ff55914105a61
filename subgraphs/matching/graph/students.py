"""What students look for, their favourites, and what is recommended to them."""

from typing import Annotated, Any, Self

import strawberry

from shared.graph import After, Before, Connection, First, Last, Problem, described_enum, page_of
from shared.ids import parse_id
from subgraphs.matching import models
from subgraphs.matching.graph.context import Info
from subgraphs.matching.graph.profiles import TutorProfile
from subgraphs.matching.service import recommendations, scores, students

described_enum(
    scores.ReasonCode,
    "What speaks for a tutor.",
    TEACHES_SKILL="Teaches the skill at the level.",
    SPEAKS_LANGUAGE="Speaks a language of the student.",
    WITHIN_BUDGET="Costs no more than the budget.",
    NEAR_BUDGET="Costs at most a fifth more than the budget.",
    FITS_SCHEDULE="Is free when the student is.",
    WELL_RATED="Is rated well.",
    NEW_TUTOR="Is new, and has few ratings to be found by.",
    FAVOURITE="Is one of the student's favourites.",
    LIKE_FAVOURITES="Teaches what the student's favourites teach.",
    FITS_GOALS="Speaks of what the student wants to reach.",
)


@strawberry.type(description="What speaks for a tutor, and how much.")
class MatchReason:
    code: scores.ReasonCode = strawberry.field(description="For programs.")
    weight: int = strawberry.field(description="The points that it gives.")
    text: str = strawberry.field(description="For people.")

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Self:
        """From what is stored."""
        return cls(
            code=scores.ReasonCode(stored["code"]), weight=stored["weight"], text=stored["text"]
        )


@strawberry.type(description="A tutor who may suit the viewer.")
class TutorRecommendation:
    tutor: TutorProfile = strawberry.field(description="The tutor.")
    score: int = strawberry.field(description="The sum of the points.")
    reasons: list[MatchReason] = strawberry.field(description="What speaks for the tutor.")


@strawberry.type(description="What a student looks for; private.")
class StudentProfile:
    row: strawberry.Private[models.StudentProfile]

    @strawberry.field(description="What the student wants to reach.")
    def goals(self) -> str | None:
        return self.row.goals

    @strawberry.field(description="The languages that the student speaks, BCP 47 tags.")
    def languages(self) -> list[str]:
        return self.row.languages

    @strawberry.field(description="The student's IANA time zone.")
    def time_zone(self) -> str:
        return self.row.time_zone


UpdateStudentProfileResult = Annotated[
    StudentProfile | Problem,
    strawberry.union(
        "UpdateStudentProfileResult", description="The profile, or why it was refused."
    ),
]
FavouriteTutorResult = Annotated[
    TutorProfile | Problem,
    strawberry.union("FavouriteTutorResult", description="The tutor, or why it was refused."),
]
UnfavouriteTutorResult = Annotated[
    TutorProfile | Problem,
    strawberry.union("UnfavouriteTutorResult", description="The tutor, or why it was refused."),
]
TutorId = Annotated[strawberry.ID, strawberry.argument(description="The tutor's profile.")]


@strawberry.input(description="What a student looks for; null leaves a value as it is.")
class StudentProfileInput:
    goals: str | None = strawberry.field(
        default=None, description="At most 2,000 characters; empty text removes it."
    )
    languages: list[str] | None = strawberry.field(
        default=None, description="At most 10 BCP 47 tags."
    )
    time_zone: str | None = strawberry.field(default=None, description="An IANA zone.")


@strawberry.type
class StudentQueries:
    @strawberry.field(description="The viewer's favourites, the last one first.")
    async def my_favourites(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[TutorProfile]:
        page = page_of(first, after, last, before)
        async with info.context.read() as session:
            found = await students.list_favourites(session, info.context.viewer, page)
        return Connection.of(found.map(lambda row: TutorProfile(row=row)))

    @strawberry.field(description="Bookable tutors who may suit the viewer, the best first.")
    async def recommend_tutors(
        self,
        info: Info,
        first: Annotated[int, strawberry.argument(description="How many, at most 50.")] = 10,
    ) -> list[TutorRecommendation]:
        async with info.context.read() as session:
            found = await recommendations.recommend_tutors(
                session, info.context.viewer, first=first
            )
        return [
            TutorRecommendation(
                tutor=TutorProfile(row=row),
                score=scored.score,
                reasons=[MatchReason.of(each.as_json()) for each in scored.reasons],
            )
            for row, scored in found
        ]


@strawberry.type
class StudentMutations:
    @strawberry.mutation(description="Say what the viewer looks for.")
    async def update_student_profile(
        self,
        info: Info,
        input: Annotated[StudentProfileInput, strawberry.argument(description="The changes.")],
    ) -> UpdateStudentProfileResult:
        draft = students.StudentDraft(
            goals=input.goals,
            languages=None if input.languages is None else tuple(input.languages),
            time_zone=input.time_zone,
        )
        async with info.context.write() as session:
            row = await students.update_student(session, info.context.viewer, draft)
        return StudentProfile(row=row)

    @strawberry.mutation(description="Keep a tutor in mind.")
    async def favourite_tutor(self, info: Info, tutor_id: TutorId) -> FavouriteTutorResult:
        async with info.context.write() as session:
            row = await students.add_favourite(
                session, info.context.viewer, parse_id(tutor_id, field="tutorId")
            )
        return TutorProfile(row=row)

    @strawberry.mutation(description="Forget a tutor.")
    async def unfavourite_tutor(self, info: Info, tutor_id: TutorId) -> UnfavouriteTutorResult:
        async with info.context.write() as session:
            row = await students.remove_favourite(
                session, info.context.viewer, parse_id(tutor_id, field="tutorId")
            )
        return TutorProfile(row=row)
