"""Homework and notes as clients see them."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry

from shared.graph import IdempotencyKey, Problem, described_enum
from shared.idempotency import once
from shared.ids import parse_id
from subgraphs.learning import models
from subgraphs.learning.graph.context import Info
from subgraphs.learning.service import homework

if TYPE_CHECKING:
    from subgraphs.learning.graph.lessons import Lesson
    from subgraphs.learning.graph.users import User

LazyUser = Annotated["User", strawberry.lazy("subgraphs.learning.graph.users")]
LazyLesson = Annotated["Lesson", strawberry.lazy("subgraphs.learning.graph.lessons")]

described_enum(
    models.HomeworkStatus,
    "Where homework is in its life.",
    ASSIGNED="The student has not handed anything in.",
    SUBMITTED="It waits for the tutor.",
    REVIEWED="The tutor has said something to it.",
)


@strawberry.type(
    description="What a student is to do after a lesson; for the student, the tutor and admins."
)
class Homework:
    row: strawberry.Private[models.Homework]

    @strawberry.field(description="Identifies the homework.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(str(self.row.id))

    @strawberry.field(description="Where it is in its life.")
    def status(self) -> models.HomeworkStatus:
        return self.row.status

    @strawberry.field(description="Who is to do it.")
    def student(self) -> LazyUser | None:
        from subgraphs.learning.graph.users import User

        return User.of(self.row.student_id)

    @strawberry.field(description="What is to be done.")
    def instructions(self) -> str:
        return self.row.instructions

    @strawberry.field(description="Until when.")
    def due_at(self) -> datetime | None:
        return self.row.due_at

    @strawberry.field(description="What the student has handed in last.")
    def submission(self) -> str | None:
        return self.row.submission

    @strawberry.field(description="When it was handed in last.")
    def submitted_at(self) -> datetime | None:
        return self.row.submitted_at

    @strawberry.field(description="Whether it was handed in after it was due.")
    def is_late(self) -> bool:
        due, done = self.row.due_at, self.row.submitted_at
        return due is not None and done is not None and done > due

    @strawberry.field(description="What the tutor says to it.")
    def feedback(self) -> str | None:
        return self.row.feedback

    @strawberry.field(description="When the tutor said so last.")
    def reviewed_at(self) -> datetime | None:
        return self.row.reviewed_at


SaveLessonNotesResult = Annotated[
    LazyLesson | Problem,
    strawberry.union("SaveLessonNotesResult", description="The lesson, or why it was refused."),
]
SaveMyLessonNoteResult = Annotated[
    LazyLesson | Problem,
    strawberry.union("SaveMyLessonNoteResult", description="The lesson, or why it was refused."),
]
AssignHomeworkResult = Annotated[
    Homework | Problem,
    strawberry.union("AssignHomeworkResult", description="The homework, or why it was refused."),
]
SubmitHomeworkResult = Annotated[
    Homework | Problem,
    strawberry.union("SubmitHomeworkResult", description="The homework, or why it was refused."),
]
ReviewHomeworkResult = Annotated[
    Homework | Problem,
    strawberry.union("ReviewHomeworkResult", description="The homework, or why it was refused."),
]

LessonId = Annotated[strawberry.ID, strawberry.argument(description="The lesson.")]
HomeworkId = Annotated[strawberry.ID, strawberry.argument(description="The homework.")]


@strawberry.type(description="What can be done with notes and homework.")
class HomeworkMutations:
    @strawberry.mutation(description="Write notes for all who take part (the lesson's tutor).")
    async def save_lesson_notes(
        self,
        info: Info,
        lesson_id: LessonId,
        notes: Annotated[str, strawberry.argument(description="Empty text removes them.")],
    ) -> SaveLessonNotesResult:
        from subgraphs.learning.graph.lessons import Lesson

        async with info.context.write() as session:
            row = await homework.save_shared_notes(
                session, info.context.viewer, parse_id(lesson_id, field="lessonId"), notes=notes
            )
        return Lesson(row=row)

    @strawberry.mutation(description="Write a note for yourself alone (participants).")
    async def save_my_lesson_note(
        self,
        info: Info,
        lesson_id: LessonId,
        note: Annotated[str, strawberry.argument(description="Empty text removes it.")],
    ) -> SaveMyLessonNoteResult:
        from subgraphs.learning.graph.lessons import Lesson

        async with info.context.write() as session:
            row = await homework.save_private_note(
                session, info.context.viewer, parse_id(lesson_id, field="lessonId"), note=note
            )
        return Lesson(row=row)

    @strawberry.mutation(description="Give a student something to do (the lesson's tutor).")
    async def assign_homework(
        self,
        info: Info,
        lesson_id: LessonId,
        student_id: Annotated[strawberry.ID, strawberry.argument(description="The student.")],
        instructions: Annotated[str, strawberry.argument(description="1 to 20,000 characters.")],
        due_at: Annotated[
            datetime | None, strawberry.argument(description="Until when; null for no end.")
        ] = None,
        idempotency_key: IdempotencyKey = None,
    ) -> AssignHomeworkResult:
        viewer, lesson = info.context.viewer, parse_id(lesson_id, field="lessonId")
        student = parse_id(student_id, field="studentId")
        async with info.context.write() as session:

            async def assign() -> UUID:
                found = await homework.assign_homework(
                    session,
                    viewer,
                    lesson,
                    student_id=student,
                    instructions=instructions,
                    due_at=due_at,
                )
                return found.id

            request = {
                "lessonId": lesson,
                "studentId": student,
                "instructions": instructions,
                "dueAt": due_at,
            }
            homework_id = await once(
                session, viewer, "assignHomework", idempotency_key, request, assign
            )
            row = await session.get_one(models.Homework, homework_id)
        return Homework(row=row)

    @strawberry.mutation(description="Hand in homework, again until it is reviewed.")
    async def submit_homework(
        self,
        info: Info,
        id: HomeworkId,
        submission: Annotated[str, strawberry.argument(description="1 to 20,000 characters.")],
    ) -> SubmitHomeworkResult:
        async with info.context.write() as session:
            row = await homework.submit_homework(
                session, info.context.viewer, parse_id(id, field="id"), submission=submission
            )
        return Homework(row=row)

    @strawberry.mutation(description="Say something to homework handed in (the lesson's tutor).")
    async def review_homework(
        self,
        info: Info,
        id: HomeworkId,
        feedback: Annotated[str, strawberry.argument(description="1 to 20,000 characters.")],
    ) -> ReviewHomeworkResult:
        async with info.context.write() as session:
            row = await homework.review_homework(
                session, info.context.viewer, parse_id(id, field="id"), feedback=feedback
            )
        return Homework(row=row)
