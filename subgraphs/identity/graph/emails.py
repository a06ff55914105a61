"""Changing an address."""

from typing import Annotated

import strawberry

from shared.graph import Problem
from subgraphs.identity.graph.arguments import Token
from subgraphs.identity.graph.context import Info
from subgraphs.identity.graph.passwords import Password, prove
from subgraphs.identity.graph.results import result_of
from subgraphs.identity.graph.users import User
from subgraphs.identity.service import emails


@strawberry.type
class EmailMutations:
    @strawberry.mutation(
        description="Mail a link to a new address; the old one is told and may undo it."
    )
    async def request_email_change(
        self,
        info: Info,
        new_email: Annotated[str, strawberry.argument(description="The new address.")],
        password: Password,
    ) -> Annotated[
        User | Problem,
        result_of("requestEmailChange"),
    ]:
        context = info.context
        _, verified = await prove(context, password, field="password")
        await context.limit("mail-address", new_email, context.runtime.settings.limit_mail_address)
        async with context.write() as session:
            row = await emails.request_change(
                session,
                viewer=context.viewer,
                post=context.runtime.post,
                email=new_email,
                verified_hash=verified,
            )
        return User.of(row, context.viewer)

    @strawberry.mutation(description="Use the new address, by the link that was mailed to it.")
    async def confirm_email_change(
        self, info: Info, token: Token
    ) -> Annotated[
        User | Problem,
        result_of("confirmEmailChange"),
    ]:
        context = info.context
        await context.limit_ip("verify", context.runtime.settings.limit_token_ip)
        async with context.write() as session:
            row = await emails.confirm_change(session, viewer=context.viewer, token=token)
        return User.of(row, context.viewer, own=True)

    @strawberry.mutation(
        description="Give the account back to its old address; ends all sessions, and a mail asks"
        " for a new password."
    )
    async def undo_email_change(
        self, info: Info, token: Token
    ) -> Annotated[
        User | Problem,
        result_of("undoEmailChange"),
    ]:
        context = info.context
        await context.limit_ip("verify", context.runtime.settings.limit_token_ip)
        async with context.write() as session:
            row = await emails.undo_change(
                session, viewer=context.viewer, post=context.runtime.post, token=token
            )
        return User.of(row, context.viewer, own=True)
