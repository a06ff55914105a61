"""Rate limits and cached values: with Valkey, without it, and while it hangs."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from deploy.local.valkey import Valkey
from shared.cache import Cache
from shared.errors import RateLimited


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A Valkey of this module's own, which may be killed."""
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def raw(valkey: Valkey) -> AsyncIterator[Redis]:
    """A plain client of the empty server."""
    valkey.start()
    async with Redis.from_url(valkey.env()["VALKEY_URL"], decode_responses=True) as client:
        await client.flushall()
        yield client


@pytest.fixture
async def cache(valkey: Valkey, raw: Redis) -> AsyncIterator[Cache]:
    """Learning's cache."""
    found = Cache(valkey.env()["VALKEY_URL"], "learning")
    yield found
    await found.close()


async def passes(cache: Cache, *, hits: int, who: str = "ana@example.test") -> bool:
    try:
        await cache.limit("login", who, hits=hits, seconds=60)
    except RateLimited:
        return False
    return True


@pytest.mark.parametrize(("tries", "hits"), [(50, 7), (300, 10)])
async def test_exactly_so_many_of_a_crowd_pass(
    valkey: Valkey, raw: Redis, tries: int, hits: int
) -> None:
    # With the ordinary timeouts a machine that is busy counts as an outage.
    patience = "socket_connect_timeout=30&socket_timeout=30&timeout=30"
    patient = Cache(f"{valkey.env()['VALKEY_URL']}?{patience}", "learning")
    outcomes = await asyncio.gather(*(passes(patient, hits=hits) for _ in range(tries)))
    await patient.close()
    assert outcomes.count(True) == hits


async def test_window_goes_on_here_when_valkey_goes_away(valkey: Valkey, cache: Cache) -> None:
    assert [await passes(cache, hits=3) for _ in range(2)] == [True, True]
    valkey.kill()
    assert [await passes(cache, hits=3) for _ in range(2)] == [True, False]


async def test_two_processes_share_a_window(valkey: Valkey, cache: Cache) -> None:
    other = Cache(valkey.env()["VALKEY_URL"], "learning")
    found = [await passes(each, hits=3) for each in (cache, other, cache, other)]
    await other.close()
    assert found == [True, True, True, False]


async def test_callers_limits_and_subgraphs_are_counted_apart(valkey: Valkey, cache: Cache) -> None:
    other = Cache(valkey.env()["VALKEY_URL"], "identity")
    assert await passes(cache, hits=1, who="ana")
    assert await passes(cache, hits=1, who="ben")
    assert await passes(other, hits=1, who="ana")
    await cache.limit("reset", "ana", hits=1, seconds=60)
    assert not await passes(cache, hits=1, who="ana")
    await other.close()


async def test_later_hits_do_not_move_the_window(cache: Cache, raw: Redis) -> None:
    assert await passes(cache, hits=1)
    [key] = await raw.keys("*")
    await raw.pexpire(key, 5000)
    assert not await passes(cache, hits=1)
    assert 0 < await raw.pttl(key) <= 5000


async def test_next_window_starts_anew(cache: Cache, raw: Redis) -> None:
    assert await passes(cache, hits=1)
    assert not await passes(cache, hits=1)
    [key] = await raw.keys("*")
    await raw.pexpire(key, 1)
    await asyncio.sleep(0.05)
    assert await passes(cache, hits=1)


async def test_no_personal_data_is_in_the_keys(cache: Cache, raw: Redis) -> None:
    assert await passes(cache, hits=1, who="ana@example.test")
    [key] = await raw.keys("*")
    assert str(key).startswith("learning:limit:login:")
    assert "ana" not in str(key)


async def test_text_that_is_no_text_is_counted_like_any_other(cache: Cache) -> None:
    assert [await passes(cache, hits=1, who="\ud800") for _ in range(2)] == [True, False]


async def test_refusal_says_when_the_next_try_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("shared.cache.time", SimpleNamespace(monotonic=lambda: clock.now))
    cache = Cache(None, "learning")
    await cache.limit("login", "ana", hits=1, seconds=60)
    clock.now += 55.6
    with pytest.raises(RateLimited) as caught:
        await cache.limit("login", "ana", hits=1, seconds=60)
    assert caught.value.retry_after == 5
    assert caught.value.message == "Too many tries. Try again in 5 seconds."
    clock.now += 5
    await cache.limit("login", "ana", hits=1, seconds=60)


async def test_without_valkey_windows_are_kept_here_and_bounded() -> None:
    cache = Cache(None, "learning")
    assert [await passes(cache, hits=2) for _ in range(3)] == [True, True, False]
    cache._local._most = 100
    for number in range(300):
        assert await passes(cache, hits=1, who=str(number))
    assert len(cache._local._windows) == 100
    assert not await passes(cache, hits=1, who="299")


async def test_values_are_kept_for_their_time_and_forgotten(cache: Cache, raw: Redis) -> None:
    assert await cache.get("course:1:title") is None
    await cache.set("course:1:title", b"\x00Guitar", seconds=30)
    assert await cache.get("course:1:title") == b"\x00Guitar"
    assert await raw.get("learning:course:1:title") == "\x00Guitar"
    assert 0 < await raw.ttl("learning:course:1:title") <= 30
    await cache.set("course:2:title", b"Piano", seconds=30)
    await cache.delete("course:1:title", "course:2:title")
    await cache.delete()
    assert await raw.keys("*") == []


async def test_killed_valkey_costs_nothing_but_the_values(
    valkey: Valkey, cache: Cache, raw: Redis
) -> None:
    await cache.set("key", b"value", seconds=60)
    valkey.kill()
    with capture_logs() as logs:
        assert await cache.get("key") is None
        await cache.set("key", b"other", seconds=60)
        await cache.delete("key")
        assert [await passes(cache, hits=2) for _ in range(3)] == [True, True, False]
        valkey.start()
        assert [await passes(cache, hits=2) for _ in range(3)] == [True, True, False]
        assert await cache.get("key") is None
        await cache.set("key", b"value", seconds=60)
        assert await cache.get("key") == b"value"
    assert [entry["event"] for entry in logs] == ["valkey is away", "valkey is back"]


async def test_valkey_that_hangs_is_not_waited_for(valkey: Valkey, cache: Cache) -> None:
    await cache.set("key", b"value", seconds=60)
    assert valkey.pid is not None
    os.kill(valkey.pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(10):
            assert await cache.get("key") is None
            assert await passes(cache, hits=1)
            assert not await passes(cache, hits=1)
    finally:
        os.kill(valkey.pid, signal.SIGCONT)
    assert await cache.get("key") == b"value"
