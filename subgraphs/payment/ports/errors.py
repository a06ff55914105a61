"""What the payment provider refuses, as few typed errors."""

from shared.errors import Conflict, Unavailable


class ProviderUnavailable(Unavailable):
    """The payment provider does not answer; the same request may succeed later."""


class ProviderRefused(Conflict):
    """The payment provider does not allow this."""

    code = "PROVIDER_REFUSED"

    def __init__(self, reason: str, message: str = "The payment provider refused this.") -> None:
        super().__init__(message)
        self.reason = reason


class Declined(ProviderRefused):
    """The payer's bank declined the payment; another card may do."""

    code = "PAYMENT_DECLINED"


class InsufficientFunds(ProviderRefused):
    """The account at the provider does not hold enough."""

    code = "INSUFFICIENT_FUNDS"


class BadNotification(Exception):
    """A notification that the provider did not sign, or signed too long ago."""
