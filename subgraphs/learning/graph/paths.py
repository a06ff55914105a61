"""Learning paths as clients see them."""

from dataclasses import asdict
from typing import Annotated, Self
from uuid import UUID

import strawberry

from shared.graph import IdempotencyKey, Problem, described_enum
from shared.idempotency import once
from shared.ids import parse_id, parse_id_or_none
from subgraphs.learning import models
from subgraphs.learning.graph.context import Info
from subgraphs.learning.graph.courses import Course, CourseUnit
from subgraphs.learning.service import paths, units

described_enum(
    models.StepKind,
    "What a step of a learning path leads to.",
    COURSE="A course.",
    UNIT="A unit of a course.",
    SKILL="A skill.",
    TEXT="What the text says.",
)


@strawberry.type(description="A step of a learning path.")
class LearningPathStep:
    state: strawberry.Private[paths.StepState]

    @strawberry.field(description="Identifies the step.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(str(self.state.step.id))

    @strawberry.field(description="Place in the path, from 1.")
    def position(self) -> int:
        return self.state.step.position

    @strawberry.field(description="What it leads to.")
    def kind(self) -> models.StepKind:
        return models.StepKind(self.state.step.kind)

    @strawberry.field(description="In the words of the path's owner.")
    def text(self) -> str | None:
        return self.state.step.text

    @strawberry.field(description="The skill, if it leads to one.")
    def skill_id(self) -> strawberry.ID | None:
        skill_id = self.state.step.skill_id
        return strawberry.ID(str(skill_id)) if skill_id else None

    @strawberry.field(description="The course, if it leads to one.")
    async def course(self, info: Info) -> Course | None:
        course_id = self.state.step.course_id
        return await Course.load(info, course_id) if course_id else None

    @strawberry.field(description="The unit, if it leads to one that still exists.")
    async def unit(self, info: Info) -> CourseUnit | None:
        if self.state.step.unit_id is None:
            return None
        loader = info.context.loader(units.get_units, into=CourseUnit, viewer=info.context.viewer)
        return await loader.load(self.state.step.unit_id)

    @strawberry.field(description="Whether it is ticked off, or its course or unit completed.")
    def is_done(self) -> bool:
        return self.state.is_done


@strawberry.federation.type(
    keys=["id"], description="What a student means to learn; for the student and admins."
)
class LearningPath:
    row: strawberry.Private[models.LearningPath]

    @strawberry.field(description="Identifies the path.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(str(self.row.id))

    @strawberry.field(description="What it is called.")
    def title(self) -> str:
        return self.row.title

    @strawberry.field(description="The steps, in order.")
    async def steps(self, info: Info) -> list[LearningPathStep]:
        found = await info.context.loader(paths.get_steps).load(self.row.id)
        return [LearningPathStep(state=state) for state in found]

    @strawberry.field(description="Whole percent of steps that are done, rounded down.")
    async def percent(self, info: Info) -> int:
        found = await info.context.loader(paths.get_steps).load(self.row.id)
        return 100 * sum(state.is_done for state in found) // max(len(found), 1)

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> Self | None:
        path_id = parse_id_or_none(id)
        if path_id is None:
            return None
        row = await info.context.loader(paths.get_paths).load(path_id)
        visible = row is not None and info.context.viewer.may_see_private(row.student_id)
        return cls(row=row) if row is not None and visible else None


@strawberry.input(description="A step: one course, unit, skill or text.")
class LearningPathStepInput:
    course_id: strawberry.ID | None = strawberry.field(default=None, description="A course.")
    unit_id: strawberry.ID | None = strawberry.field(default=None, description="A unit.")
    skill_id: strawberry.ID | None = strawberry.field(default=None, description="A skill.")
    text: str | None = strawberry.field(
        default=None, description="At most 500 characters; beside the others a remark."
    )

    def to_draft(self) -> paths.StepDraft:
        """As the service takes it."""
        return paths.StepDraft(
            course_id=parse_id(self.course_id, field="courseId") if self.course_id else None,
            unit_id=parse_id(self.unit_id, field="unitId") if self.unit_id else None,
            skill_id=parse_id(self.skill_id, field="skillId") if self.skill_id else None,
            text=self.text,
        )


CreateLearningPathResult = Annotated[
    LearningPath | Problem,
    strawberry.union("CreateLearningPathResult", description="The path, or why it was refused."),
]
TickLearningPathStepResult = Annotated[
    LearningPath | Problem,
    strawberry.union("TickLearningPathStepResult", description="The path, or why it was refused."),
]
ReorderLearningPathResult = Annotated[
    LearningPath | Problem,
    strawberry.union("ReorderLearningPathResult", description="The path, or why it was refused."),
]
DeleteLearningPathResult = Annotated[
    LearningPath | Problem,
    strawberry.union("DeleteLearningPathResult", description="The path, or why it was refused."),
]

PathId = Annotated[strawberry.ID, strawberry.argument(description="The learning path.")]


@strawberry.type(description="What can be asked of learning paths.")
class PathQueries:
    @strawberry.field(description="A learning path, for its student and admins.")
    async def learning_path(self, info: Info, id: PathId) -> LearningPath | None:
        return await LearningPath.resolve_reference(info, id)


@strawberry.type(description="What can be done with learning paths.")
class PathMutations:
    @strawberry.mutation(description="Make a plan of what you mean to learn.")
    async def create_learning_path(
        self,
        info: Info,
        title: Annotated[str, strawberry.argument(description="1 to 200 characters.")],
        steps: Annotated[
            list[LearningPathStepInput], strawberry.argument(description="1 to 100, in order.")
        ],
        idempotency_key: IdempotencyKey = None,
    ) -> CreateLearningPathResult:
        viewer, drafts = info.context.viewer, [each.to_draft() for each in steps]
        async with info.context.write() as session:

            async def create() -> UUID:
                return (await paths.create_path(session, viewer, title=title, steps=drafts)).id

            request = {"title": title, "steps": [asdict(each) for each in drafts]}
            path_id = await once(
                session, viewer, "createLearningPath", idempotency_key, request, create
            )
            row = await session.get_one(models.LearningPath, path_id)
        return LearningPath(row=row)

    @strawberry.mutation(description="Tick a step off, or take the tick back.")
    async def tick_learning_path_step(
        self,
        info: Info,
        step_id: Annotated[strawberry.ID, strawberry.argument(description="The step.")],
        is_done: Annotated[bool, strawberry.argument(description="Whether it is done.")] = True,
    ) -> TickLearningPathStepResult:
        async with info.context.write() as session:
            row = await paths.tick_step(
                session,
                info.context.viewer,
                parse_id(step_id, field="stepId"),
                is_done=is_done,
            )
        return LearningPath(row=row)

    @strawberry.mutation(description="Give the steps of a learning path another order.")
    async def reorder_learning_path(
        self,
        info: Info,
        id: PathId,
        step_ids: Annotated[
            list[strawberry.ID], strawberry.argument(description="Every step, once.")
        ],
    ) -> ReorderLearningPathResult:
        async with info.context.write() as session:
            row = await paths.reorder_steps(
                session,
                info.context.viewer,
                parse_id(id, field="id"),
                [parse_id(each, field="stepIds") for each in step_ids],
            )
        return LearningPath(row=row)

    @strawberry.mutation(description="Remove a learning path.")
    async def delete_learning_path(self, info: Info, id: PathId) -> DeleteLearningPathResult:
        async with info.context.write() as session:
            row = await paths.delete_path(session, info.context.viewer, parse_id(id, field="id"))
        return LearningPath(row=row)
