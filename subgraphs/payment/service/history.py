"""What happened to payments: the only way in which a payment changes.

Each entry of `payment_events` is a set of assignments and additions; a payment's row is what they
add up to (`replay`). The audit log is written beside it, with who did it.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from shared.db import WriteSession
from shared.events.payment import PaymentEvent as PublicEvent
from shared.outbox import publish
from subgraphs.payment.models import AuditEntry, Payment, PaymentEvent, PaymentStatus

# Columns that are in no event: secrets, and what the database keeps.
UNSOURCED = frozenset({"client_secret", "created_at", "updated_at", "version", "id"})


class Happened(StrEnum):
    """The kinds of entries."""

    INITIATED = "INITIATED"
    INTENT_CREATED = "INTENT_CREATED"
    ACTION_REQUIRED = "ACTION_REQUIRED"
    PROCESSING = "PROCESSING"
    DECLINED = "DECLINED"
    SUCCEEDED = "SUCCEEDED"
    MISMATCHED = "MISMATCHED"
    CANCELLED = "CANCELLED"
    REFUND_REQUESTED = "REFUND_REQUESTED"
    REFUND_SUPERSEDED = "REFUND_SUPERSEDED"
    REFUNDED = "REFUNDED"
    REFUND_FAILED = "REFUND_FAILED"
    REFUND_RETURNED = "REFUND_RETURNED"
    TRANSFERRED = "TRANSFERRED"
    TRANSFER_REVERSED = "TRANSFER_REVERSED"
    DISPUTE_OPENED = "DISPUTE_OPENED"
    DISPUTE_WON = "DISPUTE_WON"
    DISPUTE_LOST = "DISPUTE_LOST"
    ATTENTION_CLEARED = "ATTENTION_CLEARED"


async def lock(session: WriteSession, payment_id: UUID) -> Payment | None:
    """The payment, locked until the transaction ends: the first lock of all that changes it."""
    return await session.get(Payment, payment_id, with_for_update=True, populate_existing=True)


async def record(
    session: WriteSession,
    payment: Payment,
    happened: Happened,
    *,
    actor: str,
    add: dict[str, int] | None = None,
    **assigned: Any,
) -> None:
    """Change a locked payment, and write down what changed and who did it."""
    plain = {name: _plain(value) for name, value in assigned.items()}
    names = [*assigned, *(add or {})]
    before = {name: _plain(getattr(payment, name)) for name in names}
    for name, value in assigned.items():
        setattr(payment, name, value)
    for name, value in (add or {}).items():
        setattr(payment, name, getattr(payment, name) + value)
    payment.version += 1
    session.add(
        PaymentEvent(
            payment_id=payment.id,
            version=payment.version,
            type=happened,
            data={"set": plain, "add": add or {}},
        )
    )
    after = {name: _plain(getattr(payment, name)) for name in names}
    audit(session, "payment", payment.id, happened, before, after, actor=actor)
    await session.flush()


async def begin(session: WriteSession, payment: Payment, *, actor: str) -> None:
    """Keep a new payment with its first entry."""
    # What is zero or empty at the start is what a replay starts with.
    values = {
        column.key: _plain(value)
        for column in Payment.__table__.columns
        if column.key not in UNSOURCED and (value := getattr(payment, column.key)) is not None
    }
    payment.version = 1
    session.add(payment)
    # The row first: its history refers to it.
    await session.flush()
    session.add(
        PaymentEvent(
            payment_id=payment.id,
            version=1,
            type=Happened.INITIATED,
            data={"set": {"status": PaymentStatus.PENDING, **values}, "add": {}},
        )
    )
    audit(session, "payment", payment.id, Happened.INITIATED, {}, values, actor=actor)
    await session.flush()


def audit(
    session: WriteSession,
    subject_type: str,
    subject_id: UUID,
    action: str,
    old: dict[str, Any],
    new: dict[str, Any],
    *,
    actor: str,
) -> None:
    """Write down who changed what."""
    session.add(
        AuditEntry(
            subject_type=subject_type,
            subject_id=subject_id,
            action=action,
            old_value=old,
            new_value=new,
            changed_by=actor,
        )
    )


def replay(events: Iterable[PaymentEvent]) -> dict[str, Any]:
    """The values that a payment's entries add up to."""
    state: dict[str, Any] = {}
    for event in events:
        state |= event.data["set"]
        for name, value in event.data["add"].items():
            state[name] = state.get(name, 0) + value
    return state


def as_replayed(payment: Payment) -> dict[str, Any]:
    """The row's values as a replay gives them: without what is empty or zero."""
    return without_nothing(
        {
            column.key: _plain(getattr(payment, column.key))
            for column in Payment.__table__.columns
            if column.key not in UNSOURCED
        }
    )


def without_nothing(state: dict[str, Any]) -> dict[str, Any]:
    """Values that say something."""
    return {name: value for name, value in state.items() if value not in (None, 0)}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID | StrEnum) else value


def tell(session: WriteSession, payment: Payment, event: type[PublicEvent], **fields: Any) -> None:
    """Publish an occurrence of a locked payment."""
    publish(
        session,
        event(
            payment_id=payment.id,
            payable_type=payment.payable_type,
            payable_id=payment.payable_id,
            purchase_id=payment.purchase_id,
            payer_id=payment.payer_id,
            payee_id=payment.payee_id,
            amount=payment.amount,
            currency=payment.currency,
            version=payment.version,
            **fields,
        ),
    )
