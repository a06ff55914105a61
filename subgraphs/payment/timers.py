"""What payment's worker does every so often; copies may run at the same time."""

from datetime import datetime, timedelta

from shared.db import utc_now
from shared.runtime import Timer
from subgraphs.payment.runtime import PaymentRuntime
from subgraphs.payment.service import disputes, payouts, reconciliation


async def pay_out(runtime: PaymentRuntime) -> None:
    """On the day of the week, pay out balances that are large enough: once a week each."""
    now = utc_now()
    if now.isoweekday() == runtime.settings.payout_weekday:
        await pay_out_period(runtime, now)


async def pay_out_period(runtime: PaymentRuntime, now: datetime) -> None:
    """The payouts of the week that a moment is in, a transaction each."""
    year, week, _ = now.isocalendar()
    async with runtime.database.read() as session:
        due = await payouts.list_due(session)
    for user_id, currency in due:
        async with runtime.database.write() as session:
            await payouts.start_scheduled(
                session,
                user_id,
                currency,
                period=f"{year}-W{week:02d}",
                settings=runtime.settings,
            )


async def reconcile_recent(runtime: PaymentRuntime) -> None:
    """Compare the last days, without what may still be on its way."""
    settings = runtime.settings
    now = utc_now()
    await reconcile(
        runtime,
        now - timedelta(hours=settings.reconcile_hours),
        before=now - timedelta(minutes=settings.reconcile_grace_minutes),
    )


async def reconcile(
    runtime: PaymentRuntime, since: datetime, *, before: datetime | None = None
) -> int:
    """Compare ledger and provider, and keep what differs; how many differences are new.

    Chargebacks are brought up to date first: their notifications may be lost.
    """
    provider = runtime.provider
    differences = await catch_up_disputes(runtime, since)
    sources = {
        "CHARGE": provider.list_charges,
        "REFUND": provider.list_refunds,
        "TRANSFER": provider.list_transfers,
    }
    for kind, listed in sources.items():
        # What was booked since may have happened a little before.
        found = {moved.id: moved async for moved in listed(since - timedelta(days=1))}
        async with runtime.database.read() as session:
            differences += await reconciliation.compare(
                session,
                kind,
                found,
                since=since,
                before=before or utc_now() + timedelta(minutes=1),
            )
    async with runtime.database.write() as session:
        return await reconciliation.keep(session, differences)


async def catch_up_disputes(
    runtime: PaymentRuntime, since: datetime
) -> list[reconciliation.Difference]:
    """Apply what the provider says of new chargebacks and of open ones; those of no payment."""
    provider = runtime.provider
    said = {item["id"]: item async for item in provider.list_disputes(since=since)}
    async with runtime.database.read() as session:
        waiting = await disputes.list_open(session)
    for id_ in set(waiting) - set(said):
        said[id_] = await provider.get_dispute(id_)
    unknown = []
    for item in said.values():
        async with runtime.database.write() as session:
            if not await disputes.hear(session, item, actor="system:poll"):
                unknown.append(reconciliation.unknown_dispute(item))
    return unknown


timers = (
    Timer("weekly-payouts", 3600, pay_out),
    Timer("reconcile", 6 * 3600, reconcile_recent),
)
