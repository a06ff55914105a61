"""Ratings are what the reviews say, whatever races, comes twice or is paid back."""

import asyncio
import random
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from shared.events.payment import DisputeClosed
from shared.ids import new_id
from shared.runtime import Runtime
from subgraphs.reviews.handlers import payment_refunded
from subgraphs.reviews.service import ratings
from subgraphs.reviews.timers import refresh_platform_means
from tests.subgraphs.reviews import scene
from tests.subgraphs.reviews.scene import had_lesson, id_of, person, refund_of, review
from tests.support.graph import GraphClient, counted, published, send
from tests.support.operations import code, run, unchanged


async def rated(tutor: GraphClient, student: GraphClient, rating: int, **changes: object) -> str:
    """A lesson of the two with reviews of both; the id of the student's."""
    lesson = await had_lesson(tutor, student, **changes)
    written = await review(student, lesson, rating)
    await review(tutor, lesson, 5)
    return str(written["id"])


async def expected(runtime: Runtime, tutor_id: UUID) -> tuple[int, int]:
    """Sum and number of what counts, computed the slow way."""
    async with runtime.database.read() as session:
        rows = await session.execute(
            sa.text(
                "SELECT reviewer_id, rating FROM reviews WHERE target_id = :id AND is_counted"
                " AND target_type = 'TUTOR' AND status = 'PUBLISHED' ORDER BY submitted_at"
            ),
            {"id": tutor_id},
        )
    latest: dict[UUID, int] = {row.reviewer_id: row.rating for row in rows}
    return sum(latest.values()), len(latest)


@given(ratings_=st.lists(st.integers(1, 5), max_size=60), mean=st.integers(100, 500))
def test_score_lies_between_the_platforms_mean_and_the_own(ratings_: list[int], mean: int) -> None:
    total, count = sum(ratings_), len(ratings_)
    score, own = ratings.score_of(total, count, mean), ratings.mean_of(total, count)
    exact = (10 * mean + 100 * total) / (10 + count)
    assert abs(score - exact) <= 0.5
    if own is None:
        assert score == mean
    else:
        assert min(mean, own) - 1 <= score <= max(mean, own) + 1


async def test_summary_of_a_few_ratings(
    reviews: GraphClient, tutor: GraphClient, student: GraphClient
) -> None:
    await rated(tutor, student, 5)
    await rated(tutor, await person(reviews, "student"), 2)
    assert await scene.summary(reviews, id_of(tutor)) == {
        "count": 2,
        "meanHundredths": 350,
        # (10 * 4.00 + 7) / 12
        "scoreHundredths": 392,
        "histogram": [
            {"rating": 1, "count": 0},
            {"rating": 2, "count": 1},
            {"rating": 3, "count": 0},
            {"rating": 4, "count": 0},
            {"rating": 5, "count": 1},
        ],
    }
    told = [p for kind, p in await published(reviews.runtime) if "rating.updated" in kind]
    last = [p for p in told if p["targetId"] == str(id_of(tutor))][-1]
    assert last == {
        "targetId": str(id_of(tutor)),
        "targetType": "TUTOR",
        "count": 2,
        "mean": 350,
        "score": 392,
        "histogram": [0, 1, 0, 0, 1],
        "version": 2,
    }


async def test_latest_review_of_a_student_counts(tutor: GraphClient, student: GraphClient) -> None:
    for rating in (1, 1, 5):
        await rated(tutor, student, rating)
    found = await scene.summary(student, id_of(tutor))
    assert (found["count"], found["meanHundredths"]) == (1, 500)


async def test_lesson_that_cost_next_to_nothing_does_not_count(
    tutor: GraphClient, student: GraphClient
) -> None:
    await rated(tutor, student, 5, price_amount=99)
    assert (await scene.summary(student, id_of(tutor)))["count"] == 0
    await rated(tutor, student, 4, price_amount=100)
    assert (await scene.summary(student, id_of(tutor)))["count"] == 1


async def test_refund_takes_the_weight_away(
    reviews: GraphClient, tutor: GraphClient, student: GraphClient
) -> None:
    lesson = await had_lesson(tutor, student)
    mine = await review(student, lesson, 1)
    await review(tutor, lesson, 3)
    partial = refund_of(lesson, is_partial=True, refund_amount=1000, refunded_total=1000)
    await send(reviews.subgraph, reviews.runtime, partial)
    assert (await scene.summary(reviews, id_of(tutor)))["count"] == 1
    await send(reviews.subgraph, reviews.runtime, refund_of(lesson))
    assert (await scene.summary(reviews, id_of(tutor)))["count"] == 0
    shown = "query($id: ID!) { review(id: $id) { countsTowardsRating status } }"
    assert (await reviews.ask(shown, id=mine["id"])).data["review"] == {
        "countsTowardsRating": False,
        "status": "PUBLISHED",
    }
    # What the tutor says of the student stands.
    about = await reviews.entities(
        "User", [id_of(student)], "ratingSummary(about: STUDENT) { count }"
    )
    assert about.data["_entities"][0]["ratingSummary"] == {"count": 1}
    # The same fact under another id: past the inbox nothing moves, either.
    async with unchanged(reviews.runtime), reviews.runtime.database.write() as session:
        await payment_refunded(session, refund_of(lesson))


@pytest.mark.parametrize("is_won", [True, False])
async def test_lost_chargeback_is_a_refund(
    reviews: GraphClient, tutor: GraphClient, student: GraphClient, is_won: bool
) -> None:
    lesson = await had_lesson(tutor, student)
    await review(student, lesson, 1)
    await review(tutor, lesson, 3)
    refund = refund_of(lesson).model_dump()
    closed = DisputeClosed(
        **{name: refund[name] for name in DisputeClosed.model_fields if name in refund},
        dispute_id=new_id(),
        disputed_amount=4000,
        is_won=is_won,
    )
    await send(reviews.subgraph, reviews.runtime, closed)
    assert (await scene.summary(reviews, id_of(tutor)))["count"] == int(is_won)


@pytest.mark.parametrize("refund_first", [True, False])
async def test_refund_revokes_a_right_that_is_not_used_yet(
    reviews: GraphClient, tutor: GraphClient, student: GraphClient, refund_first: bool
) -> None:
    lesson = scene.lesson_state(id_of(tutor), id_of(student))
    events = [refund_of(lesson), lesson] if refund_first else [lesson, refund_of(lesson)]
    for event in events:
        await send(reviews.subgraph, reviews.runtime, event)
    asked = {"lessonId": lesson.lesson_id, "rating": 1}
    assert await code(student, scene.SUBMIT, input=asked) == "NOT_ELIGIBLE"
    assert (await review(tutor, lesson, 4))["__typename"] == "Review"


async def test_refund_and_completion_at_once_leave_no_right(reviews: GraphClient) -> None:
    for _ in range(6):
        tutor, student = await person(reviews, "tutor"), await person(reviews, "student")
        lesson = scene.lesson_state(id_of(tutor), id_of(student))
        await asyncio.gather(
            send(reviews.subgraph, reviews.runtime, lesson, twice=False),
            send(reviews.subgraph, reviews.runtime, refund_of(lesson), twice=False),
        )
        asked = {"lessonId": lesson.lesson_id, "rating": 1}
        assert await code(student, scene.SUBMIT, input=asked) == "NOT_ELIGIBLE"


async def test_rating_is_right_after_a_storm(reviews: GraphClient, tutor: GraphClient) -> None:
    chance = random.Random(7)
    students = [await person(reviews, "student") for _ in range(6)]
    moderator = await person(reviews, "moderator")
    lessons = [
        (student, await had_lesson(tutor, student)) for student in students for _ in range(2)
    ]

    async def take_part(student: GraphClient, number: int) -> None:
        lesson = lessons[number][1]
        written = await review(student, lesson, chance.randint(1, 5))
        await review(tutor, lesson, 5)
        if number % 3 == 0:
            await send(reviews.subgraph, reviews.runtime, refund_of(lesson))
        if number % 4 == 1:
            asked = {"id": written["id"], "verdict": "HIDE", "reason": "Spam."}
            await run(moderator, scene.MODERATE, **asked)

    await asyncio.gather(*(take_part(student, n) for n, (student, _) in enumerate(lessons)))
    total, count = await expected(reviews.runtime, id_of(tutor))
    found = await scene.summary(reviews, id_of(tutor))
    assert 0 < count == found["count"]
    assert found["meanHundredths"] == ratings.mean_of(total, count)
    assert found["scoreHundredths"] == ratings.score_of(total, count, 400)
    told = [
        payload["version"]
        for kind, payload in await published(reviews.runtime)
        if "rating.updated" in kind and payload["targetId"] == str(id_of(tutor))
    ]
    assert told == list(range(1, len(told) + 1))


async def test_scores_follow_the_platforms_mean(
    reviews: GraphClient, tutor: GraphClient, student: GraphClient
) -> None:
    other = await person(reviews, "tutor")
    await rated(tutor, student, 1)
    await rated(other, student, 2)
    assert (await scene.summary(reviews, id_of(tutor)))["scoreHundredths"] == 373
    await refresh_platform_means(reviews.runtime)
    # The mean is 1.50 now: (10 * 1.5 + 1) / 11.
    assert (await scene.summary(reviews, id_of(tutor)))["scoreHundredths"] == 145
    async with unchanged(reviews.runtime):
        await refresh_platform_means(reviews.runtime)


async def test_trend_has_a_point_per_day(
    reviews: GraphClient, tutor: GraphClient, student: GraphClient
) -> None:
    await rated(tutor, student, 4)
    async with reviews.runtime.database.write() as session:
        await session.execute(sa.text("UPDATE rating_history SET day = day - 10"))
    await rated(tutor, await person(reviews, "student"), 2)
    ask = "ratingSummary {{ trend(days: {days}) {{ count meanHundredths }} }}"
    for days, points in ((5, 1), (30, 2)):
        answer = await reviews.entities("User", [id_of(tutor)], ask.format(days=days))
        trend = answer.data["_entities"][0]["ratingSummary"]["trend"]
        assert len(trend) == points
        assert trend[-1] == {"count": 2, "meanHundredths": 300}


async def test_page_of_tutors_costs_one_statement_per_relation(
    reviews: GraphClient, student: GraphClient
) -> None:
    fields = """ratingSummary { scoreHundredths trend { count } }
        reviewsReceived(first: 3) { nodes { rating helpfulCount reply { text } } }"""
    seen = set()
    for number in (1, 20):
        tutors = [await person(reviews, "tutor") for _ in range(number)]
        for each in tutors[:3]:
            await rated(each, student, 4)
        with counted(reviews.runtime.database) as statements:
            answer = await reviews.entities("User", [id_of(each) for each in tutors], fields)
        assert answer.data["_entities"][0]["ratingSummary"]["scoreHundredths"] == 400
        seen.add(len(statements))
    assert seen == {5}


async def test_tutor_profile_has_the_tutors_rating(
    reviews: GraphClient, tutor: GraphClient, student: GraphClient
) -> None:
    await rated(tutor, student, 4)
    query = """query($r: [_Any!]!) { _entities(representations: $r) {
        ... on TutorProfile { ratingSummary { count } } } }"""
    asked = [
        {"__typename": "TutorProfile", "userId": str(id_of(tutor))},
        {"__typename": "TutorProfile", "userId": "nonsense"},
    ]
    answer = await reviews.ask(query, r=asked)
    assert answer.data["_entities"] == [{"ratingSummary": {"count": 1}}, None]
