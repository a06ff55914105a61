"""Reading, locking and changing accounts: what the other modules build on."""

from collections.abc import Sequence
from typing import cast
from uuid import UUID

import sqlalchemy as sa

from shared.db import ReadSession, WriteSession
from shared.errors import NotFound
from shared.events.identity import Role, Status, UserState
from shared.lookup import ByKey
from shared.outbox import publish
from subgraphs.identity import models
from subgraphs.identity.models import User

_USERS = ByKey(sa.select(User), User.id)


async def get_users(session: ReadSession, ids: Sequence[UUID]) -> list[User | None]:
    """Users in the order of their ids, tombstones included; None for unknown ones."""
    return await _USERS.find(session, ids)


async def by_email(session: ReadSession, email: str) -> User | None:
    """The account of an address, in whatever case it is written."""
    return await session.scalar(
        sa.select(User).where(sa.func.lower(User.email) == email.lower(), User.deleted_at.is_(None))
    )


async def lock(session: WriteSession, user_id: UUID) -> User:
    """Lock an account and read it as it is now. Raises NotFound.

    Two statements: roles that the locking one read would be those of before the wait.
    """
    await session.execute(sa.select(User.id).where(User.id == user_id).with_for_update())
    user = await session.get(User, user_id, populate_existing=True)
    if user is None or user.is_tombstone:
        raise NotFound("There is no such user.", field="userId")
    return user


async def announce(
    session: WriteSession, event: type[UserState], user: User, *, outdate_tokens: bool = False
) -> None:
    """Publish a locked account's new state; `outdate_tokens` marks access tokens as old, too."""
    user.version += 1
    if outdate_tokens:
        user.auth_version += 1
    await session.flush()
    publish(session, state(event, user))


def state(event: type[UserState], user: User) -> UserState:
    """The whole reference of a user as an event."""
    roles = tuple(cast("Role", role) for role in user.roles)
    return event(
        user_id=user.id,
        version=user.version,
        email=user.email,
        first_name=user.first_name,
        last_name=user.last_name,
        role=roles[0],
        roles=roles,
        status=cast("Status", user.status),
        ver=user.auth_version,
        time_zone=user.time_zone,
        locale=user.locale,
    )


async def revoke_sessions(
    session: WriteSession, user_id: UUID, *, reason: str, keep: UUID | None = None
) -> int:
    """End a user's sessions, all but `keep`; how many were open."""
    table = models.UserSession
    statement = (
        sa.update(table)
        .where(table.user_id == user_id, table.revoked_at.is_(None))
        .values(revoked_at=sa.func.clock_timestamp(), revoke_reason=reason)
        .returning(table.id)
    )
    if keep is not None:
        statement = statement.where(table.id != keep)
    return len((await session.execute(statement)).all())
