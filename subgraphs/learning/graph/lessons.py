"""Lessons as clients see them: for those who take part, and for admins."""

from collections.abc import Awaitable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self
from uuid import UUID

import strawberry
from strawberry.federation.schema_directives import Key
from strawberry.federation.types import FieldSet

from shared.graph import (
    After,
    Before,
    Connection,
    Currency,
    First,
    Last,
    MinorUnits,
    Money,
    ReferenceConnection,
    described_enum,
)
from shared.ids import parse_id_or_none
from subgraphs.learning import models
from subgraphs.learning.graph.context import Info, page_of
from subgraphs.learning.graph.homework import Homework
from subgraphs.learning.service import homework, lessons

if TYPE_CHECKING:
    from subgraphs.learning.graph.courses import Course
    from subgraphs.learning.graph.users import User

LazyUser = Annotated["User", strawberry.lazy("subgraphs.learning.graph.users")]
LazyCourse = Annotated["Course", strawberry.lazy("subgraphs.learning.graph.courses")]

described_enum(
    models.LessonKind,
    "What sort of lesson it is.",
    ONE_TO_ONE="A tutor with one student.",
    GROUP="A tutor with the students of a course.",
    TRIAL="The first lesson of a student with a tutor, at the tutor's trial price.",
)
described_enum(
    models.LessonStatus,
    "Where a lesson is in its life.",
    PENDING_PAYMENT="The slot is held while the student pays.",
    SCHEDULED="It will take place.",
    IN_PROGRESS="It is taking place.",
    COMPLETED="It took place; for some time the student may dispute it.",
    EXPIRED="It was not paid in time; the slot is free again.",
    CANCELLED_BY_STUDENT="The student called it off.",
    CANCELLED_BY_TUTOR="The tutor called it off.",
    CANCELLED_BY_SYSTEM="The platform called it off.",
    NO_SHOW_STUDENT="The student did not come.",
    NO_SHOW_TUTOR="The tutor did not come.",
    DISPUTED="The student says that it was not as it should be; an admin decides.",
)
described_enum(
    models.LessonRole,
    "As what somebody takes part in a lesson.",
    TUTOR="Teaches it.",
    STUDENT="Learns in it.",
)
described_enum(
    models.Attendance,
    "Whether somebody came to a lesson.",
    UNKNOWN="Nobody has said.",
    PRESENT="Was there.",
    ABSENT="Was not there.",
)


@strawberry.federation.type(
    keys=[Key(fields=FieldSet("userId"), resolvable=False)],
    description="What a tutor shows to students.",
)
class TutorProfile:
    user_id: strawberry.ID = strawberry.field(description="The user who teaches.")

    @classmethod
    def of(cls, user_id: UUID) -> Self:
        """A pointer; matching answers whether there is such a profile."""
        return cls(user_id=strawberry.ID(str(user_id)))


@strawberry.type(description="Who cancels early enough gets so much back.")
class CancellationTier:
    hours_before: int = strawberry.field(description="At least so many hours before the start.")
    refund_bps: int = strawberry.field(
        description="What goes back, in basis points: 10000 is everything."
    )


@strawberry.type(description="Something that has happened to a lesson.")
class LessonEvent:
    row: strawberry.Private[models.LessonEvent]

    @strawberry.field(name="from", description="The status before; null for the beginning.")
    def from_status(self) -> models.LessonStatus | None:
        return models.LessonStatus(self.row.from_status) if self.row.from_status else None

    @strawberry.field(name="to", description="The status after.")
    def to_status(self) -> models.LessonStatus:
        return models.LessonStatus(self.row.to_status)

    @strawberry.field(description="When the lesson was to start, from then on.")
    def starts_at(self) -> datetime:
        return self.row.starts_at

    @strawberry.field(description="Who did it; null for the platform.")
    def by(self) -> LazyUser | None:
        from subgraphs.learning.graph.users import User

        return User.of(self.row.actor_id) if self.row.actor_id else None

    @strawberry.field(description="Why, in the words of who did it.")
    def reason(self) -> str | None:
        return self.row.reason

    @strawberry.field(description="When it happened.")
    def at(self) -> datetime:
        return self.row.happened_at


@strawberry.type(
    description="Somebody's place in a lesson. All but name and role is for that person, the tutor"
    " and admins; null for others."
)
class LessonParticipant:
    row: strawberry.Private[models.LessonParticipant]
    tutor_id: strawberry.Private[UUID]

    def _is_open_to(self, info: Info) -> bool:
        viewer = info.context.viewer
        return viewer.may_see_private(self.row.user_id) or viewer.is_user(self.tutor_id)

    @strawberry.field(description="The person.")
    def user(self) -> LazyUser | None:
        from subgraphs.learning.graph.users import User

        return User.of(self.row.user_id)

    @strawberry.field(description="As what the person takes part.")
    def role(self) -> models.LessonRole:
        return models.LessonRole(self.row.role)

    @strawberry.field(description="Whether the person came.")
    def attendance(self, info: Info) -> models.Attendance | None:
        return models.Attendance(self.row.attendance) if self._is_open_to(info) else None

    @strawberry.field(description="When the person joined first.")
    def joined_at(self, info: Info) -> datetime | None:
        return self.row.joined_at if self._is_open_to(info) else None

    @strawberry.field(description="When the person went last.")
    def left_at(self, info: Info) -> datetime | None:
        return self.row.left_at if self._is_open_to(info) else None

    @strawberry.field(
        description="Whether the person has another lesson at that time, as happens in groups."
    )
    async def has_conflict(self, info: Info) -> bool | None:
        if not self._is_open_to(info):
            return None
        if self.row.is_exclusive and self.row.role == models.LessonRole.TUTOR:
            return False
        loader = info.context.loader(lessons.get_conflicts)
        return await loader.load((self.row.lesson_id, self.row.user_id))


@strawberry.federation.type(
    keys=["id"], description="A session of a tutor with one student or with a course."
)
class Lesson:
    row: strawberry.Private[models.Lesson]

    @strawberry.field(description="Identifies the lesson.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(str(self.row.id))

    @strawberry.field(description="What sort of lesson it is.")
    def kind(self) -> models.LessonKind:
        return models.LessonKind(self.row.kind)

    @strawberry.field(description="Where the lesson is in its life.")
    def status(self) -> models.LessonStatus:
        return models.LessonStatus(self.row.status)

    @strawberry.field(description="When it starts.")
    def starts_at(self) -> datetime:
        return self.row.starts_at

    @strawberry.field(description="When it ends.")
    def ends_at(self) -> datetime:
        return self.row.ends_at

    @strawberry.field(description="How long it takes, in minutes.")
    def duration_minutes(self) -> int:
        return round((self.row.ends_at - self.row.starts_at).total_seconds() / 60)

    @strawberry.field(description="What it costs, as it was when it was booked.")
    def price(self) -> Money:
        return Money(
            amount=MinorUnits(self.row.price_amount), currency=Currency(self.row.price_currency)
        )

    @strawberry.field(
        description="What a student who cancels gets back: the first that holds, else nothing."
    )
    def cancellation_policy(self) -> list[CancellationTier]:
        return [CancellationTier(**tier) for tier in self.row.cancellation_policy]

    @strawberry.field(description="Until when the slot is held for the payer.")
    def hold_expires_at(self) -> datetime | None:
        return self.row.hold_expires_at

    @strawberry.field(description="When the lesson was over.")
    def completed_at(self) -> datetime | None:
        return self.row.completed_at

    @strawberry.field(description="Until when the student may dispute it.")
    def dispute_until(self) -> datetime | None:
        return self.row.dispute_until

    @strawberry.field(
        description="What goes back to the payer, in basis points; null while that is open."
    )
    def refund_bps(self) -> int | None:
        return self.row.refund_bps

    @strawberry.field(description="Who teaches.")
    def tutor(self) -> LazyUser | None:
        from subgraphs.learning.graph.users import User

        return User.of(self.row.tutor_id)

    @strawberry.field(description="What the tutor shows to students.")
    def tutor_profile(self) -> TutorProfile | None:
        return TutorProfile.of(self.row.tutor_id)

    @strawberry.field(description="The course that meets, of group lessons.")
    async def course(self, info: Info) -> LazyCourse | None:
        from subgraphs.learning.graph.courses import Course

        return await Course.load(info, self.row.course_id) if self.row.course_id else None

    @strawberry.field(description="Who learns.")
    async def students(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> ReferenceConnection[LazyUser] | None:
        from subgraphs.learning.graph.users import User

        loader = info.context.loader(
            lessons.list_participants,
            page=page_of(first, after, last, before),
            role=models.LessonRole.STUDENT,
        )
        page = await loader.load(self.row.id)
        return ReferenceConnection.of(page.map(lambda row: User.of(row.user_id)))

    @strawberry.field(description="Everybody in it, with attendance.")
    async def participants(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[LessonParticipant]:
        page = page_of(first, after, last, before)
        loader = info.context.loader(lessons.list_participants, page=page)
        found = await loader.load(self.row.id)
        tutor_id = self.row.tutor_id
        return Connection.of(found.map(lambda row: LessonParticipant(row=row, tutor_id=tutor_id)))

    @strawberry.field(description="What the tutor has noted for all.")
    def shared_notes(self) -> str | None:
        return self.row.shared_notes

    @strawberry.field(description="What the viewer has noted alone.")
    async def my_note(self, info: Info) -> str | None:
        user_id = info.context.viewer.require_user()
        loader = info.context.loader(homework.get_private_notes, user_id=user_id)
        return await loader.load(self.row.id)

    @strawberry.field(description="Homework: all of it for the tutor, one's own for a student.")
    async def homework(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Homework]:
        page = page_of(first, after, last, before)
        loader = info.context.loader(homework.list_homework, page=page, viewer=info.context.viewer)
        found = await loader.load(self.row.id)
        return Connection.of(found.map(lambda row: Homework(row=row)))

    @strawberry.field(description="What has happened to it, in order.")
    async def history(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[LessonEvent]:
        page = page_of(first, after, last, before)
        found = await info.context.loader(lessons.list_history, page=page).load(self.row.id)
        return Connection.of(found.map(lambda row: LessonEvent(row=row)))

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> Awaitable[Self | None]:
        viewer = info.context.viewer
        # Nobody is asked for what guests cannot see.
        lesson_id = parse_id_or_none(id) if viewer.user_id else None
        return info.context.loader(lessons.get_lessons, into=cls, viewer=viewer).load(lesson_id)


RoleArgument = Annotated[
    models.LessonRole | None, strawberry.argument(description="As what the person takes part.")
]
StatusArgument = Annotated[
    list[models.LessonStatus] | None, strawberry.argument(description="In one of these states.")
]
FromArgument = Annotated[
    datetime | None, strawberry.argument(name="from", description="Starting then or later.")
]
ToArgument = Annotated[
    datetime | None, strawberry.argument(name="to", description="Starting before that.")
]


async def lessons_of(
    info: Info,
    user_id: UUID,
    *,
    role: models.LessonRole | None,
    status: list[models.LessonStatus] | None,
    since: datetime | None,
    until: datetime | None,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
) -> Connection[Lesson]:
    """One page of a person's lessons; the caller has seen that the viewer may see them."""
    loader = info.context.loader(
        lessons.list_lessons,
        page=page_of(first, after, last, before),
        role=role,
        statuses=None if status is None else frozenset(status),
        since=since,
        until=until,
    )
    page = await loader.load(user_id)
    return Connection.of(page.map(lambda row: Lesson(row=row)))
