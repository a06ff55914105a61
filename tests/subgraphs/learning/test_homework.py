"""Notes and homework: who writes them, and who sees them."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from tests.subgraphs.learning import factories
from tests.subgraphs.learning import operations as op
from tests.subgraphs.learning.booking import Booking, at
from tests.support.graph import GraphClient
from tests.support.operations import code, run

SEEN = """query($id: ID!) { lesson(id: $id) { sharedNotes myNote
  homework { nodes { id student { id } submission feedback } } } }"""


async def seen(client: GraphClient, lesson_id: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await client.ask(SEEN, id=lesson_id)).data["lesson"]
    return found


async def test_notes_are_shared_by_the_tutor_or_kept_for_oneself(
    booking: Booking, admin: GraphClient, student: GraphClient
) -> None:
    lesson_id = await booking.schedule()
    await run(booking.tutor, op.SAVE_NOTES, lessonId=lesson_id, notes="Scales\nin C")
    await run(booking.tutor, op.SAVE_MY_NOTE, lessonId=lesson_id, note="shy")
    await run(booking.student, op.SAVE_MY_NOTE, lessonId=lesson_id, note="hard")
    for client, note in ((booking.tutor, "shy"), (booking.student, "hard"), (admin, None)):
        found = await seen(client, lesson_id)
        assert (found["sharedNotes"], found["myNote"]) == ("Scales\nin C", note)
    refused = {"lessonId": lesson_id, "notes": "mine"}
    assert await code(booking.student, op.SAVE_NOTES, **refused) == "FORBIDDEN"
    own = {"lessonId": lesson_id, "note": "mine"}
    assert await code(admin, op.SAVE_MY_NOTE, **own) == "FORBIDDEN"
    assert await code(student, op.SAVE_MY_NOTE, **own) == "NOT_FOUND"
    long = own | {"note": "x" * 20_001}
    assert await code(booking.student, op.SAVE_MY_NOTE, **long) == "INVALID_INPUT"
    cleared = await run(booking.tutor, op.SAVE_NOTES, lessonId=lesson_id, notes=" ")
    assert cleared["sharedNotes"] is None


async def test_homework_goes_from_assignment_to_feedback(booking: Booking) -> None:
    lesson_id = await booking.schedule()
    due = at(timedelta(days=3)).isoformat()
    values = {
        "lessonId": lesson_id,
        "studentId": booking.student_id,
        "instructions": "Play it ten times.",
        "dueAt": due,
        "idempotencyKey": "a-key-of-mine",
    }
    given = await run(booking.tutor, op.ASSIGN, **values)
    assert await run(booking.tutor, op.ASSIGN, **values) == given
    assert (given["status"], given["isLate"]) == ("ASSIGNED", False)
    review = {"id": given["id"], "feedback": "Slower."}
    assert await code(booking.tutor, op.REVIEW_HOMEWORK, **review) == "CONFLICT"
    submit = {"id": given["id"], "submission": "Done nine times."}
    assert await code(booking.tutor, op.SUBMIT_HOMEWORK, **submit) == "FORBIDDEN"
    assert (await run(booking.student, op.SUBMIT_HOMEWORK, **submit))["status"] == "SUBMITTED"
    async with booking.runtime.database.write() as session:
        await session.execute(sa.text("UPDATE homework SET due_at = clock_timestamp()"))
    again = submit | {"submission": "Done ten times."}
    handed = await run(booking.student, op.SUBMIT_HOMEWORK, **again)
    assert (handed["submission"], handed["isLate"]) == ("Done ten times.", True)
    assert await code(booking.student, op.REVIEW_HOMEWORK, **review) == "FORBIDDEN"
    done = await run(booking.tutor, op.REVIEW_HOMEWORK, **review)
    assert (done["status"], done["feedback"]) == ("REVIEWED", "Slower.")
    assert await code(booking.student, op.SUBMIT_HOMEWORK, **again) == "CONFLICT"
    assert await code(booking.student, op.ASSIGN, **values) == "FORBIDDEN"
    other = values | {"idempotencyKey": "another-key", "studentId": booking.tutor_id}
    assert await code(booking.tutor, op.ASSIGN, **other) == "NOT_FOUND"
    late = values | {"idempotencyKey": "another-key", "dueAt": at(timedelta()).isoformat()}
    assert await code(booking.tutor, op.ASSIGN, **late) == "INVALID_INPUT"


async def test_students_of_a_group_see_their_own_homework_alone(booking: Booking) -> None:
    other = await booking.another_student()
    async with booking.runtime.database.write() as session:
        course = await factories.create_course(session, tutor_id=booking.tutor_id)
        for who in (booking, other):
            await factories.create_enrollment(session, course, student_id=who.student_id)
    start = at(timedelta(hours=48)).isoformat()
    values = {"courseId": course.id, "startsAt": start, "durationMinutes": 60}
    lesson_id = (await run(booking.tutor, op.SCHEDULE_GROUP, **values))["id"]
    ids = {}
    for who in (booking, other):
        task = {"lessonId": lesson_id, "studentId": who.student_id, "instructions": "Sing."}
        ids[who.student_id] = (await run(booking.tutor, op.ASSIGN, **task))["id"]
    for client, expected in (
        (booking.tutor, sorted(ids.values())),
        (booking.student, [ids[booking.student_id]]),
        (other.student, [ids[other.student_id]]),
    ):
        nodes = (await seen(client, lesson_id))["homework"]["nodes"]
        assert sorted(node["id"] for node in nodes) == expected
    foreign = {"id": ids[other.student_id], "submission": "Mine."}
    assert await code(booking.student, op.SUBMIT_HOMEWORK, **foreign) == "NOT_FOUND"
