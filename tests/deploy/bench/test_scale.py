"""Search over few and many tutors: what is asked, and what is made of the answers."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import sqlalchemy as sa

from deploy.bench import market, run, scale, slots
from deploy.bench.many_tutors import make_many_tutors
from shared.ids import new_id
from shared.pages import PageRequest
from subgraphs.matching.service.search import TutorFilter, TutorSort, search_tutors
from tests.support.graph import GraphClient

NOW = datetime(2026, 1, 7, 15, tzinfo=UTC)


@pytest.fixture
async def matching(client_of: Callable[[str], Awaitable[GraphClient]]) -> GraphClient:
    """A client of matching over 60 tutors."""
    client = await client_of("matching")
    async with client.runtime.database.write() as session:
        await make_many_tutors(session, 60)
    return client


def test_ratio_of_a_pair_is_the_median_of_its_rounds() -> None:
    # The machine was ten times slower in the second round, for both.
    pair = scale.Pair.of("search", [(1, 2), (10, 20), (2, 3)])
    assert pair == scale.Pair("search", 2, 3, 2)


def test_nodes_of_a_plan_are_those_that_read() -> None:
    scan = {
        "Node Type": "Index Scan",
        "Index Name": "idx_things",
        "Relation Name": "things",
        "Actual Rows": 1.5,
        "Actual Loops": 20,
        "Rows Removed by Filter": 100,
    }
    never = {"Node Type": "Seq Scan", "Relation Name": "others", "Actual Loops": 0}
    plan = {"Node Type": "Limit", "Actual Loops": 1, "Plans": [scan, never]}
    assert list(scale.nodes_of(plan)) == ["Index Scan idx_things: 30 rows, 2,000 thrown away"]


@pytest.mark.parametrize("days", range(7))
def test_every_case_is_a_valid_search_whatever_day_it_is(days: int) -> None:
    today = datetime.now(UTC) + timedelta(days=days - 6)
    found = scale.cases([new_id() for _ in range(3)], today)
    assert len({case.name for case in found}) == len(found)
    for case in found:
        case.wanted.checked()
    [sunday] = [case.wanted.available_from for case in found if "Sunday" in case.name]
    assert sunday is not None
    assert sunday.isoweekday() == 7
    assert timedelta(days=1) < sunday - today < timedelta(days=14)


async def test_both_sides_are_asked_everything_and_plans_are_shown(
    matching: GraphClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scale, "DEEP", 3)
    runtime = matching.runtime
    found = await scale.measure(runtime, runtime, scale.Sizes(60, 60, rounds=1))
    asked = scale.cases([new_id() for _ in range(3)], NOW)
    assert [pair.name for pair in found.pages] == [case.name for case in asked if not case.facets]
    assert [pair.name for pair in found.facets] == [case.name for case in asked if case.facets]
    assert [pair.name for pair in found.depth] == [f"by {sort.lower()}" for sort in TutorSort]
    assert len(found.plans) == len(asked) + len(TutorSort)
    assert all(any("tutor_listings" in node for node in plan.nodes) for plan in found.plans)
    assert all("Execution Time" in plan.text for plan in found.plans)


async def test_nobody_is_free_on_the_day_that_stands_for_it(matching: GraphClient) -> None:
    cases = scale.cases([new_id() for _ in range(3)], datetime.now(UTC))
    hits = {}
    async with matching.runtime.database.read() as session:
        for case in cases:
            if case.name.startswith("free"):
                hits[case.name] = len((await case.ask(session)).items)
    assert hits.pop("free on a Sunday, when nobody is") == 0
    assert all(hits.values())


async def test_deep_page_goes_on_where_the_one_before_ends(
    matching: GraphClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scale, "DEEP", 3)
    async with matching.runtime.database.read() as session:
        for sort in TutorSort:
            everybody = await search_tutors(session, TutorFilter(), sort, PageRequest(100))
            cursor = await scale._cursor(matching.runtime, sort)
            page = await search_tutors(
                session, TutorFilter(), sort, PageRequest(scale.PAGE, cursor=cursor)
            )
            assert [row.id for row in page.items] == [row.id for row in everybody.items[40:]]


async def test_progress_counts_the_tutors(
    client_of: Callable[[str], Awaitable[GraphClient]], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await client_of("matching")
    monkeypatch.setattr("deploy.bench.many_tutors._BATCH", 4)
    seen: list[int] = []
    async with client.runtime.database.write() as session:
        await make_many_tutors(session, 10, seen.append)
        counts = [
            await session.scalar(sa.text(f"SELECT count(*) FROM {table}"))  # noqa: S608 - our own
            for table in ("tutor_profiles", "tutor_listings", "tutor_skills", "availability_rules")
        ]
    assert seen == [4, 8, 10]
    assert counts == [10, 10, 30, 50]


def test_lessons_of_the_busy_tutor_lie_within_four_weeks_and_do_not_overlap() -> None:
    starts = market.lesson_starts(NOW)
    assert len(set(starts)) == len(starts) == market.LESSONS
    assert starts == sorted(starts)
    assert all(after - before >= market.LENGTH for before, after in pairwise(starts))
    assert starts[0] >= NOW
    assert starts[-1] + market.LENGTH <= NOW + timedelta(weeks=market.WEEKS)


def test_slots_are_calculated_as_often_as_asked() -> None:
    count, costs = slots.measure(runs=10)
    assert count > market.LESSONS
    assert [(cost.name, cost.runs) for cost in costs][::2] == [
        ("calculation", 10),
        ("offer tokens of all slots", 1),
    ]
    assert costs[1].runs > 50
    assert all(0 < cost.middle <= cost.p99 for cost in costs)


def test_quick_run_measures_scale_only_when_asked() -> None:
    wanted = {part: run.QUICK.wants(part, None) for part in run.Only}
    assert [part for part, is_wanted in wanted.items() if is_wanted] == [
        run.Only.QUERIES,
        run.Only.EVENTS,
        run.Only.EXECUTOR,
    ]
    assert run.QUICK.wants(run.Only.SCALE, run.Only.SCALE)
    assert not run.QUICK.wants(run.Only.EVENTS, run.Only.SCALE)
    assert all(run.Plan().wants(part, None) for part in run.Only)
