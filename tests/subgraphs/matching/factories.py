"""Rows of matching, written past the rules, as a test needs them; and events of other subgraphs."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

from shared.db import WriteSession, utc_now
from shared.events.learning import CoursePublished, CourseState, LessonScheduled, LessonState
from shared.events.payment import PayoutAccountEnabled, PayoutAccountState
from shared.events.reviews import RatingUpdated
from shared.ids import new_id
from subgraphs.matching.models import (
    AvailabilityRule,
    CourseRef,
    RatingRef,
    Skill,
    SkillLevel,
    TutorProfile,
    TutorSkill,
    UserRef,
)
from subgraphs.matching.service.listings import refresh_listings

DAY = timedelta(days=1)


def next_day(weekday: int = 1, *, least: int = 2) -> datetime:
    """Midnight in UTC of the next such weekday that is at least so many days away."""
    day = utc_now().replace(hour=0, minute=0, second=0, microsecond=0) + least * DAY
    return day + (weekday - day.isoweekday()) % 7 * DAY


async def create_user(session: WriteSession, **overrides: Any) -> UserRef:
    """What matching knows of a verified student."""
    values: dict[str, Any] = {
        "user_id": new_id(),
        "first_name": "Ana",
        "last_name": "Silva",
        "roles": ["student"],
        "status": "ACTIVE",
        "auth_version": 1,
        "time_zone": "Europe/Lisbon",
        "version": 1,
    }
    user = UserRef(**(values | overrides))
    session.add(user)
    await session.flush()
    return user


async def create_tutor(
    session: WriteSession,
    *,
    name: tuple[str, str] = ("Tom", "Rivera"),
    hours: tuple[int, int] | None = (9, 12),
    skills: Sequence[tuple[Skill, SkillLevel, int | None]] = (),
    rating: tuple[int, int, int] | None = None,
    **overrides: Any,
) -> TutorProfile:
    """A bookable tutor at 40.00 USD an hour who teaches every day at these hours of UTC."""
    user = await create_user(session, first_name=name[0], last_name=name[1], roles=["tutor"])
    values: dict[str, Any] = {
        "user_id": user.user_id,
        "headline": "Patient lessons for everybody",
        "languages": ["en"],
        "time_zone": "UTC",
        "rate_amount": 4_000,
        "rate_currency": "USD",
        "minimum_notice_minutes": 0,
        "durations": [60, 90],
        "slot_interval_minutes": 60,
        "is_verified": True,
        "verified_at": utc_now(),
        "is_payable": True,
    }
    profile = TutorProfile(**(values | overrides))
    session.add(profile)
    await session.flush()
    if hours is not None:
        session.add_all(
            AvailabilityRule(
                profile_id=profile.id,
                weekday=weekday,
                start_local=time(hours[0]),
                end_local=time(hours[1]),
            )
            for weekday in range(1, 8)
        )
    for skill, level, rate in skills:
        session.add(
            TutorSkill(profile_id=profile.id, skill_id=skill.id, level=level, rate_amount=rate)
        )
    if rating is not None:
        count, mean, score = rating
        session.add(RatingRef(user_id=user.user_id, count=count, mean=mean, score=score, version=1))
    await refresh_listings(session, [profile])
    return profile


async def create_skill(session: WriteSession, name: str, **overrides: Any) -> Skill:
    """A skill of music."""
    values = {"name": name, "slug": name.lower().replace(" ", "-"), "category": "music"}
    skill = Skill(**(values | overrides))
    session.add(skill)
    await session.flush()
    return skill


async def create_course_ref(session: WriteSession, tutor_id: UUID) -> CourseRef:
    """A published course of a tutor."""
    course = CourseRef(course_id=new_id(), tutor_id=tutor_id, status="PUBLISHED", version=1)
    session.add(course)
    await session.flush()
    return course


def lesson(
    tutor_id: UUID,
    starts_at: datetime,
    *,
    kind: type[LessonState] = LessonScheduled,
    minutes: int = 60,
    **changes: Any,
) -> LessonState:
    """A lesson's state as learning publishes it."""
    values: dict[str, Any] = {
        "lesson_id": new_id(),
        "tutor_id": tutor_id,
        "student_ids": (new_id(),),
        "course_id": None,
        "kind": "ONE_TO_ONE",
        "status": "SCHEDULED",
        "starts_at": starts_at,
        "ends_at": starts_at + timedelta(minutes=minutes),
        "price_amount": 4_000,
        "price_currency": "USD",
        "hold_expires_at": None,
        "completed_at": None,
        "dispute_until": None,
        "refund_bps": None,
        "version": 1,
    }
    return kind(**(values | changes))


def course(
    tutor_id: UUID, *, kind: type[CourseState] = CoursePublished, **changes: Any
) -> CourseState:
    """A course's state as learning publishes it."""
    values: dict[str, Any] = {
        "course_id": new_id(),
        "tutor_id": tutor_id,
        "title": "Guitar for beginners",
        "category": "music",
        "level": "BEGINNER",
        "language": "en",
        "price_amount": 0,
        "price_currency": "USD",
        "duration_minutes": 90,
        "status": "PUBLISHED",
        "version": 1,
    }
    return kind(**(values | changes))


def payout_account(
    user_id: UUID,
    *,
    kind: type[PayoutAccountState] = PayoutAccountEnabled,
    is_enabled: bool = True,
    version: int = 1,
) -> PayoutAccountState:
    """A payout account's state as payment publishes it."""
    return kind(user_id=user_id, is_enabled=is_enabled, version=version)


def rating(
    user_id: UUID, *, mean: int, score: int, version: int = 1, **changes: Any
) -> RatingUpdated:
    """A tutor's rating as reviews publishes it."""
    values: dict[str, Any] = {
        "target_id": user_id,
        "target_type": "TUTOR",
        "count": 12,
        "mean": mean,
        "score": score,
        "histogram": (0, 0, 1, 2, 9),
        "version": version,
    }
    return RatingUpdated(**(values | changes))


def iso(moment: datetime) -> str:
    """A moment as the API writes it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
