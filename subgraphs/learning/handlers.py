"""Events that learning listens to; each handler makes one service call."""

from collections.abc import Sequence

from shared.db import WriteSession
from shared.events.identity import USER_STATES, UserState
from shared.events.matching import (
    TutorProfileCreated,
    TutorProfilePaused,
    TutorProfileState,
    TutorProfileUpdated,
    TutorProfileVerified,
)
from shared.events.payment import PaymentSucceeded
from shared.inbox import Handlers
from shared.references import upsert_user_refs
from subgraphs.learning import models
from subgraphs.learning.service import booking, purchases, tutors

handlers = Handlers("learning")


@handlers.on_batch(*USER_STATES)
async def user_state(session: WriteSession, events: Sequence[UserState]) -> None:
    """Keep the local reference of users."""
    await upsert_user_refs(session, models.UserRef, events)


@handlers.on_batch(
    TutorProfileCreated, TutorProfileUpdated, TutorProfileVerified, TutorProfilePaused
)
async def tutor_profile_state(session: WriteSession, events: Sequence[TutorProfileState]) -> None:
    """Keep the local reference of tutors."""
    await tutors.upsert_tutor_refs(session, events)


@handlers.on(PaymentSucceeded)
async def payment_succeeded(session: WriteSession, event: PaymentSucceeded) -> None:
    """What was reserved is paid."""
    if event.payable_type == "LESSON":
        await booking.confirm_payment(session, event.payable_id)
    else:
        await purchases.confirm_purchase(session, event.purchase_id)
