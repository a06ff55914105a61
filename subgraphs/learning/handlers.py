"""Events that learning listens to; each handler makes one service call."""

from collections.abc import Sequence

from shared.db import WriteSession
from shared.events.identity import USER_STATES, UserState
from shared.inbox import Handlers
from shared.references import upsert_user_refs
from subgraphs.learning import models

handlers = Handlers("learning")


@handlers.on_batch(*USER_STATES)
async def user_state(session: WriteSession, events: Sequence[UserState]) -> None:
    """Keep the local reference of users."""
    await upsert_user_refs(session, models.UserRef, events)
