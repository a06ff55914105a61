"""The second factor."""

from typing import Annotated

import strawberry

from shared.graph import Problem
from subgraphs.identity.graph.context import Info
from subgraphs.identity.graph.passwords import Password, prove
from subgraphs.identity.graph.results import result_of
from subgraphs.identity.graph.users import User
from subgraphs.identity.service import mfa

Code = Annotated[str, strawberry.argument(description="Six digits from the authenticator app.")]


@strawberry.type(description="A secret for an authenticator app; it counts once it is confirmed.")
class TotpSecret:
    secret: str = strawberry.field(description="Base32, to type in.")
    uri: str = strawberry.field(description="otpauth address, to show as a QR code.")


@strawberry.type(description="Codes that sign in once each without the app; shown this once.")
class RecoveryCodes:
    codes: list[str] = strawberry.field(description="Ten codes, to keep on paper.")


@strawberry.type
class MfaMutations:
    @strawberry.mutation(description="Begin to turn on two-step sign-in.")
    async def enable_totp(
        self, info: Info
    ) -> Annotated[
        TotpSecret | Problem,
        result_of("enableTotp"),
    ]:
        context = info.context
        async with context.write() as session:
            secret, uri = await mfa.enable(
                session, viewer=context.viewer, vault=context.runtime.vault
            )
        return TotpSecret(secret=secret, uri=uri)

    @strawberry.mutation(description="Turn on two-step sign-in with a first code from the app.")
    async def confirm_totp(
        self, info: Info, code: Code
    ) -> Annotated[
        RecoveryCodes | Problem,
        result_of("confirmTotp"),
    ]:
        context = info.context
        await context.limit_user("totp", context.runtime.settings.limit_password_user)
        async with context.write() as session:
            codes = await mfa.confirm(
                session,
                viewer=context.viewer,
                vault=context.runtime.vault,
                post=context.runtime.post,
                code=code,
            )
        return RecoveryCodes(codes=codes)

    @strawberry.mutation(description="Turn off two-step sign-in.")
    async def disable_totp(
        self,
        info: Info,
        password: Password,
        code: Annotated[
            str, strawberry.argument(description="A code from the app, or a recovery code.")
        ],
    ) -> Annotated[
        User | Problem,
        result_of("disableTotp"),
    ]:
        context = info.context
        _, verified = await prove(context, password, field="password")
        async with context.write() as session:
            row = await mfa.disable(
                session,
                viewer=context.viewer,
                vault=context.runtime.vault,
                post=context.runtime.post,
                verified_hash=verified,
                code=code,
            )
        return User.of(row, context.viewer)
