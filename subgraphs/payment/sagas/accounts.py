"""A tutor's account: fetched whenever the provider says that it changed."""

from datetime import timedelta
from uuid import UUID

from shared.db import utc_now
from shared.saga import Saga, advance
from subgraphs.payment.models import PayoutAccount
from subgraphs.payment.runtime import PaymentRuntime
from subgraphs.payment.service import accounts
from subgraphs.payment.service.accounts import SYNC

LOOK = timedelta(days=1)


async def open_account(runtime: PaymentRuntime, account_id: UUID, user_id: UUID) -> str:
    """The provider's account of a tutor, made when missing; the key is the tutor's for ever."""
    async with runtime.database.read() as session:
        known = (await session.get_one(PayoutAccount, account_id)).provider_account_id
    if known is not None:
        return known
    made = await runtime.provider.create_account(user_id)
    async with runtime.database.write() as session:
        await accounts.keep_provider_id(session, account_id, made)
    return made


async def sync(runtime: PaymentRuntime, saga: Saga) -> None:
    """Fetch the account; a notification that came meanwhile has moved the saga, and wins.

    A notification may be lost: the account is looked at once a day in any case.
    """
    async with runtime.database.read() as session:
        known = (await session.get_one(PayoutAccount, saga.id)).provider_account_id
    found = await runtime.provider.get_account(known or "")
    async with runtime.database.write() as session:
        await accounts.apply_account(session, saga.id, found)
        await advance(session, saga, SYNC, deadline=utc_now() + LOOK)
