"""What learning asks about users: only of its own references."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from shared import references
from shared.db import ReadSession, WriteSession
from shared.lookup import ByKey
from shared.references import authorize_by_reference, ensure_user_refs
from shared.viewer import Viewer
from subgraphs.learning.models import UserRef


async def authorize(session: ReadSession, viewer: Viewer) -> Viewer:
    """The viewer with the roles that learning knows. Raises Unauthenticated when blocked."""
    return await authorize_by_reference(session, viewer, UserRef)


async def require_verified(session: ReadSession, viewer: Viewer) -> UUID:
    """The viewer's id, if the address is verified. Raises EmailNotVerified or Unavailable."""
    return await references.require_verified(session, viewer, UserRef)


async def get_known_user(session: ReadSession, user_id: UUID) -> UserRef:
    """The reference of a user. Raises Unavailable until the user's event is here."""
    return references.refuse_unknown(await session.get(UserRef, user_id))


async def meet(session: WriteSession, *user_ids: UUID) -> None:
    """Keep a stub of users that no event has told of yet."""
    await ensure_user_refs(session, UserRef, user_ids)


_USER_REFS = ByKey(sa.select(UserRef), UserRef.user_id)


async def get_user_refs(session: ReadSession, ids: Sequence[UUID]) -> list[UserRef | None]:
    """Many references at once, in the order asked for."""
    return await _USER_REFS.find(session, ids)
