"""Events that identity listens to; each handler makes one service call."""

from shared.db import WriteSession
from shared.events.matching import TutorProfileVerified
from shared.inbox import Handlers
from subgraphs.identity.service import users

handlers = Handlers("identity")


@handlers.on(TutorProfileVerified)
async def tutor_profile_verified(session: WriteSession, event: TutorProfileVerified) -> None:
    """Who was verified as a tutor may teach."""
    await users.become_tutor(session, user_id=event.user_id)
