"""The audit log, for admins."""

from datetime import datetime
from typing import Annotated, Self, cast

import strawberry
from strawberry.scalars import JSON

from shared.graph import After, Before, Connection, First, Last
from shared.ids import parse_id, parse_id_or_none
from shared.pages import PageRequest
from subgraphs.identity import models
from subgraphs.identity.graph.context import Info
from subgraphs.identity.graph.users import User
from subgraphs.identity.service import audit


@strawberry.type(description="Who did what, and when.")
class AuditEntry:
    id: strawberry.ID = strawberry.field(description="Never changes.")
    at: datetime = strawberry.field(description="When it was done.")
    action: str = strawberry.field(description="What was done, such as user.suspended.")
    actor_kind: str = strawberry.field(description="anonymous, user, partner or system.")
    subject_id: strawberry.ID | None = strawberry.field(
        description="The user or the OAuth client that it was done to."
    )
    ip_address: str | None = strawberry.field(description="Where the request came from.")
    details: JSON = strawberry.field(description="What else is known; never a secret.")
    actor_id: strawberry.Private[str | None]

    @strawberry.field(description="Who did it; null for the platform itself.")
    async def actor(self, info: Info) -> User | None:
        return await User.load(info, parse_id_or_none(self.actor_id))

    @classmethod
    def of(cls, row: models.AuditEntry) -> Self:
        """From its row."""
        return cls(
            id=strawberry.ID(str(row.id)),
            at=row.at,
            action=row.action,
            actor_kind=row.actor,
            subject_id=strawberry.ID(str(row.subject_id)) if row.subject_id else None,
            ip_address=row.ip_address,
            details=cast("JSON", row.details),
            actor_id=str(row.actor_id) if row.actor_id else None,
        )


@strawberry.type
class AuditQueries:
    @strawberry.federation.field(
        description="What was done, newest first; for admins.", tags=["admin"]
    )
    async def audit_log(
        self,
        info: Info,
        subject_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="Only what was done to this user or OAuth client."),
        ] = None,
        action: Annotated[str | None, strawberry.argument(description="Only this action.")] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[AuditEntry]:
        page = PageRequest.of(first=first, after=after, last=last, before=before)
        async with info.context.read() as session:
            rows = await audit.list_entries(
                session,
                viewer=info.context.viewer,
                page=page,
                subject_id=parse_id(subject_id, field="subjectId") if subject_id else None,
                action=action,
            )
        return Connection.of(rows.map(AuditEntry.of))
