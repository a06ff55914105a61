"""The request context of payment, and what its resolvers share."""

from typing import TypeAlias, cast

import strawberry

from shared.graph import BaseContext, Currency, MinorUnits, Money, described_enum
from subgraphs.payment.config import Settings
from subgraphs.payment.models import PayableType
from subgraphs.payment.runtime import PaymentRuntime

# Here, since payments and coupons speak of it.
described_enum(
    PayableType,
    "What can be paid for.",
    LESSON="One lesson.",
    COURSE="A whole course.",
)


class Context(BaseContext):
    """Payment's own runtime, typed."""

    @property
    def payment(self) -> PaymentRuntime:
        """The runtime with the provider."""
        return cast("PaymentRuntime", self.runtime)

    @property
    def settings(self) -> Settings:
        """Payment's settings."""
        return self.payment.settings


Info: TypeAlias = strawberry.Info[Context, None]


def money(amount: int, currency: str) -> Money:
    """An amount as clients see it."""
    return Money(amount=MinorUnits(amount), currency=Currency(currency))
