"""Tutor search: words, filters, orders, pages and facets."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from deploy.bench.many_tutors import make_many_tutors
from shared.db import utc_now
from shared.runtime import Runtime
from subgraphs.matching.models import SkillLevel, TutorProfile
from subgraphs.matching.service import listings, search
from subgraphs.matching.timers import purge_words, refresh_listings
from tests.subgraphs.matching import factories
from tests.subgraphs.matching import operations as op
from tests.subgraphs.matching.factories import DAY, iso, next_day
from tests.subgraphs.matching.operations import run
from tests.support.graph import Answer, GraphClient, counted, send
from tests.support.pipeline import user_state

TUTORS = """query($filter: TutorSearchInput, $sort: TutorSort! = RELEVANCE, $first: Int,
  $after: String, $last: Int, $before: String) {
  tutors(filter: $filter, sort: $sort, first: $first, after: $after, last: $last, before: $before) {
    nodes { headline } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
FACETS = """query($filter: TutorSearchInput) { tutors(filter: $filter) { facets {
  counted isCapped skills { skill { name } count } languages { language count }
  prices { atMost count } ratings { atLeast count } } } }"""


async def ask(client: GraphClient, **variables: Any) -> Answer:
    return await client.ask(TUTORS, **variables)


async def found(client: GraphClient, sort: str = "RELEVANCE", **wanted: Any) -> list[str]:
    answer = await ask(client, filter=wanted, sort=sort)
    return [node["headline"] for node in answer.data["tutors"]["nodes"]]


async def make(runtime: Runtime, headline: str, **overrides: Any) -> TutorProfile:
    async with runtime.database.write() as session:
        return await factories.create_tutor(session, headline=headline, **overrides)


async def test_words_are_found_in_name_headline_text_and_skills(matching: GraphClient) -> None:
    runtime = matching.runtime
    async with runtime.database.write() as session:
        guitar = await factories.create_skill(session, "Jazz guitar")
    await make(runtime, "By skill", skills=[(guitar, SkillLevel.BEGINNER, None)])
    await make(runtime, "By headline of a guitar player")
    await make(runtime, "By text", bio="I have played the Guitars for years.")
    await make(runtime, "By name", name=("José", "Guitarra"))
    await make(runtime, "Nothing of it")
    assert sorted(await found(matching, text="guitar")) == [
        "By headline of a guitar player",
        "By skill",
        "By text",
    ]
    # What speaks of it in front counts more.
    assert (await found(matching, text="GUITAR"))[-1] == "By text"
    assert await found(matching, text="jose") == ["By name"]
    assert await found(matching, text="José") == ["By name"]
    assert await found(matching, text="jazz guitar") == ["By skill"]
    assert await found(matching, text="the guitars of") == await found(matching, text="guitar")
    assert await found(matching, text="piano") == []


async def test_misspelt_words_are_corrected_and_written_ones_come_first(
    matching: GraphClient,
) -> None:
    await make(matching.runtime, "Learn mathematics")
    await make(matching.runtime, "Learn the guitar")
    await make(matching.runtime, "Learn the sitar")
    assert await found(matching, text="mathmatics") == ["Learn mathematics"]
    assert await found(matching, text="guitr") == ["Learn the guitar"]
    assert await found(matching, text="learn guittar") == ["Learn the guitar"]
    # A word that somebody uses is taken as it is.
    assert await found(matching, text="sitar") == ["Learn the sitar"]
    assert await found(matching, text="xylophone") == []


@pytest.mark.parametrize(
    "text", ["", "  ", "!?", "the", "' OR 1=1 --", "a & b | !c <-> (d", "\\", "%", ":*", "né\u0301"]
)
async def test_any_text_is_a_search(matching: GraphClient, text: str) -> None:
    await make(matching.runtime, "Learn mathematics")
    expected = ["Learn mathematics"] if not any(map(str.isalnum, text)) else []
    assert await found(matching, text=text) == expected


async def test_skills_levels_languages_and_prices_filter(matching: GraphClient) -> None:
    runtime = matching.runtime
    async with runtime.database.write() as session:
        guitar = await factories.create_skill(session, "Guitar")
        piano = await factories.create_skill(session, "Piano")
    await make(
        runtime,
        "Guitar to the end",
        skills=[(guitar, SkillLevel.ADVANCED, None)],
        languages=["en-GB", "de"],
        rate_amount=5000,
        rating=(3, 480, 430),
    )
    await make(
        runtime,
        "Guitar for the start",
        skills=[(guitar, SkillLevel.BEGINNER, None), (piano, SkillLevel.ADVANCED, None)],
        languages=["pt-BR"],
        rate_amount=3000,
        rate_currency="EUR",
        rating=(30, 440, 435),
    )

    async def both(**wanted: Any) -> list[str]:
        return sorted(each.split()[-1] for each in await found(matching, **wanted))

    assert await both(skillId=str(guitar.id)) == ["end", "start"]
    assert await both(skillId=str(guitar.id), level="BEGINNER") == ["end", "start"]
    assert await both(skillId=str(guitar.id), level="INTERMEDIATE") == ["end"]
    assert await both(skillId=str(piano.id), level="ADVANCED") == ["start"]
    assert await both(language="en") == ["end"]
    assert await both(language="en-gb") == ["end"]
    assert await both(language="pt-BR") == ["start"]
    assert await both(language="fr") == []
    assert await both(language="de", skillId=str(piano.id)) == []
    assert await both(priceLeast=3000, priceMost=3000) == ["start"]
    assert await both(priceLeast=3001) == ["end"]
    assert await both(currency="USD") == ["end"]
    assert await both(ratingLeast=440) == ["end", "start"]
    assert await both(ratingLeast=441) == ["end"]
    assert await both(text="guitar", priceMost=4000) == ["start"]


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"priceLeast": 2, "priceMost": 1}, "priceLeast"),
        ({"level": "BEGINNER"}, "level"),
        ({"ratingLeast": 501}, "ratingLeast"),
        ({"language": "english!"}, "language"),
        ({"text": "x" * 201}, "text"),
        ({"skillId": "no-id"}, "skillId"),
        ({"availableFrom": "2026-01-01T00:00:00Z"}, "availableFrom"),
        ({"availableTo": "2026-01-01T00:00:00Z"}, "availableFrom"),
        (
            {"availableFrom": "2026-01-02T00:00:00Z", "availableTo": "2026-01-01T00:00:00Z"},
            "availableFrom",
        ),
        (
            {"availableFrom": "2026-01-01T00:00:00Z", "availableTo": "2026-01-08T00:00:01Z"},
            "availableTo",
        ),
        (
            {"availableFrom": "9999-12-30T00:00:00Z", "availableTo": "9999-12-31T00:00:00Z"},
            "availableTo",
        ),
    ],
)
async def test_malformed_filter_is_refused_by_field(
    matching: GraphClient, wanted: dict[str, Any], field: str
) -> None:
    answer = await ask(matching, filter=wanted)
    assert answer.codes == ["INVALID_INPUT"]
    assert answer.body["errors"][0]["extensions"]["field"] == field


async def test_free_within_a_window_means_room_for_the_shortest_lesson(
    matching: GraphClient,
) -> None:
    runtime = matching.runtime
    early = await make(runtime, "Early", hours=(6, 9))
    await make(runtime, "Late", hours=(18, 21), minimum_notice_minutes=10 * 1440)
    await make(runtime, "Unpaid", hours=(6, 9), is_payable=False)
    day = next_day()

    async def free(start: timedelta, end: timedelta) -> list[str]:
        window = {"availableFrom": iso(day + start), "availableTo": iso(day + end)}
        return sorted(await found(matching, **window))

    hour = timedelta(hours=1)
    assert await free(6 * hour, 9 * hour) == ["Early"]
    assert await free(8 * hour, 9 * hour) == ["Early"]
    assert await free(8 * hour, 9 * hour - timedelta(seconds=1)) == []
    assert await free(8 * hour + timedelta(minutes=1), 12 * hour) == []
    assert await free(9 * hour, 24 * hour) == []
    late = 11 * DAY + 18 * hour
    assert await free(late, late + hour) == ["Late"]
    # A lesson takes the room away, and its cancellation gives it back.
    lesson = factories.lesson(early.user_id, day + 8 * hour)
    await send(matching.subgraph, runtime, lesson)
    assert await free(8 * hour, 9 * hour) == []
    freed = lesson.model_copy(update={"status": "CANCELLED_BY_STUDENT", "version": 2})
    await send(matching.subgraph, runtime, freed)
    assert await free(8 * hour, 9 * hour) == ["Early"]


async def test_orders_are_total(matching: GraphClient) -> None:
    runtime = matching.runtime
    now = utc_now()
    old = now - 100 * DAY
    await make(runtime, "cheap", rate_amount=1000, verified_at=old, rating=(50, 410, 405))
    await make(runtime, "dear", rate_amount=9000, verified_at=old - DAY, rating=(50, 490, 480))
    await make(runtime, "new", rate_amount=5000, verified_at=now)
    assert await found(matching, "PRICE") == ["cheap", "new", "dear"]
    assert await found(matching, "RATING") == ["dear", "cheap", "new"]
    assert await found(matching, "NEWEST") == ["new", "cheap", "dear"]
    # Without a rating 350, and the whole boost of 60 on the first day.
    assert await found(matching, "RELEVANCE") == ["dear", "new", "cheap"]


@pytest.mark.parametrize("sort", ["RELEVANCE", "PRICE", "RATING", "NEWEST"])
@pytest.mark.parametrize("text", [None, "lessons"])
async def test_pages_hold_everybody_once_in_either_direction(
    matching: GraphClient, sort: str, text: str | None
) -> None:
    async with matching.runtime.database.write() as session:
        for number in range(7):
            # Equal in everything but the name.
            await factories.create_tutor(session, headline=f"Lessons {number}", hours=None)
    wanted = {"filter": {"text": text}, "sort": sort}
    whole = [node["headline"] for node in (await ask(matching, **wanted)).data["tutors"]["nodes"]]
    assert len(set(whole)) == 7
    seen: list[str] = []
    cursor = None
    while True:
        page = (await ask(matching, **wanted, first=3, after=cursor)).data["tutors"]
        seen += [node["headline"] for node in page["nodes"]]
        cursor = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == whole
    page = (await ask(matching, **wanted, last=3, before=cursor)).data["tutors"]
    assert [node["headline"] for node in page["nodes"]] == whole[-4:-1]


@pytest.mark.parametrize("sort", ["RELEVANCE", "PRICE", "RATING", "NEWEST"])
async def test_those_who_are_rare_are_found_beyond_the_first_ones(
    matching: GraphClient, monkeypatch: pytest.MonkeyPatch, sort: str
) -> None:
    for number in range(12):
        languages = ["en", "eo"] if number % 4 == 3 else ["en"]
        await make(matching.runtime, f"Tutor {number}", languages=languages)
    wanted = {"language": "eo", "priceLeast": 1}
    everybody = await found(matching, sort, **wanted)
    assert len(everybody) == 3
    monkeypatch.setattr(search, "MOST_TRIED", 2)
    assert await found(matching, sort, **wanted) == everybody
    for forward in (True, False):
        size, place = ("first", "after") if forward else ("last", "before")
        seen: list[str] = []
        cursor = None
        for _ in everybody:
            page = {size: 1, place: cursor}
            connection = (await ask(matching, sort=sort, filter=wanted, **page)).data["tutors"]
            seen += [node["headline"] for node in connection["nodes"]]
            cursor = connection["pageInfo"]["endCursor"]
        assert seen == (everybody if forward else everybody[::-1])
    assert await found(matching, sort, language="ia") == []


async def test_page_that_is_full_takes_one_statement_and_one_of_rare_tutors_two(
    matching: GraphClient,
) -> None:
    for number in range(3):
        await make(matching.runtime, f"Tutor {number}")
    for first, statements in ((2, 1), (3, 2)):
        with counted(matching.runtime.database) as counts:
            answer = await ask(matching, filter={"language": "en"}, first=first)
        assert len(answer.data["tutors"]["nodes"]) == first
        assert len(counts) == statements


async def test_cursor_of_another_order_or_text_is_refused(matching: GraphClient) -> None:
    for number in range(3):
        await make(matching.runtime, f"Guitar lessons {number}", hours=None)

    async def cursor(**wanted: Any) -> str:
        page: dict[str, Any] = (await ask(matching, first=1, **wanted)).data["tutors"]["pageInfo"]
        return str(page["endCursor"])

    of_text = await cursor(filter={"text": "guitar"})
    for wanted in ({}, {"sort": "PRICE"}, {"filter": {"text": "lessons"}}):
        answer = await ask(matching, after=of_text, **wanted)
        assert answer.codes == ["INVALID_INPUT"]
    again = await ask(matching, after=of_text, filter={"text": "guitar"})
    assert len(again.data["tutors"]["nodes"]) == 2


async def test_unverified_and_paused_tutors_are_not_found(
    matching: GraphClient, admin: GraphClient, profile: TutorProfile, tutor: GraphClient
) -> None:
    await make(matching.runtime, "Hidden tutor", is_verified=False, verified_at=None)
    assert await found(admin) == [profile.headline]
    await run(tutor, op.PAUSE, id=profile.id)
    assert await found(matching) == []
    await run(tutor, op.RESUME, id=profile.id)
    assert await found(matching) == [profile.headline]


async def test_search_follows_profile_skills_name_and_rating(
    matching: GraphClient, profile: TutorProfile, tutor: GraphClient
) -> None:
    async with matching.runtime.database.write() as session:
        cello = await factories.create_skill(session, "Cello")
    await run(tutor, op.UPDATE_PROFILE, id=profile.id, input={"headline": "Baroque music"})
    assert await found(matching, text="baroque") == ["Baroque music"]
    given = [{"skillId": str(cello.id), "level": "ADVANCED"}]
    await run(tutor, op.SET_SKILLS, profileId=profile.id, skills=given)
    assert await found(matching, text="cello") == ["Baroque music"]
    renamed = user_state(profile.user_id, version=2, first_name="Zoë", last_name="Quist")
    await send(matching.subgraph, matching.runtime, renamed)
    assert await found(matching, text="zoe quist") == ["Baroque music"]
    assert await found(matching, text="rivera") == []
    rated = factories.rating(profile.user_id, mean=470, score=450, version=2)
    older = factories.rating(profile.user_id, mean=200, score=210, version=1)
    other = factories.rating(profile.user_id, mean=100, score=100, version=9, target_type="STUDENT")
    await send(matching.subgraph, matching.runtime, rated, older)
    await send(matching.subgraph, matching.runtime, older, other)
    assert await found(matching, ratingLeast=470) == ["Baroque music"]
    query = "query($id: ID!) { tutorProfile(id: $id) { rating { count mean score } } }"
    assert (await matching.ask(query, id=profile.id)).data["tutorProfile"]["rating"] == {
        "count": 12,
        "mean": 470,
        "score": 450,
    }


async def test_facets_count_what_was_found(matching: GraphClient) -> None:
    runtime = matching.runtime
    async with runtime.database.write() as session:
        guitar = await factories.create_skill(session, "Guitar")
        piano = await factories.create_skill(session, "Piano")
    level = SkillLevel.ADVANCED
    both = [(guitar, level, None), (piano, level, None)]
    await make(runtime, "One", skills=both, rate_amount=1000, rating=(1, 460, 400))
    await make(runtime, "Two", skills=both[:1], rate_amount=1001, rating=(1, 450, 400))
    await make(runtime, "Three", languages=["en", "de-AT"], rate_amount=20000, rating=(1, 310, 400))
    facets = (await matching.ask(FACETS, filter={})).data["tutors"]["facets"]
    assert facets == {
        "counted": 3,
        "isCapped": False,
        "skills": [
            {"skill": {"name": "Guitar"}, "count": 2},
            {"skill": {"name": "Piano"}, "count": 1},
        ],
        "languages": [
            {"language": "en", "count": 3},
            {"language": "de", "count": 1},
            {"language": "de-at", "count": 1},
        ],
        "prices": [
            {"atMost": 1000, "count": 1},
            {"atMost": 2000, "count": 1},
            {"atMost": None, "count": 1},
        ],
        "ratings": [{"atLeast": 450, "count": 2}, {"atLeast": 400, "count": 2},
                    {"atLeast": 350, "count": 2}, {"atLeast": 300, "count": 3}],
    }  # fmt: skip
    facets = (await matching.ask(FACETS, filter={"text": "two"})).data["tutors"]["facets"]
    assert (facets["counted"], facets["languages"]) == (1, [{"language": "en", "count": 1}])


async def test_facets_count_a_thousand_at_most_and_say_so(
    matching: GraphClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert search.MOST_COUNTED == 1_000
    monkeypatch.setattr(search, "MOST_COUNTED", 2)
    for number, capped in enumerate((False, False, True), start=1):
        await make(matching.runtime, f"Tutor {number}", hours=None)
        facets = (await matching.ask(FACETS, filter={})).data["tutors"]["facets"]
        assert (facets["counted"], facets["isCapped"]) == (min(number, 2), capped)
        assert facets["languages"] == [{"language": "en", "count": min(number, 2)}]


@pytest.mark.parametrize("tutors", [1, 20])
async def test_page_with_all_about_tutors_takes_seven_statements(
    matching: GraphClient, admin: GraphClient, tutors: int
) -> None:
    async with matching.runtime.database.write() as session:
        guitar = await factories.create_skill(session, "Guitar")
        taught = [(guitar, SkillLevel.ADVANCED, None)]
        for _ in range(tutors):
            await factories.create_tutor(session, skills=taught, rating=(1, 400, 400))
    query = """{ tutors(first: 20) { nodes { id hourlyRate { amount } rating { mean } nextFreeSlot
      skills { skill { name } } isFavourite availability { rules { weekday } } } } }"""
    with counted(matching.runtime.database) as statements:
        nodes = (await admin.ask(query)).data["tutors"]["nodes"]
    assert len(nodes) == tutors
    assert all(node["nextFreeSlot"] and node["rating"] and node["skills"] for node in nodes)
    # Viewer, page, ratings, next slots, skills, favourites, rules.
    assert len(statements) == 7
    plain = (
        "{ tutors(first: 20) { nodes { id hourlyRate { amount } rating { mean } nextFreeSlot } } }"
    )
    with counted(matching.runtime.database) as statements:
        await matching.ask(plain)
    assert len(statements) == 3


async def test_made_tutors_can_be_searched_as_measurements_do(matching: GraphClient) -> None:
    async with matching.runtime.database.write() as session:
        await make_many_tutors(session, 60)
    query = """query($sort: TutorSort!) { tutors(sort: $sort, first: 100) {
      nodes { id isBookable nextFreeSlot skills { level } } } }"""
    for sort in ("RELEVANCE", "PRICE", "RATING", "NEWEST"):
        nodes = (await matching.ask(query, sort=sort)).data["tutors"]["nodes"]
        assert len({node["id"] for node in nodes}) == 60
        assert all(len(node["skills"]) == 3 for node in nodes)
        assert all((node["nextFreeSlot"] is not None) is node["isBookable"] for node in nodes)
    async with matching.runtime.database.write() as session:
        ids = await session.scalars(sa.text("SELECT id FROM tutor_profiles LIMIT 5"))
        profiles = [await session.get_one(TutorProfile, id_) for id_ in ids]
        # What was made by SQL is what the service writes, as far as filters see it.
        listing = "SELECT tags FROM tutor_listings WHERE profile_id = ANY(:ids) ORDER BY profile_id"
        wanted = {"ids": [each.id for each in profiles]}
        made = [sorted(tags) for tags in await session.scalars(sa.text(listing), wanted)]
        await listings.refresh_listings(session, profiles)
        kept = [set(tags) for tags in await session.scalars(sa.text(listing), wanted)]
    assert all(set(before) <= after for before, after in zip(made, kept, strict=True))


async def test_listings_are_refreshed_as_time_passes(
    matching: GraphClient, profile: TutorProfile
) -> None:
    runtime = matching.runtime
    other = await make(runtime, "Fresh")
    async with runtime.database.write() as session:
        await session.execute(
            sa.text(
                "UPDATE tutor_listings SET free_starts = '{}', standing = 0,"
                " refreshed_at = refreshed_at - CASE WHEN profile_id = :id"
                " THEN interval '6 hours' ELSE interval '0' END"
            ),
            {"id": profile.id},
        )
    await refresh_listings(runtime)
    async with runtime.database.read() as reading:
        rows = await reading.execute(
            sa.text(
                "SELECT profile_id, cardinality(free_starts) > 60, standing FROM tutor_listings"
            )
        )
        known = {row[0]: (row[1], row[2]) for row in rows}
    assert known == {profile.id: (True, 410), other.id: (False, 0)}


async def test_words_that_nobody_uses_any_more_are_forgotten(
    matching: GraphClient, profile: TutorProfile, tutor: GraphClient
) -> None:
    await run(tutor, op.UPDATE_PROFILE, id=profile.id, input={"headline": "Obsolete words"})
    await run(tutor, op.UPDATE_PROFILE, id=profile.id, input={"headline": "Modern words"})
    await purge_words(matching.runtime)
    async with matching.runtime.database.read() as reading:
        words = set(await reading.scalars(sa.text("SELECT word FROM search_words")))
    assert {"modern", "words", "tom", "rivera"} <= words
    assert not words & {"obsolete", "patient"}
