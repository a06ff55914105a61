"""Courses and their units as clients see them."""

from collections.abc import Awaitable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self
from uuid import UUID

import strawberry

from shared.graph import (
    After,
    Before,
    Connection,
    Currency,
    First,
    Last,
    MinorUnits,
    Money,
    MoneyInput,
    described_enum,
)
from shared.ids import parse_id_or_none
from subgraphs.learning import models
from subgraphs.learning.graph.context import Info, page_of
from subgraphs.learning.graph.lessons import Lesson, TutorProfile
from subgraphs.learning.graph.quizzes import Quiz
from subgraphs.learning.service import (
    courses,
    enrollments,
    lessons,
    quizzes,
    units,
    waitlist,
)

if TYPE_CHECKING:
    from subgraphs.learning.graph.enrollments import Enrollment, WaitlistEntry
    from subgraphs.learning.graph.users import User

LazyUser = Annotated["User", strawberry.lazy("subgraphs.learning.graph.users")]
LazyEnrollment = Annotated["Enrollment", strawberry.lazy("subgraphs.learning.graph.enrollments")]
LazyEntry = Annotated["WaitlistEntry", strawberry.lazy("subgraphs.learning.graph.enrollments")]

described_enum(
    models.CourseStatus,
    "Where a course is in its life.",
    tags=["course"],
    DRAFT="Visible to its tutor and admins alone.",
    PUBLISHED="Can be found, and takes students.",
    ARCHIVED="Takes no new students; those it has go on.",
)
described_enum(
    models.CourseLevel,
    "What a course expects of its students.",
    tags=["course"],
    BEGINNER="Nothing.",
    INTERMEDIATE="The basics.",
    ADVANCED="Experience.",
)


@strawberry.federation.type(keys=["id"], description="A part of a course's curriculum.")
class CourseUnit:
    row: strawberry.Private[models.CourseUnit]

    @strawberry.federation.field(description="Identifies the unit.", tags=["course"])
    def id(self) -> strawberry.ID:
        return strawberry.ID(str(self.row.id))

    @strawberry.federation.field(description="Place in the course, from 1.", tags=["course"])
    def position(self) -> int:
        return self.row.position

    @strawberry.federation.field(description="What the unit is called.", tags=["course"])
    def title(self) -> str:
        return self.row.title

    @strawberry.federation.field(description="What the unit is about.", tags=["course"])
    def summary(self) -> str | None:
        return self.row.summary

    @strawberry.federation.field(
        description="How long the unit takes, in minutes.", tags=["course"]
    )
    def duration_minutes(self) -> int | None:
        return self.row.duration_minutes

    @strawberry.federation.field(
        description="The course that the unit is part of.", tags=["course"]
    )
    async def course(self, info: Info) -> "Course | None":
        return await Course.load(info, self.row.course_id)

    @strawberry.field(description="Whether the viewer has completed the unit; null for guests.")
    async def is_completed(self, info: Info) -> bool | None:
        student_id = info.context.viewer.user_id
        if student_id is None:
            return None
        loader = info.context.loader(enrollments.get_completed, student_id=student_id)
        return await loader.load(self.row.id)

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> Awaitable[Self | None]:
        loader = info.context.loader(units.get_units, into=cls, viewer=info.context.viewer)
        return loader.load(parse_id_or_none(id))


@strawberry.federation.type(keys=["id"], description="A course that a tutor offers.")
class Course:
    row: strawberry.Private[models.Course]

    @strawberry.federation.field(description="Identifies the course.", tags=["course"])
    def id(self) -> strawberry.ID:
        return strawberry.ID(str(self.row.id))

    @strawberry.federation.field(description="What the course is called.", tags=["course"])
    def title(self) -> str:
        return self.row.title

    @strawberry.federation.field(description="What the course is about.", tags=["course"])
    def description(self) -> str | None:
        return self.row.description

    @strawberry.federation.field(
        description="The subject, such as guitar or algebra.", tags=["course"]
    )
    def category(self) -> str | None:
        return self.row.category

    @strawberry.federation.field(
        description="What the course expects of its students.", tags=["course"]
    )
    def level(self) -> models.CourseLevel:
        return models.CourseLevel(self.row.level)

    @strawberry.federation.field(
        description="The language it is taught in, a BCP 47 tag.", tags=["course"]
    )
    def language(self) -> str:
        return self.row.language

    @strawberry.federation.field(description="What the whole course costs.", tags=["course"])
    def price(self) -> Money:
        return Money(
            amount=MinorUnits(self.row.price_amount), currency=Currency(self.row.price_currency)
        )

    @strawberry.federation.field(
        description="How long the whole course takes, in minutes; at least 30.", tags=["course"]
    )
    def duration_minutes(self) -> int:
        return self.row.duration_minutes

    @strawberry.federation.field(description="Where the course is in its life.", tags=["course"])
    def status(self) -> models.CourseStatus:
        return models.CourseStatus(self.row.status)

    @strawberry.federation.field(description="How many students the course takes.", tags=["course"])
    def max_students(self) -> int:
        return self.row.max_students

    @strawberry.federation.field(description="How many students have a seat.", tags=["course"])
    def current_students(self) -> int:
        return self.row.current_students

    @strawberry.federation.field(
        description="Seats that nobody has and that are held for nobody.", tags=["course"]
    )
    def seats_left(self) -> int:
        return self.row.seats_left

    @strawberry.federation.field(
        description="When the course could first be found.", tags=["course"]
    )
    def published_at(self) -> datetime | None:
        return self.row.published_at

    @strawberry.field(description="When the course was begun.")
    def created_at(self) -> datetime:
        return self.row.created_at

    @strawberry.field(description="Who teaches the course.")
    def tutor(self) -> LazyUser | None:
        from subgraphs.learning.graph.users import User

        return User.of(self.row.tutor_id)

    @strawberry.federation.field(description="What the tutor shows to students.", tags=["tutor"])
    def tutor_profile(self) -> TutorProfile | None:
        return TutorProfile.of(self.row.tutor_id)

    @strawberry.field(description="Group lessons that the viewer takes part in, in order.")
    async def lessons(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Lesson] | None:
        viewer = info.context.viewer
        if viewer.user_id is None:
            return None
        page = page_of(first, after, last, before)
        loader = info.context.loader(lessons.list_course_lessons, page=page, viewer=viewer)
        found = await loader.load(self.row.id)
        return Connection.of(found.map(lambda row: Lesson(row=row)))

    @strawberry.field(description="Quizzes, for those who have a seat, the tutor and admins.")
    async def quizzes(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Quiz] | None:
        viewer = info.context.viewer
        if viewer.user_id is None:
            return None
        page = page_of(first, after, last, before)
        loader = info.context.loader(quizzes.list_quizzes, page=page, viewer=viewer)
        found = await loader.load(self.row.id)
        return Connection.of(found.map(lambda row: Quiz(row=row)))

    @strawberry.federation.field(description="The curriculum, in order.", tags=["course"])
    async def units(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[CourseUnit]:
        loader = info.context.loader(units.list_units, page=page_of(first, after, last, before))
        page = await loader.load(self.row.id)
        return Connection.of(page.map(lambda row: CourseUnit(row=row)))

    @strawberry.federation.field(
        description="All enrolments; null but for the tutor, a program that acts for the "
        "tutor, and admins.",
        tags=["lms"],
        requires_scopes=[["enrollments:read"]],
    )
    async def enrollments(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[LazyEnrollment] | None:
        from subgraphs.learning.graph.enrollments import Enrollment

        if not info.context.viewer.may_read_for(self.row.tutor_id, enrollments.READ_SCOPE):
            return None
        loader = info.context.loader(
            enrollments.list_course_enrollments, page=page_of(first, after, last, before)
        )
        page = await loader.load(self.row.id)
        return Connection.of(page.map(lambda row: Enrollment(row=row)))

    @strawberry.field(description="The viewer's own enrolment, if there is one.")
    async def my_enrollment(self, info: Info) -> LazyEnrollment | None:
        from subgraphs.learning.graph.enrollments import Enrollment

        student_id = info.context.viewer.user_id
        if student_id is None:
            return None
        loader = info.context.loader(
            enrollments.get_own_enrollments, into=Enrollment, student_id=student_id
        )
        return await loader.load(self.row.id)

    @strawberry.field(description="The viewer's own place on the waitlist, if there is one.")
    async def my_waitlist_entry(self, info: Info) -> LazyEntry | None:
        from subgraphs.learning.graph.enrollments import WaitlistEntry

        student_id = info.context.viewer.user_id
        if student_id is None:
            return None
        loader = info.context.loader(
            waitlist.get_own_entries, into=WaitlistEntry, student_id=student_id
        )
        return await loader.load(self.row.id)

    @classmethod
    def load(cls, info: Info, course_id: UUID | None) -> Awaitable[Self | None]:
        """The course, if the viewer may see it."""
        loader = info.context.loader(courses.get_courses, into=cls, viewer=info.context.viewer)
        return loader.load(course_id)

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> Awaitable[Self | None]:
        return cls.load(info, parse_id_or_none(id))


@strawberry.input(description="A new course.")
class CreateCourseInput:
    title: str = strawberry.field(description="3 to 200 characters.")
    duration_minutes: int = strawberry.field(description="At least 30.")
    description: str | None = strawberry.field(
        default=None, description="At most 20,000 characters."
    )
    category: str | None = strawberry.field(default=None, description="At most 50 characters.")
    level: models.CourseLevel = strawberry.field(
        default=models.CourseLevel.BEGINNER, description="What it expects of its students."
    )
    language: str = strawberry.field(default="en", description="A BCP 47 tag.")
    price: MoneyInput | None = strawberry.field(default=None, description="Free without.")
    max_students: int = strawberry.field(
        default=courses.MAX_STUDENTS_DEFAULT, description="How many students it takes."
    )

    def to_draft(self) -> courses.CourseDraft:
        """As the service takes it."""
        return courses.CourseDraft(
            title=self.title,
            description=self.description,
            category=self.category,
            level=self.level,
            language=self.language,
            price_amount=self.price.amount if self.price else 0,
            price_currency=self.price.currency if self.price else None,
            duration_minutes=self.duration_minutes,
            max_students=self.max_students,
        )


@strawberry.input(description="Changes to a course; what is not given, or null, stays as it is.")
class UpdateCourseInput:
    title: str | None = strawberry.field(default=None, description="3 to 200 characters.")
    description: str | None = strawberry.field(
        default=None, description="At most 20,000 characters; empty text removes it."
    )
    category: str | None = strawberry.field(
        default=None, description="At most 50 characters; empty text removes it."
    )
    level: models.CourseLevel | None = strawberry.field(
        default=None, description="What it expects of its students."
    )
    language: str | None = strawberry.field(default=None, description="A BCP 47 tag.")
    price: MoneyInput | None = strawberry.field(default=None, description="What it costs.")
    duration_minutes: int | None = strawberry.field(default=None, description="At least 30.")
    max_students: int | None = strawberry.field(
        default=None, description="Not below the seats that are taken."
    )

    def to_draft(self) -> courses.CourseDraft:
        """As the service takes it."""
        return courses.CourseDraft(
            title=self.title,
            description=self.description,
            category=self.category,
            level=self.level,
            language=self.language,
            price_amount=self.price.amount if self.price else None,
            price_currency=self.price.currency if self.price else None,
            duration_minutes=self.duration_minutes,
            max_students=self.max_students,
        )
