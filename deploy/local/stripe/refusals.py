"""What the simulated provider refuses, in the provider's own shape."""

from collections.abc import Mapping
from typing import Any

from deploy.local.stripe.store import Json


class ApiError(Exception):
    """A refusal in the provider's shape."""

    def __init__(self, status: int, message: str, **fields: Any) -> None:
        super().__init__(message)
        kind = "card_error" if status == 402 else "invalid_request_error"
        self.status = status
        self.error = {"type": kind, "message": message, **fields}


def missing(id: str) -> ApiError:
    """Nothing has this id."""
    return ApiError(404, f"No such object: '{id}'", code="resource_missing", param="id")


def insufficient() -> ApiError:
    """The balance does not cover it."""
    return ApiError(400, "Insufficient funds in the account.", code="balance_insufficient")


def unexpected_state(intent: Json) -> ApiError:
    """The payment's state does not allow this."""
    return ApiError(
        400,
        f"The payment's status is {intent['status']}.",
        code="payment_intent_unexpected_state",
        payment_intent=intent,
    )


def amount_of(params: Mapping[str, Any]) -> int:
    """The amount in minor units. Raises ApiError."""
    try:
        amount = int(params["amount"])
    except (KeyError, TypeError, ValueError):
        raise ApiError(400, "Invalid integer.", code="parameter_missing", param="amount") from None
    if amount < 1:
        raise ApiError(400, "Too small.", code="parameter_invalid_integer", param="amount")
    return amount


def currency_of(params: Mapping[str, Any]) -> str:
    """The currency in small letters. Raises ApiError."""
    currency = str(params.get("currency", "")).lower()
    if len(currency) != 3 or not currency.isalpha():
        raise ApiError(400, "Invalid currency.", code="parameter_missing", param="currency")
    return currency
