"""What learning asks about tutors' profiles: only of its own references, fed by matching."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from shared.db import ReadSession, WriteSession
from shared.errors import Conflict
from shared.events.matching import TutorProfileState
from shared.references import BLOCKED
from subgraphs.learning.models import TutorRef, UserRef


class TutorNotBookable(Conflict):
    """The tutor takes no paid lessons at present."""

    code = "TUTOR_NOT_BOOKABLE"


async def upsert_tutor_refs(session: WriteSession, events: Sequence[TutorProfileState]) -> None:
    """Bring rows up to the newest version of each tutor, in one statement."""
    newest: dict[UUID, TutorProfileState] = {}
    for event in events:
        known = newest.get(event.user_id)
        if known is None or event.version > known.version:
            newest[event.user_id] = event
    given = insert(TutorRef).values(
        [
            {
                "user_id": event.user_id,
                "profile_id": event.profile_id,
                "time_zone": event.time_zone,
                "is_bookable": event.is_bookable,
                "is_verified": event.is_verified,
                "version": event.version,
            }
            # Ordered, so that two consumers lock rows in the same order.
            for _, event in sorted(newest.items())
        ]
    )
    columns = ("profile_id", "time_zone", "is_bookable", "is_verified", "version")
    await session.execute(
        given.on_conflict_do_update(
            index_elements=["user_id"],
            set_={name: given.excluded[name] for name in columns},
            where=given.excluded.version > TutorRef.version,
        )
    )


async def require_bookable(session: ReadSession, tutor_id: UUID) -> None:
    """Refuse a tutor who cannot sell lessons now. Raises TutorNotBookable."""
    tutor = await session.get(TutorRef, tutor_id)
    user = await session.get(UserRef, tutor_id)
    if tutor is None or not tutor.is_bookable or (user is not None and user.status in BLOCKED):
        raise TutorNotBookable("This tutor takes no paid lessons at present.")
