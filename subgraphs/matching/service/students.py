"""What students look for, and the tutors they keep in mind."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared.db import ReadSession, WriteSession, among
from shared.errors import NotFound
from shared.lookup import ByKey
from shared.pages import Order, Page, PageRequest, keyset
from shared.validation import text, time_zone
from shared.viewer import Viewer
from subgraphs.matching.models import Favourite, StudentProfile, TutorProfile
from subgraphs.matching.service import users, values
from subgraphs.matching.service.profiles import may_see

NEWEST = Order.by(Favourite.created_at.desc(), Favourite.profile_id)


@dataclass(frozen=True)
class StudentDraft:
    """What a student says; None leaves a value as it is, empty text clears it."""

    goals: str | None = None
    languages: tuple[str, ...] | None = None
    time_zone: str | None = None


async def update_student(
    session: WriteSession, viewer: Viewer, draft: StudentDraft
) -> StudentProfile:
    """Keep what the viewer looks for. Raises InvalidInput."""
    user_id = viewer.require_user()
    zone = await users.get_time_zone(session, user_id)
    await session.execute(
        insert(StudentProfile).values(user_id=user_id, time_zone=zone).on_conflict_do_nothing()
    )
    student = await session.get_one(StudentProfile, user_id, with_for_update=True)
    if draft.goals is not None:
        student.goals = text(draft.goals, field="goals", most=2000, lines=True) or None
    if draft.languages is not None:
        student.languages = values.languages(draft.languages)
    if draft.time_zone is not None:
        student.time_zone = time_zone(draft.time_zone)
    await session.flush()
    return student


_STUDENTS = ByKey(sa.select(StudentProfile), StudentProfile.user_id)


async def get_students(
    session: ReadSession, user_ids: Sequence[UUID]
) -> list[StudentProfile | None]:
    """What each user looks for."""
    return await _STUDENTS.find(session, user_ids)


async def add_favourite(session: WriteSession, viewer: Viewer, profile_id: UUID) -> TutorProfile:
    """Keep a tutor in mind; again changes nothing. Raises NotFound."""
    user_id = viewer.require_user()
    profile = await _visible(session, viewer, profile_id)
    await session.execute(
        insert(Favourite).values(user_id=user_id, profile_id=profile.id).on_conflict_do_nothing()
    )
    return profile


async def remove_favourite(session: WriteSession, viewer: Viewer, profile_id: UUID) -> TutorProfile:
    """Forget a tutor; again changes nothing. Raises NotFound."""
    user_id = viewer.require_user()
    profile = await session.get(TutorProfile, profile_id)
    removed = await session.scalar(
        sa.delete(Favourite)
        .where(Favourite.user_id == user_id, Favourite.profile_id == profile_id)
        .returning(Favourite.profile_id)
    )
    # A tutor who is no longer visible can be forgotten all the same.
    if profile is None or (removed is None and not may_see(profile, viewer)):
        raise NotFound("There is no such tutor.")
    return profile


async def _visible(session: ReadSession, viewer: Viewer, profile_id: UUID) -> TutorProfile:
    profile = await session.get(TutorProfile, profile_id)
    if profile is None or not may_see(profile, viewer):
        raise NotFound("There is no such tutor.")
    return profile


async def list_favourites(
    session: ReadSession, viewer: Viewer, page: PageRequest
) -> Page[TutorProfile]:
    """The viewer's favourites that are still visible, the last one first. One statement."""
    user_id = viewer.require_user()
    statement = (
        sa.select(TutorProfile)
        .join(Favourite, Favourite.profile_id == TutorProfile.id)
        .where(
            Favourite.user_id == user_id,
            sa.or_(
                TutorProfile.user_id == user_id,
                sa.and_(TutorProfile.is_verified, sa.not_(TutorProfile.is_blocked)),
            ),
        )
    )
    return await keyset(session, statement, NEWEST, page)


async def get_is_favourite(
    session: ReadSession, profile_ids: Sequence[UUID], *, user_id: UUID
) -> list[bool]:
    """Whether the user keeps each tutor in mind."""
    rows = await session.scalars(
        sa.select(Favourite.profile_id).where(
            Favourite.user_id == user_id, among(Favourite.profile_id, profile_ids)
        )
    )
    found = set(rows)
    return [id_ in found for id_ in profile_ids]
