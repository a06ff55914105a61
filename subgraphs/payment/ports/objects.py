"""What the provider has, as far as payment wants to know."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from subgraphs.payment.ports.errors import BadNotification

# What the provider's objects hold of money and state. The rest may name people, and is not kept.
_KEPT = frozenset(
    {
        *("id", "object", "status", "amount", "amount_received", "amount_refunded", "currency"),
        *("charge", "payment_intent", "latest_charge", "metadata", "created", "failure_code"),
        *("failure_reason", "reason", "evidence_details", "charges_enabled", "payouts_enabled"),
        *("customer", "transfer_group"),
    }
)


@dataclass(frozen=True)
class Intent:
    """A payment as the provider has it."""

    id: str
    status: str
    amount: int
    amount_received: int
    currency: str
    charge_id: str | None
    failure_code: str | None
    metadata: Mapping[str, str]
    client_secret: str | None = None

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> "Intent":
        """From the provider's object."""
        error = item.get("last_payment_error") or {}
        return cls(
            id=item["id"],
            status=item["status"],
            amount=item["amount"],
            amount_received=item.get("amount_received") or 0,
            currency=item["currency"].upper(),
            charge_id=item.get("latest_charge"),
            failure_code=item.get("failure_code") or error.get("decline_code") or error.get("code"),
            metadata=dict(item.get("metadata") or {}),
            client_secret=item.get("client_secret"),
        )


@dataclass(frozen=True)
class Moved:
    """Money that the provider moved: a refund, transfer, reversal or payout."""

    id: str
    status: str
    amount: int
    currency: str
    failure_code: str | None = None
    payment_id: str | None = None
    created_at: datetime | None = None

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> "Moved":
        """From the provider's object."""
        return cls(
            id=item["id"],
            status=item.get("status") or "succeeded",
            amount=item["amount"],
            currency=item["currency"].upper(),
            failure_code=item.get("failure_reason") or item.get("failure_code"),
            payment_id=(item.get("metadata") or {}).get("payment_id"),
            created_at=datetime.fromtimestamp(item["created"], UTC) if "created" in item else None,
        )


@dataclass(frozen=True)
class ConnectedAccount:
    """A tutor's account as the provider has it."""

    id: str
    charges_enabled: bool
    payouts_enabled: bool
    requirements_due: int


@dataclass(frozen=True)
class Card:
    """A saved card as it may be shown."""

    id: str
    customer_id: str | None
    brand: str
    last4: str
    expires_month: int
    expires_year: int

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> "Card":
        """From the provider's object."""
        card = item.get("card") or {}
        return cls(
            id=item["id"],
            customer_id=item.get("customer"),
            brand=str(card.get("brand", "unknown")),
            last4=str(card.get("last4", "")),
            expires_month=int(card.get("exp_month", 0)),
            expires_year=int(card.get("exp_year", 0)),
        )


@dataclass(frozen=True)
class Notification:
    """A verified notification with the parts of its object that are kept."""

    id: str
    type: str
    happened_at: datetime
    account: str | None
    object: dict[str, Any]


def read_notification(payload: bytes) -> Notification:
    """A notification whose signature was checked. Raises BadNotification."""
    try:
        event = json.loads(payload)
        item = event["data"]["object"]
        kept = {name: value for name, value in item.items() if name in _KEPT}
        if error := item.get("last_payment_error"):
            kept["failure_code"] = error.get("decline_code") or error.get("code")
        return Notification(
            id=event["id"],
            type=event["type"],
            happened_at=datetime.fromtimestamp(event["created"], UTC),
            account=event.get("account"),
            object=kept,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadNotification from None
