"""Who is verified as a tutor gets the role, once, whatever order events come in."""

from uuid import UUID

import pytest

from shared.events.matching import TutorProfileVerified
from shared.ids import new_id
from tests.subgraphs.identity import people
from tests.support.graph import GraphClient, published, send


def verified(user_id: UUID, *, version: int = 2) -> TutorProfileVerified:
    return TutorProfileVerified(
        profile_id=new_id(),
        user_id=user_id,
        time_zone="Europe/Lisbon",
        is_verified=True,
        is_paused=False,
        is_bookable=False,
        version=version,
    )


@pytest.mark.parametrize("already", [False, True])
async def test_verified_tutor_gets_the_role_once(identity: GraphClient, already: bool) -> None:
    roles = ("student", "tutor") if already else ("student",)
    user_id = await people.seed(identity, "ana@edtech.test", *roles)
    before = len(await published(identity.runtime))
    await send(identity.subgraph, identity.runtime, verified(user_id))
    await send(identity.subgraph, identity.runtime, verified(user_id, version=3))
    told = [payload for _, payload in (await published(identity.runtime))[before:]]
    assert [sorted(payload["roles"]) for payload in told] == (
        [] if already else [["student", "tutor"]]
    )


async def test_unknown_tutor_changes_nothing(identity: GraphClient) -> None:
    await send(identity.subgraph, identity.runtime, verified(new_id()))
    assert await published(identity.runtime) == []
