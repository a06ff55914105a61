"""What matching asks about users: only of its own references."""

from uuid import UUID

from shared.db import ReadSession, WriteSession
from shared.references import authorize_by_reference, ensure_user_refs, refuse_unverified
from shared.viewer import Viewer
from subgraphs.matching.models import UserRef


async def authorize(session: ReadSession, viewer: Viewer) -> Viewer:
    """The viewer with the roles that matching knows. Raises Unauthenticated when blocked."""
    return await authorize_by_reference(session, viewer, UserRef)


async def lock_user(session: WriteSession, user_id: UUID) -> UserRef:
    """The reference of a user, locked, as a stub if need be.

    What is known of a user before there is a profile is read and written under this lock, so that
    neither an event nor a new profile misses the other.
    """
    await ensure_user_refs(session, UserRef, [user_id])
    return await session.get_one(UserRef, user_id, with_for_update=True)


async def lock_verified(session: WriteSession, viewer: Viewer) -> UserRef:
    """The viewer's reference, locked. Raises EmailNotVerified, or Unavailable until it is here."""
    user = await lock_user(session, viewer.require_user())
    refuse_unverified(user)
    return user


async def get_time_zone(session: ReadSession, user_id: UUID) -> str:
    """The zone of a user, UTC until it is known."""
    user = await session.get(UserRef, user_id)
    return user.time_zone if user else "UTC"
