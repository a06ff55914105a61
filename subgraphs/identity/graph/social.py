"""Signing in with an OpenID provider."""

from datetime import datetime
from typing import Annotated, Self

import strawberry

from shared.graph import After, Before, Connection, First, Last, Problem
from shared.pages import PageRequest
from subgraphs.identity import models
from subgraphs.identity.graph.context import Info
from subgraphs.identity.graph.results import result_of
from subgraphs.identity.graph.sessions import AuthTokens
from subgraphs.identity.graph.users import User
from subgraphs.identity.service import social

Provider = Annotated[str, strawberry.argument(description="The provider's name, such as google.")]


@strawberry.type(description="A way to the provider's page and back.")
class ProviderLogin:
    authorization_url: str = strawberry.field(description="Where to send the browser.")
    login_secret: str = strawberry.field(
        description="To keep in this browser; redeeming the code takes it."
    )


@strawberry.type(description="An identity at a provider that signs the user in.")
class SocialAccount:
    provider: str = strawberry.field(description="The provider's name.")
    email: str | None = strawberry.field(description="The address that the provider knew.")
    created_at: datetime = strawberry.field(description="When it was linked.")

    @classmethod
    def of(cls, row: models.SocialAccount) -> Self:
        """From its row."""
        return cls(provider=row.provider, email=row.email, created_at=row.created_at)


@strawberry.input(description="What came back from the provider's page.")
class LinkProviderInput:
    provider: str = strawberry.field(description="The provider's name.")
    code: str = strawberry.field(description="The one-time code from the redirect.")
    login_secret: str = strawberry.field(description="What startProviderLogin gave.")


@strawberry.input(description="What came back from the provider's page and, where on, one code.")
class LoginWithProviderInput:
    provider: str = strawberry.field(description="The provider's name.")
    code: str = strawberry.field(description="The one-time code from the redirect.")
    login_secret: str = strawberry.field(description="What startProviderLogin gave.")
    totp_code: str | None = strawberry.field(
        default=None, description="Six digits from the authenticator app."
    )
    recovery_code: str | None = strawberry.field(
        default=None, description="A recovery code instead; it works once."
    )


@strawberry.type
class SocialQueries:
    @strawberry.field(description="The identities that sign one in, newest first.")
    async def my_social_accounts(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[SocialAccount]:
        page = PageRequest.of(first=first, after=after, last=last, before=before)
        async with info.context.read() as session:
            rows = await social.list_own(session, viewer=info.context.viewer, page=page)
        return Connection.of(rows.map(SocialAccount.of))


@strawberry.type
class SocialMutations:
    @strawberry.mutation(description="Begin to sign in with, or to link, a provider.")
    async def start_provider_login(
        self,
        info: Info,
        provider: Provider,
        redirect_uri: Annotated[
            str, strawberry.argument(description="Where the web app waits; one of a fixed list.")
        ],
    ) -> Annotated[
        ProviderLogin | Problem,
        result_of("startProviderLogin"),
    ]:
        context, runtime = info.context, info.context.runtime
        await context.limit_ip("provider", runtime.settings.limit_token_ip)
        # The provider's discovery may take a while, so it is read before the transaction.
        await runtime.providers.prepare(social.known_provider(provider, runtime.settings))
        async with context.write() as session:
            begun = await social.start(
                session,
                settings=runtime.settings,
                vault=runtime.vault,
                providers=runtime.providers,
                provider=provider,
                redirect_uri=redirect_uri,
            )
        return ProviderLogin(
            authorization_url=begun.authorization_url, login_secret=begun.login_secret
        )

    @strawberry.mutation(description="Sign in with a provider; the first time makes an account.")
    async def login_with_provider(
        self,
        info: Info,
        input: Annotated[
            LoginWithProviderInput, strawberry.argument(description="What came back.")
        ],
    ) -> Annotated[
        AuthTokens | Problem,
        result_of("loginWithProvider"),
    ]:
        context, runtime = info.context, info.context.runtime
        await context.limit_ip("provider", runtime.settings.limit_token_ip)
        signer = await runtime.keyring.signer()
        async with context.write() as session:
            opened = await social.log_in(
                session,
                viewer=context.viewer,
                settings=runtime.settings,
                vault=runtime.vault,
                post=runtime.post,
                provider=input.provider,
                code=input.code,
                login_secret=input.login_secret,
                totp_code=input.totp_code,
                recovery_code=input.recovery_code,
            )
        return AuthTokens.of(signer, context, opened)

    @strawberry.mutation(description="Add a provider to one's own account.")
    async def link_provider(
        self,
        info: Info,
        input: Annotated[LinkProviderInput, strawberry.argument(description="What came back.")],
    ) -> Annotated[
        User | Problem,
        result_of("linkProvider"),
    ]:
        context, runtime = info.context, info.context.runtime
        await context.limit_ip("provider", runtime.settings.limit_token_ip)
        async with context.write() as session:
            row = await social.link(
                session,
                viewer=context.viewer,
                vault=runtime.vault,
                provider=input.provider,
                code=input.code,
                login_secret=input.login_secret,
            )
        return User.of(row, context.viewer)

    @strawberry.mutation(description="Remove a provider; not the last way to sign in.")
    async def unlink_provider(
        self, info: Info, provider: Provider
    ) -> Annotated[
        User | Problem,
        result_of("unlinkProvider"),
    ]:
        async with info.context.write() as session:
            row = await social.unlink(session, viewer=info.context.viewer, provider=provider)
        return User.of(row, info.context.viewer)
