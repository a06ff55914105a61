"""The payment provider behind one port: any server that speaks Stripe's API.

Every creating call carries an idempotency key, so it may be repeated after a crash or a lost
answer. Refusals are typed errors; a provider that is away or slow is `ProviderUnavailable` and
opens the circuit breaker.
"""

from subgraphs.payment.ports.errors import (
    BadNotification,
    Declined,
    InsufficientFunds,
    ProviderRefused,
    ProviderUnavailable,
)
from subgraphs.payment.ports.objects import Card, ConnectedAccount, Intent, Moved, Notification
from subgraphs.payment.ports.provider import Provider

__all__ = [
    "BadNotification",
    "Card",
    "ConnectedAccount",
    "Declined",
    "InsufficientFunds",
    "Intent",
    "Moved",
    "Notification",
    "Provider",
    "ProviderRefused",
    "ProviderUnavailable",
]
