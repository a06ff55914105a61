"""What learning adds to a user. The user itself is identity's."""

from typing import Self
from uuid import UUID

import strawberry

from shared.graph import After, Before, Connection, First, Last
from shared.ids import parse_id_or_none
from subgraphs.learning.graph.context import Info, page_of
from subgraphs.learning.graph.courses import Course
from subgraphs.learning.graph.enrollments import Certificate, Enrollment
from subgraphs.learning.graph.lessons import (
    FromArgument,
    Lesson,
    RoleArgument,
    StatusArgument,
    ToArgument,
    lessons_of,
)
from subgraphs.learning.graph.paths import LearningPath
from subgraphs.learning.service import certificates, courses, enrollments, paths


@strawberry.federation.type(keys=["id"], description="A person on the platform.")
class User:
    id: strawberry.ID = strawberry.federation.field(
        description="Identifies the user.", tags=["lms"]
    )
    user_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, user_id: UUID) -> Self:
        """A reference; identity answers whether there is such a user."""
        return cls(id=strawberry.ID(str(user_id)), user_id=user_id)

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> Self | None:
        user_id = parse_id_or_none(id)
        return cls.of(user_id) if user_id else None

    @strawberry.field(description="Courses the user offers; drafts only for the user and admins.")
    async def taught_courses(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Course] | None:
        loader = info.context.loader(
            courses.list_taught_courses,
            page=page_of(first, after, last, before),
            viewer=info.context.viewer,
        )
        page = await loader.load(self.user_id)
        return Connection.of(page.map(lambda row: Course(row=row)))

    @strawberry.field(description="Courses the user has a seat in; null but for the user, admins.")
    async def enrolled_courses(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Course] | None:
        if not info.context.viewer.may_see_private(self.user_id):
            return None
        loader = info.context.loader(
            enrollments.list_enrolled_courses, page=page_of(first, after, last, before)
        )
        page = await loader.load(self.user_id)
        return Connection.of(page.map(lambda row: Course(row=row)))

    @strawberry.field(description="The user's enrolments; null but for the user and admins.")
    async def enrollments(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Enrollment] | None:
        if not info.context.viewer.may_see_private(self.user_id):
            return None
        loader = info.context.loader(
            enrollments.list_enrollments, page=page_of(first, after, last, before)
        )
        page = await loader.load(self.user_id)
        return Connection.of(page.map(lambda row: Enrollment(row=row)))

    @strawberry.field(description="The user's certificates; null but for the user and admins.")
    async def certificates(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Certificate] | None:
        if not info.context.viewer.may_see_private(self.user_id):
            return None
        loader = info.context.loader(
            certificates.list_certificates, page=page_of(first, after, last, before)
        )
        page = await loader.load(self.user_id)
        return Connection.of(page.map(lambda row: Certificate(row=row)))

    @strawberry.field(
        description="The user's lessons, the latest first; null but for the user and admins."
    )
    async def lessons(
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
    ) -> Connection[Lesson] | None:
        if not info.context.viewer.may_see_private(self.user_id):
            return None
        return await lessons_of(
            info,
            self.user_id,
            role=role,
            status=status,
            since=from_,
            until=to,
            first=first,
            after=after,
            last=last,
            before=before,
        )

    @strawberry.field(description="The user's learning paths; null but for the user and admins.")
    async def learning_paths(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[LearningPath] | None:
        if not info.context.viewer.may_see_private(self.user_id):
            return None
        loader = info.context.loader(paths.list_paths, page=page_of(first, after, last, before))
        page = await loader.load(self.user_id)
        return Connection.of(page.map(lambda row: LearningPath(row=row)))
