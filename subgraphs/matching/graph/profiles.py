"""Tutors as clients see them."""

from collections.abc import Awaitable
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self
from uuid import UUID

import strawberry

from shared.errors import InvalidInput
from shared.graph import (
    After,
    Before,
    Connection,
    Currency,
    First,
    IdempotencyKey,
    Last,
    MinorUnits,
    Money,
    MoneyInput,
    Problem,
    page_of,
)
from shared.idempotency import once
from shared.ids import parse_id, parse_id_or_none
from subgraphs.matching import models
from subgraphs.matching.graph.context import Info
from subgraphs.matching.graph.skills import Skill
from subgraphs.matching.service import listings, profiles, ratings, skills, students, verifications

if TYPE_CHECKING:
    from subgraphs.matching.graph.availability import Availability
    from subgraphs.matching.graph.users import User
    from subgraphs.matching.graph.verifications import Verification

LazyUser = Annotated["User", strawberry.lazy("subgraphs.matching.graph.users")]
LazyAvailability = Annotated[
    "Availability", strawberry.lazy("subgraphs.matching.graph.availability")
]
LazyVerification = Annotated[
    "Verification", strawberry.lazy("subgraphs.matching.graph.verifications")
]
ProfileId = Annotated[strawberry.ID, strawberry.argument(description="The tutor's profile.")]


def money(amount: int, currency: str) -> Money:
    """An amount as clients see it."""
    return Money(amount=MinorUnits(amount), currency=Currency(currency))


@strawberry.federation.type(
    description="What reviews say of a tutor, in hundredths: 487 is 4.87 of 5.", tags=["tutor"]
)
class TutorRating:
    count: int = strawberry.field(description="How many ratings there are.")
    mean: int | None = strawberry.field(description="Their mean; null without any.")
    score: int = strawberry.field(description="What lists are sorted by: few ratings weigh less.")


@strawberry.federation.type(description="A skill as a tutor teaches it.", tags=["tutor"])
class TutorSkill:
    skill: Skill = strawberry.field(description="The skill.")
    level: models.SkillLevel = strawberry.field(description="Up to which level it is taught.")
    hourly_rate: Money = strawberry.field(description="What an hour of it costs.")


@strawberry.federation.type(
    keys=["id", "userId"], description="Somebody who teaches; only verified ones are public."
)
class TutorProfile:
    row: strawberry.Private[models.TutorProfile]

    @strawberry.federation.field(description="Identifies the profile.", tags=["tutor"])
    def id(self) -> strawberry.ID:
        return strawberry.ID(str(self.row.id))

    @strawberry.field(description="Identifies the user, as lessons and courses name tutors.")
    def user_id(self) -> strawberry.ID:
        return strawberry.ID(str(self.row.user_id))

    @strawberry.field(description="The person.")
    def user(self) -> LazyUser | None:
        from subgraphs.matching.graph.users import User

        return User.of(self.row.user_id)

    @strawberry.federation.field(description="The profile in one line.", tags=["tutor"])
    def headline(self) -> str:
        return self.row.headline

    @strawberry.field(description="What the tutor says.")
    def bio(self) -> str | None:
        return self.row.bio

    @strawberry.federation.field(
        description="The languages that are taught in, BCP 47 tags.", tags=["tutor"]
    )
    def languages(self) -> list[str]:
        return self.row.languages

    @strawberry.field(description="The tutor's IANA time zone.")
    def time_zone(self) -> str:
        return self.row.time_zone

    @strawberry.federation.field(
        description="What an hour costs, where a skill has no rate of its own.", tags=["tutor"]
    )
    def hourly_rate(self) -> Money:
        return money(self.row.rate_amount, self.row.rate_currency)

    @strawberry.federation.field(
        description="What a trial lesson costs; null where there is none.", tags=["tutor"]
    )
    def trial_price(self) -> Money | None:
        if self.row.trial_amount is None:
            return None
        return money(self.row.trial_amount, self.row.rate_currency)

    @strawberry.federation.field(
        description="How long a trial lesson takes; null where there is none.", tags=["tutor"]
    )
    def trial_minutes(self) -> int | None:
        return self.row.trial_minutes

    @strawberry.federation.field(description="How long lessons may be, in minutes.", tags=["tutor"])
    def lesson_minutes(self) -> list[int]:
        return self.row.durations

    @strawberry.field(description="A film in which the tutor introduces the lessons.")
    def video_url(self) -> str | None:
        return self.row.video_url

    @strawberry.federation.field(
        description="Whether an admin has verified the tutor's documents.", tags=["tutor"]
    )
    def is_verified(self) -> bool:
        return self.row.is_verified

    @strawberry.field(description="Whether the tutor takes no new lessons for now.")
    def is_paused(self) -> bool:
        return self.row.is_paused

    @strawberry.federation.field(description="Whether new lessons are sold.", tags=["tutor"])
    def is_bookable(self) -> bool:
        return self.row.is_bookable

    @strawberry.field(description="Since when there is the profile.")
    def created_at(self) -> datetime:
        return self.row.created_at

    @strawberry.federation.field(
        description="What reviews say; null until the first one.", tags=["tutor"]
    )
    async def rating(self, info: Info) -> TutorRating | None:
        row = await info.context.loader(ratings.get_ratings).load(self.row.user_id)
        return TutorRating(count=row.count, mean=row.mean, score=row.score) if row else None

    @strawberry.federation.field(description="What the tutor teaches, by name.", tags=["tutor"])
    async def skills(self, info: Info) -> list[TutorSkill]:
        return [
            TutorSkill(
                skill=Skill(row=skill),
                level=models.SkillLevel(taught.level),
                hourly_rate=money(
                    self.row.rate_amount if taught.rate_amount is None else taught.rate_amount,
                    self.row.rate_currency,
                ),
            )
            for taught, skill in await info.context.loader(skills.get_tutor_skills).load(
                self.row.id
            )
        ]

    @strawberry.federation.field(
        description="When the next bookable slot begins, within four weeks; it may be "
        "taken meanwhile.",
        tags=["tutor"],
    )
    async def next_free_slot(self, info: Info) -> datetime | None:
        return await info.context.loader(listings.get_next_starts).load(self.row.id)

    @strawberry.field(description="Whether the viewer keeps the tutor in mind; null for guests.")
    async def is_favourite(self, info: Info) -> bool | None:
        user_id = info.context.viewer.user_id
        if user_id is None:
            return None
        loader = info.context.loader(students.get_is_favourite, user_id=user_id)
        return await loader.load(self.row.id)

    @strawberry.field(description="Hours and preferences; null but for the tutor and admins.")
    def availability(self, info: Info) -> LazyAvailability | None:
        from subgraphs.matching.graph.availability import Availability

        if not info.context.viewer.may_see_private(self.row.user_id):
            return None
        return Availability(profile=self.row)

    @strawberry.field(
        description="Documents and decisions, the newest first; null but for the tutor and admins."
    )
    async def verifications(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[LazyVerification] | None:
        from subgraphs.matching.graph.verifications import Verification

        if not info.context.viewer.may_see_private(self.row.user_id):
            return None
        loader = info.context.loader(
            verifications.list_verifications, page=page_of(first, after, last, before)
        )
        page = await loader.load(self.row.id)
        return Connection.of(page.map(lambda row: Verification(row=row)))

    @classmethod
    def load(cls, info: Info, profile_id: UUID | None) -> Awaitable[Self | None]:
        """The profile, if the viewer may see it."""
        loader = info.context.loader(profiles.get_profiles, into=cls, viewer=info.context.viewer)
        return loader.load(profile_id)

    @classmethod
    def load_of(cls, info: Info, user_id: UUID | None) -> Awaitable[Self | None]:
        """The profile of a user, if the viewer may see it."""
        loader = info.context.loader(profiles.get_profiles_of, into=cls, viewer=info.context.viewer)
        return loader.load(user_id)

    @classmethod
    def resolve_reference(
        cls,
        info: Info,
        id: strawberry.ID | None = None,
        userId: strawberry.ID | None = None,  # noqa: N803 - the key's name
    ) -> Awaitable[Self | None]:
        if (profile_id := parse_id_or_none(id)) is not None:
            return cls.load(info, profile_id)
        return cls.load_of(info, parse_id_or_none(userId))


BecomeTutorResult = Annotated[
    TutorProfile | Problem,
    strawberry.union("BecomeTutorResult", description="The profile, or why it was refused."),
]
UpdateTutorProfileResult = Annotated[
    TutorProfile | Problem,
    strawberry.union("UpdateTutorProfileResult", description="The profile, or why it was refused."),
]
PauseTutorProfileResult = Annotated[
    TutorProfile | Problem,
    strawberry.union("PauseTutorProfileResult", description="The profile, or why it was refused."),
]
ResumeTutorProfileResult = Annotated[
    TutorProfile | Problem,
    strawberry.union("ResumeTutorProfileResult", description="The profile, or why it was refused."),
]


@strawberry.input(description="A lesson to get to know each other, at most one per student.")
class TrialInput:
    price: MinorUnits = strawberry.field(description="In the currency of the hourly rate.")
    minutes: int = strawberry.field(description="15 to 480, a multiple of 5.")


@strawberry.input(description="A new tutor.")
class BecomeTutorInput:
    headline: str = strawberry.field(description="5 to 150 characters.")
    languages: list[str] = strawberry.field(description="1 to 10 BCP 47 tags.")
    hourly_rate: MoneyInput = strawberry.field(description="What an hour costs.")
    bio: str | None = strawberry.field(default=None, description="At most 5,000 characters.")
    time_zone: str | None = strawberry.field(
        default=None, description="An IANA zone; the account's without."
    )
    trial: TrialInput | None = strawberry.field(default=None, description="None without.")
    video_url: str | None = strawberry.field(default=None, description="An https address.")

    def to_draft(self) -> profiles.ProfileDraft:
        """As the service takes it."""
        return _draft(self)


@strawberry.input(description="Changes to a tutor; what is not given, or null, stays as it is.")
class UpdateTutorProfileInput:
    headline: str | None = strawberry.field(default=None, description="5 to 150 characters.")
    languages: list[str] | None = strawberry.field(default=None, description="1 to 10 BCP 47 tags.")
    hourly_rate: MoneyInput | None = strawberry.field(
        default=None, description="What an hour costs; offers that were made keep their price."
    )
    bio: str | None = strawberry.field(
        default=None, description="At most 5,000 characters; empty text removes it."
    )
    time_zone: str | None = strawberry.field(
        default=None, description="An IANA zone; it moves free time, never lessons."
    )
    trial: TrialInput | None = strawberry.field(default=None, description="The trial lesson.")
    offers_trial: bool | None = strawberry.field(
        default=None, description="false withdraws the trial lesson."
    )
    video_url: str | None = strawberry.field(
        default=None, description="An https address; empty text removes it."
    )

    def to_draft(self) -> profiles.ProfileDraft:
        """As the service takes it."""
        return _draft(self, offers_trial=self.offers_trial)


def _draft(
    given: BecomeTutorInput | UpdateTutorProfileInput, offers_trial: bool | None = None
) -> profiles.ProfileDraft:
    return profiles.ProfileDraft(
        headline=given.headline,
        bio=given.bio,
        languages=None if given.languages is None else tuple(given.languages),
        time_zone=given.time_zone,
        rate_amount=given.hourly_rate.amount if given.hourly_rate else None,
        rate_currency=given.hourly_rate.currency if given.hourly_rate else None,
        trial_amount=given.trial.price if given.trial else None,
        trial_minutes=given.trial.minutes if given.trial else None,
        offers_trial=offers_trial,
        video_url=given.video_url,
    )


@strawberry.type
class ProfileQueries:
    @strawberry.federation.field(
        description="A tutor by profile or by user, or null.", tags=["tutor"]
    )
    async def tutor_profile(
        self,
        info: Info,
        id: Annotated[strawberry.ID | None, strawberry.argument(description="The profile.")] = None,
        user_id: Annotated[
            strawberry.ID | None,
            # Contracts for partners know no users.
            strawberry.federation.argument(description="The user.", tags=["private"]),
        ] = None,
    ) -> TutorProfile | None:
        if (id is None) == (user_id is None):
            raise InvalidInput("Give id or userId.", field="id")
        return await TutorProfile.resolve_reference(info, id=id, userId=user_id)


@strawberry.type
class ProfileMutations:
    @strawberry.mutation(description="Become a tutor; needs a verified e-mail address.")
    async def become_tutor(
        self,
        info: Info,
        input: Annotated[BecomeTutorInput, strawberry.argument(description="The profile.")],
        idempotency_key: IdempotencyKey = None,
    ) -> BecomeTutorResult:
        draft, viewer = input.to_draft(), info.context.viewer
        async with info.context.write() as session:

            async def create() -> UUID:
                return (await profiles.become_tutor(session, viewer, draft)).id

            profile_id = await once(
                session, viewer, "becomeTutor", idempotency_key, asdict(draft), create
            )
            row = await session.get_one(models.TutorProfile, profile_id)
        return TutorProfile(row=row)

    @strawberry.mutation(description="Change a tutor's profile.")
    async def update_tutor_profile(
        self,
        info: Info,
        id: ProfileId,
        input: Annotated[UpdateTutorProfileInput, strawberry.argument(description="The changes.")],
    ) -> UpdateTutorProfileResult:
        async with info.context.write() as session:
            row = await profiles.update_profile(
                session, info.context.viewer, parse_id(id, field="id"), input.to_draft()
            )
        return TutorProfile(row=row)

    @strawberry.mutation(description="Take no new lessons for now; those booked stay.")
    async def pause_tutor_profile(self, info: Info, id: ProfileId) -> PauseTutorProfileResult:
        async with info.context.write() as session:
            row = await profiles.pause_profile(
                session, info.context.viewer, parse_id(id, field="id")
            )
        return TutorProfile(row=row)

    @strawberry.mutation(description="Take lessons again.")
    async def resume_tutor_profile(self, info: Info, id: ProfileId) -> ResumeTutorProfileResult:
        async with info.context.write() as session:
            row = await profiles.resume_profile(
                session, info.context.viewer, parse_id(id, field="id")
            )
        return TutorProfile(row=row)
