"""Registration and the confirmation of addresses."""

from typing import Annotated
from uuid import UUID

import strawberry

from shared import idempotency, validation
from shared.graph import IdempotencyKey, Problem
from subgraphs.identity.graph.arguments import Token
from subgraphs.identity.graph.context import Info
from subgraphs.identity.graph.results import result_of
from subgraphs.identity.graph.users import Role, User
from subgraphs.identity.service import registration


@strawberry.input(description="A new account.")
class RegisterInput:
    email: str = strawberry.field(description="Where the confirmation is sent.")
    password: str = strawberry.field(
        description="10 to 128 characters, hard to guess, without name or address."
    )
    first_name: str = strawberry.field(description="1 to 100 characters.")
    last_name: str = strawberry.field(description="1 to 100 characters.")
    accept_terms: str = strawberry.field(description="The version of the terms agreed to.")
    role: Role = strawberry.field(default=Role.STUDENT, description="STUDENT or TUTOR.")
    username: str | None = strawberry.field(
        default=None, description="3 to 50 of a-z, 0-9, _ and dot."
    )
    locale: str | None = strawberry.field(
        default=None, description="Language of mails, such as en or de; en unless given."
    )
    time_zone: str | None = strawberry.field(
        default=None, description="An IANA time zone; UTC unless given."
    )


@strawberry.type(description="Check your mail. The answer is the same for an address with account.")
class RegistrationAccepted:
    email: str = strawberry.field(description="Where a mail is on its way to.")


@strawberry.type(description="Check your mail. The answer is the same without an account.")
class MailRequested:
    email: str = strawberry.field(description="Where a mail goes, if it has an account.")


Email = Annotated[str, strawberry.argument(description="The account's address.")]


@strawberry.type
class RegistrationMutations:
    @strawberry.mutation(description="Create an account; a mail asks to confirm the address.")
    async def register(
        self,
        info: Info,
        input: Annotated[RegisterInput, strawberry.argument(description="The new account.")],
        idempotency_key: IdempotencyKey = None,
    ) -> Annotated[
        RegistrationAccepted | Problem,
        result_of("register"),
    ]:
        context = info.context
        settings = context.runtime.settings
        await context.limit_ip("register", settings.limit_register_ip)
        person = registration.newcomer(
            email=input.email,
            first_name=input.first_name,
            last_name=input.last_name,
            role=input.role.name.lower(),
            username=input.username,
            locale=input.locale,
            time_zone=input.time_zone,
            accept_terms=input.accept_terms,
            terms_version=settings.terms_version,
        )
        # Outside the transaction: hashing waits for a thread, and must not hold a connection.
        hashed = await context.runtime.passwords.hash_new(
            input.password,
            field="password",
            about=[person.email, person.first_name, person.last_name, person.username or ""],
        )
        request = {name: value for name, value in vars(input).items() if name != "password"}
        async with context.write() as session:

            async def work() -> UUID:
                return await registration.register(
                    session,
                    person.with_password(hashed),
                    viewer=context.viewer,
                    post=context.runtime.post,
                )

            await idempotency.once(
                session, context.viewer, "register", idempotency_key, request, work
            )
        return RegistrationAccepted(email=person.email)

    @strawberry.mutation(description="Confirm an address with the mailed link.")
    async def verify_email(
        self, info: Info, token: Token
    ) -> Annotated[
        User | Problem,
        result_of("verifyEmail"),
    ]:
        context = info.context
        await context.limit_ip("verify", context.runtime.settings.limit_token_ip)
        async with context.write() as session:
            row = await registration.verify_email(session, viewer=context.viewer, token=token)
        return User.of(row, context.viewer, own=True)

    @strawberry.mutation(description="Mail a new link to confirm an address.")
    async def resend_verification(
        self, info: Info, email: Email
    ) -> Annotated[
        MailRequested | Problem,
        result_of("resendVerification"),
    ]:
        context = info.context
        address = validation.email(email)
        await context.limit_ip("mail", context.runtime.settings.limit_mail_ip)
        await context.limit("mail-address", address, context.runtime.settings.limit_mail_address)
        async with context.write() as session:
            await registration.resend_verification(
                session, viewer=context.viewer, post=context.runtime.post, email=address
            )
        return MailRequested(email=address)
