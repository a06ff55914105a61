"""Changing and resetting passwords."""

from typing import Annotated

import strawberry

from shared import validation
from shared.graph import Problem
from subgraphs.identity import models
from subgraphs.identity.graph.arguments import Token
from subgraphs.identity.graph.context import Context, Info
from subgraphs.identity.graph.registration import Email, MailRequested
from subgraphs.identity.graph.results import result_of
from subgraphs.identity.graph.users import User
from subgraphs.identity.service import passwords

Password = Annotated[str, strawberry.argument(description="The present password.")]
NewPassword = Annotated[
    str,
    strawberry.argument(
        description="10 to 128 characters, hard to guess, without name or address."
    ),
]


async def prove(context: Context, password: str, *, field: str) -> tuple[models.User, str]:
    """The viewer's account and the stored hash that their password fits.

    Raises InvalidCredentials or RateLimited.
    """
    await context.limit_user("password", context.runtime.settings.limit_password_user)
    async with context.read() as session:
        account = await passwords.own_account(session, viewer=context.viewer)
    stored = account.password_hash
    if not await context.runtime.passwords.verify(stored, password) or stored is None:
        raise passwords.InvalidCredentials("The password is wrong.", field=field)
    return account, stored


@strawberry.type
class PasswordMutations:
    @strawberry.mutation(description="Mail a link to choose a new password.")
    async def request_password_reset(
        self, info: Info, email: Email
    ) -> Annotated[
        MailRequested | Problem,
        result_of("requestPasswordReset"),
    ]:
        context = info.context
        address = validation.email(email)
        await context.limit_ip("mail", context.runtime.settings.limit_mail_ip)
        await context.limit("mail-address", address, context.runtime.settings.limit_mail_address)
        async with context.write() as session:
            await passwords.request_reset(
                session, viewer=context.viewer, post=context.runtime.post, email=address
            )
        return MailRequested(email=address)

    @strawberry.mutation(description="Choose a new password by the mailed link; ends all sessions.")
    async def reset_password(
        self, info: Info, token: Token, new_password: NewPassword
    ) -> Annotated[
        User | Problem,
        result_of("resetPassword"),
    ]:
        context = info.context
        await context.limit_ip("reset", context.runtime.settings.limit_token_ip)
        async with context.read() as session:
            about = await passwords.about_owner_of(session, token)
        hashed = await context.runtime.passwords.hash_new(
            new_password, field="newPassword", about=about
        )
        async with context.write() as session:
            row = await passwords.reset(
                session,
                viewer=context.viewer,
                post=context.runtime.post,
                token=token,
                password_hash=hashed,
            )
        return User.of(row, context.viewer, own=True)

    @strawberry.mutation(description="Change one's own password; ends the other sessions.")
    async def change_password(
        self, info: Info, current_password: Password, new_password: NewPassword
    ) -> Annotated[
        User | Problem,
        result_of("changePassword"),
    ]:
        context = info.context
        account, verified = await prove(context, current_password, field="currentPassword")
        hashed = await context.runtime.passwords.hash_new(
            new_password, field="newPassword", about=passwords.words_about(account)
        )
        async with context.write() as session:
            row = await passwords.change(
                session,
                viewer=context.viewer,
                post=context.runtime.post,
                verified_hash=verified,
                password_hash=hashed,
            )
        return User.of(row, context.viewer)
