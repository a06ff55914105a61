"""What reviews asks about users: only of its own references."""

from uuid import UUID

from shared import references
from shared.db import ReadSession, WriteSession
from shared.references import authorize_by_reference, ensure_user_refs
from shared.viewer import Viewer
from subgraphs.reviews.models import UserRef


async def authorize(session: ReadSession, viewer: Viewer) -> Viewer:
    """The viewer with the roles that reviews knows. Raises Unauthenticated when blocked."""
    return await authorize_by_reference(session, viewer, UserRef)


async def require_verified(session: ReadSession, viewer: Viewer) -> UUID:
    """The viewer's id, if the address is verified. Raises EmailNotVerified or Unavailable."""
    return await references.require_verified(session, viewer, UserRef)


async def meet(session: WriteSession, *user_ids: UUID) -> None:
    """Keep a stub of users that no event has told of yet."""
    await ensure_user_refs(session, UserRef, user_ids)
