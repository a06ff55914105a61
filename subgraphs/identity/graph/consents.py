"""What users agreed to."""

from datetime import datetime
from enum import Enum
from typing import Annotated, Self

import strawberry

from shared.graph import After, Before, Connection, First, Last, Problem
from shared.pages import PageRequest
from subgraphs.identity import models
from subgraphs.identity.graph.context import Info
from subgraphs.identity.graph.results import result_of
from subgraphs.identity.service import consents


@strawberry.enum(description="What can be agreed to.")
class ConsentKind(Enum):
    TERMS = strawberry.enum_value("TERMS", description="The terms of use.")
    PRIVACY = strawberry.enum_value("PRIVACY", description="The privacy notice.")
    MARKETING = strawberry.enum_value("MARKETING", description="News by mail.")


Kind = Annotated[ConsentKind, strawberry.argument(description="What it is about.")]


@strawberry.type(description="What a user agreed to, and when.")
class Consent:
    id: strawberry.ID = strawberry.field(description="Never changes.")
    kind: ConsentKind = strawberry.field(description="What was agreed to.")
    version: str = strawberry.field(description="In which version.")
    accepted_at: datetime = strawberry.field(description="When.")
    withdrawn_at: datetime | None = strawberry.field(description="When it was taken back.")

    @classmethod
    def of(cls, row: models.Consent) -> Self:
        """From its row."""
        return cls(
            id=strawberry.ID(str(row.id)),
            kind=ConsentKind[row.kind],
            version=row.version,
            accepted_at=row.accepted_at,
            withdrawn_at=row.withdrawn_at,
        )


@strawberry.type
class ConsentQueries:
    @strawberry.field(description="What one agreed to, newest first.")
    async def my_consents(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Consent]:
        page = PageRequest.of(first=first, after=after, last=last, before=before)
        async with info.context.read() as session:
            rows = await consents.list_own(session, viewer=info.context.viewer, page=page)
        return Connection.of(rows.map(Consent.of))


@strawberry.type
class ConsentMutations:
    @strawberry.mutation(description="Agree to a version.")
    async def accept_consent(
        self,
        info: Info,
        kind: Kind,
        version: Annotated[str, strawberry.argument(description="The version that was shown.")],
    ) -> Annotated[
        Consent | Problem,
        result_of("acceptConsent"),
    ]:
        async with info.context.write() as session:
            row = await consents.accept(
                session, viewer=info.context.viewer, kind=kind.name, version=version
            )
        return Consent.of(row)

    @strawberry.mutation(description="Take back what one agreed to, but for the terms.")
    async def withdraw_consent(
        self, info: Info, kind: Kind
    ) -> Annotated[
        Consent | Problem,
        result_of("withdrawConsent"),
    ]:
        async with info.context.write() as session:
            row = await consents.withdraw(session, viewer=info.context.viewer, kind=kind.name)
        return Consent.of(row)
