"""Verification of tutors as they and admins see it."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from shared.graph import (
    After,
    Before,
    Connection,
    First,
    IdempotencyKey,
    Last,
    Problem,
    described_enum,
    page_of,
)
from shared.idempotency import once
from shared.ids import parse_id
from subgraphs.matching import models
from subgraphs.matching.graph.context import Info
from subgraphs.matching.graph.profiles import ProfileId, TutorProfile
from subgraphs.matching.service import verifications

described_enum(
    models.VerificationStatus,
    "Where a verification is in its life.",
    PENDING="An admin has not looked at it yet.",
    APPROVED="The documents are good.",
    REJECTED="The documents are not good enough.",
    REVOKED="An earlier approval was taken back.",
)


@strawberry.type(description="A document that a tutor has handed in.")
class VerificationDocument:
    kind: str = strawberry.field(description="Such as passport or diploma.")
    reference: str = strawberry.field(description="Where it is kept.")


@strawberry.type(description="Documents of a tutor, and what was decided.")
class Verification:
    row: strawberry.Private[models.Verification]

    @strawberry.field(description="Identifies the verification.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(str(self.row.id))

    @strawberry.field(description="Where it is in its life.")
    def status(self) -> models.VerificationStatus:
        return models.VerificationStatus(self.row.status)

    @strawberry.field(description="What was handed in.")
    def documents(self) -> list[VerificationDocument]:
        return [VerificationDocument(**each) for each in self.row.documents]

    @strawberry.field(description="Why it was decided so.")
    def reason(self) -> str | None:
        return self.row.reason

    @strawberry.field(description="When it was handed in.")
    def submitted_at(self) -> datetime:
        return self.row.created_at

    @strawberry.field(description="When it was decided.")
    def reviewed_at(self) -> datetime | None:
        return self.row.reviewed_at

    @strawberry.field(description="The tutor.")
    async def tutor(self, info: Info) -> TutorProfile | None:
        return await TutorProfile.load(info, self.row.profile_id)


SubmitVerificationResult = Annotated[
    Verification | Problem,
    strawberry.union(
        "SubmitVerificationResult", description="The verification, or why it was refused."
    ),
]
VerifyTutorResult = Annotated[
    TutorProfile | Problem,
    strawberry.union("VerifyTutorResult", description="The tutor, or why it was refused."),
]


@strawberry.input(description="A document, kept elsewhere.")
class VerificationDocumentInput:
    kind: str = strawberry.field(description="2 to 50 characters, such as passport or diploma.")
    reference: str = strawberry.field(description="Where it is kept; at most 500 characters.")


@strawberry.type
class VerificationQueries:
    @strawberry.federation.field(
        description="What waits for a decision, the oldest first (admins).", tags=["admin"]
    )
    async def pending_verifications(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Verification]:
        page = page_of(first, after, last, before)
        async with info.context.read() as session:
            found = await verifications.list_pending(session, info.context.viewer, page)
        return Connection.of(found.map(lambda row: Verification(row=row)))


@strawberry.type
class VerificationMutations:
    @strawberry.mutation(description="Hand documents in for review; 1 to 10.")
    async def submit_verification(
        self,
        info: Info,
        profile_id: ProfileId,
        documents: Annotated[
            list[VerificationDocumentInput], strawberry.argument(description="The documents.")
        ],
        idempotency_key: IdempotencyKey = None,
    ) -> SubmitVerificationResult:
        viewer, wanted = info.context.viewer, parse_id(profile_id, field="profileId")
        given = [(each.kind, each.reference) for each in documents]
        request = {"profileId": wanted, "documents": [asdict(each) for each in documents]}
        async with info.context.write() as session:

            async def submit() -> UUID:
                found = await verifications.submit_verification(session, viewer, wanted, given)
                return found.id

            verification_id = await once(
                session, viewer, "submitVerification", idempotency_key, request, submit
            )
            row = await session.get_one(models.Verification, verification_id)
        return Verification(row=row)

    @strawberry.federation.mutation(
        description="Decide about a tutor's documents, or take an approval back (admins).",
        tags=["admin"],
    )
    async def verify_tutor(
        self,
        info: Info,
        profile_id: ProfileId,
        approve: Annotated[bool, strawberry.argument(description="Whether they are good.")],
        reason: Annotated[
            str | None, strawberry.argument(description="Why; a refusal needs one.")
        ] = None,
    ) -> VerifyTutorResult:
        async with info.context.write() as session:
            row = await verifications.verify_tutor(
                session,
                info.context.viewer,
                parse_id(profile_id, field="profileId"),
                approve=approve,
                reason=reason,
            )
        return TutorProfile(row=row)
