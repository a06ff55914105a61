"""How often a caller may ask: one bucket per caller, shared by all routers, open when Valkey is."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.valkey import Valkey
from tests.gateway.support import Backend, Router, bearer, eventually, only_error

BURST = 6


async def counting(router: Router) -> None:
    """Until calls are counted: the first of a process may take too long for that, and pass."""
    for n in range(200):
        answer = await router.ask("{ courseTitle }", headers=bearer(sub=f"early-{n}"))
        if "ratelimit-remaining" in answer.headers:
            return
    pytest.fail("the limits never began")


@pytest.fixture(scope="module")
async def pair(
    backend: Backend, valkey: Valkey, folder: Path
) -> AsyncIterator[tuple[Router, Router]]:
    """Two processes with one quota: six at once, then one per minute."""
    settings = {
        "VALKEY_URL": valkey.env()["VALKEY_URL"],
        "RATE_LIMIT_PER_MINUTE": "1",
        "RATE_LIMIT_BURST": str(BURST),
        "TRUSTED_PROXIES": "1",
    }
    routers = [Router(backend, folder / f"limited-{n}", **settings).start() for n in (1, 2)]
    for router in routers:
        await counting(router)
    yield routers[0], routers[1]
    for router in routers:
        router.stop()


async def test_two_routers_share_one_bucket_per_user(pair: tuple[Router, Router]) -> None:
    ana = bearer(sub="ana")
    answers = [await pair[n % 2].ask("{ courseTitle }", headers=ana) for n in range(BURST)]
    assert [a.status_code for a in answers] == [200] * BURST
    assert [a.headers["ratelimit-remaining"] for a in answers] == ["5", "4", "3", "2", "1", "0"]
    assert {a.headers["ratelimit-limit"] for a in answers} == {"6"}

    refused = await pair[0].ask("{ courseTitle }", headers=ana)
    assert refused.status_code == 429
    assert only_error(refused)["extensions"]["code"] == "RATE_LIMITED"
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert 0 < int(refused.headers["ratelimit-reset"]) <= BURST * 60
    assert refused.headers["ratelimit-remaining"] == "0"

    # From elsewhere she is still the same caller; another user is not.
    moved = {**ana, "x-forwarded-for": "203.0.113.77"}
    assert (await pair[1].ask("{ courseTitle }", headers=moved)).status_code == 429
    assert (await pair[1].ask("{ courseTitle }", headers=bearer(sub="ben"))).status_code == 200

    async with pair[1].socket(ana) as socket:
        for _ in range(2):
            [result] = await socket.run("{ courseTitle }")
            assert result["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
    stream = await pair[0].ask("{ courseTitle }", headers={**ana, "accept": "text/event-stream"})
    assert stream.status_code == 429


async def test_anonymous_callers_are_told_apart_by_address(pair: tuple[Router, Router]) -> None:
    here, there = {"x-forwarded-for": "203.0.113.1"}, {"x-forwarded-for": "203.0.113.2"}
    codes = [(await pair[0].ask("{ courseTitle }", headers=here)).status_code for _ in range(7)]
    assert codes == [200] * BURST + [429]
    assert (await pair[0].ask("{ courseTitle }", headers=there)).status_code == 200


async def test_public_routes_are_limited_by_address_with_the_same_bucket(
    pair: tuple[Router, Router],
) -> None:
    headers = {"x-forwarded-for": "203.0.113.3", **bearer(sub="eve")}
    async with pair[0].client() as client:
        answers = [
            await client.get("/.well-known/jwks.json", headers=headers) for _ in range(BURST + 1)
        ]
    assert [a.status_code for a in answers] == [201] * BURST + [429]
    assert only_error(answers[-1])["extensions"]["code"] == "RATE_LIMITED"


async def test_without_valkey_every_call_passes(
    backend: Backend, folder: Path, pair: tuple[Router, Router]
) -> None:
    lost = Valkey(folder / "lost-valkey")
    lost.start()
    settings = {"RATE_LIMIT_PER_MINUTE": "1", "RATE_LIMIT_BURST": "2"}
    url = lost.env()["VALKEY_URL"]
    router = Router(backend, folder / "open", VALKEY_URL=url, **settings).start()
    failures = "router_rate_limit_failures_total"
    try:
        await counting(router)
        codes = [(await router.ask("{ courseTitle }")).status_code for _ in range(3)]
        assert codes == [200, 200, 429]
        before = router.metric(failures)
        lost.kill()
        codes = [(await router.ask("{ courseTitle }")).status_code for _ in range(4)]
        assert codes == [200] * 4
        assert router.metric(failures) == before + 4
        told = "rate limits are off: Valkey cannot be reached"
        await eventually(lambda: router.lines(told), "the log tells of it")
        lost.start()
        for _ in range(200):
            if (await router.ask("{ courseTitle }")).status_code == 429:
                break
        else:
            pytest.fail("the limits never came back")
        assert len(router.lines(told)) == 1
    finally:
        router.stop()
        lost.stop()
