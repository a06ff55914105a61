"""Slots that can be booked now, at a price that a sealed offer promises for some minutes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import sqlalchemy as sa

from shared.db import ReadSession
from shared.errors import InvalidInput, NotFound
from shared.events.matching import OFFER, Offer
from shared.seal import seal
from shared.validation import time_zone
from shared.viewer import Viewer
from subgraphs.matching.models import FREED, LessonBusyRef, TutorProfile, TutorSkill
from subgraphs.matching.service import slots
from subgraphs.matching.service.profiles import may_see
from subgraphs.matching.service.schedules import get_lesson_times, get_schedules

LONGEST_QUESTION = timedelta(days=31)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class SlotQuestion:
    """Whose slots are wanted, and which."""

    profile_id: UUID | None
    user_id: UUID | None
    start: datetime
    end: datetime
    viewer_zone: str
    minutes: int | None = None
    skill_id: UUID | None = None
    trial: bool = False

    def check(self) -> None:
        """Refuse what cannot be meant. Raises InvalidInput."""
        if (self.profile_id is None) == (self.user_id is None):
            raise InvalidInput("Give tutorId or userId.", field="tutorId")
        if self.start >= self.end:
            raise InvalidInput("from must be before to.", field="from")
        if self.end - self.start > LONGEST_QUESTION:
            raise InvalidInput(
                f"At most {LONGEST_QUESTION.days} days can be asked for at once.", field="to"
            )
        time_zone(self.viewer_zone, field="viewerZone")


@dataclass(frozen=True, slots=True)
class Quote:
    """What the slots of one answer have in common."""

    tutor_id: UUID
    kind: Literal["ONE_TO_ONE", "TRIAL"]
    amount: int
    currency: str
    skill_id: UUID | None
    # Whom the price holds for; None is everybody.
    student_id: UUID | None


@dataclass(frozen=True, slots=True)
class Slot:
    """One bookable slot, in UTC."""

    starts_at: datetime
    ends_at: datetime
    quote: Quote


def price_of(rate: int, minutes: int) -> int:
    """Minor units for so many minutes at an hourly rate, rounded half up."""
    return (2 * rate * minutes + 60) // 120


async def list_slots(session: ReadSession, viewer: Viewer, question: SlotQuestion) -> list[Slot]:
    """The slots that the viewer can book; none of a tutor who cannot be booked.

    Raises NotFound, InvalidInput.
    """
    question.check()
    profile, now = await _find_tutor(session, viewer, question)
    minutes = _minutes(profile, question)
    rate = await _rate(session, profile, question.skill_id)
    start = max(question.start, now)
    end = min(question.end, now + timedelta(days=profile.booking_window_days) + _DAY)
    if not profile.is_bookable or minutes is None or start >= end:
        return []
    if question.trial and await _had_trial(session, viewer, profile):
        return []
    [schedule] = await get_schedules(session, [profile], start=start, end=end)
    [lessons] = await get_lesson_times(session, [profile.user_id], start=start, end=end)
    found = slots.calculate_slots(schedule, lessons, start=start, end=end, minutes=minutes, now=now)
    quote = Quote(
        tutor_id=profile.user_id,
        kind="TRIAL" if question.trial else "ONE_TO_ONE",
        amount=(profile.trial_amount or 0) if question.trial else price_of(rate, minutes),
        currency=profile.rate_currency,
        skill_id=question.skill_id,
        student_id=viewer.user_id if question.trial else None,
    )
    return [Slot(start, end, quote) for start, end in found]


async def _find_tutor(
    session: ReadSession, viewer: Viewer, question: SlotQuestion
) -> tuple[TutorProfile, datetime]:
    statement = sa.select(TutorProfile, sa.func.clock_timestamp())
    if question.profile_id is not None:
        statement = statement.where(TutorProfile.id == question.profile_id)
    else:
        statement = statement.where(TutorProfile.user_id == question.user_id)
    row = (await session.execute(statement)).one_or_none()
    if row is None or not may_see(row[0], viewer):
        raise NotFound("There is no such tutor.")
    return row[0], row[1]


def _minutes(profile: TutorProfile, question: SlotQuestion) -> int | None:
    """How long the lessons are; None for a trial that is not offered. Raises InvalidInput."""
    if question.trial:
        allowed = [profile.trial_minutes] if profile.trial_minutes else []
    else:
        allowed = list(profile.durations)
    if not allowed:
        return None
    if question.minutes is None:
        return min(allowed)
    if question.minutes not in allowed:
        listed = ", ".join(map(str, allowed))
        raise InvalidInput(f"This tutor's lessons take {listed} minutes.", field="durationMinutes")
    return question.minutes


async def _rate(session: ReadSession, profile: TutorProfile, skill_id: UUID | None) -> int:
    if skill_id is None:
        return profile.rate_amount
    taught = await session.get(TutorSkill, (profile.id, skill_id))
    if taught is None:
        raise InvalidInput("This tutor does not teach the skill.", field="skillId")
    return profile.rate_amount if taught.rate_amount is None else taught.rate_amount


async def _had_trial(session: ReadSession, viewer: Viewer, profile: TutorProfile) -> bool:
    """Whether the viewer has used up the one trial with the tutor."""
    if viewer.user_id is None:
        return False
    statement = sa.select(
        sa.exists().where(
            LessonBusyRef.tutor_id == profile.user_id,
            LessonBusyRef.student_ids.contains([viewer.user_id]),
            LessonBusyRef.kind == "TRIAL",
            LessonBusyRef.status.not_in(FREED),
        )
    )
    return bool(await session.scalar(statement))


def seal_offer(slot: Slot, *, secrets: list[bytes], seconds: int) -> str | None:
    """The token that books the slot; None where a price for one student has nobody to hold for."""
    quote = slot.quote
    if quote.kind == "TRIAL" and quote.student_id is None:
        return None
    offer = Offer(
        tutor_id=quote.tutor_id,
        starts_at=slot.starts_at,
        ends_at=slot.ends_at,
        kind=quote.kind,
        price_amount=quote.amount,
        price_currency=quote.currency,
        skill_id=quote.skill_id,
        student_id=quote.student_id,
    )
    return seal(secrets, OFFER, offer, seconds=seconds)
