"""What tutors have said about time, as the slot calculation takes it, and the lessons they have."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from shared.db import ReadSession, among
from subgraphs.matching.models import (
    TAKEN,
    AvailabilityOverride,
    AvailabilityOverrideKind,
    AvailabilityRule,
    LessonBusyRef,
    TutorProfile,
)
from subgraphs.matching.service import slots
from subgraphs.matching.service.values import minute

# How far around a period lessons and overrides still matter to it.
MARGIN = timedelta(days=3)


async def get_schedules(
    session: ReadSession, profiles: Sequence[TutorProfile], *, start: datetime, end: datetime
) -> list[slots.Schedule]:
    """The schedule of each tutor, as far as it matters to the period. Two statements."""
    ids = [profile.id for profile in profiles]
    rules: dict[UUID, list[slots.Rule]] = {}
    for rule in await session.scalars(
        sa.select(AvailabilityRule).where(among(AvailabilityRule.profile_id, ids))
    ):
        rules.setdefault(rule.profile_id, []).append(_rule(rule))
    overrides: dict[UUID, list[slots.Override]] = {}
    for override in await session.scalars(
        sa.select(AvailabilityOverride).where(
            among(AvailabilityOverride.profile_id, ids),
            AvailabilityOverride.last_date >= (start - MARGIN).date(),
            AvailabilityOverride.first_date <= (end + MARGIN).date(),
        )
    ):
        overrides.setdefault(override.profile_id, []).append(_override(override))
    return [
        slots.Schedule(
            zone=profile.time_zone,
            rules=rules.get(profile.id, ()),
            overrides=overrides.get(profile.id, ()),
            preferences=_preferences(profile),
        )
        for profile in profiles
    ]


def _rule(row: AvailabilityRule) -> slots.Rule:
    start = minute(row.start_local)
    return slots.Rule(
        weekday=row.weekday,
        start=start,
        end=slots.end_minute(start, minute(row.end_local)),
        valid_from=row.valid_from,
        valid_to=row.valid_to,
    )


def _override(row: AvailabilityOverride) -> slots.Override:
    hours = None
    if row.kind != AvailabilityOverrideKind.TRAVEL:
        pairs = zip(map(minute, row.starts), map(minute, row.ends), strict=True)
        hours = tuple((start, slots.end_minute(start, end)) for start, end in pairs)
    return slots.Override(row.first_date, row.last_date, hours, row.time_zone)


def _preferences(profile: TutorProfile) -> slots.Preferences:
    return slots.Preferences(
        buffer_before=profile.buffer_before_minutes,
        buffer_after=profile.buffer_after_minutes,
        notice=profile.minimum_notice_minutes,
        window_days=profile.booking_window_days,
        most_per_day=profile.most_per_day,
        interval=profile.slot_interval_minutes,
    )


async def get_lesson_times(
    session: ReadSession, tutor_ids: Sequence[UUID], *, start: datetime, end: datetime
) -> list[list[tuple[datetime, datetime]]]:
    """The lessons of each tutor (a user) around the period; a hold counts until it ends."""
    rows = await session.execute(
        sa.select(LessonBusyRef.tutor_id, LessonBusyRef.starts_at, LessonBusyRef.ends_at).where(
            among(LessonBusyRef.tutor_id, tutor_ids),
            sa.text(TAKEN),
            LessonBusyRef.ends_at > start - MARGIN,
            LessonBusyRef.starts_at < end + MARGIN,
            sa.or_(
                LessonBusyRef.status != "PENDING_PAYMENT",
                LessonBusyRef.hold_expires_at > sa.func.clock_timestamp(),
            ),
        )
    )
    found: dict[UUID, list[tuple[datetime, datetime]]] = {}
    for row in rows:
        found.setdefault(row.tutor_id, []).append((row.starts_at, row.ends_at))
    return [found.get(id_, []) for id_ in tutor_ids]
