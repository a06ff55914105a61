"""Matching requests: a student asks, tutors are found with reasons, one of them is accepted."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa

from shared.db import ReadSession, WriteSession, among, utc_now
from shared.errors import Conflict, InvalidInput, NotFound
from shared.events.matching import MatchAccepted, MatchFound, MatchRequested
from shared.lookup import ByKey
from shared.outbox import publish
from shared.pages import ListsByParent, Order, Page, PageRequest
from shared.validation import between, optional_text, time_zone
from shared.viewer import Viewer
from subgraphs.matching.models import (
    Favourite,
    LessonBusyRef,
    MatchCandidate,
    MatchingRequest,
    MatchingRequestStatus,
    Skill,
    SkillLevel,
    TutorListing,
    TutorProfile,
    TutorSkill,
)
from subgraphs.matching.service import scores, slots, users, values
from subgraphs.matching.service.listings import UNRATED, skill_tag

MOST_OPEN = 10
MOST_CANDIDATES = 10
MOST_TIMES = 21
_POOL = 100
_AHEAD = timedelta(days=14)
# How long, and how often, tutors are looked for again where none was found.
_KEPT = timedelta(days=30)
_AGAIN = timedelta(minutes=10)
NEWEST = Order.by(MatchingRequest.id.desc())
_OF_STUDENT = ListsByParent(sa.select(MatchingRequest), NEWEST, parent=MatchingRequest.student_id)
WAITING = (MatchingRequestStatus.OPEN, MatchingRequestStatus.FOUND)


class TooManyRequests(Conflict):
    """There are too many open requests of this student."""

    code = "TOO_MANY_REQUESTS"


class RequestClosed(Conflict):
    """The request was accepted or cancelled before, or nobody was found yet."""

    code = "REQUEST_CLOSED"


class TutorUnavailable(Conflict):
    """The tutor takes no new lessons now."""

    code = "TUTOR_UNAVAILABLE"


@dataclass(frozen=True)
class PreferredTime:
    """Hours of a weekday that suit a student."""

    weekday: int
    start_local: str
    end_local: str


@dataclass(frozen=True)
class RequestDraft:
    """What a student asks for."""

    skill_id: UUID
    level: SkillLevel
    budget_amount: int | None = None
    budget_currency: str | None = None
    languages: tuple[str, ...] = ()
    schedule: tuple[PreferredTime, ...] = ()
    time_zone: str | None = None
    requirements: str | None = None


async def create_request(
    session: WriteSession, viewer: Viewer, draft: RequestDraft
) -> MatchingRequest:
    """Ask for tutors, and look for them at once. Raises TooManyRequests, NotFound, InvalidInput."""
    student_id = viewer.require_user()
    request = _checked(draft)
    user = await users.lock_user(session, student_id)
    if await session.get(Skill, draft.skill_id) is None:
        raise NotFound("There is no such skill.", field="skillId")
    waiting = sa.select(sa.func.count()).where(
        MatchingRequest.student_id == student_id, MatchingRequest.status.in_(WAITING)
    )
    if (await session.scalar(waiting) or 0) >= MOST_OPEN:
        raise TooManyRequests(f"Cancel one of your {MOST_OPEN} open requests first.")
    request.student_id = student_id
    request.time_zone = request.time_zone or user.time_zone
    session.add(request)
    await session.flush()
    publish(
        session,
        MatchRequested(
            request_id=request.id,
            student_id=student_id,
            skill_id=request.skill_id,
            version=request.version,
        ),
    )
    await _look_for_tutors(session, request)
    return request


def _checked(draft: RequestDraft) -> MatchingRequest:
    if draft.budget_amount is not None:
        values.rate(draft.budget_amount, field="budget")
    if len(draft.schedule) > MOST_TIMES:
        raise InvalidInput(f"schedule may have at most {MOST_TIMES} entries.", field="schedule")
    schedule = []
    for index, each in enumerate(draft.schedule):
        field = f"schedule.{index}"
        between(each.weekday, field=f"{field}.weekday", least=1, most=7)
        start = values.minute(values.local_time(each.start_local, field=f"{field}.startLocal"))
        end = values.minute(values.local_time(each.end_local, field=f"{field}.endLocal"))
        schedule.append(
            {"weekday": each.weekday, "start": start, "end": slots.end_minute(start, end)}
        )
    return MatchingRequest(
        skill_id=draft.skill_id,
        level=draft.level,
        budget_amount=draft.budget_amount,
        budget_currency=draft.budget_currency or "USD",
        languages=values.languages(draft.languages),
        schedule=schedule,
        time_zone=time_zone(draft.time_zone) if draft.time_zone is not None else None,
        requirements=optional_text(draft.requirements, field="requirements", most=2000, lines=True),
    )


async def _look_for_tutors(session: WriteSession, request: MatchingRequest) -> None:
    found = await _find_candidates(session, request)
    if not found:
        return
    session.add_all(
        MatchCandidate(
            request_id=request.id,
            profile_id=each.profile_id,
            position=position,
            score=each.score,
            reasons=[reason.as_json() for reason in each.reasons],
        )
        for position, each in enumerate(found, start=1)
    )
    request.status = MatchingRequestStatus.FOUND
    request.version += 1
    await session.flush()
    publish(
        session,
        MatchFound(
            request_id=request.id,
            student_id=request.student_id,
            skill_id=request.skill_id,
            tutor_ids=tuple(each.user_id for each in found),
            version=request.version,
        ),
    )


async def _find_candidates(session: ReadSession, request: MatchingRequest) -> list[scores.Scored]:
    """Bookable tutors of the skill and level, the best standing of them scored."""
    statement = (
        sa.select(TutorProfile, TutorListing, TutorSkill, Skill.name, Favourite.user_id)
        .join(TutorListing, TutorListing.profile_id == TutorProfile.id)
        .join(
            TutorSkill,
            sa.and_(
                TutorSkill.profile_id == TutorProfile.id, TutorSkill.skill_id == request.skill_id
            ),
        )
        .join(Skill, Skill.id == TutorSkill.skill_id)
        .outerjoin(
            Favourite,
            sa.and_(
                Favourite.profile_id == TutorProfile.id, Favourite.user_id == request.student_id
            ),
        )
        .where(
            TutorListing.is_bookable,
            TutorListing.tags.contains([skill_tag(request.skill_id, SkillLevel(request.level))]),
            TutorProfile.user_id != request.student_id,
        )
        .order_by(TutorListing.standing.desc(), TutorListing.profile_id.desc())
        .limit(_POOL)
        .options(sa.orm.undefer(TutorListing.free_starts))
    )
    wanted = _wanted_minutes(request)
    scored = []
    for profile, listing, taught, skill, favourite in await session.execute(statement):
        rate = profile.rate_amount if taught.rate_amount is None else taught.rate_amount
        # Amounts of different currencies are not compared.
        budget = request.budget_amount
        if profile.rate_currency != request.budget_currency:
            budget = None
        scored.append(
            scores.Scored(
                profile.id,
                profile.user_id,
                (
                    *scores.for_skill(skill, taught.level),
                    *scores.for_languages(profile.languages, request.languages),
                    *scores.for_budget(rate, budget),
                    *scores.for_schedule(_count_within(listing.free_starts, wanted)),
                    *scores.for_rating(listing.score),
                    *scores.for_newness(listing.standing - (listing.score or UNRATED)),
                    *scores.for_favourite(favourite is not None),
                ),
            )
        )
    return scores.best(scored, MOST_CANDIDATES)


def _wanted_minutes(request: MatchingRequest) -> list[tuple[int, int]]:
    """The preferred times of the next two weeks, in minutes since 1970."""
    now = utc_now()
    schedule = slots.Schedule(
        zone=request.time_zone,
        rules=[
            slots.Rule(each["weekday"], each["start"], each["end"]) for each in request.schedule
        ],
    )
    start, end = int(now.timestamp()), int((now + _AHEAD).timestamp())
    return [
        (max(first, start) // slots.MINUTE, last // slots.MINUTE)
        for first, last in slots.open_pieces(schedule, start, end)
    ]


def _count_within(starts: Sequence[int], intervals: Sequence[tuple[int, int]]) -> int:
    return sum(bisect_left(starts, end) - bisect_left(starts, start) for start, end in intervals)


async def look_again(session: WriteSession) -> int:
    """Look again for some requests that nobody was found for; how many they were."""
    # Not clock_timestamp(), which no index can be compared with.
    now = sa.func.now()
    statement = (
        sa.select(MatchingRequest)
        .where(
            MatchingRequest.status == MatchingRequestStatus.OPEN,
            MatchingRequest.searched_at < now - _AGAIN,
            MatchingRequest.created_at > now - _KEPT,
        )
        .order_by(MatchingRequest.searched_at)
        .limit(20)
        .with_for_update(skip_locked=True)
    )
    requests = (await session.scalars(statement)).all()
    for request in requests:
        request.searched_at = utc_now()
        await _look_for_tutors(session, request)
    return len(requests)


async def accept_match(
    session: WriteSession, viewer: Viewer, request_id: UUID, profile_id: UUID
) -> MatchingRequest:
    """Choose a candidate, once. Raises RequestClosed, TutorUnavailable, NotFound."""
    request = await _lock_own_request(session, viewer, request_id)
    if request.accepted_profile_id == profile_id:
        return request
    if request.status != MatchingRequestStatus.FOUND:
        raise RequestClosed("This request takes no answer.")
    candidate = await session.get(MatchCandidate, (request_id, profile_id))
    profile = await session.get(TutorProfile, profile_id)
    if candidate is None or profile is None:
        raise NotFound("This tutor was not found for the request.", field="tutorId")
    if not profile.is_bookable:
        raise TutorUnavailable("This tutor takes no new lessons now.", field="tutorId")
    request.status = MatchingRequestStatus.ACCEPTED
    request.accepted_profile_id = profile.id
    request.accepted_tutor_id = profile.user_id
    request.accepted_at = utc_now()
    request.version += 1
    await session.flush()
    publish(
        session,
        MatchAccepted(
            request_id=request.id,
            student_id=request.student_id,
            skill_id=request.skill_id,
            tutor_id=profile.user_id,
            accepted_at=request.accepted_at,
            version=request.version,
        ),
    )
    return request


async def cancel_request(
    session: WriteSession, viewer: Viewer, request_id: UUID
) -> MatchingRequest:
    """Look for nobody any more; again changes nothing. Raises RequestClosed, NotFound."""
    request = await _lock_own_request(session, viewer, request_id)
    if request.status == MatchingRequestStatus.ACCEPTED:
        raise RequestClosed("A tutor was accepted already.")
    if request.status != MatchingRequestStatus.CANCELLED:
        request.status = MatchingRequestStatus.CANCELLED
        request.version += 1
        await session.flush()
    return request


async def _lock_own_request(
    session: WriteSession, viewer: Viewer, request_id: UUID
) -> MatchingRequest:
    viewer.require_user()
    request = await session.get(MatchingRequest, request_id, with_for_update=True)
    if request is None or not viewer.may_see_private(request.student_id):
        raise NotFound("There is no such request.")
    return request


def may_see(request: MatchingRequest, viewer: Viewer) -> bool:
    """A request is for its student, the accepted tutor and admins."""
    accepted = request.accepted_tutor_id
    return viewer.may_see_private(request.student_id) or (
        accepted is not None and viewer.is_user(accepted)
    )


_REQUESTS = ByKey(sa.select(MatchingRequest), MatchingRequest.id)


async def get_requests(
    session: ReadSession, ids: Sequence[UUID], *, viewer: Viewer
) -> list[MatchingRequest | None]:
    """Many requests at once, as far as the viewer may see them."""
    return await _REQUESTS.find(session, ids, visible=lambda row: may_see(row, viewer))


async def list_requests(
    session: ReadSession, student_ids: Sequence[UUID], *, page: PageRequest
) -> list[Page[MatchingRequest]]:
    """The requests of each student, the newest first."""
    return await _OF_STUDENT.pages(session, page, student_ids)


async def get_candidates(
    session: ReadSession, request_ids: Sequence[UUID]
) -> list[list[MatchCandidate]]:
    """Who was found for each request, the best first."""
    rows = await session.scalars(
        sa.select(MatchCandidate)
        .where(among(MatchCandidate.request_id, request_ids))
        .order_by(MatchCandidate.position)
    )
    found: dict[UUID, list[MatchCandidate]] = {}
    for row in rows:
        found.setdefault(row.request_id, []).append(row)
    return [found.get(id_, []) for id_ in request_ids]


async def get_requests_of_lessons(
    session: ReadSession, lesson_ids: Sequence[UUID], *, viewer: Viewer
) -> list[MatchingRequest | None]:
    """The last accepted request of a student of each lesson with its tutor, for those two."""
    statement = (
        sa.select(LessonBusyRef.lesson_id, MatchingRequest)
        .join(
            MatchingRequest,
            sa.and_(
                MatchingRequest.accepted_tutor_id == LessonBusyRef.tutor_id,
                MatchingRequest.student_id == sa.any_(LessonBusyRef.student_ids),
                MatchingRequest.status == MatchingRequestStatus.ACCEPTED,
            ),
        )
        .where(among(LessonBusyRef.lesson_id, lesson_ids))
        .order_by(MatchingRequest.accepted_at, MatchingRequest.id)
    )
    rows = await session.execute(statement)
    found = {lesson_id: request for lesson_id, request in rows if may_see(request, viewer)}
    return [found.get(id_) for id_ in lesson_ids]
