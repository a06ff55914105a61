"""The demo's tutors as the marketplace shows them: verified, bookable, with skills and hours."""

import asyncio
import os
from dataclasses import dataclass
from typing import cast
from uuid import UUID

import sqlalchemy as sa

from deploy.events import opened
from deploy.market import Bank
from schema.registry import load_subgraph
from shared.runtime import Runtime
from shared.viewer import Viewer, ViewerKind
from subgraphs.matching.models import Skill, SkillLevel, SkillLinkKind, TutorProfile
from subgraphs.matching.service import availability, profiles, skills, verifications
from subgraphs.matching.service.availability import RuleDraft
from subgraphs.matching.service.profiles import ProfileDraft
from subgraphs.matching.service.skills import TaughtSkill
from subgraphs.payment.runtime import PaymentRuntime
from subgraphs.payment.sagas.accounts import open_account
from subgraphs.payment.service import accounts

PATIENCE = 30
KNOWN_USERS = "SELECT count(*) FROM user_refs WHERE version > 0"
# Slug, name, category.
SKILLS = (
    ("music-reading", "Reading music", "music"),
    ("guitar", "Guitar", "music"),
    ("fingerstyle", "Fingerstyle guitar", "music"),
    ("algebra", "Algebra", "mathematics"),
    ("german", "German", "languages"),
    ("japanese", "Japanese", "languages"),
)
LINKS = (
    ("guitar", "fingerstyle", SkillLinkKind.PREREQUISITE, 2),
    ("music-reading", "fingerstyle", SkillLinkKind.PREREQUISITE, 3),
    ("guitar", "music-reading", SkillLinkKind.RELATED, 4),
)


@dataclass(frozen=True)
class Shingle:
    """What a tutor of the demo offers, on how many weekdays, between which hours."""

    headline: str
    bio: str
    languages: tuple[str, ...]
    rate: int
    skills: tuple[str, ...]
    days: range = range(1, 6)
    hours: tuple[str, str] = ("09:00", "17:00")
    trial: int | None = None


SHINGLES = {
    "mira@edtech.example": Shingle(
        "Guitar, from the first chord to fingerstyle",
        "Twenty years on stage, ten in classrooms. We play from the first minute.",
        ("en",),
        4_500,
        ("guitar", "fingerstyle", "music-reading"),
        trial=500,
    ),
    "jonas@edtech.example": Shingle(
        "Algebra without fear, in English or German",
        "Equations are balances. I explain until it clicks, and then once more.",
        ("de", "en"),
        3_800,
        ("algebra", "german"),
        days=range(1, 8),
        hours=("16:00", "22:00"),
    ),
    "aiko@edtech.example": Shingle(
        "Japanese writing and conversation",
        "A little every day: hiragana, katakana, and what one says at breakfast.",
        ("ja", "en"),
        4_200,
        ("japanese",),
        hours=("20:00", "01:00"),
    ),
}


async def seed(ids: dict[str, UUID], admin_id: UUID) -> None:
    """Make the demo's tutors bookable; again, this changes nothing."""
    admin = as_user(admin_id, "admin")
    async with (
        opened(load_subgraph("matching")) as matching,
        opened(load_subgraph("payment")) as payment,
    ):
        tutors = [ids[email] for email in SHINGLES]
        for runtime in (matching, payment):
            await until(runtime, KNOWN_USERS, tutors)
        known = await _skills(matching, admin)
        for email, shingle in SHINGLES.items():
            await _profile(matching, admin, ids[email], shingle, known)
            await _payout_account(cast("PaymentRuntime", payment), ids[email])
        await until(matching, "SELECT count(*) FROM payout_refs WHERE is_enabled", tutors)


async def until(runtime: Runtime, count: str, user_ids: list[UUID]) -> None:
    """Wait until events have brought a row of each user; `count` ends in a condition."""
    statement = sa.text(f"{count} AND user_id = ANY(:ids)")
    async with asyncio.timeout(PATIENCE):
        while True:
            async with runtime.database.read() as session:
                if await session.scalar(statement, {"ids": user_ids}) == len(user_ids):
                    return
            await asyncio.sleep(0.1)


def as_user(user_id: UUID, *roles: str) -> Viewer:
    """Somebody of the demo, as the services take callers."""
    return Viewer(kind=ViewerKind.USER, user_id=user_id, roles=frozenset(roles))


async def _skills(matching: Runtime, admin: Viewer) -> dict[str, UUID]:
    async with matching.database.write() as session:
        rows = await session.execute(sa.select(Skill.slug, Skill.id))
        known: dict[str, UUID] = {row.slug: row.id for row in rows}
        for slug, name, category in SKILLS:
            if slug not in known:
                made = await skills.create_skill(
                    session, admin, name=name, slug=slug, category=category
                )
                known[slug] = made.id
        for start, goal, kind, weight in LINKS:
            await skills.link_skills(
                session,
                admin,
                from_id=known[start],
                to_id=known[goal],
                kind=kind,
                weight=weight,
            )
    return known


async def _profile(
    matching: Runtime, admin: Viewer, user_id: UUID, shingle: Shingle, known: dict[str, UUID]
) -> None:
    viewer = as_user(user_id, "tutor")
    async with matching.database.write() as session:
        mine = sa.select(TutorProfile.id).where(TutorProfile.user_id == user_id)
        if await session.scalar(mine) is not None:
            return
        draft = ProfileDraft(
            headline=shingle.headline,
            bio=shingle.bio,
            languages=shingle.languages,
            rate_amount=shingle.rate,
            rate_currency="USD",
            trial_amount=shingle.trial,
            trial_minutes=30 if shingle.trial is not None else None,
            offers_trial=True if shingle.trial is not None else None,
        )
        profile = await profiles.become_tutor(session, viewer, draft)
        rules = [RuleDraft(day, *shingle.hours) for day in shingle.days]
        await availability.set_availability(session, viewer, profile.id, rules)
        taught = [TaughtSkill(known[slug], SkillLevel.ADVANCED) for slug in shingle.skills]
        await skills.set_tutor_skills(session, viewer, profile.id, taught)
        papers = [("diploma", "diploma.pdf")]
        await verifications.submit_verification(session, viewer, profile.id, papers)
        await verifications.verify_tutor(session, admin, profile.id, approve=True, reason=None)


async def _payout_account(payment: PaymentRuntime, user_id: UUID) -> None:
    async with payment.database.write() as session:
        row = await accounts.begin(session, as_user(user_id, "tutor"))
    if row.status == "ONBOARDING":
        provider_id = await open_account(payment, row.id, user_id)
        bank = Bank.of(os.environ)
        await asyncio.to_thread(bank.act, "account", account=provider_id, enabled=True)
