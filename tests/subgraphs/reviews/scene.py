"""Lessons, courses and payments as other subgraphs tell of them, and reviews' operations."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared.events.learning import EnrollmentCompleted, LessonCompleted, LessonState
from shared.events.payment import PaymentRefunded
from shared.ids import new_id
from tests.support.graph import GraphClient, send
from tests.support.operations import mutation, run
from tests.support.pipeline import user_state

REVIEW = """id rating comment status targetType isVerified countsTowardsRating
 reviewer { id } target { id } lesson { id } course { id } reply { text author { id } }
 helpfulCount isHelpfulToMe"""
SUBMIT = mutation(
    "submitReview", "$input: SubmitReviewInput!, $idempotencyKey: String", "Review", REVIEW
)
EDIT = mutation("editReview", "$id: ID!, $rating: Int, $comment: String", "Review", REVIEW)
REPLY = mutation("replyToReview", "$id: ID!, $text: String!", "Review", REVIEW)
VOTE = mutation("voteHelpful", "$id: ID!, $helpful: Boolean!", "Review", REVIEW)
REPORT = "id kind reason status reporter { id } review { id }"
REPORT_REVIEW = mutation("reportReview", "$id: ID!, $reason: String!", "ReviewReport", REPORT)
APPEAL = mutation("appealModeration", "$id: ID!, $reason: String!", "ReviewReport", REPORT)
MODERATE = mutation(
    "moderateReview", "$id: ID!, $verdict: Verdict!, $reason: String!", "Review", REVIEW
)
SUMMARY = "count meanHundredths scoreHundredths histogram { rating count }"


async def person(client: GraphClient, *roles: str, **state: Any) -> GraphClient:
    """Somebody whom reviews knows, signed in."""
    user_id = new_id()
    await send(client.subgraph, client.runtime, user_state(user_id, roles=roles, **state))
    return client.as_user(user_id, *roles)


def id_of(client: GraphClient) -> UUID:
    """Who a client is signed in as."""
    from joserfc import jwt

    from tests.support.tokens import KEY

    assert client.token is not None
    return UUID(jwt.decode(client.token, KEY, algorithms=["ES256"]).claims["sub"])


def lesson_state(
    tutor_id: UUID,
    *student_ids: UUID,
    kind: type[LessonState] = LessonCompleted,
    **changes: Any,
) -> LessonState:
    """A lesson as learning publishes it: completed, one to one, 40 dollars."""
    now = datetime.now(UTC)
    values: dict[str, Any] = {
        "lesson_id": new_id(),
        "tutor_id": tutor_id,
        "student_ids": student_ids,
        "course_id": None,
        "kind": "ONE_TO_ONE",
        "status": "COMPLETED",
        "starts_at": now - timedelta(hours=2),
        "ends_at": now - timedelta(hours=1),
        "price_amount": 4000,
        "price_currency": "USD",
        "hold_expires_at": None,
        "completed_at": now,
        "dispute_until": now + timedelta(hours=72),
        "refund_bps": None,
        "version": 3,
    }
    return kind(**(values | changes))


def refund_of(lesson: LessonState, **changes: Any) -> PaymentRefunded:
    """The whole price of a lesson went back to its student."""
    values: dict[str, Any] = {
        "payment_id": new_id(),
        "payable_type": "LESSON",
        "payable_id": lesson.lesson_id,
        "purchase_id": lesson.lesson_id,
        "payer_id": lesson.student_ids[0],
        "payee_id": lesson.tutor_id,
        "amount": lesson.price_amount,
        "currency": "USD",
        "refund_id": new_id(),
        "refund_amount": lesson.price_amount,
        "refunded_total": lesson.price_amount,
        "is_partial": False,
        "version": 4,
    }
    return PaymentRefunded(**(values | changes))


def completion(course_id: UUID, student_id: UUID) -> EnrollmentCompleted:
    """A student completed a course."""
    return EnrollmentCompleted(
        enrollment_id=new_id(), course_id=course_id, student_id=student_id, version=5
    )


async def had_lesson(tutor: GraphClient, student: GraphClient, **changes: Any) -> LessonState:
    """A lesson of the two is over."""
    lesson = lesson_state(id_of(tutor), id_of(student), **changes)
    await send(tutor.subgraph, tutor.runtime, lesson)
    return lesson


async def review(
    client: GraphClient, lesson: LessonState, rating: int = 5, **more: Any
) -> dict[str, Any]:
    """Review a lesson."""
    given = {"lessonId": lesson.lesson_id, "rating": rating, **more}
    return await run(client, SUBMIT, input=given)


async def summary(client: GraphClient, user_id: UUID) -> dict[str, Any]:
    """A tutor's rating."""
    answer = await client.entities("User", [user_id], f"ratingSummary {{ {SUMMARY} }}")
    found: dict[str, Any] = answer.data["_entities"][0]["ratingSummary"]
    return found


async def pass_time(client: GraphClient, **moments: str) -> None:
    """Move the moments of all rows into the past: `table_column="interval"`."""
    async with client.runtime.database.write() as session:
        for place, interval in moments.items():
            table, column = place.split("__")
            await session.execute(
                sa.text(
                    f"UPDATE {table} SET {column} = {column}"  # noqa: S608
                    f" - CAST(:interval AS interval)"
                ),
                {"interval": interval},
            )
