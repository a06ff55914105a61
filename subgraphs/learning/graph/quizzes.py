"""Quizzes as clients see them: questions without solutions, attempts with scores."""

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self
from uuid import UUID

import strawberry

from shared.graph import IdempotencyKey, Problem, described_enum
from shared.idempotency import once
from shared.ids import parse_id, parse_id_or_none
from subgraphs.learning import models
from subgraphs.learning.graph.context import Info
from subgraphs.learning.service import quizzes

if TYPE_CHECKING:
    from subgraphs.learning.graph.courses import Course

LazyCourse = Annotated["Course", strawberry.lazy("subgraphs.learning.graph.courses")]

described_enum(
    models.QuestionKind,
    "How a question is answered.",
    SINGLE_CHOICE="By one of the choices.",
    MULTIPLE_CHOICE="By all the right choices and no other.",
    SHORT_ANSWER="By a few words; case and spaces do not matter.",
)


@strawberry.type(description="A question of a quiz, without its solution.")
class QuizQuestion:
    id: strawberry.ID = strawberry.field(description="Identifies the question.")
    kind: models.QuestionKind = strawberry.field(description="How it is answered.")
    prompt: str = strawberry.field(description="What is asked.")
    choices: list[str] = strawberry.field(description="What can be chosen, from place 0.")


@strawberry.type(description="An attempt at a quiz that was handed in.")
class QuizAttempt:
    id: strawberry.ID = strawberry.field(description="Identifies the attempt.")
    number: int = strawberry.field(description="The how manyth of this student, from 1.")
    score_percent: int = strawberry.field(
        description="Whole percent of right answers, rounded down."
    )
    is_passed: bool = strawberry.field(description="Whether that was enough.")
    submitted_at: datetime = strawberry.field(description="When it was handed in.")

    @classmethod
    def of(cls, row: models.QuizAttempt) -> Self:
        """From a row."""
        return cls(
            id=strawberry.ID(str(row.id)),
            number=row.number,
            score_percent=row.score_percent,
            is_passed=row.is_passed,
            submitted_at=row.submitted_at,
        )


@strawberry.type(
    description="Questions on a course or a unit; for its students, its tutor and admins."
)
class Quiz:
    row: strawberry.Private[models.Quiz]

    @strawberry.field(description="Identifies the quiz.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(str(self.row.id))

    @strawberry.field(description="The unit that it is about; null for the whole course.")
    def unit_id(self) -> strawberry.ID | None:
        return strawberry.ID(str(self.row.unit_id)) if self.row.unit_id else None

    @strawberry.field(description="What it is called.")
    def title(self) -> str:
        return self.row.title

    @strawberry.field(description="Percent of right answers that it takes to pass.")
    def pass_percent(self) -> int:
        return self.row.pass_percent

    @strawberry.field(description="How often one may try.")
    def max_attempts(self) -> int:
        return self.row.max_attempts

    @strawberry.field(description="Whether the unit is completed only by who has passed.")
    def is_required(self) -> bool:
        return self.row.is_required

    @strawberry.field(description="The questions, in order.")
    async def questions(self, info: Info) -> list[QuizQuestion]:
        rows = await info.context.loader(quizzes.get_questions).load(self.row.id)
        return [
            QuizQuestion(
                id=strawberry.ID(str(row.id)),
                kind=models.QuestionKind(row.kind),
                prompt=row.prompt,
                choices=row.choices,
            )
            for row in rows
        ]

    @strawberry.field(description="The viewer's own attempts, the first one first.")
    async def my_attempts(self, info: Info) -> list[QuizAttempt]:
        student_id = info.context.viewer.require_user()
        loader = info.context.loader(quizzes.get_attempts, student_id=student_id)
        return [QuizAttempt.of(row) for row in await loader.load(self.row.id)]

    @classmethod
    async def load(cls, info: Info, quiz_id: UUID | None) -> Self | None:
        """The quiz, if the viewer may see it."""
        if quiz_id is None or info.context.viewer.user_id is None:
            return None
        loader = info.context.loader(quizzes.get_quizzes, into=cls, viewer=info.context.viewer)
        return await loader.load(quiz_id)


@strawberry.input(description="A question with its solution.")
class QuizQuestionInput:
    kind: models.QuestionKind = strawberry.field(description="How it is answered.")
    prompt: str = strawberry.field(description="1 to 2,000 characters.")
    choices: list[str] = strawberry.field(
        default_factory=list, description="2 to 20 for a choice; none for a short answer."
    )
    right_choices: list[int] = strawberry.field(
        default_factory=list, description="Places of the right choices, from 0."
    )
    accepted_answers: list[str] = strawberry.field(
        default_factory=list, description="Right short answers; case and spaces do not matter."
    )

    def to_draft(self) -> quizzes.QuestionDraft:
        """As the service takes it."""
        return quizzes.QuestionDraft(
            kind=self.kind,
            prompt=self.prompt,
            choices=tuple(self.choices),
            right_choices=tuple(self.right_choices),
            accepted_answers=tuple(self.accepted_answers),
        )


@strawberry.input(description="A new quiz.")
class CreateQuizInput:
    course_id: strawberry.ID = strawberry.field(description="The course.")
    title: str = strawberry.field(description="1 to 200 characters.")
    questions: list[QuizQuestionInput] = strawberry.field(description="1 to 100, in order.")
    unit_id: strawberry.ID | None = strawberry.field(
        default=None, description="The unit that it is about."
    )
    pass_percent: int = strawberry.field(default=80, description="1 to 100.")
    max_attempts: int = strawberry.field(default=3, description="1 to 100.")
    is_required: bool = strawberry.field(
        default=False, description="Whether the unit is completed only by who has passed."
    )


@strawberry.input(description="An answer to one question.")
class QuizAnswerInput:
    question_id: strawberry.ID = strawberry.field(description="The question.")
    choices: list[int] = strawberry.field(
        default_factory=list, description="Places of what is chosen, from 0."
    )
    text: str | None = strawberry.field(default=None, description="The short answer.")


CreateQuizResult = Annotated[
    Quiz | Problem,
    strawberry.union("CreateQuizResult", description="The quiz, or why it was refused."),
]
DeleteQuizResult = Annotated[
    LazyCourse | Problem,
    strawberry.union("DeleteQuizResult", description="The course, or why it was refused."),
]
SubmitQuizResult = Annotated[
    QuizAttempt | Problem,
    strawberry.union("SubmitQuizResult", description="The attempt, or why it was refused."),
]

QuizId = Annotated[strawberry.ID, strawberry.argument(description="The quiz.")]


@strawberry.type(description="What can be asked of quizzes.")
class QuizQueries:
    @strawberry.field(description="A quiz, for students of the course, its tutor and admins.")
    async def quiz(self, info: Info, id: QuizId) -> Quiz | None:
        return await Quiz.load(info, parse_id_or_none(id))


@strawberry.type(description="What can be done with quizzes.")
class QuizMutations:
    @strawberry.mutation(description="Add a quiz to a course or a unit (its tutor).")
    async def create_quiz(
        self,
        info: Info,
        input: Annotated[CreateQuizInput, strawberry.argument(description="The quiz.")],
        idempotency_key: IdempotencyKey = None,
    ) -> CreateQuizResult:
        viewer, course_id = info.context.viewer, parse_id(input.course_id, field="courseId")
        unit_id = parse_id(input.unit_id, field="unitId") if input.unit_id else None
        async with info.context.write() as session:

            async def create() -> UUID:
                found = await quizzes.create_quiz(
                    session,
                    viewer,
                    course_id,
                    unit_id=unit_id,
                    title=input.title,
                    pass_percent=input.pass_percent,
                    max_attempts=input.max_attempts,
                    is_required=input.is_required,
                    questions=[each.to_draft() for each in input.questions],
                )
                return found.id

            quiz_id = await once(
                session, viewer, "createQuiz", idempotency_key, asdict(input), create
            )
            row = await session.get_one(models.Quiz, quiz_id)
        return Quiz(row=row)

    @strawberry.mutation(description="Remove a quiz with everybody's attempts (its tutor).")
    async def delete_quiz(self, info: Info, id: QuizId) -> DeleteQuizResult:
        from subgraphs.learning.graph.courses import Course

        async with info.context.write() as session:
            row = await quizzes.delete_quiz(session, info.context.viewer, parse_id(id, field="id"))
        return Course(row=row)

    @strawberry.mutation(description="Hand in an attempt at a quiz; it is scored at once.")
    async def submit_quiz(
        self,
        info: Info,
        id: QuizId,
        answers: Annotated[
            list[QuizAnswerInput],
            strawberry.argument(description="At most one per question; none is a wrong one."),
        ],
        idempotency_key: IdempotencyKey = None,
    ) -> SubmitQuizResult:
        viewer, quiz_id = info.context.viewer, parse_id(id, field="id")
        given = [
            quizzes.GivenAnswer(
                question_id=parse_id(each.question_id, field="questionId"),
                choices=tuple(each.choices),
                text=each.text,
            )
            for each in answers
        ]
        async with info.context.write() as session:

            async def submit() -> UUID:
                found = await quizzes.submit_quiz(session, viewer, quiz_id, answers=given)
                return found.id

            request = {"id": quiz_id, "answers": [asdict(each) for each in given]}
            attempt_id = await once(session, viewer, "submitQuiz", idempotency_key, request, submit)
            row = await session.get_one(models.QuizAttempt, attempt_id)
        return QuizAttempt.of(row)
