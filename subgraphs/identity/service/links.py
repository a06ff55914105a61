"""Links in mails: a random token whose hash is kept, for one purpose, for a while, for one use."""

from uuid import UUID

import sqlalchemy as sa

from shared.db import WriteSession
from shared.errors import Conflict, InvalidInput
from subgraphs.identity.models import AuthToken
from subgraphs.identity.service.secrets import digest


class TokenInvalid(InvalidInput):
    """The link is unknown, was used, or was replaced by a newer one."""

    code = "TOKEN_INVALID"


class TokenExpired(Conflict):
    """The link was valid once but is too old."""

    code = "TOKEN_EXPIRED"


async def cancel(session: WriteSession, *, user_id: UUID, purpose: str | None = None) -> None:
    """Make a user's unused links useless: of one purpose, or all."""
    statement = sa.delete(AuthToken).where(
        AuthToken.user_id == user_id, AuthToken.used_at.is_(None)
    )
    if purpose is not None:
        statement = statement.where(AuthToken.purpose == purpose)
    await session.execute(statement)


async def consume(session: WriteSession, *, purpose: str, token: str) -> AuthToken:
    """Use up a link. Raises TokenInvalid or TokenExpired.

    The conditional update decides: of two requests with one link, one gets it.
    """
    used: AuthToken | None = await session.scalar(
        sa.update(AuthToken)
        .where(
            AuthToken.token_hash == digest(token),
            AuthToken.purpose == purpose,
            AuthToken.used_at.is_(None),
            AuthToken.expires_at > sa.func.clock_timestamp(),
        )
        .values(used_at=sa.func.clock_timestamp())
        .returning(AuthToken)
    )
    if used is not None:
        return used
    unused = await session.scalar(
        sa.select(AuthToken.id).where(
            AuthToken.token_hash == digest(token),
            AuthToken.purpose == purpose,
            AuthToken.used_at.is_(None),
        )
    )
    if unused is not None:
        raise TokenExpired("This link is too old. Ask for a new one.", field="token")
    raise TokenInvalid("This link is not valid. Ask for a new one.", field="token")
