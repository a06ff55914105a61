"""Matching requests as their students see them."""

from collections.abc import Awaitable
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self
from uuid import UUID

import strawberry

from shared.graph import IdempotencyKey, Money, MoneyInput, Problem, described_enum
from shared.idempotency import once
from shared.ids import parse_id, parse_id_or_none
from subgraphs.matching import models
from subgraphs.matching.graph.context import Info
from subgraphs.matching.graph.profiles import TutorProfile, money
from subgraphs.matching.graph.skills import Skill
from subgraphs.matching.graph.students import MatchReason
from subgraphs.matching.service import requests

if TYPE_CHECKING:
    from subgraphs.matching.graph.users import User

LazyUser = Annotated["User", strawberry.lazy("subgraphs.matching.graph.users")]

described_enum(
    models.MatchingRequestStatus,
    "Where a request is in its life.",
    OPEN="Nobody was found yet.",
    FOUND="There are candidates.",
    ACCEPTED="The student has chosen one.",
    CANCELLED="The student looks for nobody any more.",
)


@strawberry.type(description="A tutor who was found for a request.")
class MatchCandidate:
    row: strawberry.Private[models.MatchCandidate]

    @strawberry.field(description="The tutor; null while not visible.")
    async def tutor(self, info: Info) -> TutorProfile | None:
        return await TutorProfile.load(info, self.row.profile_id)

    @strawberry.field(description="The sum of the points.")
    def score(self) -> int:
        return self.row.score

    @strawberry.field(description="What speaks for the tutor.")
    def reasons(self) -> list[MatchReason]:
        return [MatchReason.of(each) for each in self.row.reasons]


@strawberry.federation.type(keys=["id"], description="A student who looks for a tutor.")
class MatchingRequest:
    row: strawberry.Private[models.MatchingRequest]

    @strawberry.field(description="Identifies the request.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(str(self.row.id))

    @strawberry.field(description="Where it is in its life.")
    def status(self) -> models.MatchingRequestStatus:
        return models.MatchingRequestStatus(self.row.status)

    @strawberry.field(description="The student.")
    def student(self) -> LazyUser | None:
        from subgraphs.matching.graph.users import User

        return User.of(self.row.student_id)

    @strawberry.field(description="What is to be taught.")
    async def skill(self, info: Info) -> Skill | None:
        return await Skill.load(info, self.row.skill_id)

    @strawberry.field(description="How far it is to be taught.")
    def level(self) -> models.SkillLevel:
        return models.SkillLevel(self.row.level)

    @strawberry.field(description="What an hour may cost; null for any price.")
    def budget(self) -> Money | None:
        if self.row.budget_amount is None:
            return None
        return money(self.row.budget_amount, self.row.budget_currency)

    @strawberry.field(description="The languages that the student speaks, BCP 47 tags.")
    def languages(self) -> list[str]:
        return self.row.languages

    @strawberry.field(description="What else matters to the student.")
    def requirements(self) -> str | None:
        return self.row.requirements

    @strawberry.field(description="When it was asked.")
    def created_at(self) -> datetime:
        return self.row.created_at

    @strawberry.field(description="When a tutor was accepted.")
    def accepted_at(self) -> datetime | None:
        return self.row.accepted_at

    @strawberry.field(description="The accepted tutor; null while not visible.")
    async def accepted_tutor(self, info: Info) -> TutorProfile | None:
        if self.row.accepted_profile_id is None:
            return None
        return await TutorProfile.load(info, self.row.accepted_profile_id)

    @strawberry.field(
        description="Who was found, the best first; null but for the student and admins."
    )
    async def candidates(self, info: Info) -> list[MatchCandidate] | None:
        if not info.context.viewer.may_see_private(self.row.student_id):
            return None
        rows = await info.context.loader(requests.get_candidates).load(self.row.id)
        return [MatchCandidate(row=row) for row in rows]

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> Awaitable[Self | None]:
        loader = info.context.loader(requests.get_requests, into=cls, viewer=info.context.viewer)
        return loader.load(parse_id_or_none(id))


CreateMatchingRequestResult = Annotated[
    MatchingRequest | Problem,
    strawberry.union(
        "CreateMatchingRequestResult", description="The request, or why it was refused."
    ),
]
AcceptMatchResult = Annotated[
    MatchingRequest | Problem,
    strawberry.union("AcceptMatchResult", description="The request, or why it was refused."),
]
CancelMatchingRequestResult = Annotated[
    MatchingRequest | Problem,
    strawberry.union(
        "CancelMatchingRequestResult", description="The request, or why it was refused."
    ),
]
RequestId = Annotated[strawberry.ID, strawberry.argument(description="The request.")]


@strawberry.input(description="Hours of a weekday that suit a student.")
class PreferredTimeInput:
    weekday: int = strawberry.field(description="1 is Monday, 7 is Sunday.")
    start_local: str = strawberry.field(description="Such as 18:00.")
    end_local: str = strawberry.field(
        description="Such as 21:00; not after the start, it is on the next day."
    )


@strawberry.input(description="What a student looks for.")
class CreateMatchingRequestInput:
    skill_id: strawberry.ID = strawberry.field(description="What is to be taught.")
    level: models.SkillLevel = strawberry.field(description="How far it is to be taught.")
    budget: MoneyInput | None = strawberry.field(default=None, description="What an hour may cost.")
    languages: list[str] = strawberry.field(
        default_factory=list, description="At most 10 BCP 47 tags."
    )
    schedule: list[PreferredTimeInput] = strawberry.field(
        default_factory=list, description="When lessons would suit; at most 21 entries."
    )
    time_zone: str | None = strawberry.field(
        default=None, description="The IANA zone of the schedule; the account's without."
    )
    requirements: str | None = strawberry.field(
        default=None, description="At most 2,000 characters."
    )

    def to_draft(self) -> requests.RequestDraft:
        """As the service takes it."""
        return requests.RequestDraft(
            skill_id=parse_id(self.skill_id, field="skillId"),
            level=self.level,
            budget_amount=self.budget.amount if self.budget else None,
            budget_currency=self.budget.currency if self.budget else None,
            languages=tuple(self.languages),
            schedule=tuple(requests.PreferredTime(**asdict(each)) for each in self.schedule),
            time_zone=self.time_zone,
            requirements=self.requirements,
        )


@strawberry.type
class RequestQueries:
    @strawberry.field(description="A request, for its student, the accepted tutor and admins.")
    async def matching_request(self, info: Info, id: RequestId) -> MatchingRequest | None:
        return await MatchingRequest.resolve_reference(info, id)


@strawberry.type
class RequestMutations:
    @strawberry.mutation(description="Look for tutors.")
    async def create_matching_request(
        self,
        info: Info,
        input: Annotated[
            CreateMatchingRequestInput, strawberry.argument(description="What is looked for.")
        ],
        idempotency_key: IdempotencyKey = None,
    ) -> CreateMatchingRequestResult:
        draft, viewer = input.to_draft(), info.context.viewer
        async with info.context.write() as session:

            async def create() -> UUID:
                return (await requests.create_request(session, viewer, draft)).id

            request_id = await once(
                session, viewer, "createMatchingRequest", idempotency_key, asdict(draft), create
            )
            row = await session.get_one(models.MatchingRequest, request_id)
        return MatchingRequest(row=row)

    @strawberry.mutation(description="Choose one of the candidates.")
    async def accept_match(
        self,
        info: Info,
        request_id: RequestId,
        tutor_id: Annotated[
            strawberry.ID, strawberry.argument(description="The candidate's profile.")
        ],
    ) -> AcceptMatchResult:
        async with info.context.write() as session:
            row = await requests.accept_match(
                session,
                info.context.viewer,
                parse_id(request_id, field="requestId"),
                parse_id(tutor_id, field="tutorId"),
            )
        return MatchingRequest(row=row)

    @strawberry.mutation(description="Look for nobody any more.")
    async def cancel_matching_request(
        self, info: Info, id: RequestId
    ) -> CancelMatchingRequestResult:
        async with info.context.write() as session:
            row = await requests.cancel_request(
                session, info.context.viewer, parse_id(id, field="id")
            )
        return MatchingRequest(row=row)
