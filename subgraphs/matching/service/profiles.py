"""Tutors' profiles: what they say, whether they take lessons, and who may see them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import sqlalchemy as sa

from shared.db import ReadSession, WriteSession, among
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.events.identity import UserState
from shared.events.matching import (
    AvailabilityChanged,
    TutorProfileCreated,
    TutorProfilePaused,
    TutorProfileState,
    TutorProfileUpdated,
)
from shared.events.payment import PayoutAccountState
from shared.lookup import ByKey
from shared.outbox import publish
from shared.references import BLOCKED, upsert_user_refs
from shared.validation import between, text, time_zone
from shared.viewer import Viewer
from subgraphs.matching.models import PayoutRef, TutorProfile, UserRef
from subgraphs.matching.service import users, values
from subgraphs.matching.service.listings import refresh_listings

SHORTEST_MINUTES = 15
LONGEST_MINUTES = 480


class AlreadyTutor(Conflict):
    """The user has a tutor's profile already."""

    code = "ALREADY_TUTOR"


@dataclass(frozen=True)
class ProfileDraft:
    """What tutors say of themselves; None leaves a value as it is, empty text clears it."""

    headline: str | None = None
    bio: str | None = None
    languages: tuple[str, ...] | None = None
    time_zone: str | None = None
    rate_amount: int | None = None
    rate_currency: str | None = None
    trial_amount: int | None = None
    trial_minutes: int | None = None
    # False withdraws the trial lesson.
    offers_trial: bool | None = None
    video_url: str | None = None

    def checked(self) -> "ProfileDraft":
        """The draft in its normal form. Raises InvalidInput."""
        if self.trial_minutes is not None:
            lesson_minutes(self.trial_minutes, field="trial.minutes")
        return replace(
            self,
            headline=_given(self.headline, "headline", least=5, most=150),
            bio=_given(self.bio, "bio", most=5000, lines=True),
            languages=None if self.languages is None else tuple(_languages(self.languages)),
            time_zone=None if self.time_zone is None else time_zone(self.time_zone),
            rate_amount=_amount(self.rate_amount, "hourlyRate"),
            trial_amount=_amount(self.trial_amount, "trial.price"),
            video_url=None
            if self.video_url is None
            else values.https_url(self.video_url, field="videoUrl"),
        )


def _given(
    value: str | None, field: str, *, most: int, least: int = 0, lines: bool = False
) -> str | None:
    if value is None:
        return None
    return text(value, field=field, least=least, most=most, lines=lines)


def _amount(value: int | None, field: str) -> int | None:
    return None if value is None else values.rate(value, field=field)


def _languages(given: Sequence[str]) -> list[str]:
    if not given:
        raise InvalidInput("languages must not be empty.", field="languages")
    return values.languages(given)


def lesson_minutes(value: int, *, field: str) -> int:
    """How long a lesson may be. Raises InvalidInput."""
    between(value, field=field, least=SHORTEST_MINUTES, most=LONGEST_MINUTES)
    if value % 5:
        raise InvalidInput(f"{field} must be a multiple of 5.", field=field)
    return value


async def become_tutor(session: WriteSession, viewer: Viewer, draft: ProfileDraft) -> TutorProfile:
    """Make the viewer a tutor. Raises EmailNotVerified, AlreadyTutor, InvalidInput, Unavailable."""
    viewer.require_user()
    draft = draft.checked()
    if draft.headline is None or draft.rate_amount is None or draft.languages is None:
        raise InvalidInput("headline, languages and hourlyRate are required.", field="headline")
    user = await users.lock_verified(session, viewer)
    known = sa.select(TutorProfile.id).where(TutorProfile.user_id == user.user_id)
    if await session.scalar(known) is not None:
        raise AlreadyTutor("You have a tutor's profile already.")
    payout = await session.get(PayoutRef, user.user_id)
    profile = TutorProfile(
        user_id=user.user_id,
        headline=draft.headline,
        bio=draft.bio or None,
        languages=list(draft.languages),
        time_zone=draft.time_zone or user.time_zone,
        rate_amount=draft.rate_amount,
        rate_currency=draft.rate_currency or "USD",
        trial_amount=draft.trial_amount,
        trial_minutes=draft.trial_minutes,
        video_url=draft.video_url or None,
        is_payable=payout is not None and payout.is_enabled,
        is_blocked=user.status in BLOCKED,
    )
    session.add(profile)
    await session.flush()
    publish(session, _state(TutorProfileCreated, profile))
    return profile


async def update_profile(
    session: WriteSession, viewer: Viewer, profile_id: UUID, draft: ProfileDraft
) -> TutorProfile:
    """Change what a tutor says. A new zone moves free time alone, never lessons."""
    profile = await lock_own_profile(session, viewer, profile_id)
    draft = draft.checked()
    before = profile.time_zone
    for name in (
        "headline",
        "bio",
        "time_zone",
        "rate_amount",
        "rate_currency",
        "trial_amount",
        "trial_minutes",
        "video_url",
    ):
        value = getattr(draft, name)
        if value is not None:
            setattr(profile, name, None if value == "" else value)
    if draft.languages is not None:
        profile.languages = list(draft.languages)
    if draft.offers_trial is False:
        profile.trial_amount = profile.trial_minutes = None
    if session.is_modified(profile):
        await touch(session, profile, TutorProfileUpdated)
        if profile.time_zone != before:
            tell_of_availability(session, profile)
    return profile


async def pause_profile(session: WriteSession, viewer: Viewer, profile_id: UUID) -> TutorProfile:
    """Take no new lessons for now; those that are booked stay."""
    profile = await lock_own_profile(session, viewer, profile_id)
    if not profile.is_paused:
        profile.is_paused = True
        await touch(session, profile, TutorProfilePaused)
    return profile


async def resume_profile(session: WriteSession, viewer: Viewer, profile_id: UUID) -> TutorProfile:
    """Take lessons again."""
    profile = await lock_own_profile(session, viewer, profile_id)
    if profile.is_paused:
        profile.is_paused = False
        await touch(session, profile, TutorProfileUpdated)
    return profile


async def lock_profile(session: WriteSession, profile_id: UUID) -> TutorProfile:
    """A profile, locked. Raises NotFound."""
    profile = await session.get(TutorProfile, profile_id, with_for_update=True)
    if profile is None:
        raise NotFound("There is no such tutor.")
    return profile


async def lock_own_profile(session: WriteSession, viewer: Viewer, profile_id: UUID) -> TutorProfile:
    """A profile, locked, for its tutor or an admin. Raises NotFound or Forbidden."""
    viewer.require_user()
    profile = await lock_profile(session, profile_id)
    if not may_see(profile, viewer):
        raise NotFound("There is no such tutor.")
    if not viewer.may_see_private(profile.user_id):
        raise Forbidden("This is another tutor's profile.")
    return profile


def may_see(profile: TutorProfile, viewer: Viewer) -> bool:
    """Who is not verified, or whose account is closed, is visible to that tutor and to admins."""
    is_open = profile.is_verified and not profile.is_blocked
    return is_open or viewer.may_see_private(profile.user_id)


async def touch(
    session: WriteSession, profile: TutorProfile, event: type[TutorProfileState]
) -> None:
    """A new version of a locked profile: its listing follows, and its state is published."""
    profile.version += 1
    await refresh_listings(session, [profile])
    publish(session, _state(event, profile))


def tell_of_availability(session: WriteSession, profile: TutorProfile) -> None:
    """Publish that the hours of a locked profile changed, with its newest version."""
    publish(
        session,
        AvailabilityChanged(
            profile_id=profile.id, user_id=profile.user_id, version=profile.version
        ),
    )


def _state(event: type[TutorProfileState], profile: TutorProfile) -> TutorProfileState:
    return event(
        profile_id=profile.id,
        user_id=profile.user_id,
        time_zone=profile.time_zone,
        is_verified=profile.is_verified,
        is_paused=profile.is_paused,
        is_bookable=profile.is_bookable,
        version=profile.version,
    )


async def lock_profiles_of(
    session: WriteSession, user_ids: Sequence[UUID]
) -> Sequence[TutorProfile]:
    """The profiles of users, locked in the order of their ids."""
    statement = (
        sa.select(TutorProfile)
        .where(among(TutorProfile.user_id, user_ids))
        .order_by(TutorProfile.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(statement)).all()


async def follow_users(session: WriteSession, events: Sequence[UserState]) -> None:
    """Keep references of users; a closed account cannot be booked, and names can be found."""
    before = await _versions(session, events)
    await upsert_user_refs(session, UserRef, events)
    # A profile that is being made meanwhile waits for the reference, and reads it.
    changed = {event.user_id for event in events if event.version > before[event.user_id]}
    profiles = await lock_profiles_of(session, list(changed)) if changed else []
    if not profiles:
        return
    statement = sa.select(UserRef.user_id, UserRef.status).where(
        UserRef.user_id.in_([profile.user_id for profile in profiles])
    )
    statuses = {row.user_id: row.status for row in await session.execute(statement)}
    for profile in profiles:
        is_blocked = statuses[profile.user_id] in BLOCKED
        if is_blocked != profile.is_blocked:
            profile.is_blocked = is_blocked
            profile.version += 1
            publish(session, _state(TutorProfileUpdated, profile))
    await refresh_listings(session, profiles)


async def _versions(session: ReadSession, events: Sequence[UserState]) -> dict[UUID, int]:
    """What is known of users so far; -1 where that is nothing."""
    ids = {event.user_id for event in events}
    statement = sa.select(UserRef.user_id, UserRef.version).where(among(UserRef.user_id, ids))
    rows = await session.execute(statement)
    return dict.fromkeys(ids, -1) | {row.user_id: row.version for row in rows}


_PAYOUT = sa.text(
    "INSERT INTO payout_refs AS known (user_id, is_enabled, version)"
    " VALUES (:user_id, :is_enabled, :version) ON CONFLICT (user_id) DO UPDATE"
    " SET is_enabled = excluded.is_enabled, version = excluded.version"
    " WHERE excluded.version > known.version RETURNING 1"
)


async def follow_payout_account(session: WriteSession, event: PayoutAccountState) -> None:
    """Only who can be paid can be booked."""
    await users.lock_user(session, event.user_id)
    row = {
        "user_id": event.user_id,
        "is_enabled": event.is_enabled,
        "version": event.version,
    }
    if (await session.execute(_PAYOUT, row)).scalar() is None:
        return
    for profile in await lock_profiles_of(session, [event.user_id]):
        if profile.is_payable != event.is_enabled:
            profile.is_payable = event.is_enabled
            await touch(session, profile, TutorProfileUpdated)


_PROFILES = ByKey(sa.select(TutorProfile), TutorProfile.id)


async def get_profiles(
    session: ReadSession, ids: Sequence[UUID], *, viewer: Viewer
) -> list[TutorProfile | None]:
    """Many profiles at once, in the order asked for; those not visible are None."""
    return await _PROFILES.find(session, ids, visible=lambda profile: may_see(profile, viewer))


_PROFILES_OF_USERS = ByKey(sa.select(TutorProfile), TutorProfile.user_id)


async def get_profiles_of(
    session: ReadSession, user_ids: Sequence[UUID], *, viewer: Viewer
) -> list[TutorProfile | None]:
    """The profile of each user; None where there is none that is visible."""
    return await _PROFILES_OF_USERS.find(
        session, user_ids, visible=lambda profile: may_see(profile, viewer)
    )
