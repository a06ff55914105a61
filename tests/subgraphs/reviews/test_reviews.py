"""Who may review what, how long it is blind, and what can be changed afterwards."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from shared.events.learning import LessonCancelled, LessonScheduled
from shared.ids import new_id
from subgraphs.reviews.timers import publish_blind_reviews
from tests.subgraphs.reviews import scene
from tests.subgraphs.reviews.scene import had_lesson, id_of, pass_time, person, review
from tests.support.graph import GraphClient, published, send
from tests.support.operations import code, run, unchanged


def kinds(events: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [kind.removeprefix("edtech.reviews.").removesuffix(".v1") for kind, _ in events]


async def test_review_is_blind_until_the_other_side_has_written(
    student: GraphClient, tutor: GraphClient, reviews: GraphClient
) -> None:
    lesson = await had_lesson(tutor, student)
    first = await review(student, lesson, 4, comment=" Clear and patient. ")
    review_id = first.pop("id")
    assert first == {
        "__typename": "Review",
        "rating": 4,
        "comment": "Clear and patient.",
        "status": "BLIND",
        "targetType": "TUTOR",
        "isVerified": True,
        "countsTowardsRating": True,
        "reviewer": {"id": str(id_of(student))},
        "target": {"id": str(id_of(tutor))},
        "lesson": {"id": str(lesson.lesson_id)},
        "course": None,
        "reply": None,
        "helpfulCount": 0,
        "isHelpfulToMe": False,
    }
    ask = "query($id: ID!) { review(id: $id) { rating status } }"
    for other in (tutor, reviews, await person(reviews, "admin")):
        seen = (await other.ask(ask, id=review_id)).data["review"]
        is_admin = other is not tutor and other is not reviews
        assert seen == ({"rating": 4, "status": "BLIND"} if is_admin else None)
    assert (await scene.summary(reviews, id_of(tutor)))["count"] == 0
    second = await review(tutor, lesson, 5)
    assert (second["status"], second["targetType"]) == ("PUBLISHED", "STUDENT")
    assert (await reviews.ask(ask, id=review_id)).data["review"]["status"] == "PUBLISHED"
    assert kinds(await published(reviews.runtime)) == [
        "review.submitted",
        "review.submitted",
        "review.published",
        "rating.updated",
        "review.published",
        "rating.updated",
    ]
    assert (await scene.summary(reviews, id_of(tutor)))["count"] == 1


async def test_two_who_write_at_once_see_each_other(reviews: GraphClient) -> None:
    for _ in range(4):
        student, tutor = await person(reviews, "student"), await person(reviews, "tutor")
        lesson = await had_lesson(tutor, student)
        await asyncio.gather(review(student, lesson, 3), review(tutor, lesson, 4))
        async with reviews.runtime.database.read() as session:
            states = await session.scalars(
                sa.text("SELECT status FROM reviews WHERE lesson_id = :id"),
                {"id": lesson.lesson_id},
            )
        assert list(states) == ["PUBLISHED", "PUBLISHED"]


async def test_unanswered_review_is_published_after_seven_days(
    student: GraphClient, tutor: GraphClient, reviews: GraphClient
) -> None:
    lesson = await had_lesson(tutor, student)
    await review(student, lesson, 2)
    await pass_time(reviews, reviews__publish_at="6 days 23 hours 59 minutes")
    await publish_blind_reviews(reviews.runtime)
    assert (await scene.summary(reviews, id_of(tutor)))["count"] == 0
    await pass_time(reviews, reviews__publish_at="1 minute")
    await asyncio.gather(*(publish_blind_reviews(reviews.runtime) for _ in range(3)))
    assert (await scene.summary(reviews, id_of(tutor)))["histogram"][1]["count"] == 1
    assert kinds(await published(reviews.runtime)) == [
        "review.submitted",
        "review.published",
        "rating.updated",
    ]
    late = await review(tutor, lesson, 5)
    assert late["status"] == "PUBLISHED"


async def test_only_participants_of_a_completed_lesson_may_review(
    student: GraphClient, tutor: GraphClient, reviews: GraphClient
) -> None:
    lesson = await had_lesson(tutor, student)
    stranger = await person(reviews, "student")
    for client, wanted in (
        (stranger, "NOT_ELIGIBLE"),
        (reviews, "UNAUTHENTICATED"),
        (await person(reviews, "student", status="UNVERIFIED"), "EMAIL_NOT_VERIFIED"),
    ):
        given = {"lessonId": lesson.lesson_id, "rating": 5}
        assert await code(client, scene.SUBMIT, input=given) == wanted
    scheduled = scene.lesson_state(
        id_of(tutor), id_of(student), kind=LessonScheduled, status="SCHEDULED"
    )
    cancelled = scene.lesson_state(
        id_of(tutor), id_of(student), kind=LessonCancelled, status="CANCELLED_BY_TUTOR"
    )
    await send(reviews.subgraph, reviews.runtime, scheduled, cancelled)
    for other in (scheduled, cancelled):
        given = {"lessonId": other.lesson_id, "rating": 5}
        assert await code(student, scene.SUBMIT, input=given) == "NOT_ELIGIBLE"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"rating": 0}, "rating"),
        ({"rating": 6}, "rating"),
        ({"comment": "x" * 5001}, "comment"),
        ({"comment": "a\x00b"}, "comment"),
        ({"lessonId": None}, "lessonId"),
        ({"courseId": str(new_id())}, "lessonId"),
        ({"lessonId": "nonsense"}, "lessonId"),
    ],
)
async def test_bad_input_names_its_field(
    student: GraphClient, tutor: GraphClient, given: dict[str, Any], field: str
) -> None:
    lesson = await had_lesson(tutor, student)
    values = {"lessonId": str(lesson.lesson_id), "rating": 5} | given
    async with unchanged(student.runtime):
        result = await run(student, scene.SUBMIT, input=values)
    assert (result["code"], result["field"]) == ("INVALID_INPUT", field)


async def test_second_review_of_a_lesson_is_refused(
    student: GraphClient, tutor: GraphClient
) -> None:
    lesson = await had_lesson(tutor, student)
    outcomes = await asyncio.gather(*(review(student, lesson, 5) for _ in range(8)))
    codes = [outcome.get("code", "written") for outcome in outcomes]
    assert sorted(codes) == ["ALREADY_REVIEWED"] * 7 + ["written"]


async def test_same_key_gives_the_same_review(student: GraphClient, tutor: GraphClient) -> None:
    lesson = await had_lesson(tutor, student)
    given = {"lessonId": lesson.lesson_id, "rating": 5}
    first, second = [
        await run(student, scene.SUBMIT, input=given, idempotencyKey="my-review-1")
        for _ in range(2)
    ]
    assert first == second
    other = given | {"rating": 1}
    assert (
        await code(student, scene.SUBMIT, input=other, idempotencyKey="my-review-1") == "CONFLICT"
    )


async def test_right_to_review_ends_after_thirty_days(
    student: GraphClient, tutor: GraphClient
) -> None:
    lesson = await had_lesson(tutor, student)
    await pass_time(student, review_eligibility__expires_at="30 days")
    given = {"lessonId": lesson.lesson_id, "rating": 5}
    assert await code(student, scene.SUBMIT, input=given) == "NOT_ELIGIBLE"
    can = await student.entities("Lesson", [lesson.lesson_id], "canReview")
    assert can.data["_entities"] == [{"__typename": "Lesson", "canReview": False}]


async def test_tutor_of_a_group_says_whom_the_review_is_about(
    reviews: GraphClient, tutor: GraphClient
) -> None:
    students = [await person(reviews, "student") for _ in range(3)]
    lesson = scene.lesson_state(
        id_of(tutor), *map(id_of, students), price_amount=0, course_id=new_id()
    ).model_copy(update={"kind": "GROUP"})
    await send(reviews.subgraph, reviews.runtime, lesson)
    given = {"lessonId": lesson.lesson_id, "rating": 4}
    assert await code(tutor, scene.SUBMIT, input=given) == "NOT_ELIGIBLE"
    for student in students:
        written = await review(tutor, lesson, 4, targetId=id_of(student))
        assert written["target"]["id"] == str(id_of(student))
    mine = await review(students[0], lesson, 5)
    assert (mine["status"], mine["countsTowardsRating"]) == ("PUBLISHED", True)


async def test_completed_course_may_be_reviewed_and_is_public_at_once(
    reviews: GraphClient, student: GraphClient
) -> None:
    course_id = new_id()
    await send(reviews.subgraph, reviews.runtime, scene.completion(course_id, id_of(student)))
    written = await run(student, scene.SUBMIT, input={"courseId": course_id, "rating": 4})
    assert (written["status"], written["targetType"]) == ("PUBLISHED", "COURSE")
    assert (written["target"], written["course"]) == (None, {"id": str(course_id)})
    found = await reviews.entities(
        "Course",
        [course_id, new_id()],
        f"ratingSummary {{ {scene.SUMMARY} }} reviews {{ nodes {{ rating }} }}",
    )
    first, second = found.data["_entities"]
    assert first["ratingSummary"]["meanHundredths"] == 400
    assert first["reviews"]["nodes"] == [{"rating": 4}]
    assert second["ratingSummary"]["meanHundredths"] is None
    assert second["reviews"]["nodes"] == []


async def test_own_course_and_own_lesson_give_no_right(
    reviews: GraphClient, tutor: GraphClient
) -> None:
    own = scene.lesson_state(id_of(tutor), id_of(tutor))
    await send(reviews.subgraph, reviews.runtime, own)
    given = {"lessonId": own.lesson_id, "rating": 5}
    assert await code(tutor, scene.SUBMIT, input=given) == "NOT_ELIGIBLE"


async def test_invitations_list_what_can_be_reviewed(
    student: GraphClient, tutor: GraphClient, reviews: GraphClient
) -> None:
    lesson = await had_lesson(tutor, student)
    course_id = new_id()
    await send(reviews.subgraph, reviews.runtime, scene.completion(course_id, id_of(student)))
    ask = """{ reviewInvitations { nodes {
        targetType target { id } lesson { id } course { id } } } }"""
    nodes = (await student.ask(ask)).data["reviewInvitations"]["nodes"]
    assert nodes == [
        {"targetType": "COURSE", "target": None, "lesson": None, "course": {"id": str(course_id)}},
        {
            "targetType": "TUTOR",
            "target": {"id": str(id_of(tutor))},
            "lesson": {"id": str(lesson.lesson_id)},
            "course": None,
        },
    ]
    await review(student, lesson)
    assert len((await student.ask(ask)).data["reviewInvitations"]["nodes"]) == 1
    assert (await reviews.ask(ask)).codes == ["UNAUTHENTICATED"]


async def test_author_edits_for_two_days(student: GraphClient, tutor: GraphClient) -> None:
    lesson = await had_lesson(tutor, student)
    written = await review(student, lesson, 2, comment="Hm.")
    edited = await run(student, scene.EDIT, id=written["id"], rating=3, comment="Better.")
    assert (edited["rating"], edited["comment"]) == (3, "Better.")
    assert await code(tutor, scene.EDIT, id=written["id"], rating=5) == "NOT_FOUND"
    await pass_time(student, reviews__submitted_at="47 hours 59 minutes")
    assert (await run(student, scene.EDIT, id=written["id"], comment=""))["comment"] is None
    await pass_time(student, reviews__submitted_at="1 minute")
    assert await code(student, scene.EDIT, id=written["id"], rating=1) == "EDIT_WINDOW_OVER"


async def test_rating_stays_once_both_have_written(
    student: GraphClient, tutor: GraphClient
) -> None:
    lesson = await had_lesson(tutor, student)
    mine = await review(student, lesson, 5)
    await review(tutor, lesson, 1)
    assert await code(student, scene.EDIT, id=mine["id"], rating=1) == "EDIT_WINDOW_OVER"
    edited = await run(student, scene.EDIT, id=mine["id"], rating=5, comment="Still good.")
    assert edited["comment"] == "Still good."
    assert await code(tutor, scene.EDIT, id=mine["id"], comment="x") == "FORBIDDEN"


async def test_reviewed_person_replies_once(
    student: GraphClient, tutor: GraphClient, reviews: GraphClient
) -> None:
    lesson = await had_lesson(tutor, student)
    mine = await review(student, lesson, 5)
    assert await code(tutor, scene.REPLY, id=mine["id"], text="Thanks") == "NOT_FOUND"
    await review(tutor, lesson, 5)
    for text in ("Thanks", "Thank you!"):
        answered = await run(tutor, scene.REPLY, id=mine["id"], text=text)
        assert answered["reply"] == {"text": text, "author": {"id": str(id_of(tutor))}}
    assert await code(student, scene.REPLY, id=mine["id"], text="No") == "FORBIDDEN"
    assert await code(tutor, scene.REPLY, id=mine["id"], text=" ") == "INVALID_INPUT"


async def test_votes_count_once_per_person(
    student: GraphClient, tutor: GraphClient, reviews: GraphClient
) -> None:
    lesson = await had_lesson(tutor, student)
    mine = await review(student, lesson, 5)
    await review(tutor, lesson, 5)
    reader = await person(reviews, "student")
    await asyncio.gather(*(run(reader, scene.VOTE, id=mine["id"], helpful=True) for _ in range(5)))
    voted = await run(tutor, scene.VOTE, id=mine["id"], helpful=True)
    assert (voted["helpfulCount"], voted["isHelpfulToMe"]) == (2, True)
    taken = await run(reader, scene.VOTE, id=mine["id"], helpful=False)
    assert (taken["helpfulCount"], taken["isHelpfulToMe"]) == (1, False)
    assert await code(student, scene.VOTE, id=mine["id"], helpful=True) == "FORBIDDEN"
