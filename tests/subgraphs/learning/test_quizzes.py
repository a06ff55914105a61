"""Quizzes: scored on the server, limited in attempts, silent about their solutions."""

import asyncio
from typing import Any

import pytest

from subgraphs.learning.models import Course
from tests.subgraphs.learning import factories
from tests.subgraphs.learning import operations as op
from tests.support.graph import GraphClient, counted
from tests.support.operations import code, run, unchanged

QUESTIONS = [
    {
        "kind": "SINGLE_CHOICE",
        "prompt": "How many strings has a guitar?",
        "choices": ["four", "six"],
        "rightChoices": [1],
    },
    {
        "kind": "MULTIPLE_CHOICE",
        "prompt": "Which are chords?",
        "choices": ["Am", "C", "X"],
        "rightChoices": [0, 1],
    },
    {
        "kind": "SHORT_ANSWER",
        "prompt": "The lowest string?",
        "acceptedAnswers": ["Low E", "E"],
    },
]


@pytest.fixture
async def course(learning: GraphClient) -> Course:
    """A free course with two units."""
    async with learning.runtime.database.write() as session:
        return await factories.create_course(session)


async def make(learning: GraphClient, course: Course, **changes: Any) -> dict[str, Any]:
    tutor = learning.as_user(course.tutor_id, "tutor")
    values = {"courseId": course.id, "title": "Strings", "questions": QUESTIONS}
    return await run(tutor, op.CREATE_QUIZ, input=values | changes)


def answers(quiz: dict[str, Any], *given: Any) -> list[dict[str, Any]]:
    found = []
    for question, said in zip(quiz["questions"], given, strict=False):
        key = "text" if isinstance(said, str) else "choices"
        found.append({"questionId": question["id"], key: said})
    return found


async def test_attempt_is_scored_by_all_right_answers(
    learning: GraphClient, student: GraphClient, course: Course
) -> None:
    quiz = await make(learning, course, passPercent=66, maxAttempts=100)
    await run(student, op.ENROLL, courseId=course.id)
    for number, (given, score, passed) in enumerate(
        (
            (([1], [1, 0, 0], " low  e "), 100, True),
            (([1], [0, 1]), 66, True),
            (([1], [0], "F"), 33, False),
            (([0], [0, 1, 2], "EE"), 0, False),
            ((), 0, False),
        ),
        1,
    ):
        result = await run(student, op.SUBMIT_QUIZ, id=quiz["id"], answers=answers(quiz, *given))
        result.pop("id")
        assert result == {
            "__typename": "QuizAttempt",
            "number": number,
            "scorePercent": score,
            "isPassed": passed,
        }
    query = "query($id: ID!) { quiz(id: $id) { myAttempts { number scorePercent } } }"
    found = (await student.ask(query, id=quiz["id"])).data["quiz"]["myAttempts"]
    assert [each["scorePercent"] for each in found] == [100, 66, 33, 0, 0]


async def test_two_thirds_are_not_sixty_seven_percent(
    learning: GraphClient, student: GraphClient, course: Course
) -> None:
    quiz = await make(learning, course, passPercent=67)
    await run(student, op.ENROLL, courseId=course.id)
    given = answers(quiz, [1], [0, 1])
    result = await run(student, op.SUBMIT_QUIZ, id=quiz["id"], answers=given)
    assert (result["scorePercent"], result["isPassed"]) == (66, False)


async def test_attempts_are_limited_whatever_races(
    learning: GraphClient, student: GraphClient, course: Course
) -> None:
    quiz = await make(learning, course, maxAttempts=3)
    await run(student, op.ENROLL, courseId=course.id)
    outcomes = await asyncio.gather(
        *(run(student, op.SUBMIT_QUIZ, id=quiz["id"], answers=[]) for _ in range(8))
    )
    assert sorted(each["number"] for each in outcomes if "number" in each) == [1, 2, 3]
    refused = [each["code"] for each in outcomes if "code" in each]
    assert refused == ["NO_ATTEMPTS_LEFT"] * 5


async def test_same_key_is_one_attempt(
    learning: GraphClient, student: GraphClient, course: Course
) -> None:
    quiz = await make(learning, course)
    await run(student, op.ENROLL, courseId=course.id)
    values = {"id": quiz["id"], "answers": [], "idempotencyKey": "a-key-of-mine"}
    outcomes = await asyncio.gather(*(run(student, op.SUBMIT_QUIZ, **values) for _ in range(4)))
    assert all(each == outcomes[0] for each in outcomes)
    assert outcomes[0]["number"] == 1
    changed = values | {"answers": answers(quiz, [1])}
    assert await code(student, op.SUBMIT_QUIZ, **changed) == "CONFLICT"


async def test_required_quiz_guards_its_unit(
    learning: GraphClient, student: GraphClient, course: Course
) -> None:
    query = "query($id: ID!) { course(id: $id) { units { nodes { id } } } }"
    units = (await student.ask(query, id=course.id)).data["course"]["units"]["nodes"]
    first, second = (unit["id"] for unit in units)
    await run(student, op.ENROLL, courseId=course.id)
    quiz = await make(learning, course, unitId=first, isRequired=True, passPercent=100)
    await make(learning, course, unitId=second)
    assert await code(student, op.COMPLETE_UNIT, unitId=first) == "QUIZ_NOT_PASSED"
    await run(student, op.SUBMIT_QUIZ, id=quiz["id"], answers=[])
    assert await code(student, op.COMPLETE_UNIT, unitId=first) == "QUIZ_NOT_PASSED"
    right = answers(quiz, [1], [0, 1], "e")
    assert (await run(student, op.SUBMIT_QUIZ, id=quiz["id"], answers=right))["isPassed"]
    assert (await run(student, op.COMPLETE_UNIT, unitId=first))["progress"]["percent"] == 50
    assert (await run(student, op.COMPLETE_UNIT, unitId=second))["status"] == "COMPLETED"


async def test_quizzes_are_for_who_has_a_seat(
    learning: GraphClient, student: GraphClient, admin: GraphClient, course: Course
) -> None:
    quiz = await make(learning, course)
    paying = learning.as_user(
        (await _pending(learning, course)),
    )
    query = """query($id: ID!, $course: ID!) { quiz(id: $id) { id }
      course(id: $course) { quizzes { nodes { id } } } }"""

    async def sees(client: GraphClient) -> tuple[bool, Any]:
        found = (await client.ask(query, id=quiz["id"], course=course.id)).data
        listed = found["course"]["quizzes"]
        return found["quiz"] is not None, listed and len(listed["nodes"])

    assert await sees(student) == (False, 0)
    assert await sees(paying) == (False, 0)
    assert await sees(learning) == (False, None)
    assert await sees(admin) == (True, 1)
    assert await sees(learning.as_user(course.tutor_id, "tutor")) == (True, 1)
    for client in (student, paying):
        refused = await code(client, op.SUBMIT_QUIZ, id=quiz["id"], answers=[])
        assert refused == "NOT_FOUND"
    await run(student, op.ENROLL, courseId=course.id)
    assert await sees(student) == (True, 1)
    assert await code(student, op.DELETE_QUIZ, id=quiz["id"]) == "FORBIDDEN"
    tutor = learning.as_user(course.tutor_id, "tutor")
    assert (await run(tutor, op.DELETE_QUIZ, id=quiz["id"]))["quizzes"] == {"nodes": []}


async def _pending(learning: GraphClient, course: Course) -> Any:
    async with learning.runtime.database.write() as session:
        row = await factories.create_enrollment(session, course, status="PENDING_PAYMENT")
        return row.student_id


def test_nothing_that_can_be_asked_names_a_solution(learning: GraphClient) -> None:
    sdl = learning.subgraph.schema.as_str()
    shown = sdl.split("type QuizQuestion ")[1].split("}")[0]
    assert "right" not in shown
    assert "accepted" not in shown
    assert "solution" not in sdl.split("input QuizQuestionInput")[0].replace("its solution", "")


@pytest.mark.parametrize(
    "question",
    [
        {"kind": "SINGLE_CHOICE", "choices": ["a", "b"], "rightChoices": [0, 1]},
        {"kind": "SINGLE_CHOICE", "choices": ["a", "b"], "rightChoices": []},
        {"kind": "SINGLE_CHOICE", "choices": ["a", "b"], "rightChoices": [2]},
        {"kind": "MULTIPLE_CHOICE", "choices": ["a", "b"], "rightChoices": [-1]},
        {"kind": "MULTIPLE_CHOICE", "choices": ["a"], "rightChoices": [0]},
        {"kind": "SHORT_ANSWER", "acceptedAnswers": [" "]},
        {"kind": "SHORT_ANSWER", "acceptedAnswers": ["a"], "choices": ["a", "b"]},
    ],
)
async def test_questions_without_a_clear_solution_are_refused(
    learning: GraphClient, course: Course, question: dict[str, Any]
) -> None:
    async with unchanged(learning.runtime):
        result = await make(learning, course, questions=[{"prompt": "What?"} | question])
    assert result["code"] == "INVALID_INPUT"


async def test_quiz_of_a_whole_course_cannot_be_required(
    learning: GraphClient, course: Course
) -> None:
    assert (await make(learning, course, isRequired=True))["code"] == "INVALID_INPUT"
    assert (await make(learning, course, questions=[]))["code"] == "INVALID_INPUT"


async def test_quizzes_of_a_course_take_one_statement_per_relation(
    learning: GraphClient, student: GraphClient, course: Course
) -> None:
    await run(student, op.ENROLL, courseId=course.id)
    for _ in range(4):
        await make(learning, course)
    query = """query($id: ID!) { course(id: $id) { quizzes { nodes {
      questions { prompt } myAttempts { number } } } } }"""
    with counted(learning.runtime.database) as statements:
        nodes = (await student.ask(query, id=course.id)).data["course"]["quizzes"]["nodes"]
    assert [len(node["questions"]) for node in nodes] == [3, 3, 3, 3]
    # Viewer, course, quizzes, questions, attempts.
    assert len(statements) == 5
