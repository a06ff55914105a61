"""Search: text, filters, facets, orders, and pages without gap or repeat."""

import base64
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.ids import new_id
from tests.subgraphs.learning import factories
from tests.support.graph import GraphClient, counted

SEARCH = """query($filter: CourseSearchInput, $sort: CourseSort! = RELEVANCE, $first: Int,
 $after: String, $last: Int, $before: String) {
  searchCourses(filter: $filter, sort: $sort, first: $first, after: $after, last: $last,
   before: $before) {
    totalCount nodes { title } edges { cursor node { title } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    facets {
      categories { value count } levels { value count } languages { value count }
      prices { atMost count }
    }
  }
}"""
PAGE = """query($filter: CourseSearchInput, $sort: CourseSort! = RELEVANCE, $first: Int,
 $after: String, $last: Int, $before: String) {
  searchCourses(filter: $filter, sort: $sort, first: $first, after: $after, last: $last,
   before: $before) {
    nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}"""


async def search(client: GraphClient, **variables: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await client.ask(SEARCH, **variables)).data["searchCourses"]
    return found


async def titles(client: GraphClient, **wanted: Any) -> list[str]:
    found = await search(client, filter=wanted, first=100)
    assert found["totalCount"] == len(found["nodes"])
    return sorted(node["title"] for node in found["nodes"])


@pytest.fixture
async def catalogue(learning: GraphClient) -> GraphClient:
    """Courses of which each differs from the others in what filters look at."""
    rows: list[dict[str, Any]] = [
        {"title": "Playing the guitar", "category": "music", "price_amount": 0},
        {
            "title": "Jazz guitars",
            "category": "music",
            "level": "ADVANCED",
            "price_amount": 2_000,
            "price_currency": "EUR",
        },
        {
            "title": "Piano",
            "category": "music",
            "description": "Not a guitar lesson.",
            "price_amount": 2_001,
            "max_students": 1,
            "current_students": 1,
        },
        {
            "title": "Álgebra lineal",
            "category": "mathematics",
            "language": "es",
            "level": "INTERMEDIATE",
            "price_amount": 20_001,
            "max_students": 2,
            "current_students": 1,
            "held_seats": 1,
        },
        {"title": "IT for all", "category": None, "price_amount": 20_000},
        {"title": "Hidden guitar", "category": "music", "status": "DRAFT"},
        {"title": "Past guitar", "category": "music", "status": "ARCHIVED"},
        {"title": "Gone guitar", "category": "music", "deleted_at": sa.func.now()},
    ]
    async with learning.runtime.database.write() as session:
        for row in rows:
            await factories.create_course(session, units=0, **row)
    return learning


ALL = ["IT for all", "Jazz guitars", "Piano", "Playing the guitar", "Álgebra lineal"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("guitar", ["Jazz guitars", "Piano", "Playing the guitar"]),
        ("GUITARS", ["Jazz guitars", "Piano", "Playing the guitar"]),
        ("play", ["Playing the guitar"]),
        ("music", ["Jazz guitars", "Piano", "Playing the guitar"]),
        ("lessons", ["Piano"]),
        ("guitar jazz", ["Jazz guitars"]),
        ("piano or jazz", ["Jazz guitars", "Piano"]),
        ('"jazz guitar"', ["Jazz guitars"]),
        ('"guitar jazz"', []),
        ('"guitars music"', []),  # the end of the title and the start of the category
        ("guitar -jazz", ["Piano", "Playing the guitar"]),
        ("guitar -lesson", ["Jazz guitars", "Playing the guitar"]),
        ("guitar -lessons", ["Jazz guitars", "Playing the guitar"]),
        ('music -"guitar lesson"', ["Jazz guitars", "Playing the guitar"]),
        ("-guitar", ["IT for all", "Álgebra lineal"]),
        ("it", ["IT for all"]),  # a stop word of English
        ("álgebra", ["Álgebra lineal"]),
        ("LINEAL", ["Álgebra lineal"]),
        ("drums", []),
        ("   ", ALL),
        ('"', []),
        ("!!! & | <-> (", []),
        ("guitar'); DROP TABLE courses; --", []),
    ],
)
async def test_text_finds_in_title_category_and_description(
    catalogue: GraphClient, text: str, expected: list[str]
) -> None:
    assert await titles(catalogue, text=text) == expected


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ALL),
        ({"category": "music"}, ["Jazz guitars", "Piano", "Playing the guitar"]),
        ({"category": "Music"}, []),
        ({"level": "ADVANCED"}, ["Jazz guitars"]),
        ({"language": "es"}, ["Álgebra lineal"]),
        ({"priceLeast": 2_001}, ["IT for all", "Piano", "Álgebra lineal"]),
        ({"priceMost": 2_000}, ["Jazz guitars", "Playing the guitar"]),
        ({"priceLeast": 2_000, "priceMost": 2_000}, ["Jazz guitars"]),
        ({"currency": "EUR"}, ["Jazz guitars"]),
        ({"hasSeats": True}, ["IT for all", "Jazz guitars", "Playing the guitar"]),
        ({"hasSeats": False}, ["Piano", "Álgebra lineal"]),
        ({"text": "guitar", "hasSeats": True, "priceMost": 0}, ["Playing the guitar"]),
    ],
)
async def test_filters_must_all_hold(
    catalogue: GraphClient, wanted: dict[str, Any], expected: list[str]
) -> None:
    assert await titles(catalogue, **wanted) == expected


async def test_facets_count_all_that_was_found(catalogue: GraphClient) -> None:
    found = await search(catalogue, first=1)
    assert len(found["nodes"]) == 1
    assert found["totalCount"] == 5
    assert found["facets"] == {
        "categories": [{"value": "music", "count": 3}, {"value": "mathematics", "count": 1}],
        "levels": [
            {"value": "BEGINNER", "count": 3},
            {"value": "ADVANCED", "count": 1},
            {"value": "INTERMEDIATE", "count": 1},
        ],
        "languages": [{"value": "en", "count": 4}, {"value": "es", "count": 1}],
        "prices": [
            {"atMost": 0, "count": 1},
            {"atMost": 2_000, "count": 1},
            {"atMost": 5_000, "count": 1},
            {"atMost": 20_000, "count": 1},
            {"atMost": None, "count": 1},
        ],
    }


async def test_facets_hold_under_filters(catalogue: GraphClient) -> None:
    found = await search(catalogue, filter={"text": "guitar", "level": "BEGINNER"})
    assert found["totalCount"] == 2
    assert found["facets"] == {
        "categories": [{"value": "music", "count": 2}],
        "levels": [{"value": "BEGINNER", "count": 2}],
        "languages": [{"value": "en", "count": 2}],
        "prices": [{"atMost": 0, "count": 1}, {"atMost": 5_000, "count": 1}],
    }


async def test_nothing_found_is_counted_as_nothing(catalogue: GraphClient) -> None:
    found = await search(catalogue, filter={"text": "drums"})
    assert (found["totalCount"], found["nodes"]) == (0, [])
    assert found["facets"] == {"categories": [], "levels": [], "languages": [], "prices": []}
    assert found["pageInfo"] == {
        "hasNextPage": False,
        "hasPreviousPage": False,
        "startCursor": None,
        "endCursor": None,
    }


async def test_page_with_count_and_facets_takes_two_statements(catalogue: GraphClient) -> None:
    with counted(catalogue.runtime.database) as statements:
        await search(catalogue, filter={"text": "guitar"})
    assert len(statements) == 2


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("RELEVANCE", ["IT for all", "Álgebra lineal", "Piano"]),
        ("NEWEST", ["IT for all", "Álgebra lineal", "Piano"]),
        ("PRICE_ASCENDING", ["Playing the guitar", "Jazz guitars", "Piano"]),
        ("PRICE_DESCENDING", ["Álgebra lineal", "IT for all", "Piano"]),
    ],
)
async def test_found_courses_are_sorted(
    catalogue: GraphClient, sort: str, expected: list[str]
) -> None:
    found = await search(catalogue, sort=sort, first=3)
    assert [node["title"] for node in found["nodes"]] == expected


async def test_match_in_the_title_comes_before_one_in_the_description(
    catalogue: GraphClient,
) -> None:
    found = await search(catalogue, filter={"text": "guitar"})
    assert found["nodes"][-1]["title"] == "Piano"


@pytest.mark.parametrize(
    ("arguments", "field", "message"),
    [
        ({"first": 101}, "first", "first must be between 0 and 100."),
        ({"first": -1}, "first", "first must be between 0 and 100."),
        ({"last": 101}, "last", "last must be between 0 and 100."),
        ({"first": 1, "last": 1}, "last", "Give first or last, not both."),
        ({"first": 1, "before": "x"}, "before", "Give first/after or last/before, not a mix."),
        ({"filter": {"text": "x" * 201}}, "text", "text may have at most 200 characters."),
        ({"filter": {"text": "a\0b"}}, "text", "text holds characters that are not allowed."),
        ({"filter": {"category": "\0"}}, "category", None),
        ({"filter": {"language": "\0"}}, "language", None),
        (
            {"filter": {"priceLeast": 2, "priceMost": 1}},
            "priceLeast",
            "priceLeast is above priceMost.",
        ),
    ],
)
async def test_bad_argument_is_named(
    learning: GraphClient, arguments: dict[str, Any], field: str, message: str | None
) -> None:
    answer = await learning.ask(PAGE, **arguments)
    [error] = answer.body["errors"]
    assert (error["extensions"]["code"], error["extensions"]["field"]) == ("INVALID_INPUT", field)
    assert message in (None, error["message"])


def packed(*values: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(values)).decode().rstrip("=")


def repacked(cursor: str, *values: Any) -> str:
    """A cursor with the mark of another one and other values."""
    raw = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    return packed(raw[0], *values)


async def test_cursor_of_another_list_is_refused(catalogue: GraphClient) -> None:
    async def cursor(**variables: Any) -> str:
        return str((await search(catalogue, **variables))["pageInfo"]["endCursor"])

    newest = await cursor(sort="NEWEST")
    ascending = await cursor(sort="PRICE_ASCENDING")
    guitar = await cursor(filter={"text": "guitar"})
    bad = [
        "",
        "x",
        "é",
        "====",
        packed(),
        packed(1, 2, 3),
        base64.b64encode(b'"text"').decode(),
        base64.b64encode(b"7").decode(),
        base64.b64encode(b"[" * 5000).decode(),
        ascending,
        guitar,
        newest[:-4],
        repacked(newest, {"t": 5}, {"u": str(new_id())}),
        repacked(newest, {"t": "2026-11-21T00:00:00+00:00"}, {"u": 5}),
        repacked(newest, {"t": "2026-11-21T00:00:00+00:00"}, {"u": "no-id"}),
        repacked(newest, {"x": 1}, {"u": str(new_id())}),
        repacked(newest, None, None),
    ]
    for value in bad:
        for variables in ({"first": 1, "after": value}, {"last": 1, "before": value}):
            argument = list(variables)[1]
            answer = await catalogue.ask(PAGE, sort="NEWEST", **variables)
            assert answer.codes == ["INVALID_INPUT"], value
            assert answer.body["errors"][0]["extensions"]["field"] == argument
            message = f"{argument} is not a cursor of this list."
            assert answer.body["errors"][0]["message"] == message
    for other in (
        {"sort": "PRICE_DESCENDING", "after": ascending},
        {"sort": "PRICE_ASCENDING", "after": repacked(ascending, True, {"u": str(new_id())})},
        {"filter": {"text": "piano"}, "after": guitar},
    ):
        assert (await catalogue.ask(PAGE, **other)).codes == ["INVALID_INPUT"]


async def test_page_of_nothing_tells_whether_there_is_something(catalogue: GraphClient) -> None:
    found = await search(catalogue, first=0)
    assert (found["nodes"], found["edges"]) == ([], [])
    assert found["pageInfo"]["hasNextPage"] is True


async def walk(
    client: GraphClient, size: int, *, backward: bool, **variables: Any
) -> list[list[str]]:
    """Every page of a search, in the order of the list."""
    pages: list[list[str]] = []
    cursor: str | None = None
    while True:
        place = {"last": size, "before": cursor} if backward else {"first": size, "after": cursor}
        found = (await client.ask(PAGE, **variables, **place)).data["searchCourses"]
        pages.append([node["id"] for node in found["nodes"]])
        assert len(pages) <= 20, "the pages never end"
        info = found["pageInfo"]
        assert info["hasPreviousPage" if not backward else "hasNextPage"] is (cursor is not None)
        if not info["hasPreviousPage" if backward else "hasNextPage"]:
            return pages[::-1] if backward else pages
        cursor = info["startCursor" if backward else "endCursor"]


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    # Few values, so that ranks, prices and times tie.
    rows=st.lists(
        st.tuples(
            st.sampled_from(["guitar", "guitar guitar", "a guitar course", "piano"]),
            st.sampled_from([0, 1, 2**53 - 1]),
            st.integers(0, 1),
        ),
        max_size=14,
    ),
    size=st.integers(1, 5),
    sort=st.sampled_from(["RELEVANCE", "NEWEST", "PRICE_ASCENDING", "PRICE_DESCENDING"]),
    text=st.sampled_from(["guitar", "guitar or piano", None]),
)
async def test_pages_hold_every_course_once_in_both_directions(
    learning: GraphClient,
    rows: list[tuple[str, int, int]],
    size: int,
    sort: str,
    text: str | None,
) -> None:
    async with learning.runtime.database.write() as session:
        await session.execute(sa.text("TRUNCATE courses CASCADE"))
        now = await session.scalar(sa.select(sa.func.now()))
        assert now is not None
        for title, price, day in rows:
            await factories.create_course(
                session,
                units=0,
                title=title,
                price_amount=price,
                published_at=now.replace(day=1 + day),
            )
    variables = {"filter": {"text": text}, "sort": sort}
    whole = [
        node["id"]
        for node in (await learning.ask(PAGE, **variables, first=100)).data["searchCourses"][
            "nodes"
        ]
    ]
    assert len(whole) == sum(text != "guitar" or "guitar" in title for title, _, _ in rows)
    assert len(set(whole)) == len(whole)
    for backward in (False, True):
        pages = await walk(learning, size, backward=backward, **variables)
        assert [course_id for page in pages for course_id in page] == whole
        assert all(len(page) == size for page in (pages[1:] if backward else pages[:-1]))


async def test_pages_neither_skip_nor_repeat_while_courses_are_added(
    learning: GraphClient,
) -> None:
    async with learning.runtime.database.write() as session:
        for _ in range(4):
            await factories.create_course(session, units=0)
    query = """query($after: String) { courses(first: 2, after: $after) {
      nodes { id } pageInfo { endCursor } } }"""
    before = (await learning.ask("{ courses(first: 100) { nodes { id } } }")).data["courses"]
    first = (await learning.ask(query)).data["courses"]
    async with learning.runtime.database.write() as session:
        await factories.create_course(session, units=0)
    second = (await learning.ask(query, after=first["pageInfo"]["endCursor"])).data["courses"]
    assert first["nodes"] + second["nodes"] == before["nodes"]
