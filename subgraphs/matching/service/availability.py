"""Tutors' hours: weekly rules, exceptions for dates, and how they want to be booked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from shared.db import ReadSession, WriteSession, among, violated_constraint
from shared.errors import Conflict, InvalidInput, NotFound
from shared.events.matching import TutorProfileUpdated
from shared.validation import between, time_zone
from shared.viewer import Viewer
from subgraphs.matching.models import (
    AvailabilityOverride,
    AvailabilityOverrideKind,
    AvailabilityRule,
    TutorProfile,
)
from subgraphs.matching.service import slots, values
from subgraphs.matching.service.profiles import (
    lesson_minutes,
    lock_own_profile,
    tell_of_availability,
    touch,
)

MOST_RULES = 100
MOST_OVERRIDES = 200
MOST_HOURS = 10
LONGEST_OVERRIDE_DAYS = 366
# Divisors of an hour, so that a day's slots do not depend on where a question begins.
INTERVALS = (5, 10, 15, 20, 30, 60)
_WEEK = 7 * 24 * 60


class RulesOverlap(InvalidInput):
    """Two rules cover the same hours of a weekday."""

    code = "RULES_OVERLAP"


class OverrideOverlaps(Conflict):
    """There is an override for one of the dates already."""

    code = "OVERRIDE_OVERLAPS"


@dataclass(frozen=True)
class RuleDraft:
    """Hours of a weekday as they are given."""

    weekday: int
    start_local: str
    end_local: str
    valid_from: str | None = None
    valid_to: str | None = None

    def to_row(self, field: str) -> AvailabilityRule:
        """The checked rule. Raises InvalidInput that names what is wrong."""
        rule = AvailabilityRule(
            weekday=between(self.weekday, field=f"{field}.weekday", least=1, most=7),
            start_local=_start(self.start_local, f"{field}.startLocal"),
            end_local=values.local_time(self.end_local, field=f"{field}.endLocal"),
            valid_from=_date(self.valid_from, f"{field}.validFrom"),
            valid_to=_date(self.valid_to, f"{field}.validTo"),
        )
        if rule.valid_from and rule.valid_to and rule.valid_from > rule.valid_to:
            raise InvalidInput("validFrom is after validTo.", field=f"{field}.validFrom")
        return rule


@dataclass(frozen=True)
class OverrideDraft:
    """An exception as it is given; `last_date` is the first one unless given."""

    kind: AvailabilityOverrideKind
    first_date: str
    last_date: str | None = None
    hours: tuple[tuple[str, str], ...] = ()
    time_zone: str | None = None


@dataclass(frozen=True)
class PreferencesDraft:
    """How a tutor wants to be booked; None leaves a value as it is."""

    buffer_before_minutes: int | None = None
    buffer_after_minutes: int | None = None
    minimum_notice_minutes: int | None = None
    booking_window_days: int | None = None
    # 0 removes the limit.
    most_per_day: int | None = None
    slot_interval_minutes: int | None = None
    durations: tuple[int, ...] | None = None


def _start(value: str, field: str) -> time:
    if value == "24:00":
        raise InvalidInput(f"{field} is not a time such as 09:30.", field=field)
    return values.local_time(value, field=field)


def _date(value: str | None, field: str) -> date | None:
    return None if value is None else values.local_date(value, field=field)


async def set_availability(
    session: WriteSession, viewer: Viewer, profile_id: UUID, drafts: Sequence[RuleDraft]
) -> TutorProfile:
    """Replace all rules at once. Raises RulesOverlap, InvalidInput."""
    profile = await lock_own_profile(session, viewer, profile_id)
    if len(drafts) > MOST_RULES:
        raise InvalidInput(f"rules may have at most {MOST_RULES} entries.", field="rules")
    rules = [draft.to_row(f"rules.{index}") for index, draft in enumerate(drafts)]
    _refuse_overlaps(rules)
    await session.execute(
        sa.delete(AvailabilityRule).where(AvailabilityRule.profile_id == profile.id)
    )
    for rule in rules:
        rule.profile_id = profile.id
    session.add_all(rules)
    await _changed(session, profile)
    return profile


def _refuse_overlaps(rules: Sequence[AvailabilityRule]) -> None:
    spans = [_minutes_of_week(rule) for rule in rules]
    for index, rule in enumerate(rules):
        for other in range(index):
            if _meet(spans[index], spans[other]) and _valid_together(rule, rules[other]):
                raise RulesOverlap(f"rules.{index} overlaps rules.{other}.", field=f"rules.{index}")


def _minutes_of_week(rule: AvailabilityRule) -> tuple[int, int]:
    start = values.minute(rule.start_local)
    end = slots.end_minute(start, values.minute(rule.end_local))
    midnight = (rule.weekday - 1) * 24 * 60
    return midnight + start, midnight + end


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two spans of a week share a minute; Sunday's night reaches into Monday."""
    return any(
        one[0] + shift < other[1] and other[0] < one[1] + shift for shift in (-_WEEK, 0, _WEEK)
    )


def _valid_together(one: AvailabilityRule, other: AvailabilityRule) -> bool:
    starts = [each for each in (one.valid_from, other.valid_from) if each]
    ends = [each for each in (one.valid_to, other.valid_to) if each]
    return not starts or not ends or max(starts) <= min(ends)


async def add_override(
    session: WriteSession, viewer: Viewer, profile_id: UUID, draft: OverrideDraft
) -> AvailabilityOverride:
    """Except some dates from the rules. Raises OverrideOverlaps, InvalidInput."""
    profile = await lock_own_profile(session, viewer, profile_id)
    override = _checked_override(draft)
    count = sa.select(sa.func.count()).where(AvailabilityOverride.profile_id == profile.id)
    if (await session.scalar(count) or 0) >= MOST_OVERRIDES:
        raise InvalidInput(f"There may be at most {MOST_OVERRIDES} overrides.", field="input")
    override.profile_id = profile.id
    session.add(override)
    try:
        await session.flush()
    except IntegrityError as error:
        if violated_constraint(error) == "ex_availability_overrides_dates":
            raise OverrideOverlaps(
                "Remove the other override of these dates first.", field="firstDate"
            ) from error
        raise
    await _changed(session, profile)
    return override


def _checked_override(draft: OverrideDraft) -> AvailabilityOverride:
    first = values.local_date(draft.first_date, field="firstDate")
    last = values.local_date(draft.last_date or draft.first_date, field="lastDate")
    if not 0 <= (last - first).days < LONGEST_OVERRIDE_DAYS:
        raise InvalidInput(
            f"lastDate must follow firstDate within {LONGEST_OVERRIDE_DAYS} days.",
            field="lastDate",
        )
    zone = None if draft.time_zone is None else time_zone(draft.time_zone)
    if draft.kind is AvailabilityOverrideKind.TRAVEL and zone is None:
        raise InvalidInput("timeZone says where you travel.", field="timeZone")
    if draft.kind is AvailabilityOverrideKind.CLOSED and zone is not None:
        raise InvalidInput("A closed day has no zone.", field="timeZone")
    hours = _checked_hours(draft)
    return AvailabilityOverride(
        first_date=first,
        last_date=last,
        kind=draft.kind,
        starts=[start for start, _ in hours],
        ends=[end for _, end in hours],
        time_zone=zone,
    )


def _checked_hours(draft: OverrideDraft) -> list[tuple[time, time]]:
    if (draft.kind is AvailabilityOverrideKind.HOURS) != bool(draft.hours):
        raise InvalidInput("hours are given with the kind HOURS, and only then.", field="hours")
    if len(draft.hours) > MOST_HOURS:
        raise InvalidInput(f"hours may have at most {MOST_HOURS} entries.", field="hours")
    hours = [
        (
            _start(start, f"hours.{index}.startLocal"),
            values.local_time(end, field=f"hours.{index}.endLocal"),
        )
        for index, (start, end) in enumerate(draft.hours)
    ]
    # As if all were hours of one weekday.
    _refuse_overlaps([AvailabilityRule(weekday=1, start_local=a, end_local=b) for a, b in hours])
    return hours


async def remove_override(session: WriteSession, viewer: Viewer, override_id: UUID) -> TutorProfile:
    """Let the rules hold again. Raises NotFound."""
    viewer.require_user()
    owner = await session.scalar(
        sa.select(AvailabilityOverride.profile_id).where(AvailabilityOverride.id == override_id)
    )
    if owner is None:
        raise NotFound("There is no such override.")
    profile = await lock_own_profile(session, viewer, owner)
    # Again under the lock: of two removals at once, one finds nothing.
    removed = await session.scalar(
        sa.delete(AvailabilityOverride)
        .where(AvailabilityOverride.id == override_id)
        .returning(AvailabilityOverride.id)
    )
    if removed is None:
        raise NotFound("There is no such override.")
    await _changed(session, profile)
    return profile


async def update_preferences(
    session: WriteSession, viewer: Viewer, profile_id: UUID, draft: PreferencesDraft
) -> TutorProfile:
    """Change how a tutor wants to be booked. Raises InvalidInput."""
    profile = await lock_own_profile(session, viewer, profile_id)
    _set(profile, "buffer_before_minutes", draft.buffer_before_minutes, 0, 240)
    _set(profile, "buffer_after_minutes", draft.buffer_after_minutes, 0, 240)
    _set(profile, "minimum_notice_minutes", draft.minimum_notice_minutes, 0, 30 * 24 * 60)
    _set(profile, "booking_window_days", draft.booking_window_days, 1, 365)
    if draft.most_per_day is not None:
        between(draft.most_per_day, field="mostPerDay", least=0, most=50)
        profile.most_per_day = draft.most_per_day or None
    if draft.slot_interval_minutes is not None:
        if draft.slot_interval_minutes not in INTERVALS:
            listed = ", ".join(map(str, INTERVALS))
            raise InvalidInput(
                f"slotIntervalMinutes is one of {listed}.", field="slotIntervalMinutes"
            )
        profile.slot_interval_minutes = draft.slot_interval_minutes
    if draft.durations is not None:
        if not 1 <= len(draft.durations) <= MOST_HOURS:
            raise InvalidInput(f"durations has 1 to {MOST_HOURS} entries.", field="durations")
        profile.durations = sorted(
            {lesson_minutes(each, field="durations") for each in draft.durations}
        )
    if session.is_modified(profile):
        await _changed(session, profile)
    return profile


def _set(profile: TutorProfile, column: str, value: int | None, least: int, most: int) -> None:
    if value is None:
        return
    head, *rest = column.split("_")
    field = head + "".join(word.capitalize() for word in rest)
    setattr(profile, column, between(value, field=field, least=least, most=most))


async def _changed(session: WriteSession, profile: TutorProfile) -> None:
    await touch(session, profile, TutorProfileUpdated)
    tell_of_availability(session, profile)


async def get_rules(
    session: ReadSession, profile_ids: Sequence[UUID]
) -> list[list[AvailabilityRule]]:
    """The rules of each tutor, through the week."""
    rows = await session.scalars(
        sa.select(AvailabilityRule)
        .where(among(AvailabilityRule.profile_id, profile_ids))
        .order_by(
            AvailabilityRule.weekday,
            AvailabilityRule.start_local,
            AvailabilityRule.valid_from.nulls_first(),
            AvailabilityRule.id,
        )
    )
    found: dict[UUID, list[AvailabilityRule]] = {}
    for row in rows:
        found.setdefault(row.profile_id, []).append(row)
    return [found.get(id_, []) for id_ in profile_ids]


async def get_overrides(
    session: ReadSession, profile_ids: Sequence[UUID]
) -> list[list[AvailabilityOverride]]:
    """The overrides of each tutor, by date."""
    rows = await session.scalars(
        sa.select(AvailabilityOverride)
        .where(among(AvailabilityOverride.profile_id, profile_ids))
        .order_by(AvailabilityOverride.first_date)
    )
    found: dict[UUID, list[AvailabilityOverride]] = {}
    for row in rows:
        found.setdefault(row.profile_id, []).append(row)
    return [found.get(id_, []) for id_ in profile_ids]
