"""Enrolments, progress, the waitlist and certificates as clients see them."""

from collections.abc import Awaitable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

from shared.graph import described_enum
from shared.ids import parse_id_or_none
from subgraphs.learning import models
from subgraphs.learning.graph.context import Info
from subgraphs.learning.graph.courses import Course
from subgraphs.learning.service import certificates, enrollments, purchases

if TYPE_CHECKING:
    from subgraphs.learning.graph.users import User

LazyUser = Annotated["User", strawberry.lazy("subgraphs.learning.graph.users")]

described_enum(
    models.EnrollmentStatus,
    "Where an enrolment is in its life.",
    tags=["lms"],
    PENDING_PAYMENT="A seat is held while the student pays; it opens nothing yet.",
    ACTIVE="The student has a seat.",
    COMPLETED="The student has completed every unit that there was.",
    CANCELLED="The student gave the seat back.",
)
described_enum(
    models.WaitlistStatus,
    "Where a place on a waitlist is in its life.",
    WAITING="In line for the next free seat.",
    OFFERED="A seat is held for the student until the offer ends.",
    ACCEPTED="The student took a seat.",
    EXPIRED="The offer ended, or the course took no more students.",
    LEFT="The student stepped out of the line.",
)


@strawberry.federation.type(description="How far a student is in a course.", tags=["lms"])
class CourseProgress:
    completed_units: int = strawberry.field(description="Units that are completed.")
    total_units: int = strawberry.field(description="Units that the course has now.")
    percent: int = strawberry.field(description="Whole percent, rounded down.")


@strawberry.federation.type(
    keys=["id"], description="Proof of a completed course; whoever has its code may see it."
)
class Certificate:
    row: strawberry.Private[models.Certificate]

    @strawberry.field(description="Identifies the certificate.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(str(self.row.id))

    @strawberry.field(description="The code by which anybody can verify it.")
    def code(self) -> str:
        return self.row.code

    @strawberry.field(description="The student's name on the day it was issued.")
    def student_name(self) -> str:
        return self.row.student_name

    @strawberry.field(description="The course's title on the day it was issued.")
    def course_title(self) -> str:
        return self.row.course_title

    @strawberry.field(description="When it was issued.")
    def issued_at(self) -> datetime:
        return self.row.issued_at

    @strawberry.field(description="The course, while it exists.")
    async def course(self, info: Info) -> Course | None:
        return await Course.load(info, self.row.course_id)

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> Self | None:
        certificate_id = parse_id_or_none(id)
        if certificate_id is None:
            return None
        row = await info.context.loader(certificates.get_certificates).load(certificate_id)
        # Without the code only its owner and admins may see it.
        visible = row is not None and info.context.viewer.may_see_private(row.student_id)
        return cls(row=row) if row is not None and visible else None


@strawberry.federation.type(keys=["id"], description="A student in a course.")
class Enrollment:
    row: strawberry.Private[models.Enrollment]

    @strawberry.federation.field(description="Identifies the enrolment.", tags=["lms"])
    def id(self) -> strawberry.ID:
        return strawberry.ID(str(self.row.id))

    @strawberry.federation.field(description="Where the enrolment is in its life.", tags=["lms"])
    def status(self) -> models.EnrollmentStatus:
        return models.EnrollmentStatus(self.row.status)

    @strawberry.federation.field(
        description="When the student took the seat, the last time.", tags=["lms"]
    )
    def enrolled_at(self) -> datetime:
        return self.row.enrolled_at

    @strawberry.federation.field(description="When the last unit was completed.", tags=["lms"])
    def completed_at(self) -> datetime | None:
        return self.row.completed_at

    @strawberry.federation.field(description="When the seat was given back.", tags=["lms"])
    def cancelled_at(self) -> datetime | None:
        return self.row.cancelled_at

    @strawberry.field(
        description="The purchase that the seat is held or was paid by; null for others, and free."
    )
    def purchase_id(self, info: Info) -> strawberry.ID | None:
        if self.row.purchase_id is None:
            return None
        visible = info.context.viewer.may_see_private(self.row.student_id)
        return strawberry.ID(str(self.row.purchase_id)) if visible else None

    @strawberry.field(description="Until when the seat is held for the payer, while unpaid.")
    async def hold_expires_at(self, info: Info) -> datetime | None:
        if self.row.purchase_id is None or self.row.status != "PENDING_PAYMENT":
            return None
        row = await info.context.loader(purchases.get_purchases).load(self.row.purchase_id)
        return row.hold_expires_at if row else None

    @strawberry.field(description="Until when a bought seat can be given back for money.")
    async def refund_until(self, info: Info) -> datetime | None:
        if self.row.purchase_id is None:
            return None
        row = await info.context.loader(purchases.get_purchases).load(self.row.purchase_id)
        return row.refund_until if row else None

    @strawberry.federation.field(description="The course.", tags=["lms"])
    async def course(self, info: Info) -> Course | None:
        return await Course.load(info, self.row.course_id)

    @strawberry.federation.field(description="The student.", tags=["lms"])
    def student(self) -> LazyUser | None:
        from subgraphs.learning.graph.users import User

        return User.of(self.row.student_id)

    @strawberry.federation.field(description="How far the student is.", tags=["lms"])
    async def progress(self, info: Info) -> CourseProgress:
        found = await info.context.loader(enrollments.get_progress).load(self.row.id)
        return CourseProgress(
            completed_units=found.completed_units,
            total_units=found.total_units,
            percent=found.percent,
        )

    @strawberry.field(description="The certificate, once the course is completed.")
    async def certificate(self, info: Info) -> Certificate | None:
        if not info.context.viewer.may_see_private(self.row.student_id):
            return None
        loader = info.context.loader(certificates.get_enrollment_certificates, into=Certificate)
        return await loader.load(self.row.id)

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> Awaitable[Self | None]:
        loader = info.context.loader(
            enrollments.get_enrollments, into=cls, viewer=info.context.viewer
        )
        return loader.load(parse_id_or_none(id))


@strawberry.type(description="A place on the waitlist of a full course.")
class WaitlistEntry:
    row: strawberry.Private[models.WaitlistEntry]

    @strawberry.field(description="Identifies the place.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(str(self.row.id))

    @strawberry.field(description="Where the place is in its life.")
    def status(self) -> models.WaitlistStatus:
        return models.WaitlistStatus(self.row.status)

    @strawberry.field(description="Until when a seat is held for the student; enrol before.")
    def offer_expires_at(self) -> datetime | None:
        return self.row.offer_expires_at

    @strawberry.field(description="When the student began to wait.")
    def created_at(self) -> datetime:
        return self.row.created_at

    @strawberry.field(description="The course.")
    async def course(self, info: Info) -> Course | None:
        return await Course.load(info, self.row.course_id)
