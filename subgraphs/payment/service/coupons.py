"""Coupons: making them, what they take off, and using one up only as often as it may be."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from shared.db import ReadSession, WriteSession, database_now, violated_constraint
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.lookup import ByKey
from shared.pages import Order, Page, PageRequest, keyset
from shared.validation import between, text
from shared.viewer import Viewer
from subgraphs.payment.models import Coupon, CouponRedemption, PayableRef, PayableType, Payment
from subgraphs.payment.service import history

_CODE = re.compile(r"[A-Z0-9][A-Z0-9_-]{2,39}")
_NEWEST = Order.by(Coupon.id.desc())
LARGEST = 2**53 - 1


class CouponNotApplicable(Conflict):
    """The coupon is not good for this purchase: unknown, over, used up, or of another course."""

    code = "COUPON_NOT_APPLICABLE"


class CouponCodeTaken(Conflict):
    """There is a coupon with this code."""

    code = "COUPON_CODE_TAKEN"


@dataclass(frozen=True)
class CouponDraft:
    """A new coupon as its maker describes it."""

    code: str
    percent_off: int | None = None
    amount_off: int | None = None
    currency: str | None = None
    payable_type: PayableType | None = None
    payable_id: UUID | None = None
    tutor_id: UUID | None = None
    most_uses: int | None = None
    most_uses_per_user: int | None = None
    expires_at: datetime | None = None


async def create_coupon(session: WriteSession, viewer: Viewer, draft: CouponDraft) -> Coupon:
    """Make a coupon: an admin's costs the platform, a tutor's the tutor. Raises InvalidInput, …"""
    viewer.require_role("tutor")
    code = text(draft.code, field="code", most=40).upper()
    if not _CODE.fullmatch(code):
        raise InvalidInput("code has 3 to 40 letters, digits, - or _.", field="code")
    if (draft.percent_off is None) == (draft.amount_off is None):
        raise InvalidInput("Give percentOff or amountOff, one of them.", field="percentOff")
    if draft.percent_off is not None:
        between(draft.percent_off, field="percentOff", least=1, most=100)
    if draft.amount_off is not None:
        between(draft.amount_off, field="amountOff", least=1, most=LARGEST)
    for field, uses in (
        ("mostUses", draft.most_uses),
        ("mostUsesPerUser", draft.most_uses_per_user),
    ):
        if uses is not None:
            between(uses, field=field, least=1, most=LARGEST)
    owner_id = None if viewer.is_admin else viewer.require_user()
    if owner_id is not None and draft.tutor_id not in (None, owner_id):
        raise Forbidden("A tutor's coupon is for the tutor's own lessons and courses.")
    coupon = Coupon(
        code=code,
        owner_id=owner_id,
        percent_off=draft.percent_off,
        amount_off=draft.amount_off,
        currency=draft.currency if draft.amount_off is not None else None,
        payable_type=draft.payable_type,
        payable_id=draft.payable_id,
        tutor_id=owner_id or draft.tutor_id,
        most_uses=draft.most_uses,
        most_uses_per_user=draft.most_uses_per_user,
        expires_at=draft.expires_at,
    )
    try:
        async with session.begin_nested():
            session.add(coupon)
    except sa.exc.IntegrityError as error:
        if violated_constraint(error) != "uq_coupons_code":
            raise
        raise CouponCodeTaken("There is a coupon with this code.", field="code") from None
    new = {"code": code, "percent_off": draft.percent_off, "amount_off": draft.amount_off}
    history.audit(session, "coupon", coupon.id, "CREATED", {}, new, actor=viewer.key)
    await session.flush()
    return coupon


async def end_coupon(session: WriteSession, viewer: Viewer, coupon_id: UUID) -> Coupon:
    """Let a coupon be used no more; ended twice is ended. Raises NotFound."""
    viewer.require_user()
    coupon = await session.get(Coupon, coupon_id, with_for_update=True)
    if coupon is None or not may_see(coupon, viewer):
        raise NotFound("There is no such coupon.", field="id")
    if coupon.ended_at is None:
        coupon.ended_at = await database_now(session)
        history.audit(session, "coupon", coupon.id, "ENDED", {}, {}, actor=viewer.key)
        await session.flush()
    return coupon


async def redeem(
    session: WriteSession, ref: PayableRef, code: str, *, min_charge: int
) -> tuple[Coupon, int]:
    """Use a coupon once for a purchase; gives what it takes off. Raises CouponNotApplicable.

    The conditional update decides who gets the last use, and its row lock the uses of one user.
    """
    coupon = await session.scalar(
        sa.update(Coupon)
        .where(
            Coupon.code == code.strip().upper(),
            Coupon.ended_at.is_(None),
            sa.or_(Coupon.expires_at.is_(None), Coupon.expires_at > sa.func.clock_timestamp()),
            sa.or_(Coupon.most_uses.is_(None), Coupon.uses < Coupon.most_uses),
            sa.or_(Coupon.payable_type.is_(None), Coupon.payable_type == ref.payable_type),
            sa.or_(Coupon.payable_id.is_(None), Coupon.payable_id == ref.payable_id),
            sa.or_(Coupon.tutor_id.is_(None), Coupon.tutor_id == ref.payee_id),
            sa.or_(Coupon.currency.is_(None), Coupon.currency == ref.price_currency),
        )
        .values(uses=Coupon.uses + 1)
        .returning(Coupon)
    )
    if coupon is None:
        raise CouponNotApplicable("The coupon is not good for this.", field="couponCode")
    used = await session.scalar(
        sa.select(sa.func.count()).where(
            CouponRedemption.coupon_id == coupon.id,
            CouponRedemption.user_id == ref.payer_id,
            CouponRedemption.released_at.is_(None),
        )
    )
    if coupon.most_uses_per_user is not None and (used or 0) >= coupon.most_uses_per_user:
        raise CouponNotApplicable("You have used this coupon already.", field="couponCode")
    price = ref.price_amount or 0
    off = discount(coupon, price)
    if price - off < min_charge:
        raise CouponNotApplicable("The coupon leaves less than can be paid.", field="couponCode")
    return coupon, off


def discount(coupon: Coupon, price: int) -> int:
    """What a coupon takes off a price: percent are rounded down, never more than the price."""
    if coupon.percent_off is not None:
        return price * coupon.percent_off // 100
    return min(coupon.amount_off or 0, price)


async def release(session: WriteSession, payment: Payment) -> None:
    """Give a use back when its payment was given up, once."""
    if payment.coupon_id is None:
        return
    released = await session.scalar(
        sa.update(CouponRedemption)
        .where(CouponRedemption.payment_id == payment.id, CouponRedemption.released_at.is_(None))
        .values(released_at=sa.func.clock_timestamp())
        .returning(CouponRedemption.coupon_id)
    )
    if released is not None:
        await session.execute(
            sa.update(Coupon).where(Coupon.id == released).values(uses=Coupon.uses - 1)
        )


def may_see(coupon: Coupon, viewer: Viewer) -> bool:
    """A coupon is its maker's and admins' to see; payers know the code."""
    return viewer.is_admin or (coupon.owner_id is not None and viewer.is_user(coupon.owner_id))


_COUPONS = ByKey(sa.select(Coupon), Coupon.id)


async def get_coupons(
    session: ReadSession, ids: Sequence[UUID], *, viewer: Viewer
) -> list[Coupon | None]:
    """Many coupons at once, in the order asked for; those not visible are None."""
    return await _COUPONS.find(session, ids, visible=lambda row: may_see(row, viewer))


async def list_coupons(session: ReadSession, viewer: Viewer, page: PageRequest) -> Page[Coupon]:
    """The viewer's coupons; all of them for admins."""
    viewer.require_role("tutor")
    statement = sa.select(Coupon)
    if not viewer.is_admin:
        statement = statement.where(Coupon.owner_id == viewer.user_id)
    return await keyset(session, statement, _NEWEST, page)
