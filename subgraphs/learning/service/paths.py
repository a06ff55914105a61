"""Learning paths: a student's own plan; done is what is ticked, or completed in a course."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from shared.db import ReadSession, WriteSession, among, database_now
from shared.errors import InvalidInput, NotFound
from shared.lookup import ByKey
from shared.pages import ListsByParent, Order, Page, PageRequest
from shared.validation import between, optional_text, text
from shared.viewer import Viewer
from subgraphs.learning.models import (
    Course,
    CourseStatus,
    CourseUnit,
    Enrollment,
    EnrollmentStatus,
    LearningPath,
    PathStep,
    StepKind,
    UnitProgress,
)

MOST_STEPS = 100
_NEWEST = Order.by(LearningPath.id.desc())
_OF_STUDENT = ListsByParent(sa.select(LearningPath), _NEWEST, parent=LearningPath.student_id)


@dataclass(frozen=True)
class StepDraft:
    """What a step leads to: exactly one of the four; a text may stand beside the others."""

    course_id: UUID | None
    unit_id: UUID | None
    skill_id: UUID | None
    text: str | None

    @property
    def kind(self) -> StepKind:
        """By what is given. Raises InvalidInput for two targets or none."""
        targets = [
            kind
            for kind, value in (
                (StepKind.COURSE, self.course_id),
                (StepKind.UNIT, self.unit_id),
                (StepKind.SKILL, self.skill_id),
            )
            if value is not None
        ]
        if len(targets) > 1 or not (targets or (self.text or "").strip()):
            raise InvalidInput("A step leads to one course, unit, skill or text.", field="steps")
        return targets[0] if targets else StepKind.TEXT


async def create_path(
    session: WriteSession, viewer: Viewer, *, title: str, steps: Sequence[StepDraft]
) -> LearningPath:
    """Make a plan of one's own. Raises InvalidInput, NotFound for courses that are not public."""
    student_id = viewer.require_user()
    between(len(steps), field="steps", least=1, most=MOST_STEPS)
    kinds = [step.kind for step in steps]
    await _require_public(session, steps)
    path = LearningPath(student_id=student_id, title=text(title, field="title", least=1, most=200))
    session.add(path)
    await session.flush()
    for position, (kind, step) in enumerate(zip(kinds, steps, strict=True), 1):
        session.add(
            PathStep(
                path_id=path.id,
                position=position,
                kind=kind,
                course_id=step.course_id,
                unit_id=step.unit_id,
                skill_id=step.skill_id,
                text=optional_text(step.text, field="text", most=500),
            )
        )
    await session.flush()
    return path


async def _require_public(session: ReadSession, steps: Sequence[StepDraft]) -> None:
    shown = (Course.deleted_at.is_(None), Course.status != CourseStatus.DRAFT)
    courses = {step.course_id for step in steps if step.course_id is not None}
    known = await session.scalars(sa.select(Course.id).where(Course.id.in_(courses), *shown))
    units = {step.unit_id for step in steps if step.unit_id is not None}
    found = await session.scalars(
        sa.select(CourseUnit.id)
        .join(Course, Course.id == CourseUnit.course_id)
        .where(CourseUnit.id.in_(units), *shown)
    )
    if courses - set(known) or units - set(found):
        raise NotFound("There is no such course or unit.", field="steps")


async def tick_step(
    session: WriteSession, viewer: Viewer, step_id: UUID, *, is_done: bool
) -> LearningPath:
    """Tick a step off, or take the tick back; the same twice changes nothing. Raises NotFound."""
    viewer.require_user()
    path_id = await session.scalar(sa.select(PathStep.path_id).where(PathStep.id == step_id))
    path = await _lock_own(session, viewer, path_id)
    step = await session.get(PathStep, step_id)
    if step is None:
        raise NotFound("There is no such step.")
    if not is_done:
        step.completed_at = None
    elif step.completed_at is None:
        step.completed_at = await database_now(session)
    await session.flush()
    return path


async def reorder_steps(
    session: WriteSession, viewer: Viewer, path_id: UUID, step_ids: Sequence[UUID]
) -> LearningPath:
    """Give all steps of a plan the order of the list. Raises InvalidInput for another set."""
    path = await _lock_own(session, viewer, path_id)
    rows = (await session.scalars(sa.select(PathStep).where(PathStep.path_id == path.id))).all()
    known = {row.id: row for row in rows}
    if len(step_ids) != len(known) or set(step_ids) != known.keys():
        raise InvalidInput("stepIds must name every step of the path once.", field="stepIds")
    for position, step_id in enumerate(step_ids, 1):
        known[step_id].position = position
    await session.flush()
    return path


async def delete_path(session: WriteSession, viewer: Viewer, path_id: UUID) -> LearningPath:
    """Remove a plan of one's own. Raises NotFound."""
    path = await _lock_own(session, viewer, path_id)
    await session.delete(path)
    await session.flush()
    return path


async def _lock_own(session: WriteSession, viewer: Viewer, path_id: UUID | None) -> LearningPath:
    viewer.require_user()
    path = None
    if path_id is not None:
        path = await session.get(LearningPath, path_id, with_for_update=True)
    if path is None or not viewer.is_user(path.student_id):
        raise NotFound("There is no such learning path.")
    return path


_PATHS = ByKey(sa.select(LearningPath), LearningPath.id)


async def get_paths(session: ReadSession, ids: Sequence[UUID]) -> list[LearningPath | None]:
    """Many plans at once, in the order asked for."""
    return await _PATHS.find(session, ids)


async def list_paths(
    session: ReadSession, student_ids: Sequence[UUID], *, page: PageRequest
) -> list[Page[LearningPath]]:
    """The plans of each student, the newest first."""
    return await _OF_STUDENT.pages(session, page, student_ids)


@dataclass(frozen=True)
class StepState:
    """A step, and whether it is done: ticked, or its course or unit completed."""

    step: PathStep
    is_done: bool


async def get_steps(session: ReadSession, path_ids: Sequence[UUID]) -> list[list[StepState]]:
    """The steps of each plan, in order. One statement."""
    course_done = sa.exists().where(
        Enrollment.course_id == PathStep.course_id,
        Enrollment.student_id == LearningPath.student_id,
        Enrollment.status == EnrollmentStatus.COMPLETED,
    )
    unit_done = sa.exists().where(
        UnitProgress.unit_id == PathStep.unit_id,
        UnitProgress.enrollment_id == Enrollment.id,
        Enrollment.student_id == LearningPath.student_id,
        Enrollment.status != EnrollmentStatus.PENDING_PAYMENT,
    )
    rows = await session.execute(
        sa.select(PathStep, sa.or_(PathStep.completed_at.is_not(None), course_done, unit_done))
        .join(LearningPath, LearningPath.id == PathStep.path_id)
        .where(among(PathStep.path_id, path_ids))
        .order_by(PathStep.position)
    )
    found: dict[UUID, list[StepState]] = {}
    for step, is_done in rows:
        found.setdefault(step.path_id, []).append(StepState(step, is_done))
    return [found.get(id_, []) for id_ in path_ids]
