"""Tutors' hours as they themselves see and change them."""

from dataclasses import asdict
from datetime import time
from typing import TYPE_CHECKING, Annotated, Self
from uuid import UUID

import strawberry

from shared.graph import IdempotencyKey, Problem, described_enum
from shared.idempotency import once
from shared.ids import parse_id
from subgraphs.matching import models
from subgraphs.matching.graph.context import Info
from subgraphs.matching.graph.profiles import ProfileId, TutorProfile
from subgraphs.matching.service import availability

if TYPE_CHECKING:
    from datetime import date

described_enum(
    models.AvailabilityOverrideKind,
    "What an override says of its days.",
    CLOSED="No lessons.",
    HOURS="These hours instead of the rules.",
    TRAVEL="The rules, read in another zone.",
)


def _clock(value: time) -> str:
    return value.strftime("%H:%M")


def _day(value: "date | None") -> str | None:
    return value.isoformat() if value else None


@strawberry.type(
    description="Hours in wall time; an end that is not after the start is tomorrow's."
)
class LocalHours:
    start_local: str = strawberry.field(description="Such as 09:00.")
    end_local: str = strawberry.field(description="Such as 17:30; 00:00 is the next midnight.")


@strawberry.type(description="Hours of a weekday, in the wall time of the tutor's zone.")
class AvailabilityRule(LocalHours):
    weekday: int = strawberry.field(description="1 is Monday, 7 is Sunday.")
    valid_from: str | None = strawberry.field(description="The first date that it holds on.")
    valid_to: str | None = strawberry.field(description="The last date that it holds on.")

    @classmethod
    def of(cls, row: models.AvailabilityRule) -> Self:
        """From a row."""
        return cls(
            weekday=row.weekday,
            start_local=_clock(row.start_local),
            end_local=_clock(row.end_local),
            valid_from=_day(row.valid_from),
            valid_to=_day(row.valid_to),
        )


@strawberry.type(description="What replaces the rules from one date to another, both included.")
class AvailabilityOverride:
    row: strawberry.Private[models.AvailabilityOverride]

    @strawberry.field(description="Identifies the override.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(str(self.row.id))

    @strawberry.field(description="What it says of the days.")
    def kind(self) -> models.AvailabilityOverrideKind:
        return models.AvailabilityOverrideKind(self.row.kind)

    @strawberry.field(description="The first date, such as 2026-12-24.")
    def first_date(self) -> str:
        return self.row.first_date.isoformat()

    @strawberry.field(description="The last date.")
    def last_date(self) -> str:
        return self.row.last_date.isoformat()

    @strawberry.field(description="The hours of each day; none but for the kind HOURS.")
    def hours(self) -> list[LocalHours]:
        return [
            LocalHours(start_local=_clock(start), end_local=_clock(end))
            for start, end in zip(self.row.starts, self.row.ends, strict=True)
        ]

    @strawberry.field(description="The zone of these days, where it is not the profile's.")
    def time_zone(self) -> str | None:
        return self.row.time_zone


@strawberry.type(description="How a tutor wants to be booked.")
class SchedulingPreferences:
    buffer_before_minutes: int = strawberry.field(description="Kept free before each lesson.")
    buffer_after_minutes: int = strawberry.field(description="Kept free after each lesson.")
    minimum_notice_minutes: int = strawberry.field(description="How late one can still book.")
    booking_window_days: int = strawberry.field(description="How far ahead one can book.")
    most_per_day: int | None = strawberry.field(
        description="How many lessons begin on one date of the tutor's zone; null without a limit."
    )
    slot_interval_minutes: int = strawberry.field(description="How far apart slots begin.")
    durations: list[int] = strawberry.field(description="How long lessons may be, in minutes.")


@strawberry.type(description="When a tutor teaches.")
class Availability:
    profile: strawberry.Private[models.TutorProfile]

    @strawberry.field(description="The hours of each week.")
    async def rules(self, info: Info) -> list[AvailabilityRule]:
        rows = await info.context.loader(availability.get_rules).load(self.profile.id)
        return [AvailabilityRule.of(row) for row in rows]

    @strawberry.field(description="The exceptions, by date.")
    async def overrides(self, info: Info) -> list[AvailabilityOverride]:
        rows = await info.context.loader(availability.get_overrides).load(self.profile.id)
        return [AvailabilityOverride(row=row) for row in rows]

    @strawberry.field(description="How the tutor wants to be booked.")
    def preferences(self) -> SchedulingPreferences:
        row = self.profile
        return SchedulingPreferences(
            buffer_before_minutes=row.buffer_before_minutes,
            buffer_after_minutes=row.buffer_after_minutes,
            minimum_notice_minutes=row.minimum_notice_minutes,
            booking_window_days=row.booking_window_days,
            most_per_day=row.most_per_day,
            slot_interval_minutes=row.slot_interval_minutes,
            durations=row.durations,
        )


SetAvailabilityResult = Annotated[
    TutorProfile | Problem,
    strawberry.union("SetAvailabilityResult", description="The tutor, or why it was refused."),
]
AddOverrideResult = Annotated[
    AvailabilityOverride | Problem,
    strawberry.union("AddOverrideResult", description="The override, or why it was refused."),
]
RemoveOverrideResult = Annotated[
    TutorProfile | Problem,
    strawberry.union("RemoveOverrideResult", description="The tutor, or why it was refused."),
]
UpdateSchedulingPreferencesResult = Annotated[
    TutorProfile | Problem,
    strawberry.union(
        "UpdateSchedulingPreferencesResult", description="The tutor, or why it was refused."
    ),
]


@strawberry.input(description="Hours in wall time.")
class LocalHoursInput:
    start_local: str = strawberry.field(description="Such as 09:00.")
    end_local: str = strawberry.field(
        description="Such as 17:30; not after the start, it is on the next day."
    )


@strawberry.input(description="Hours of a weekday, in the wall time of the tutor's zone.")
class AvailabilityRuleInput:
    weekday: int = strawberry.field(description="1 is Monday, 7 is Sunday.")
    start_local: str = strawberry.field(description="Such as 09:00.")
    end_local: str = strawberry.field(
        description="Such as 17:30; not after the start, it is on the next day."
    )
    valid_from: str | None = strawberry.field(
        default=None, description="The first date that it holds on, such as 2026-09-01."
    )
    valid_to: str | None = strawberry.field(
        default=None, description="The last date that it holds on."
    )


@strawberry.input(description="An exception from the rules.")
class AddOverrideInput:
    profile_id: strawberry.ID = strawberry.field(description="The tutor's profile.")
    kind: models.AvailabilityOverrideKind = strawberry.field(
        description="What it says of the days."
    )
    first_date: str = strawberry.field(description="The first date, such as 2026-12-24.")
    last_date: str | None = strawberry.field(
        default=None, description="The last date, at most 366 days in all; the first without."
    )
    hours: list[LocalHoursInput] = strawberry.field(
        default_factory=list, description="The hours of each day, for the kind HOURS."
    )
    time_zone: str | None = strawberry.field(
        default=None, description="An IANA zone, where it is not the profile's."
    )


@strawberry.input(description="How a tutor wants to be booked; null leaves a value as it is.")
class SchedulingPreferencesInput:
    buffer_before_minutes: int | None = strawberry.field(default=None, description="0 to 240.")
    buffer_after_minutes: int | None = strawberry.field(default=None, description="0 to 240.")
    minimum_notice_minutes: int | None = strawberry.field(default=None, description="0 to 43,200.")
    booking_window_days: int | None = strawberry.field(default=None, description="1 to 365.")
    most_per_day: int | None = strawberry.field(
        default=None, description="1 to 50; 0 removes the limit."
    )
    slot_interval_minutes: int | None = strawberry.field(
        default=None, description="5, 10, 15, 20, 30 or 60."
    )
    durations: list[int] | None = strawberry.field(
        default=None, description="1 to 10 lengths of 15 to 480 minutes, multiples of 5."
    )


@strawberry.type
class AvailabilityMutations:
    @strawberry.mutation(description="Replace all rules of a tutor at once; at most 100.")
    async def set_availability(
        self,
        info: Info,
        profile_id: ProfileId,
        rules: Annotated[
            list[AvailabilityRuleInput], strawberry.argument(description="The rules.")
        ],
    ) -> SetAvailabilityResult:
        drafts = [availability.RuleDraft(**asdict(rule)) for rule in rules]
        async with info.context.write() as session:
            row = await availability.set_availability(
                session, info.context.viewer, parse_id(profile_id, field="profileId"), drafts
            )
        return TutorProfile(row=row)

    @strawberry.mutation(description="Except some dates from the rules: holidays, travel.")
    async def add_override(
        self,
        info: Info,
        input: Annotated[AddOverrideInput, strawberry.argument(description="The exception.")],
        idempotency_key: IdempotencyKey = None,
    ) -> AddOverrideResult:
        viewer = info.context.viewer
        profile_id = parse_id(input.profile_id, field="profileId")
        draft = availability.OverrideDraft(
            kind=input.kind,
            first_date=input.first_date,
            last_date=input.last_date,
            hours=tuple((each.start_local, each.end_local) for each in input.hours),
            time_zone=input.time_zone,
        )
        async with info.context.write() as session:

            async def add() -> UUID:
                return (await availability.add_override(session, viewer, profile_id, draft)).id

            override_id = await once(
                session, viewer, "addOverride", idempotency_key, asdict(input), add
            )
            row = await session.get_one(models.AvailabilityOverride, override_id)
        return AvailabilityOverride(row=row)

    @strawberry.mutation(description="Let the rules hold again.")
    async def remove_override(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The override.")],
    ) -> RemoveOverrideResult:
        async with info.context.write() as session:
            row = await availability.remove_override(
                session, info.context.viewer, parse_id(id, field="id")
            )
        return TutorProfile(row=row)

    @strawberry.mutation(description="Change how a tutor wants to be booked.")
    async def update_scheduling_preferences(
        self,
        info: Info,
        profile_id: ProfileId,
        input: Annotated[
            SchedulingPreferencesInput, strawberry.argument(description="The changes.")
        ],
    ) -> UpdateSchedulingPreferencesResult:
        given = asdict(input)
        durations = None if input.durations is None else tuple(input.durations)
        draft = availability.PreferencesDraft(**(given | {"durations": durations}))
        async with info.context.write() as session:
            row = await availability.update_preferences(
                session, info.context.viewer, parse_id(profile_id, field="profileId"), draft
            )
        return TutorProfile(row=row)
