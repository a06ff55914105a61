"""Slots that can be booked, with the offers that book them."""

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import strawberry

from shared.graph import Money
from shared.ids import parse_id
from subgraphs.matching.graph.context import Info
from subgraphs.matching.graph.profiles import money
from subgraphs.matching.service import offers


@strawberry.type(description="A time at which a tutor can be booked, at a price.")
class BookableSlot:
    slot: strawberry.Private[offers.Slot]
    zone: strawberry.Private[str]

    @strawberry.field(description="When it begins.")
    def starts_at(self) -> datetime:
        return self.slot.starts_at

    @strawberry.field(description="When it ends.")
    def ends_at(self) -> datetime:
        return self.slot.ends_at

    @strawberry.field(description="When it begins, with the offset of the viewer's zone.")
    def local_start(self) -> datetime:
        return self.slot.starts_at.astimezone(ZoneInfo(self.zone))

    @strawberry.field(description="What the lesson costs.")
    def price(self) -> Money:
        return money(self.slot.quote.amount, self.slot.quote.currency)

    @strawberry.field(
        description="Books the slot at this price for ten minutes; null where one must sign in."
    )
    def offer_token(self, info: Info) -> str | None:
        settings = info.context.settings
        return offers.seal_offer(
            self.slot, secrets=settings.seal_secrets, seconds=settings.offer_seconds
        )


@strawberry.type
class SlotQueries:
    @strawberry.field(
        description="When a tutor can be booked, at most 31 days at once; empty for one who cannot "
        "be booked, and for a trial that is not offered or used up."
    )
    async def available_slots(
        self,
        info: Info,
        start: Annotated[
            datetime, strawberry.argument(name="from", description="Slots begin from here on.")
        ],
        end: Annotated[
            datetime, strawberry.argument(name="to", description="Slots end before or here.")
        ],
        viewer_zone: Annotated[
            str, strawberry.argument(description="The IANA zone that localStart is in.")
        ] = "UTC",
        tutor_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="The tutor's profile.")
        ] = None,
        user_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="The tutor as a user.")
        ] = None,
        duration_minutes: Annotated[
            int | None,
            strawberry.argument(description="One of the tutor's lengths; the shortest without."),
        ] = None,
        skill_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="What is to be taught; it may have its own rate."),
        ] = None,
        trial: Annotated[
            bool, strawberry.argument(description="Whether to ask for the trial lesson.")
        ] = False,
    ) -> list[BookableSlot]:
        question = offers.SlotQuestion(
            profile_id=parse_id(tutor_id, field="tutorId") if tutor_id else None,
            user_id=parse_id(user_id, field="userId") if user_id else None,
            start=start,
            end=end,
            viewer_zone=viewer_zone,
            minutes=duration_minutes,
            skill_id=parse_id(skill_id, field="skillId") if skill_id else None,
            trial=trial,
        )
        async with info.context.read() as session:
            found = await offers.list_slots(session, info.context.viewer, question)
        return [BookableSlot(slot=slot, zone=viewer_zone) for slot in found]
