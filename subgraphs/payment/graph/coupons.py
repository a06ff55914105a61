"""Coupons as their makers see them."""

from collections.abc import Awaitable
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

import strawberry

from shared.graph import (
    After,
    Before,
    Connection,
    First,
    IdempotencyKey,
    Last,
    Money,
    MoneyInput,
    Problem,
    page_of,
)
from shared.idempotency import once
from shared.ids import parse_id, parse_id_or_none
from subgraphs.payment import models
from subgraphs.payment.graph.context import Info, money
from subgraphs.payment.service import coupons
from subgraphs.payment.service.coupons import CouponDraft


@strawberry.federation.type(keys=["id"], description="A discount; for its maker and admins.")
class Coupon:
    row: strawberry.Private[models.Coupon]

    @strawberry.field(description="Identifies the coupon.")
    def id(self) -> strawberry.ID:
        return strawberry.ID(str(self.row.id))

    @strawberry.field(description="What payers type; case does not matter.")
    def coupon_code(self) -> str:
        # Not `code`, which is a Problem's in the unions of the mutations.
        return self.row.code

    @strawberry.field(description="Whole percent off, if it is of that sort.")
    def percent_off(self) -> int | None:
        return self.row.percent_off

    @strawberry.field(description="The amount off, if it is of that sort.")
    def amount_off(self) -> Money | None:
        if self.row.amount_off is None or self.row.currency is None:
            return None
        return money(self.row.amount_off, self.row.currency)

    @strawberry.field(description="Whether the platform bears it; a tutor's is the tutor's own.")
    def is_platforms(self) -> bool:
        return self.row.owner_id is None

    @strawberry.field(description="How often it was used.")
    def uses(self) -> int:
        return self.row.uses

    @strawberry.field(description="How often it can be used at most.")
    def most_uses(self) -> int | None:
        return self.row.most_uses

    @strawberry.field(description="How often one user can use it at most.")
    def most_uses_per_user(self) -> int | None:
        return self.row.most_uses_per_user

    @strawberry.field(description="Until when it can be used.")
    def expires_at(self) -> datetime | None:
        return self.row.expires_at

    @strawberry.field(description="When it was ended before its time.")
    def ended_at(self) -> datetime | None:
        return self.row.ended_at

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> Awaitable[Self | None]:
        loader = info.context.loader(coupons.get_coupons, into=cls, viewer=info.context.viewer)
        return loader.load(parse_id_or_none(id))


@strawberry.input(description="A new coupon: percentOff or amountOff, one of them.")
class CreateCouponInput:
    code: str = strawberry.field(description="3 to 40 letters, digits, - or _.")
    percent_off: int | None = strawberry.field(default=None, description="1 to 100.")
    amount_off: MoneyInput | None = strawberry.field(
        default=None, description="Good for prices in its currency."
    )
    payable_type: models.PayableType | None = strawberry.field(
        default=None, description="Only for lessons, or only for courses."
    )
    payable_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only for this lesson or course."
    )
    tutor_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only for this tutor's; a tutor's own is always."
    )
    most_uses: int | None = strawberry.field(default=None, description="In all.")
    most_uses_per_user: int | None = strawberry.field(default=None, description="By one user.")
    expires_at: datetime | None = strawberry.field(default=None, description="Its end.")

    def to_draft(self) -> CouponDraft:
        """As the service takes it."""
        return CouponDraft(
            code=self.code,
            percent_off=self.percent_off,
            amount_off=self.amount_off.amount if self.amount_off else None,
            currency=self.amount_off.currency if self.amount_off else None,
            payable_type=self.payable_type,
            payable_id=parse_id(self.payable_id, field="payableId") if self.payable_id else None,
            tutor_id=parse_id(self.tutor_id, field="tutorId") if self.tutor_id else None,
            most_uses=self.most_uses,
            most_uses_per_user=self.most_uses_per_user,
            expires_at=self.expires_at,
        )


CreateCouponResult = Annotated[
    Coupon | Problem,
    strawberry.union("CreateCouponResult", description="The coupon, or why it was refused."),
]
EndCouponResult = Annotated[
    Coupon | Problem,
    strawberry.union("EndCouponResult", description="The coupon, or why it was refused."),
]


@strawberry.type
class CouponQueries:
    @strawberry.field(description="The viewer's coupons; all of them for admins.")
    async def coupons(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Coupon]:
        page = page_of(first, after, last, before)
        async with info.context.read() as session:
            found = await coupons.list_coupons(session, info.context.viewer, page)
        return Connection.of(found.map(lambda row: Coupon(row=row)))


@strawberry.type
class CouponMutations:
    @strawberry.mutation(description="Make a coupon; for tutors (their own) and admins.")
    async def create_coupon(
        self,
        info: Info,
        input: Annotated[CreateCouponInput, strawberry.argument(description="The coupon.")],
        idempotency_key: IdempotencyKey = None,
    ) -> CreateCouponResult:
        draft, viewer = input.to_draft(), info.context.viewer
        async with info.context.write() as session:

            async def work() -> UUID:
                return (await coupons.create_coupon(session, viewer, draft)).id

            id_ = await once(session, viewer, "createCoupon", idempotency_key, vars(draft), work)
            row = await session.get_one(models.Coupon, id_)
        return Coupon(row=row)

    @strawberry.mutation(description="Let a coupon be used no more; for its maker and admins.")
    async def end_coupon(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Its id.")]
    ) -> EndCouponResult:
        async with info.context.write() as session:
            row = await coupons.end_coupon(session, info.context.viewer, parse_id(id, field="id"))
        return Coupon(row=row)
