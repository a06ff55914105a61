"""Scalars and value types that all subgraphs share."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NewType

import strawberry
from graphql import GraphQLError
from strawberry.federation.schema_directives import Tag
from strawberry.types.scalar import ScalarDefinition

from shared.graph.tags import PUBLIC

MinorUnits = NewType("MinorUnits", int)
Currency = NewType("Currency", str)

SAFE_INTEGER = 2**53 - 1
_CURRENCY = re.compile(r"[A-Z]{3}")
_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?(?P<offset>[Zz]|[+-]\d\d:\d\d)?", re.ASCII
)


def _refuse(message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": "INVALID_INPUT"})


def _minor_units(value: Any) -> MinorUnits:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > SAFE_INTEGER:
        raise _refuse(f"MinorUnits is a whole number within ±{SAFE_INTEGER}.")
    return MinorUnits(value)


def _currency(value: Any) -> Currency:
    if not isinstance(value, str) or not _CURRENCY.fullmatch(value):
        raise _refuse("Currency is an ISO 4217 code of three capital letters.")
    return Currency(value)


def _date_time(value: Any) -> datetime:
    found = _RFC_3339.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise _refuse("DateTime is an RFC 3339 time, such as 2026-11-21T09:30:00Z.")
    if found["offset"] is None:
        raise _refuse("DateTime needs an offset, such as Z or +02:00.")
    try:
        # In UTC at once: at the ends of the calendar an offset leads out of it, and the database
        # would keep what no client can read.
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _refuse("DateTime is not a moment of the calendar.") from None


def _write_date_time(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError("a moment without an offset")
    return value.isoformat().replace("+00:00", "Z")


def _checked(parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same check on the way out, where a breach is an accident, not the caller's fault."""

    def serialize(value: Any) -> Any:
        try:
            return parse(value)
        except GraphQLError as error:
            raise ValueError(error.message) from None

    return serialize


SCALARS: dict[object, ScalarDefinition] = {
    MinorUnits: strawberry.scalar(
        name="MinorUnits",
        description="A whole number of a currency's smallest units, within ±(2^53 - 1).",
        serialize=_checked(_minor_units),
        parse_value=_minor_units,
        directives=[Tag(name=PUBLIC)],
    ),
    Currency: strawberry.scalar(
        name="Currency",
        description="An ISO 4217 currency code, such as USD.",
        serialize=_checked(_currency),
        parse_value=_currency,
        directives=[Tag(name=PUBLIC)],
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description="A moment in time, RFC 3339 with an offset.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=_write_date_time,
        parse_value=_date_time,
        directives=[Tag(name=PUBLIC)],
    ),
}


@strawberry.federation.type(
    shareable=True,
    description="An amount of money in whole minor units; never a float.",
    tags=[PUBLIC],
)
class Money:
    amount: MinorUnits = strawberry.field(description="In minor units: 1999 is 19.99 USD.")
    currency: Currency = strawberry.field(description="The currency of the amount.")


@strawberry.input(description="An amount of money in whole minor units.")
class MoneyInput:
    amount: MinorUnits = strawberry.field(description="In minor units: 1999 is 19.99 USD.")
    currency: Currency = strawberry.field(description="The currency of the amount.")
