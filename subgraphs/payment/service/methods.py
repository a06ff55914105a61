"""Saved payment methods: what may be shown of a card; the card itself is the provider's."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared.db import ReadSession, WriteSession, database_now
from shared.errors import NotFound
from shared.ids import new_id
from shared.viewer import Viewer
from subgraphs.payment.models import Customer, SavedMethod
from subgraphs.payment.ports import Card


async def get_customer(session: ReadSession, user_id: UUID) -> str | None:
    """The provider's record of a user, if there is one."""
    return await session.scalar(
        sa.select(Customer.provider_customer_id).where(Customer.user_id == user_id)
    )


async def keep_customer(session: WriteSession, user_id: UUID, provider_id: str) -> None:
    """Remember the provider's record of a user, once."""
    await session.execute(
        insert(Customer)
        .values(user_id=user_id, provider_customer_id=provider_id)
        .on_conflict_do_nothing()
    )


async def is_known(session: ReadSession, customer_id: str | None) -> bool:
    """Whether a customer of the provider is one of ours."""
    found = sa.select(Customer.user_id).where(Customer.provider_customer_id == customer_id)
    return await session.scalar(found) is not None


async def apply_card(session: WriteSession, card: Card) -> None:
    """Keep a card as the provider has it now; without a customer it is removed."""
    user_id = await session.scalar(
        sa.select(Customer.user_id).where(Customer.provider_customer_id == card.customer_id)
    )
    if user_id is None:
        await session.execute(
            sa.update(SavedMethod)
            .where(SavedMethod.provider_method_id == card.id, SavedMethod.removed_at.is_(None))
            .values(removed_at=sa.func.clock_timestamp())
        )
        return
    values = {
        "brand": card.brand[:40],
        "last4": card.last4[:4],
        "expires_month": card.expires_month,
        "expires_year": card.expires_year,
    }
    await session.execute(
        insert(SavedMethod)
        .values(id=new_id(), user_id=user_id, provider_method_id=card.id, **values)
        # One that its owner has removed stays removed.
        .on_conflict_do_update(index_elements=["provider_method_id"], set_=values)
    )


async def remove_method(session: WriteSession, viewer: Viewer, method_id: UUID) -> SavedMethod:
    """Forget a card of the viewer; removed twice is removed. Raises NotFound."""
    viewer.require_user()
    row = await session.get(SavedMethod, method_id, with_for_update=True)
    if row is None or not viewer.is_user(row.user_id):
        raise NotFound("There is no such saved method.", field="id")
    if row.removed_at is None:
        row.removed_at = await database_now(session)
        await session.flush()
    return row


async def list_methods(session: ReadSession, viewer: Viewer) -> Sequence[SavedMethod]:
    """The viewer's cards, the newest first."""
    user_id = viewer.require_user()
    rows = await session.scalars(
        sa.select(SavedMethod)
        .where(SavedMethod.user_id == user_id, SavedMethod.removed_at.is_(None))
        .order_by(SavedMethod.id.desc())
    )
    return rows.all()
