"""Events that identity listens to; each handler makes one service call."""

from typing import cast
from uuid import UUID

from shared.db import WriteSession
from shared.events import Event
from shared.events.learning import (
    CertificateIssued,
    CourseArchived,
    CoursePublished,
    CourseUpdated,
    EnrollmentActivated,
    EnrollmentCancelled,
    EnrollmentCompleted,
    UnitCompleted,
)
from shared.events.matching import (
    TutorProfilePaused,
    TutorProfileUpdated,
    TutorProfileVerified,
)
from shared.inbox import Handlers
from shared.telemetry import current_causation
from subgraphs.identity.config import Settings
from subgraphs.identity.service import users, webhook_deliveries

handlers = Handlers("identity")


@handlers.on(TutorProfileVerified)
async def tutor_profile_verified(session: WriteSession, event: TutorProfileVerified) -> None:
    """Who was verified as a tutor may teach; partners are told, too."""
    await users.become_tutor(session, user_id=event.user_id)
    await partners_event(session, event)


@handlers.on(
    CoursePublished,
    CourseUpdated,
    CourseArchived,
    TutorProfileUpdated,
    TutorProfilePaused,
    EnrollmentActivated,
    EnrollmentCancelled,
    EnrollmentCompleted,
    UnitCompleted,
    CertificateIssued,
)
async def partners_event(session: WriteSession, event: Event) -> None:
    """Partners who listen to it are told, under the event's own id."""
    await webhook_deliveries.enqueue(
        session,
        event,
        event_id=UUID(str(current_causation())),
        settings=cast("Settings", session.settings),
    )
