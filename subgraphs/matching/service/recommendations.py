"""Tutors for a student who has not asked for anything: the same answer for the same state."""

import re
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared.db import ReadSession
from shared.validation import between
from shared.viewer import Viewer
from subgraphs.matching.models import (
    Favourite,
    StudentProfile,
    TutorListing,
    TutorProfile,
    TutorSkill,
)
from subgraphs.matching.service import scores
from subgraphs.matching.service.listings import UNRATED, skill_tag

MOST = 50
_POOL = 100
_MOST_GOAL_WORDS = 30
_WORD = re.compile(r"\w{3,}")


@dataclass
class _Taste:
    """What is known of a viewer."""

    languages: list[str] = field(default_factory=list)
    goals: str = ""
    favourites: list[UUID] = field(default_factory=list)
    skills: list[UUID] = field(default_factory=list)


async def recommend_tutors(
    session: ReadSession, viewer: Viewer, *, first: int
) -> list[tuple[TutorProfile, scores.Scored]]:
    """Bookable tutors by points; never the viewer nor those already among the favourites.

    The points: a shared language, skills of the favourites, words of the goals, the rating, and the
    boost of new tutors (service/listings.py). Guests get rating and boost alone. Raises
    InvalidInput.
    """
    between(first, field="first", least=1, most=MOST)
    taste = await _taste(session, viewer.user_id) if viewer.user_id else _Taste()
    liked = [skill_tag(each) for each in taste.skills]
    goals = sa.func.websearch_to_tsquery("english", sa.func.unaccent(taste.goals))
    fits_goals = TutorListing.search.bool_op("@@")(goals)
    pools = [_pool(sa.true())]
    if liked:
        pools.append(_pool(TutorListing.tags.overlap(liked)))
    if taste.goals:
        pools.append(_pool(fits_goals))
    pool = sa.union(*pools).subquery("pool")
    statement = (
        sa.select(TutorProfile, TutorListing, fits_goals.label("fits_goals"))
        .join(TutorListing, TutorListing.profile_id == TutorProfile.id)
        .join(pool, pool.c.profile_id == TutorProfile.id)
        .where(TutorProfile.id.not_in(taste.favourites))
    )
    if viewer.user_id is not None:
        statement = statement.where(TutorProfile.user_id != viewer.user_id)
    profiles: dict[UUID, TutorProfile] = {}
    scored = []
    for profile, listing, fits in await session.execute(statement):
        profiles[profile.id] = profile
        # The boost is what the standing has beyond the score.
        boost = listing.standing - (listing.score or UNRATED)
        scored.append(
            scores.Scored(
                profile.id,
                profile.user_id,
                (
                    *scores.for_languages(profile.languages, taste.languages),
                    *scores.for_favourites_skills(len({*liked} & {*listing.tags}), len(liked)),
                    *scores.for_goals(bool(taste.goals) and fits),
                    *scores.for_rating(listing.score),
                    *scores.for_newness(boost),
                ),
            )
        )
    return [(profiles[each.profile_id], each) for each in scores.best(scored, first)]


def _pool(condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """The best standing of those who meet a condition."""
    found = (
        sa.select(TutorListing.profile_id)
        .where(TutorListing.is_bookable, condition)
        .order_by(TutorListing.standing.desc(), TutorListing.profile_id.desc())
        .limit(_POOL)
    )
    return sa.select(found.subquery().c.profile_id)


async def _taste(session: ReadSession, user_id: UUID) -> _Taste:
    student = await session.get(StudentProfile, user_id)
    favourites = await session.scalars(
        sa.select(Favourite.profile_id)
        .where(Favourite.user_id == user_id)
        .order_by(Favourite.created_at.desc(), Favourite.profile_id)
        .limit(_POOL)
    )
    taste = _Taste(favourites=list(favourites))
    if taste.favourites:
        skills = await session.scalars(
            sa.select(TutorSkill.skill_id)
            .where(TutorSkill.profile_id.in_(taste.favourites))
            .group_by(TutorSkill.skill_id)
            .order_by(sa.func.count().desc(), TutorSkill.skill_id)
            .limit(10)
        )
        taste.skills = list(skills)
    if student is not None:
        taste.languages = student.languages
        words = _WORD.findall(student.goals or "")[:_MOST_GOAL_WORDS]
        taste.goals = " or ".join(words)
    return taste
