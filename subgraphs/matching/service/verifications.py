"""Verification of tutors: documents are handed in, an admin decides, and every decision is kept."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from shared.db import ReadSession, WriteSession, utc_now
from shared.errors import Conflict, InvalidInput
from shared.events.matching import TutorProfileUpdated, TutorProfileVerified
from shared.pages import ListsByParent, Order, Page, PageRequest, keyset
from shared.validation import optional_text, text
from shared.viewer import Viewer
from subgraphs.matching.models import TutorProfile, Verification, VerificationStatus
from subgraphs.matching.service.profiles import lock_own_profile, lock_profile, touch

MOST_DOCUMENTS = 10
OLDEST_FIRST = Order.by(Verification.id)
NEWEST_FIRST = Order.by(Verification.id.desc())
_OF_PROFILE = ListsByParent(sa.select(Verification), NEWEST_FIRST, parent=Verification.profile_id)


class VerificationPending(Conflict):
    """The documents that were handed in before are not reviewed yet."""

    code = "VERIFICATION_PENDING"


class NothingToReview(Conflict):
    """The tutor has handed in no documents since the last decision."""

    code = "NOTHING_TO_REVIEW"


async def submit_verification(
    session: WriteSession, viewer: Viewer, profile_id: UUID, documents: Sequence[tuple[str, str]]
) -> Verification:
    """Hand documents in, as kind and reference. Raises VerificationPending, InvalidInput."""
    profile = await lock_own_profile(session, viewer, profile_id)
    if not 1 <= len(documents) <= MOST_DOCUMENTS:
        raise InvalidInput(f"documents has 1 to {MOST_DOCUMENTS} entries.", field="documents")
    if await _pending(session, profile.id) is not None:
        raise VerificationPending("Your documents are being reviewed.")
    verification = Verification(
        profile_id=profile.id,
        documents=[
            {
                "kind": text(kind, field=f"documents.{index}.kind", least=2, most=50),
                "reference": text(
                    reference, field=f"documents.{index}.reference", least=1, most=500
                ),
            }
            for index, (kind, reference) in enumerate(documents)
        ],
    )
    session.add(verification)
    await session.flush()
    return verification


async def verify_tutor(
    session: WriteSession, viewer: Viewer, profile_id: UUID, *, approve: bool, reason: str | None
) -> TutorProfile:
    """Decide about a tutor's documents, or take an earlier approval back (admins).

    Raises NothingToReview, InvalidInput without a reason for a refusal, NotFound.
    """
    viewer.require_role("admin")
    profile = await lock_profile(session, profile_id)
    reason = optional_text(reason, field="reason", most=1000, lines=True)
    if not approve and reason is None:
        raise InvalidInput("Say why.", field="reason")
    verification = await _pending(session, profile.id)
    if verification is None:
        if approve or not profile.is_verified:
            raise NothingToReview("There are no documents to review.")
        verification = Verification(profile_id=profile.id)
        session.add(verification)
        verification.status = VerificationStatus.REVOKED
    else:
        verification.status = (
            VerificationStatus.APPROVED if approve else VerificationStatus.REJECTED
        )
    verification.reason = reason
    verification.reviewed_by = viewer.user_id
    verification.reviewed_at = utc_now()
    if approve and not profile.is_verified:
        profile.is_verified = True
        profile.verified_at = verification.reviewed_at
        await touch(session, profile, TutorProfileVerified)
    elif verification.status == VerificationStatus.REVOKED:
        profile.is_verified = False
        await touch(session, profile, TutorProfileUpdated)
    await session.flush()
    return profile


async def _pending(session: ReadSession, profile_id: UUID) -> Verification | None:
    verification: Verification | None = await session.scalar(
        sa.select(Verification).where(
            Verification.profile_id == profile_id,
            Verification.status == VerificationStatus.PENDING,
        )
    )
    return verification


async def list_pending(
    session: ReadSession, viewer: Viewer, page: PageRequest
) -> Page[Verification]:
    """What waits for a decision, the oldest first (admins). Raises Forbidden."""
    viewer.require_role("admin")
    statement = sa.select(Verification).where(Verification.status == VerificationStatus.PENDING)
    return await keyset(session, statement, OLDEST_FIRST, page)


async def list_verifications(
    session: ReadSession, profile_ids: Sequence[UUID], *, page: PageRequest
) -> list[Page[Verification]]:
    """The history of each tutor, the newest first."""
    return await _OF_PROFILE.pages(session, page, profile_ids)
