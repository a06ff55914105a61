"""What matching adds to a lesson. The lesson itself is learning's."""

from typing import Self
from uuid import UUID

import strawberry

from shared.ids import parse_id_or_none
from subgraphs.matching.graph.context import Info
from subgraphs.matching.graph.requests import MatchingRequest
from subgraphs.matching.service import requests


@strawberry.federation.type(keys=["id"], description="A lesson at a time.")
class Lesson:
    id: strawberry.ID = strawberry.field(description="Identifies the lesson.")
    lesson_id: strawberry.Private[UUID]

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> Self | None:
        lesson_id = parse_id_or_none(id)
        return cls(id=strawberry.ID(str(lesson_id)), lesson_id=lesson_id) if lesson_id else None

    @strawberry.field(
        description="The request that brought student and tutor together; for those two and admins."
    )
    async def matching_request(self, info: Info) -> MatchingRequest | None:
        loader = info.context.loader(
            requests.get_requests_of_lessons, into=MatchingRequest, viewer=info.context.viewer
        )
        return await loader.load(self.lesson_id)
