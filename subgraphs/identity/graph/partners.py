"""Partners' programs, for admins."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

import strawberry

from shared import idempotency
from shared.graph import After, Before, Connection, First, IdempotencyKey, Last, Problem
from shared.ids import parse_id
from shared.pages import PageRequest
from subgraphs.identity import models
from subgraphs.identity.graph.context import Info
from subgraphs.identity.graph.results import result_of
from subgraphs.identity.service import partners

ClientId = Annotated[strawberry.ID, strawberry.argument(description="The client's id.")]


@strawberry.type(description="A partner's program, bound to one contract of the graph.")
class OauthClient:
    id: strawberry.ID = strawberry.field(description="The client_id of OAuth.")
    name: str = strawberry.field(description="Whose program it is.")
    contract: str = strawberry.field(description="The contract that its tokens are for.")
    scopes: list[str] = strawberry.field(description="What its tokens may do.")
    acts_for: strawberry.ID | None = strawberry.field(
        description="The account whose own things it may read, as far as its scopes go."
    )
    contact: str | None = strawberry.field(description="The address for notices.")
    created_at: datetime = strawberry.field(description="When it was registered.")
    revoked_at: datetime | None = strawberry.field(description="When it was closed.")

    @strawberry.field(description="How many secrets are valid: two while one is replaced.")
    async def valid_secrets(self, info: Info) -> int:
        return await info.context.loader(partners.count_secrets).load(UUID(self.id))

    @classmethod
    def of(cls, row: models.OauthClient) -> Self:
        """From its row."""
        return cls(
            id=strawberry.ID(str(row.id)),
            name=row.name,
            contract=row.contract,
            scopes=list(row.scopes),
            acts_for=None if row.acts_for is None else strawberry.ID(str(row.acts_for)),
            contact=row.contact,
            created_at=row.created_at,
            revoked_at=row.revoked_at,
        )


@strawberry.type(description="A client with its secret, which is shown this once.")
class OauthClientSecret:
    client: OauthClient = strawberry.field(description="The client.")
    secret: str | None = strawberry.field(
        description="The client_secret of OAuth; null when the call was repeated."
    )


@strawberry.input(description="A partner's program.")
class CreateOauthClientInput:
    name: str = strawberry.field(description="1 to 200 characters.")
    contract: str = strawberry.field(description="The contract of the graph that it may use.")
    scopes: list[str] = strawberry.field(description="Scopes of the contract; the first is needed.")
    acts_for: strawberry.ID | None = strawberry.field(
        default=None, description="An account whose own things it may read; none without."
    )
    contact: str | None = strawberry.field(default=None, description="An address for notices.")

    def to_application(self) -> partners.Application:
        """As the service takes it."""
        return partners.Application(
            name=self.name,
            contract=self.contract,
            scopes=self.scopes,
            acts_for=parse_id(self.acts_for, field="actsFor") if self.acts_for else None,
            contact=self.contact,
        )


@strawberry.type
class PartnerQueries:
    @strawberry.federation.field(
        description="Partners' programs, newest first; for admins.", tags=["admin"]
    )
    async def oauth_clients(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[OauthClient]:
        page = PageRequest.of(first=first, after=after, last=last, before=before)
        async with info.context.read() as session:
            rows = await partners.list_clients(session, viewer=info.context.viewer, page=page)
        return Connection.of(rows.map(OauthClient.of))


@strawberry.type
class PartnerMutations:
    @strawberry.federation.mutation(
        description="Register a partner's program; for admins.", tags=["admin"]
    )
    async def create_oauth_client(
        self,
        info: Info,
        input: Annotated[CreateOauthClientInput, strawberry.argument(description="The program.")],
        idempotency_key: IdempotencyKey = None,
    ) -> Annotated[
        OauthClientSecret | Problem,
        result_of("createOauthClient"),
    ]:
        viewer, application = info.context.viewer, input.to_application()
        secret: str | None = None
        async with info.context.write() as session:

            async def work() -> UUID:
                nonlocal secret
                issued = await partners.create(
                    session,
                    viewer=viewer,
                    settings=info.context.runtime.settings,
                    application=application,
                )
                secret = issued.secret
                return issued.client.id

            client_id = await idempotency.once(
                session, viewer, "createOauthClient", idempotency_key, vars(input), work
            )
            client = await partners.get(session, viewer=viewer, client_id=client_id)
        return OauthClientSecret(client=OauthClient.of(client), secret=secret)

    @strawberry.federation.mutation(
        description="A new secret; the present one works for a while more. For admins.",
        tags=["admin"],
    )
    async def rotate_oauth_client_secret(
        self,
        info: Info,
        client_id: ClientId,
        overlap_hours: Annotated[
            int, strawberry.argument(description="How long the present one works, at most 168.")
        ] = partners.OVERLAP_HOURS,
    ) -> Annotated[
        OauthClientSecret | Problem,
        result_of("rotateOauthClientSecret"),
    ]:
        async with info.context.write() as session:
            issued = await partners.rotate_secret(
                session,
                viewer=info.context.viewer,
                client_id=parse_id(client_id, field="clientId"),
                overlap_hours=overlap_hours,
            )
        return OauthClientSecret(client=OauthClient.of(issued.client), secret=issued.secret)

    @strawberry.federation.mutation(
        description="Close a partner's program; for admins.", tags=["admin"]
    )
    async def revoke_oauth_client(
        self, info: Info, client_id: ClientId
    ) -> Annotated[
        OauthClient | Problem,
        result_of("revokeOauthClient"),
    ]:
        async with info.context.write() as session:
            row = await partners.revoke(
                session,
                viewer=info.context.viewer,
                client_id=parse_id(client_id, field="clientId"),
            )
        return OauthClient.of(row)
