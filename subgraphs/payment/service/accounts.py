"""Tutors' accounts at the provider: onboarding, and whether they can be paid."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared import saga as sagas
from shared.db import ReadSession, WriteSession, database_now
from shared.events.payment import PayoutAccountEnabled, PayoutAccountRestricted
from shared.ids import new_id
from shared.lookup import ByKey
from shared.outbox import publish
from shared.viewer import Viewer
from subgraphs.payment.models import PayoutAccount, PayoutAccountStatus
from subgraphs.payment.ports import ConnectedAccount
from subgraphs.payment.service import history, transfers, users

SAGA = "account"
SYNC = "sync"


async def begin(session: WriteSession, viewer: Viewer) -> PayoutAccount:
    """The viewer's account, made when missing. Raises Forbidden for who is no tutor."""
    viewer.require_role("tutor")
    user_id = await users.require_verified(session, viewer)
    await session.execute(
        insert(PayoutAccount)
        .values(id=new_id(), user_id=user_id, status=PayoutAccountStatus.ONBOARDING)
        .on_conflict_do_nothing(index_elements=["user_id"])
    )
    return await session.scalar(  # type: ignore[return-value]
        sa.select(PayoutAccount).where(PayoutAccount.user_id == user_id)
    )


async def keep_provider_id(session: WriteSession, account_id: UUID, provider_id: str) -> None:
    """Remember the provider's account, once, and watch it from now on."""
    account = await session.get_one(PayoutAccount, account_id, with_for_update=True)
    if account.provider_account_id is None:
        account.provider_account_id = provider_id
        new = {"provider_account_id": provider_id}
        history.audit(
            session, "account", account.id, "CREATED", {}, new, actor=f"user:{account.user_id}"
        )
        await session.flush()
        await sagas.start(session, SAGA, id=account.id, step=SYNC)


async def changed(session: WriteSession, provider_id: str) -> bool:
    """The provider says that an account changed: it is to be fetched. False when unknown.

    The notification's own content is not taken: an older one may come last.
    """
    account_id = await session.scalar(
        sa.select(PayoutAccount.id).where(PayoutAccount.provider_account_id == provider_id)
    )
    if account_id is None:
        return False
    await look(session, account_id)
    return True


async def look(session: WriteSession, account_id: UUID) -> None:
    """Fetch an account from the provider, now."""
    now = await database_now(session)
    if not await sagas.start(session, SAGA, id=account_id, step=SYNC, deadline=now):
        saga = await sagas.lock(session, account_id)
        if saga is not None:
            await sagas.advance(session, saga, SYNC, deadline=now)


async def apply_account(session: WriteSession, account_id: UUID, found: ConnectedAccount) -> None:
    """Keep what the provider says of an account, and tell when that changes what it can do."""
    account = await session.get_one(PayoutAccount, account_id, with_for_update=True)
    before = account.status
    account.charges_enabled = found.charges_enabled
    account.payouts_enabled = found.payouts_enabled
    account.requirements_due = found.requirements_due
    enabled = found.charges_enabled and found.payouts_enabled
    if enabled:
        account.status = PayoutAccountStatus.ENABLED
    elif before == PayoutAccountStatus.ENABLED:
        account.status = PayoutAccountStatus.RESTRICTED
    if account.status == before:
        await session.flush()
        if enabled:
            # It was refused as if it were not: restricted in between, and that not heard.
            await transfers.resume(session, account.user_id, waits_for="account")
        return
    account.version += 1
    if enabled and account.enabled_at is None:
        account.enabled_at = await database_now(session)
    history.audit(
        session,
        "account",
        account.id,
        str(account.status),
        {"status": str(before)},
        {"status": str(account.status)},
        actor="system:provider",
    )
    await session.flush()
    event = PayoutAccountEnabled if enabled else PayoutAccountRestricted
    publish(session, event(user_id=account.user_id, is_enabled=enabled, version=account.version))
    if enabled:
        # All: one that is looking just now may find the old state, and wait for the account.
        await transfers.resume(session, account.user_id)


_ACCOUNTS = ByKey(sa.select(PayoutAccount), PayoutAccount.user_id)


async def get_accounts(
    session: ReadSession, user_ids: Sequence[UUID]
) -> list[PayoutAccount | None]:
    """The account of each user."""
    return await _ACCOUNTS.find(session, user_ids)
