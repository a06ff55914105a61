"""Signing in, staying signed in, signing out."""

from datetime import UTC, datetime
from typing import Annotated, Self

import strawberry

from shared import validation
from shared.errors import DomainError
from shared.graph import After, Before, Connection, First, Last, Problem
from shared.ids import parse_id
from shared.pages import PageRequest
from shared.viewer import Viewer
from subgraphs.identity import models
from subgraphs.identity.graph.context import Context, Info
from subgraphs.identity.graph.results import result_of
from subgraphs.identity.graph.users import User
from subgraphs.identity.service import accounts, passwords, sessions
from subgraphs.identity.service.keys import Signer


@strawberry.type(description="What a program keeps of a session. Never share it.")
class AuthTokens:
    access_token: str = strawberry.field(
        description="Goes into each request's Authorization header, after Bearer."
    )
    refresh_token: str = strawberry.field(description="Gives new tokens, once.")
    expires_at: datetime = strawberry.field(description="When the access token ends.")
    user: User = strawberry.field(description="Who is signed in.")

    @classmethod
    def of(cls, signer: Signer, context: Context, opened: sessions.Opened) -> Self:
        """The tokens of a session that was just opened or continued."""
        token, expires_at = sessions.access_token(signer, context.runtime.settings, opened)
        return cls(
            access_token=token,
            refresh_token=opened.refresh_token,
            expires_at=datetime.fromtimestamp(expires_at, UTC),
            user=User.of(opened.user, context.viewer, own=True),
        )


@strawberry.type(description="One sign-in on one device.")
class Session:
    id: strawberry.ID = strawberry.field(description="To end it by.")
    method: str = strawberry.field(description="password, or the provider's name.")
    ip_address: str | None = strawberry.field(description="Where it began.")
    user_agent: str | None = strawberry.field(description="The program that began it.")
    created_at: datetime = strawberry.field(description="When it began.")
    last_used_at: datetime = strawberry.field(description="When its tokens were last refreshed.")
    expires_at: datetime = strawberry.field(description="When it ends at the latest.")
    revoked_at: datetime | None = strawberry.field(description="When it was ended.")
    is_current: bool = strawberry.field(description="Whether this request belongs to it.")

    @classmethod
    def of(cls, row: models.UserSession, viewer: Viewer) -> Self:
        """A session as its owner sees it."""
        return cls(
            id=strawberry.ID(str(row.id)),
            method=row.method,
            ip_address=row.ip_address,
            user_agent=row.user_agent,
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            is_current=row.id == viewer.session_id,
        )


@strawberry.input(description="Address, password and, where it is on, one code.")
class LoginInput:
    email: str = strawberry.field(description="The account's address, in any case.")
    password: str = strawberry.field(description="The password.")
    totp_code: str | None = strawberry.field(
        default=None, description="Six digits from the authenticator app."
    )
    recovery_code: str | None = strawberry.field(
        default=None, description="A recovery code instead; it works once."
    )


@strawberry.type
class SessionQueries:
    @strawberry.field(description="One's own open sessions, newest first.")
    async def my_sessions(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Session]:
        viewer = info.context.viewer
        page = PageRequest.of(first=first, after=after, last=last, before=before)
        async with info.context.read() as session:
            rows = await sessions.list_own(session, viewer=viewer, page=page)
        return Connection.of(rows.map(lambda row: Session.of(row, viewer)))


@strawberry.type
class SessionMutations:
    @strawberry.mutation(
        description="Sign in. A wrong address and a wrong password are answered the same."
    )
    async def login(
        self,
        info: Info,
        input: Annotated[LoginInput, strawberry.argument(description="Who signs in.")],
    ) -> Annotated[AuthTokens | Problem, result_of("login")]:
        context, settings = info.context, info.context.runtime.settings
        address = validation.email(input.email)
        pair = f"{context.viewer.ip} {address}"
        await context.limit_ip("login-ip", settings.limit_login_ip)
        await context.limit("login-account", pair, settings.limit_login_account)
        await context.limit("login-everywhere", address, settings.limit_login_everywhere)
        signer = await context.runtime.keyring.signer()
        async with context.read() as session:
            account = await accounts.by_email(session, address)
        stored = account.password_hash if account is not None else None
        # Outside any transaction: it takes a while, and must not hold a connection.
        right = await context.runtime.passwords.verify(stored, input.password)
        if account is None or stored is None or not right:
            async with context.write() as session:
                await sessions.record_failure(session, viewer=context.viewer, user=account)
            raise passwords.InvalidCredentials("The e-mail address or the password is wrong.")
        new_hash = await context.runtime.passwords.rehash(stored, input.password)
        async with context.write() as session:
            opened = await sessions.log_in(
                session,
                viewer=context.viewer,
                settings=settings,
                vault=context.runtime.vault,
                user_id=account.id,
                verified_hash=stored,
                new_hash=new_hash,
                totp_code=input.totp_code,
                recovery_code=input.recovery_code,
            )
        return AuthTokens.of(signer, context, opened)

    @strawberry.mutation(
        description="New tokens for a refresh token, which works once. A second use ends the"
        " session. Send no Authorization header."
    )
    async def refresh(
        self,
        info: Info,
        refresh_token: Annotated[
            str, strawberry.argument(description="The newest refresh token of the session.")
        ],
    ) -> Annotated[AuthTokens | Problem, result_of("refresh")]:
        context, settings = info.context, info.context.runtime.settings
        await context.limit_ip("refresh", settings.limit_refresh_ip)
        signer = await context.runtime.keyring.signer()
        async with context.write() as session:
            opened = await sessions.rotate(
                session,
                viewer=context.viewer,
                settings=settings,
                post=context.runtime.post,
                token=refresh_token,
            )
        # The end of the stolen session is committed; now it can be told.
        if isinstance(opened, DomainError):
            raise opened
        return AuthTokens.of(signer, context, opened)

    @strawberry.mutation(description="End the present session.")
    async def logout(self, info: Info) -> Annotated[Session | Problem, result_of("logout")]:
        viewer = info.context.viewer
        async with info.context.write() as session:
            row = await sessions.log_out(session, viewer=viewer)
        return Session.of(row, viewer)

    @strawberry.mutation(description="End one of one's own sessions.")
    async def revoke_session(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The session's id.")],
    ) -> Annotated[
        Session | Problem,
        result_of("revokeSession"),
    ]:
        viewer = info.context.viewer
        async with info.context.write() as session:
            row = await sessions.revoke(
                session,
                viewer=viewer,
                session_id=parse_id(id, field="id"),
                reason="ended by the user",
            )
        return Session.of(row, viewer)

    @strawberry.mutation(description="End all of one's own sessions but the present one.")
    async def revoke_other_sessions(
        self, info: Info
    ) -> Annotated[
        User | Problem,
        result_of("revokeOtherSessions"),
    ]:
        viewer = info.context.viewer
        async with info.context.write() as session:
            row = await sessions.revoke_others(session, viewer=viewer)
        return User.of(row, viewer)
