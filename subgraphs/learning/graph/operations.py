"""Queries and mutations of courses and enrolments: each is one transaction and one call."""

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

import strawberry

from shared.graph import After, Before, Connection, First, IdempotencyKey, Last, Problem
from shared.idempotency import once
from shared.ids import parse_id
from subgraphs.learning import models
from subgraphs.learning.graph.context import Info, page_of
from subgraphs.learning.graph.courses import (
    Course,
    CourseUnit,
    CreateCourseInput,
    UpdateCourseInput,
)
from subgraphs.learning.graph.enrollments import Certificate, Enrollment, WaitlistEntry
from subgraphs.learning.graph.search import CourseSearchConnection, CourseSearchInput
from subgraphs.learning.service import (
    certificates,
    courses,
    enrollments,
    search,
    units,
    waitlist,
)

CreateCourseResult = Annotated[
    Course | Problem,
    strawberry.union("CreateCourseResult", description="The course, or why it was refused."),
]
UpdateCourseResult = Annotated[
    Course | Problem,
    strawberry.union("UpdateCourseResult", description="The course, or why it was refused."),
]
PublishCourseResult = Annotated[
    Course | Problem,
    strawberry.union("PublishCourseResult", description="The course, or why it was refused."),
]
ArchiveCourseResult = Annotated[
    Course | Problem,
    strawberry.union("ArchiveCourseResult", description="The course, or why it was refused."),
]
DeleteCourseDraftResult = Annotated[
    Course | Problem,
    strawberry.union("DeleteCourseDraftResult", description="The course, or why it was refused."),
]
AddCourseUnitResult = Annotated[
    CourseUnit | Problem,
    strawberry.union("AddCourseUnitResult", description="The unit, or why it was refused."),
]
UpdateCourseUnitResult = Annotated[
    CourseUnit | Problem,
    strawberry.union("UpdateCourseUnitResult", description="The unit, or why it was refused."),
]
RemoveCourseUnitResult = Annotated[
    Course | Problem,
    strawberry.union("RemoveCourseUnitResult", description="The course, or why it was refused."),
]
ReorderCourseUnitsResult = Annotated[
    Course | Problem,
    strawberry.union("ReorderCourseUnitsResult", description="The course, or why it was refused."),
]
EnrollFreeResult = Annotated[
    Enrollment | Problem,
    strawberry.union("EnrollFreeResult", description="The enrolment, or why it was refused."),
]
CancelEnrollmentResult = Annotated[
    Enrollment | Problem,
    strawberry.union("CancelEnrollmentResult", description="The enrolment, or why it was refused."),
]
CompleteUnitResult = Annotated[
    Enrollment | Problem,
    strawberry.union("CompleteUnitResult", description="The enrolment, or why it was refused."),
]
JoinWaitlistResult = Annotated[
    WaitlistEntry | Problem,
    strawberry.union("JoinWaitlistResult", description="The place in line, or why it was refused."),
]
LeaveWaitlistResult = Annotated[
    WaitlistEntry | Problem,
    strawberry.union(
        "LeaveWaitlistResult", description="The place in line, or why it was refused."
    ),
]

CourseId = Annotated[strawberry.ID, strawberry.argument(description="The course.")]
UnitId = Annotated[strawberry.ID, strawberry.argument(description="The unit.")]
EnrollmentId = Annotated[strawberry.ID, strawberry.argument(description="The enrolment.")]


@strawberry.input(description="A new unit of a course.")
class AddCourseUnitInput:
    course_id: strawberry.ID = strawberry.field(description="The course.")
    title: str = strawberry.field(description="1 to 200 characters.")
    summary: str | None = strawberry.field(default=None, description="At most 5,000 characters.")
    duration_minutes: int | None = strawberry.field(default=None, description="At least 1.")
    position: int | None = strawberry.field(
        default=None, description="Place from 1; at the end without."
    )


@strawberry.input(description="Changes to a unit; what is not given stays as it is.")
class UpdateCourseUnitInput:
    unit_id: strawberry.ID = strawberry.field(description="The unit.")
    title: str | None = strawberry.field(default=None, description="1 to 200 characters.")
    summary: str | None = strawberry.field(default=None, description="At most 5,000 characters.")
    duration_minutes: int | None = strawberry.field(default=None, description="At least 1.")


@strawberry.type(description="What can be asked of courses.")
class CourseQueries:
    @strawberry.federation.field(
        description="A course, or null; drafts only for their tutor and admins.", tags=["course"]
    )
    async def course(self, info: Info, id: CourseId) -> Course | None:
        return await Course.resolve_reference(info, id)

    @strawberry.federation.field(
        description="Published courses, the newest first.", tags=["course"]
    )
    async def courses(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Course]:
        page = page_of(first, after, last, before)
        async with info.context.read() as session:
            found = await courses.list_courses(session, page)
        return Connection.of(found.map(lambda row: Course(row=row)))

    @strawberry.federation.field(
        description="Courses of the account that a partner's program acts for, the newest first; "
        "drafts are left out.",
        tags=["lms"],
        requires_scopes=[["enrollments:read"]],
    )
    async def account_courses(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Course]:
        viewer = info.context.viewer
        account_id = enrollments.require_account(viewer)
        loader = info.context.loader(
            courses.list_taught_courses, page=page_of(first, after, last, before), viewer=viewer
        )
        page = await loader.load(account_id)
        return Connection.of(page.map(lambda row: Course(row=row)))

    @strawberry.federation.field(description="Search published courses.", tags=["course"])
    async def search_courses(
        self,
        info: Info,
        filter: Annotated[
            CourseSearchInput | None, strawberry.argument(description="What to look for.")
        ] = None,
        sort: Annotated[
            search.CourseSort,
            strawberry.argument(description="Without a text, newest first."),
        ] = search.CourseSort.RELEVANCE,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> CourseSearchConnection:
        wanted = filter.to_filter() if filter else search.CourseFilter()
        page = page_of(first, after, last, before)
        async with info.context.read() as session:
            found = await search.search_courses(session, wanted, sort, page)
        return CourseSearchConnection.of(found.map(lambda row: Course(row=row)), wanted=wanted)

    @strawberry.federation.field(
        description="An enrolment, for its student, the course's tutor, a program that acts for "
        "the tutor, and admins.",
        tags=["lms"],
        requires_scopes=[["enrollments:read"]],
    )
    async def enrollment(self, info: Info, id: EnrollmentId) -> Enrollment | None:
        return await Enrollment.resolve_reference(info, id)

    @strawberry.field(description="Verify a certificate by its code; null when there is none.")
    async def certificate(
        self,
        info: Info,
        code: Annotated[str, strawberry.argument(description="As printed, in any case.")],
    ) -> Certificate | None:
        async with info.context.read() as session:
            row = await certificates.find_certificate(session, code)
        return Certificate(row=row) if row else None


@strawberry.type(description="What can be done with courses.")
class CourseMutations:
    @strawberry.mutation(description="Begin a draft of a course (tutors).")
    async def create_course(
        self,
        info: Info,
        input: Annotated[CreateCourseInput, strawberry.argument(description="The course.")],
        idempotency_key: IdempotencyKey = None,
    ) -> CreateCourseResult:
        draft, viewer = input.to_draft(), info.context.viewer
        async with info.context.write() as session:

            async def create() -> UUID:
                return (await courses.create_course(session, viewer, draft)).id

            course_id = await once(
                session, viewer, "createCourse", idempotency_key, asdict(draft), create
            )
            row = await session.get_one(models.Course, course_id)
        return Course(row=row)

    @strawberry.mutation(description="Change a course; new seats go to the waitlist first.")
    async def update_course(
        self,
        info: Info,
        id: CourseId,
        input: Annotated[UpdateCourseInput, strawberry.argument(description="The changes.")],
    ) -> UpdateCourseResult:
        async with info.context.write() as session:
            row = await courses.update_course(
                session,
                info.context.viewer,
                parse_id(id, field="id"),
                input.to_draft(),
                offer_hours=info.context.offer_hours,
            )
        return Course(row=row)

    @strawberry.mutation(description="Make a draft visible; it needs at least one unit.")
    async def publish_course(self, info: Info, id: CourseId) -> PublishCourseResult:
        async with info.context.write() as session:
            row = await courses.publish_course(
                session, info.context.viewer, parse_id(id, field="id")
            )
        return Course(row=row)

    @strawberry.mutation(description="Take no new students; those enrolled go on.")
    async def archive_course(self, info: Info, id: CourseId) -> ArchiveCourseResult:
        async with info.context.write() as session:
            row = await courses.archive_course(
                session, info.context.viewer, parse_id(id, field="id")
            )
        return Course(row=row)

    @strawberry.mutation(description="Remove a course that was never published.")
    async def delete_course_draft(self, info: Info, id: CourseId) -> DeleteCourseDraftResult:
        async with info.context.write() as session:
            row = await courses.delete_draft(session, info.context.viewer, parse_id(id, field="id"))
        return Course(row=row)

    @strawberry.mutation(description="Add a unit to a course.")
    async def add_course_unit(
        self,
        info: Info,
        input: Annotated[AddCourseUnitInput, strawberry.argument(description="The unit.")],
        idempotency_key: IdempotencyKey = None,
    ) -> AddCourseUnitResult:
        viewer = info.context.viewer
        course_id = parse_id(input.course_id, field="courseId")
        async with info.context.write() as session:

            async def add() -> UUID:
                unit = await units.add_unit(
                    session,
                    viewer,
                    course_id,
                    title=input.title,
                    summary=input.summary,
                    duration_minutes=input.duration_minutes,
                    position=input.position,
                )
                return unit.id

            unit_id = await once(
                session, viewer, "addCourseUnit", idempotency_key, asdict(input), add
            )
            row = await session.get_one(models.CourseUnit, unit_id)
        return CourseUnit(row=row)

    @strawberry.mutation(description="Change a unit.")
    async def update_course_unit(
        self,
        info: Info,
        input: Annotated[UpdateCourseUnitInput, strawberry.argument(description="The changes.")],
    ) -> UpdateCourseUnitResult:
        async with info.context.write() as session:
            row = await units.update_unit(
                session,
                info.context.viewer,
                parse_id(input.unit_id, field="unitId"),
                title=input.title,
                summary=input.summary,
                duration_minutes=input.duration_minutes,
            )
        return CourseUnit(row=row)

    @strawberry.mutation(description="Remove a unit with everybody's progress in it.")
    async def remove_course_unit(self, info: Info, id: UnitId) -> RemoveCourseUnitResult:
        async with info.context.write() as session:
            row = await units.remove_unit(session, info.context.viewer, parse_id(id, field="id"))
        return Course(row=row)

    @strawberry.mutation(description="Give the units of a course another order.")
    async def reorder_course_units(
        self,
        info: Info,
        course_id: CourseId,
        unit_ids: Annotated[
            list[strawberry.ID], strawberry.argument(description="Every unit, once.")
        ],
    ) -> ReorderCourseUnitsResult:
        async with info.context.write() as session:
            row = await units.reorder_units(
                session,
                info.context.viewer,
                parse_id(course_id, field="courseId"),
                [parse_id(each, field="unitIds") for each in unit_ids],
            )
        return Course(row=row)

    @strawberry.mutation(description="Take a seat in a free course.")
    async def enroll_free(
        self, info: Info, course_id: CourseId, idempotency_key: IdempotencyKey = None
    ) -> EnrollFreeResult:
        viewer, wanted = info.context.viewer, parse_id(course_id, field="courseId")
        async with info.context.write() as session:

            async def enroll() -> UUID:
                return (await enrollments.enroll_free(session, viewer, wanted)).id

            request = {"courseId": wanted}
            enrollment_id = await once(
                session, viewer, "enrollFree", idempotency_key, request, enroll
            )
            row = await session.get_one(models.Enrollment, enrollment_id)
        return Enrollment(row=row)

    @strawberry.mutation(description="Give a seat back; the first on the waitlist is offered it.")
    async def cancel_enrollment(self, info: Info, id: EnrollmentId) -> CancelEnrollmentResult:
        async with info.context.write() as session:
            row = await enrollments.cancel_enrollment(
                session,
                info.context.viewer,
                parse_id(id, field="id"),
                settings=info.context.settings,
            )
        return Enrollment(row=row)

    @strawberry.mutation(description="Tick a unit off; the last one completes the course.")
    async def complete_unit(self, info: Info, unit_id: UnitId) -> CompleteUnitResult:
        async with info.context.write() as session:
            row = await enrollments.complete_unit(
                session, info.context.viewer, parse_id(unit_id, field="unitId")
            )
        return Enrollment(row=row)

    @strawberry.mutation(description="Wait for a seat in a full course.")
    async def join_waitlist(self, info: Info, course_id: CourseId) -> JoinWaitlistResult:
        async with info.context.write() as session:
            row = await waitlist.join_waitlist(
                session, info.context.viewer, parse_id(course_id, field="courseId")
            )
        return WaitlistEntry(row=row)

    @strawberry.mutation(description="Stop waiting; a seat on offer goes to the next.")
    async def leave_waitlist(self, info: Info, course_id: CourseId) -> LeaveWaitlistResult:
        async with info.context.write() as session:
            row = await waitlist.leave_waitlist(
                session,
                info.context.viewer,
                parse_id(course_id, field="courseId"),
                offer_hours=info.context.offer_hours,
            )
        return WaitlistEntry(row=row)
