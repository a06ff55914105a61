"""Queries and mutations of lessons: each mutation is one transaction and one service call."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from shared.graph import After, Before, Connection, First, IdempotencyKey, Last, Problem
from shared.idempotency import once
from shared.ids import parse_id
from subgraphs.learning import models
from subgraphs.learning.graph.context import Info
from subgraphs.learning.graph.lessons import (
    FromArgument,
    Lesson,
    RoleArgument,
    StatusArgument,
    ToArgument,
    lessons_of,
)
from subgraphs.learning.service import attendance, booking, cancellation, disputes, groups

BookLessonResult = Annotated[
    Lesson | Problem,
    strawberry.union("BookLessonResult", description="The lesson, or why it was refused."),
]
ScheduleGroupLessonResult = Annotated[
    Lesson | Problem,
    strawberry.union("ScheduleGroupLessonResult", description="The lesson, or why it was refused."),
]
RescheduleLessonResult = Annotated[
    Lesson | Problem,
    strawberry.union("RescheduleLessonResult", description="The lesson, or why it was refused."),
]
CancelLessonResult = Annotated[
    Lesson | Problem,
    strawberry.union("CancelLessonResult", description="The lesson, or why it was refused."),
]
StartLessonResult = Annotated[
    Lesson | Problem,
    strawberry.union("StartLessonResult", description="The lesson, or why it was refused."),
]
CompleteLessonResult = Annotated[
    Lesson | Problem,
    strawberry.union("CompleteLessonResult", description="The lesson, or why it was refused."),
]
JoinLessonResult = Annotated[
    Lesson | Problem,
    strawberry.union("JoinLessonResult", description="The lesson, or why it was refused."),
]
LeaveLessonResult = Annotated[
    Lesson | Problem,
    strawberry.union("LeaveLessonResult", description="The lesson, or why it was refused."),
]
RecordAttendanceResult = Annotated[
    Lesson | Problem,
    strawberry.union("RecordAttendanceResult", description="The lesson, or why it was refused."),
]
ReportNoShowResult = Annotated[
    Lesson | Problem,
    strawberry.union("ReportNoShowResult", description="The lesson, or why it was refused."),
]
OpenDisputeResult = Annotated[
    Lesson | Problem,
    strawberry.union("OpenDisputeResult", description="The lesson, or why it was refused."),
]
ResolveDisputeResult = Annotated[
    Lesson | Problem,
    strawberry.union("ResolveDisputeResult", description="The lesson, or why it was refused."),
]

LessonId = Annotated[strawberry.ID, strawberry.argument(description="The lesson.")]
OfferToken = Annotated[str, strawberry.argument(description="From a bookable slot of the tutor.")]


@strawberry.type(description="What can be asked of lessons.")
class LessonQueries:
    @strawberry.field(description="A lesson, for those who take part and admins; null for others.")
    async def lesson(self, info: Info, id: LessonId) -> Lesson | None:
        return await Lesson.resolve_reference(info, id)

    @strawberry.field(description="The viewer's own lessons, the latest first.")
    async def my_lessons(
        self,
        info: Info,
        role: RoleArgument = None,
        status: StatusArgument = None,
        from_: FromArgument = None,
        to: ToArgument = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Lesson]:
        return await lessons_of(
            info,
            info.context.viewer.require_user(),
            role=role,
            status=status,
            since=from_,
            until=to,
            first=first,
            after=after,
            last=last,
            before=before,
        )


@strawberry.type(description="What can be done with lessons.")
class LessonMutations:
    @strawberry.mutation(description="Hold a slot on offer while you pay; a free one is yours.")
    async def book_lesson(
        self, info: Info, offer_token: OfferToken, idempotency_key: IdempotencyKey = None
    ) -> BookLessonResult:
        viewer = info.context.viewer
        async with info.context.write() as session:

            async def book() -> UUID:
                found = await booking.book_lesson(
                    session, viewer, offer_token, settings=info.context.settings
                )
                return found.id

            request = {"offerToken": offer_token}
            lesson_id = await once(session, viewer, "bookLesson", idempotency_key, request, book)
            row = await session.get_one(models.Lesson, lesson_id)
        return Lesson(row=row)

    @strawberry.mutation(description="Let a course meet with all who have a seat (its tutor).")
    async def schedule_group_lesson(
        self,
        info: Info,
        course_id: Annotated[strawberry.ID, strawberry.argument(description="The course.")],
        starts_at: Annotated[datetime, strawberry.argument(description="When it starts.")],
        duration_minutes: Annotated[int, strawberry.argument(description="15 to 720.")],
        idempotency_key: IdempotencyKey = None,
    ) -> ScheduleGroupLessonResult:
        viewer, wanted = info.context.viewer, parse_id(course_id, field="courseId")
        async with info.context.write() as session:

            async def schedule() -> UUID:
                found = await groups.schedule_group_lesson(
                    session,
                    viewer,
                    wanted,
                    starts_at=starts_at,
                    duration_minutes=duration_minutes,
                    settings=info.context.settings,
                )
                return found.id

            request = {"courseId": wanted, "startsAt": starts_at, "minutes": duration_minutes}
            lesson_id = await once(
                session, viewer, "scheduleGroupLesson", idempotency_key, request, schedule
            )
            row = await session.get_one(models.Lesson, lesson_id)
        return Lesson(row=row)

    @strawberry.mutation(
        description="Move a lesson: students to a slot on offer at the same price, tutors to a time"
        " of their choice; both until some time before."
    )
    async def reschedule_lesson(
        self,
        info: Info,
        id: LessonId,
        offer_token: Annotated[
            str | None, strawberry.argument(description="The new slot, from a student.")
        ] = None,
        starts_at: Annotated[
            datetime | None, strawberry.argument(description="The new time, from the tutor.")
        ] = None,
    ) -> RescheduleLessonResult:
        async with info.context.write() as session:
            row = await booking.reschedule_lesson(
                session,
                info.context.viewer,
                parse_id(id, field="id"),
                offer_token=offer_token,
                starts_at=starts_at,
                settings=info.context.settings,
            )
        return Lesson(row=row)

    @strawberry.mutation(description="Call a lesson off; the policy says what goes back.")
    async def cancel_lesson(
        self,
        info: Info,
        id: LessonId,
        reason: Annotated[
            str | None, strawberry.argument(description="Why; at most 1,000 characters.")
        ] = None,
    ) -> CancelLessonResult:
        async with info.context.write() as session:
            row = await cancellation.cancel_lesson(
                session, info.context.viewer, parse_id(id, field="id"), reason=reason
            )
        return Lesson(row=row)

    @strawberry.mutation(description="Begin a lesson, at most ten minutes early (its tutor).")
    async def start_lesson(self, info: Info, id: LessonId) -> StartLessonResult:
        async with info.context.write() as session:
            row = await attendance.start_lesson(
                session,
                info.context.viewer,
                parse_id(id, field="id"),
                settings=info.context.settings,
            )
        return Lesson(row=row)

    @strawberry.mutation(description="Say that a lesson is over (its tutor).")
    async def complete_lesson(self, info: Info, id: LessonId) -> CompleteLessonResult:
        async with info.context.write() as session:
            row = await attendance.complete_lesson(
                session,
                info.context.viewer,
                parse_id(id, field="id"),
                settings=info.context.settings,
            )
        return Lesson(row=row)

    @strawberry.mutation(description="Say that you are there; with both sides it ends by itself.")
    async def join_lesson(self, info: Info, id: LessonId) -> JoinLessonResult:
        async with info.context.write() as session:
            row = await attendance.join_lesson(
                session,
                info.context.viewer,
                parse_id(id, field="id"),
                settings=info.context.settings,
            )
        return Lesson(row=row)

    @strawberry.mutation(description="Say that you have left a lesson.")
    async def leave_lesson(self, info: Info, id: LessonId) -> LeaveLessonResult:
        async with info.context.write() as session:
            row = await attendance.leave_lesson(
                session, info.context.viewer, parse_id(id, field="id")
            )
        return Lesson(row=row)

    @strawberry.mutation(description="Say whether a student came (the lesson's tutor).")
    async def record_attendance(
        self,
        info: Info,
        lesson_id: LessonId,
        student_id: Annotated[strawberry.ID, strawberry.argument(description="The student.")],
        attendance_: Annotated[
            models.Attendance,
            strawberry.argument(name="attendance", description="Whether the student came."),
        ],
    ) -> RecordAttendanceResult:
        async with info.context.write() as session:
            row = await attendance.record_attendance(
                session,
                info.context.viewer,
                parse_id(lesson_id, field="lessonId"),
                student_id=parse_id(student_id, field="studentId"),
                attendance=attendance_,
            )
        return Lesson(row=row)

    @strawberry.mutation(description="Say that the other side did not come, within a day.")
    async def report_no_show(
        self,
        info: Info,
        lesson_id: LessonId,
        who: Annotated[models.LessonRole, strawberry.argument(description="Who did not come.")],
    ) -> ReportNoShowResult:
        async with info.context.write() as session:
            row = await attendance.report_no_show(
                session,
                info.context.viewer,
                parse_id(lesson_id, field="lessonId"),
                who=who,
                settings=info.context.settings,
            )
        return Lesson(row=row)

    @strawberry.mutation(description="Say that a paid lesson was not as it should be, in time.")
    async def open_dispute(
        self,
        info: Info,
        lesson_id: LessonId,
        reason: Annotated[str, strawberry.argument(description="1 to 1,000 characters.")],
    ) -> OpenDisputeResult:
        async with info.context.write() as session:
            row = await disputes.open_dispute(
                session,
                info.context.viewer,
                parse_id(lesson_id, field="lessonId"),
                reason=reason,
            )
        return Lesson(row=row)

    @strawberry.federation.mutation(
        description="Decide what a disputing student gets back (admins).", tags=["admin"]
    )
    async def resolve_dispute(
        self,
        info: Info,
        lesson_id: LessonId,
        refund_bps: Annotated[
            int, strawberry.argument(description="In basis points: 10000 is everything.")
        ],
    ) -> ResolveDisputeResult:
        async with info.context.write() as session:
            row = await disputes.resolve_dispute(
                session,
                info.context.viewer,
                parse_id(lesson_id, field="lessonId"),
                refund_bps=refund_bps,
            )
        return Lesson(row=row)
