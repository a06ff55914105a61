"""Skills, how they hang together, who teaches them, and which ones a course teaches."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from shared.db import ReadSession, WriteSession, among, violated_constraint
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.events.matching import TutorProfileUpdated
from shared.lookup import ByKey
from shared.pages import Order, Page, PageRequest, keyset
from shared.validation import between, optional_text, text
from shared.viewer import Viewer
from subgraphs.matching.models import (
    CourseRef,
    CourseSkill,
    Skill,
    SkillEdge,
    SkillLevel,
    SkillLinkKind,
    TutorProfile,
    TutorSkill,
)
from subgraphs.matching.service import values
from subgraphs.matching.service.profiles import lock_own_profile, touch

MOST_TAUGHT = 50
MOST_OF_COURSE = 20
MOST_STEPS = 12
MOST_WEIGHT = 1000
BY_NAME = Order.by(Skill.name, Skill.id)
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class SlugTaken(Conflict):
    """There is a skill with this slug already."""

    code = "SLUG_TAKEN"


class SkillCycle(Conflict):
    """The link would make a skill lead to itself."""

    code = "SKILL_CYCLE"


@dataclass(frozen=True)
class TaughtSkill:
    """A skill as a tutor offers it."""

    skill_id: UUID
    level: SkillLevel
    rate_amount: int | None = None


@dataclass(frozen=True)
class SkillStep:
    """One skill of a path, with what the path costs so far; the first one has no link."""

    skill_id: UUID
    kind: SkillLinkKind | None
    cost: int


async def create_skill(
    session: WriteSession, viewer: Viewer, *, name: str, slug: str, category: str
) -> Skill:
    """Add a skill (admins). Raises SlugTaken, Forbidden, InvalidInput."""
    viewer.require_role("admin")
    if not _SLUG.fullmatch(slug) or len(slug) > 100:
        raise InvalidInput("slug is made of a-z, 0-9 and single hyphens.", field="slug")
    skill = Skill(
        name=text(name, field="name", least=2, most=100),
        slug=slug,
        category=text(category, field="category", least=2, most=50),
    )
    session.add(skill)
    try:
        await session.flush()
    except IntegrityError as error:
        if violated_constraint(error) == "uq_skills_slug":
            raise SlugTaken("There is a skill with this slug.", field="slug") from error
        raise
    return skill


async def link_skills(
    session: WriteSession,
    viewer: Viewer,
    *,
    from_id: UUID,
    to_id: UUID,
    kind: SkillLinkKind,
    weight: int,
) -> Skill:
    """Lead from one skill to another, or weigh the link anew (admins). Raises SkillCycle, …"""
    viewer.require_role("admin")
    between(weight, field="weight", least=1, most=MOST_WEIGHT)
    if from_id == to_id:
        raise SkillCycle("A skill does not lead to itself.", field="to")
    # Links are rare, and a cycle is made by two of them: one at a time.
    await session.execute(sa.text("LOCK TABLE skill_edges IN SHARE ROW EXCLUSIVE MODE"))
    skills = await get_skills(session, [from_id, to_id])
    if skills[0] is None or skills[1] is None:
        raise NotFound("There is no such skill.", field="to" if skills[0] else "from")
    if kind is SkillLinkKind.RELATED:
        from_id, to_id = sorted((from_id, to_id))
    elif await session.scalar(_LEADS_BACK, {"start": to_id, "goal": from_id, "kind": kind}):
        raise SkillCycle("The other skill leads here already.", field="to")
    statement = insert(SkillEdge).values(from_id=from_id, to_id=to_id, kind=kind, weight=weight)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["from_id", "to_id", "kind"], set_={"weight": weight}
        )
    )
    return skills[0]


_LEADS_BACK = sa.text("""
WITH RECURSIVE reached (id) AS (
    SELECT CAST(:start AS uuid)
  UNION
    SELECT edge.to_id FROM reached JOIN skill_edges edge ON edge.from_id = reached.id
    WHERE edge.kind = :kind
) SELECT EXISTS (SELECT FROM reached WHERE id = :goal)
""")

# Each round goes on from the cheapest way to each skill alone, so that rounds stay small; weights
# are positive, so a cheapest path never comes back to where it was.
_PATH = sa.text("""
WITH RECURSIVE ways (from_id, to_id, kind, weight) AS (
    SELECT from_id, to_id, kind, weight FROM skill_edges
  UNION ALL
    SELECT to_id, from_id, kind, weight FROM skill_edges WHERE kind = 'RELATED'
), path (id, cost, ids, kinds, costs, place) AS (
    SELECT CAST(:start AS uuid), 0, ARRAY[CAST(:start AS uuid)], ARRAY[]::text[],
      ARRAY[0], 1::bigint
  UNION ALL
    SELECT way.to_id, path.cost + way.weight, path.ids || way.to_id,
      path.kinds || way.kind::text, path.costs || path.cost + way.weight,
      row_number() OVER (
        PARTITION BY way.to_id ORDER BY path.cost + way.weight, path.ids || way.to_id
      )
    FROM path JOIN ways way ON way.from_id = path.id
    WHERE path.place = 1 AND path.id <> :goal AND way.to_id <> ALL (path.ids)
      AND cardinality(path.ids) <= :most
)
SELECT ids, kinds, costs FROM path WHERE id = :goal ORDER BY cost, cardinality(ids), ids LIMIT 1
""")


async def find_path(session: ReadSession, *, start: UUID, goal: UUID) -> list[SkillStep]:
    """The cheapest way from one skill to another in at most `MOST_STEPS` links; empty without one.

    Prerequisite and broader links lead one way, related ones both. Raises NotFound.
    """
    for place, skill in zip(("from", "to"), await get_skills(session, [start, goal]), strict=True):
        if skill is None:
            raise NotFound("There is no such skill.", field=place)
    wanted = {"start": start, "goal": goal, "most": MOST_STEPS}
    row = (await session.execute(_PATH, wanted)).one_or_none()
    if row is None:
        return []
    kinds = [None, *map(SkillLinkKind, row.kinds)]
    return [
        SkillStep(skill_id, kind, cost)
        for skill_id, kind, cost in zip(row.ids, kinds, row.costs, strict=True)
    ]


async def set_tutor_skills(
    session: WriteSession, viewer: Viewer, profile_id: UUID, taught: Sequence[TaughtSkill]
) -> TutorProfile:
    """Replace what a tutor teaches. Raises NotFound for an unknown skill, InvalidInput."""
    profile = await lock_own_profile(session, viewer, profile_id)
    if len(taught) > MOST_TAUGHT:
        raise InvalidInput(f"skills may have at most {MOST_TAUGHT} entries.", field="skills")
    await _require_skills(session, [each.skill_id for each in taught])
    for each in taught:
        if each.rate_amount is not None:
            values.rate(each.rate_amount, field="hourlyRate")
    await session.execute(sa.delete(TutorSkill).where(TutorSkill.profile_id == profile.id))
    session.add_all(
        TutorSkill(
            profile_id=profile.id,
            skill_id=each.skill_id,
            level=each.level,
            rate_amount=each.rate_amount,
        )
        for each in taught
    )
    await touch(session, profile, TutorProfileUpdated)
    return profile


async def set_course_skills(
    session: WriteSession, viewer: Viewer, course_id: UUID, skill_ids: Sequence[UUID]
) -> UUID:
    """Replace what a course teaches (its tutor, admins). Raises NotFound, Forbidden, …"""
    viewer.require_user()
    course = await session.get(CourseRef, course_id, with_for_update=True)
    if course is None:
        raise NotFound("There is no such course.")
    if not viewer.may_see_private(course.tutor_id):
        raise Forbidden("This course belongs to another tutor.")
    if len(skill_ids) > MOST_OF_COURSE:
        raise InvalidInput(f"skillIds may have at most {MOST_OF_COURSE} entries.", field="skillIds")
    await _require_skills(session, skill_ids)
    await session.execute(sa.delete(CourseSkill).where(CourseSkill.course_id == course_id))
    session.add_all(CourseSkill(course_id=course_id, skill_id=each) for each in skill_ids)
    await session.flush()
    return course_id


async def _require_skills(session: ReadSession, skill_ids: Sequence[UUID]) -> None:
    if len(set(skill_ids)) != len(skill_ids):
        raise InvalidInput("A skill is named twice.", field="skills")
    if skill_ids and None in await get_skills(session, skill_ids):
        raise NotFound("There is no such skill.", field="skills")


_SKILLS = ByKey(sa.select(Skill), Skill.id)


async def get_skills(session: ReadSession, ids: Sequence[UUID]) -> list[Skill | None]:
    """Many skills at once, in the order asked for."""
    return await _SKILLS.find(session, ids)


async def list_skills(
    session: ReadSession, page: PageRequest, *, search: str | None, category: str | None
) -> Page[Skill]:
    """Skills by name, of those that hold a text or nearly do. One statement."""
    statement = sa.select(Skill)
    if (wanted := optional_text(search, field="search", most=100)) is not None:
        statement = statement.where(
            sa.or_(
                Skill.name.icontains(wanted, autoescape=True),
                sa.func.word_similarity(wanted, Skill.name) >= 0.5,
            )
        )
    if (wanted := optional_text(category, field="category", most=50)) is not None:
        statement = statement.where(Skill.category == wanted)
    return await keyset(session, statement, BY_NAME, page)


async def get_tutor_skills(
    session: ReadSession, profile_ids: Sequence[UUID]
) -> list[list[tuple[TutorSkill, Skill]]]:
    """What each tutor teaches, by name. One statement."""
    rows = await session.execute(
        sa.select(TutorSkill, Skill)
        .join(Skill, Skill.id == TutorSkill.skill_id)
        .where(among(TutorSkill.profile_id, profile_ids))
        .order_by(Skill.name, Skill.id)
    )
    found: dict[UUID, list[tuple[TutorSkill, Skill]]] = {}
    for taught, skill in rows:
        found.setdefault(taught.profile_id, []).append((taught, skill))
    return [found.get(id_, []) for id_ in profile_ids]


async def get_course_skills(session: ReadSession, course_ids: Sequence[UUID]) -> list[list[Skill]]:
    """What each course teaches, by name. One statement."""
    rows = await session.execute(
        sa.select(CourseSkill.course_id, Skill)
        .join(Skill, Skill.id == CourseSkill.skill_id)
        .where(among(CourseSkill.course_id, course_ids))
        .order_by(Skill.name, Skill.id)
    )
    found: dict[UUID, list[Skill]] = {}
    for course_id, skill in rows:
        found.setdefault(course_id, []).append(skill)
    return [found.get(id_, []) for id_ in course_ids]


async def get_linked(
    session: ReadSession, skill_ids: Sequence[UUID], *, kind: SkillLinkKind, backward: bool
) -> list[list[tuple[Skill, int]]]:
    """Skills that each leads to (from which it is reached, when backward), the nearest first."""
    here, there = SkillEdge.from_id, SkillEdge.to_id
    if backward:
        here, there = there, here
    found: dict[UUID, list[tuple[Skill, int]]] = {}
    rows = await session.execute(
        sa.select(here, Skill, SkillEdge.weight)
        .join(Skill, Skill.id == there)
        .where(among(here, skill_ids), SkillEdge.kind == kind)
        .order_by(SkillEdge.weight, Skill.name, Skill.id)
    )
    for skill_id, skill, weight in rows:
        found.setdefault(skill_id, []).append((skill, weight))
    return [found.get(id_, []) for id_ in skill_ids]
