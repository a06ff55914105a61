"""What matching adds to a user. The user itself is identity's."""

from typing import Self
from uuid import UUID

import strawberry

from shared.graph import After, Before, Connection, First, Last, page_of
from shared.ids import parse_id_or_none
from subgraphs.matching.graph.context import Info
from subgraphs.matching.graph.profiles import TutorProfile
from subgraphs.matching.graph.requests import MatchingRequest
from subgraphs.matching.graph.students import StudentProfile
from subgraphs.matching.service import requests, students


@strawberry.federation.type(keys=["id"], description="A person on the platform.")
class User:
    id: strawberry.ID = strawberry.field(description="Identifies the user.")
    user_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, user_id: UUID) -> Self:
        """A reference; identity answers whether there is such a user."""
        return cls(id=strawberry.ID(str(user_id)), user_id=user_id)

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> Self | None:
        user_id = parse_id_or_none(id)
        return cls.of(user_id) if user_id else None

    @strawberry.field(description="The user as a tutor, once verified; null for who is none.")
    async def tutor_profile(self, info: Info) -> TutorProfile | None:
        return await TutorProfile.load_of(info, self.user_id)

    @strawberry.field(description="What the user looks for; null but for the user and admins.")
    async def student_profile(self, info: Info) -> StudentProfile | None:
        if not info.context.viewer.may_see_private(self.user_id):
            return None
        return await info.context.loader(students.get_students, into=StudentProfile).load(
            self.user_id
        )

    @strawberry.field(description="The user's requests; null but for the user and admins.")
    async def matching_requests(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[MatchingRequest] | None:
        if not info.context.viewer.may_see_private(self.user_id):
            return None
        loader = info.context.loader(
            requests.list_requests, page=page_of(first, after, last, before)
        )
        page = await loader.load(self.user_id)
        return Connection.of(page.map(lambda row: MatchingRequest(row=row)))
