"""Quizzes: made by the tutor, scored here; the right answers are for the tutor alone.

An attempt counts when it is handed in. Attempts of one student at one quiz queue up behind the lock
of the enrolment, and their number is unique: nobody gets one too many.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared.db import ReadSession, WriteSession, among
from shared.errors import Conflict, InvalidInput, NotFound
from shared.pages import Order, Page, PageRequest, keyset_by_parent
from shared.validation import between, text
from shared.viewer import Viewer
from subgraphs.learning.models import (
    SEATED,
    Course,
    CourseUnit,
    Enrollment,
    QuestionKind,
    Quiz,
    QuizAttempt,
    QuizQuestion,
)
from subgraphs.learning.service.courses import lock_own_course, refuse_archived

MOST_QUESTIONS = 100
MOST_CHOICES = 20
_IN_ORDER = Order.by(Quiz.id)


class NoAttemptsLeft(Conflict):
    """Every attempt at this quiz is used up."""

    code = "NO_ATTEMPTS_LEFT"


class QuizNotPassed(Conflict):
    """The unit's quiz has to be passed first."""

    code = "QUIZ_NOT_PASSED"


@dataclass(frozen=True)
class QuestionDraft:
    """A question with its solution: places of right choices, or accepted short answers."""

    kind: QuestionKind
    prompt: str
    choices: tuple[str, ...]
    right_choices: tuple[int, ...]
    accepted_answers: tuple[str, ...]


@dataclass(frozen=True)
class GivenAnswer:
    """What a student says to one question."""

    question_id: UUID
    choices: tuple[int, ...]
    text: str | None


async def create_quiz(
    session: WriteSession,
    viewer: Viewer,
    course_id: UUID,
    *,
    unit_id: UUID | None,
    title: str,
    pass_percent: int,
    max_attempts: int,
    is_required: bool,
    questions: Sequence[QuestionDraft],
) -> Quiz:
    """Add a quiz to a course of one's own, or to a unit. Raises InvalidInput, NotFound, …"""
    course = await lock_own_course(session, viewer, course_id)
    refuse_archived(course)
    if unit_id is not None:
        unit = await session.get(CourseUnit, unit_id)
        if unit is None or unit.course_id != course.id:
            raise NotFound("There is no such unit in this course.", field="unitId")
    elif is_required:
        raise InvalidInput("Only the quiz of a unit can be required.", field="isRequired")
    between(pass_percent, field="passPercent", least=1, most=100)
    between(max_attempts, field="maxAttempts", least=1, most=100)
    between(len(questions), field="questions", least=1, most=MOST_QUESTIONS)
    quiz = Quiz(
        course_id=course.id,
        unit_id=unit_id,
        title=text(title, field="title", least=1, most=200),
        pass_percent=pass_percent,
        max_attempts=max_attempts,
        is_required=is_required,
    )
    session.add(quiz)
    await session.flush()
    for position, draft in enumerate(questions, 1):
        session.add(_question(quiz.id, position, draft))
    await session.flush()
    return quiz


def _question(quiz_id: UUID, position: int, draft: QuestionDraft) -> QuizQuestion:
    choices = [text(each, field="choices", least=1, most=500) for each in draft.choices]
    solution: list[Any]
    if draft.kind == QuestionKind.SHORT_ANSWER:
        solution = sorted({_plain(each) for each in draft.accepted_answers} - {""})
        if choices or draft.right_choices or not solution:
            message = "A short answer needs acceptedAnswers, and no choices."
            raise InvalidInput(message, field="questions")
    else:
        solution = sorted(set(draft.right_choices))
        single = draft.kind == QuestionKind.SINGLE_CHOICE
        known = all(0 <= place < len(choices) for place in solution)
        if not 2 <= len(choices) <= MOST_CHOICES or not solution or not known:
            message = f"A choice needs 2 to {MOST_CHOICES} choices and the places of right ones."
            raise InvalidInput(message, field="questions")
        if draft.accepted_answers or (single and len(solution) != 1):
            raise InvalidInput("A single choice has one right choice.", field="questions")
    return QuizQuestion(
        quiz_id=quiz_id,
        position=position,
        kind=draft.kind,
        prompt=text(draft.prompt, field="prompt", least=1, most=2_000, lines=True),
        choices=choices,
        solution=solution,
    )


def _plain(answer: str) -> str:
    """A short answer as it is compared: without case and superfluous spaces."""
    return " ".join(answer.casefold().split())


async def submit_quiz(
    session: WriteSession, viewer: Viewer, quiz_id: UUID, *, answers: Sequence[GivenAnswer]
) -> QuizAttempt:
    """Hand in an attempt, scored at once. Raises NoAttemptsLeft, Forbidden, InvalidInput, …"""
    student_id = viewer.require_user()
    quiz = await session.get(Quiz, quiz_id)
    if quiz is None:
        raise NotFound("There is no such quiz.")
    seat = await session.scalar(
        sa.select(Enrollment.id)
        .where(
            Enrollment.course_id == quiz.course_id,
            Enrollment.student_id == student_id,
            Enrollment.status.in_(SEATED),
        )
        .with_for_update()
    )
    if seat is None:
        raise NotFound("There is no such quiz in a course of yours.")
    used = await session.scalar(
        sa.select(sa.func.count()).where(
            QuizAttempt.quiz_id == quiz.id, QuizAttempt.student_id == student_id
        )
    )
    if (used or 0) >= quiz.max_attempts:
        raise NoAttemptsLeft(f"All {quiz.max_attempts} attempts are used up.")
    questions = (
        await session.scalars(sa.select(QuizQuestion).where(QuizQuestion.quiz_id == quiz.id))
    ).all()
    given = {answer.question_id: answer for answer in answers}
    if len(given) != len(answers) or not given.keys() <= {each.id for each in questions}:
        raise InvalidInput("Answer each question of this quiz at most once.", field="answers")
    right = sum(_is_right(each, given.get(each.id)) for each in questions)
    score = 100 * right // len(questions)
    attempt = QuizAttempt(
        quiz_id=quiz.id,
        student_id=student_id,
        number=(used or 0) + 1,
        answers={
            str(each.question_id): {"choices": list(each.choices), "text": _said(each.text)}
            for each in answers
        },
        score_percent=score,
        # By the exact fraction: rounding down fails nobody who has enough.
        is_passed=100 * right >= quiz.pass_percent * len(questions),
    )
    session.add(attempt)
    await session.flush()
    return attempt


def _said(answer: str | None) -> str | None:
    return None if answer is None else text(answer, field="answers", most=2_000, lines=True)


def _is_right(question: QuizQuestion, answer: GivenAnswer | None) -> bool:
    if answer is None:
        return False
    if question.kind == QuestionKind.SHORT_ANSWER:
        return answer.text is not None and _plain(answer.text) in question.solution
    return sorted(set(answer.choices)) == question.solution


async def require_passed(session: ReadSession, unit_id: UUID, student_id: UUID) -> None:
    """Refuse a student who has not passed each required quiz of a unit. Raises QuizNotPassed."""
    passed = sa.exists().where(
        QuizAttempt.quiz_id == Quiz.id,
        QuizAttempt.student_id == student_id,
        QuizAttempt.is_passed,
    )
    missing = sa.select(Quiz.id).where(Quiz.unit_id == unit_id, Quiz.is_required, ~passed).limit(1)
    if await session.scalar(missing) is not None:
        raise QuizNotPassed("Pass the quiz of this unit first.")


async def delete_quiz(session: WriteSession, viewer: Viewer, quiz_id: UUID) -> Course:
    """Remove a quiz with everybody's attempts. Raises NotFound, Forbidden, Conflict."""
    viewer.require_user()
    quiz = await session.get(Quiz, quiz_id)
    if quiz is None:
        raise NotFound("There is no such quiz.")
    course = await lock_own_course(session, viewer, quiz.course_id)
    refuse_archived(course)
    await session.delete(quiz)
    await session.flush()
    return course


def _visible(viewer: Viewer) -> sa.ColumnElement[bool]:
    """A quiz is for the students who have a seat, for the course's tutor and for admins."""
    if viewer.is_admin:
        return sa.true()
    seat = sa.exists().where(
        Enrollment.course_id == Quiz.course_id,
        Enrollment.student_id == viewer.user_id,
        Enrollment.status.in_(SEATED),
    )
    own = sa.exists().where(Course.id == Quiz.course_id, Course.tutor_id == viewer.user_id)
    return sa.or_(seat, own)


async def get_quizzes(
    session: ReadSession, ids: Sequence[UUID], *, viewer: Viewer
) -> list[Quiz | None]:
    """Many quizzes at once, in the order asked for; those not visible are None."""
    rows = await session.scalars(sa.select(Quiz).where(among(Quiz.id, ids), _visible(viewer)))
    found = {row.id: row for row in rows}
    return [found.get(id_) for id_ in ids]


async def list_quizzes(
    session: ReadSession, course_ids: Sequence[UUID], *, page: PageRequest, viewer: Viewer
) -> list[Page[Quiz]]:
    """The quizzes of each course that the viewer may see, in the order they were made."""
    return await keyset_by_parent(
        session,
        sa.select(Quiz).where(_visible(viewer)),
        _IN_ORDER,
        page,
        parent=Quiz.course_id,
        parents=course_ids,
    )


async def get_questions(session: ReadSession, quiz_ids: Sequence[UUID]) -> list[list[QuizQuestion]]:
    """The questions of each quiz, in order; the caller has seen that the quiz is visible."""
    rows = await session.scalars(
        sa.select(QuizQuestion)
        .where(among(QuizQuestion.quiz_id, quiz_ids))
        .order_by(QuizQuestion.position)
    )
    found: dict[UUID, list[QuizQuestion]] = {}
    for row in rows:
        found.setdefault(row.quiz_id, []).append(row)
    return [found.get(id_, []) for id_ in quiz_ids]


async def get_attempts(
    session: ReadSession, quiz_ids: Sequence[UUID], *, student_id: UUID
) -> list[list[QuizAttempt]]:
    """The student's own attempts at each quiz, the first one first."""
    rows = await session.scalars(
        sa.select(QuizAttempt)
        .where(among(QuizAttempt.quiz_id, quiz_ids), QuizAttempt.student_id == student_id)
        .order_by(QuizAttempt.number)
    )
    found: dict[UUID, list[QuizAttempt]] = {}
    for row in rows:
        found.setdefault(row.quiz_id, []).append(row)
    return [found.get(id_, []) for id_ in quiz_ids]
