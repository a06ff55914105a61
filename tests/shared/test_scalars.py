"""Scalars at their bounds, as variables, in documents and in answers."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import strawberry

from shared.graph import Currency, MinorUnits, Money, MoneyInput, build_schema

MOST = 2**53 - 1
answer: dict[str, Any] = {}


@strawberry.type
class Query:
    @strawberry.field
    def echo(self, money: MoneyInput) -> Money:
        return Money(amount=money.amount, currency=money.currency)

    @strawberry.field
    def moment(self, at: datetime) -> datetime:
        answer["at"] = at
        return at

    @strawberry.field
    def money(self) -> Money:
        return Money(amount=MinorUnits(answer["amount"]), currency=Currency(answer["currency"]))

    @strawberry.field
    def stored(self) -> datetime:
        found: datetime = answer["stored"]
        return found


SCHEMA = build_schema("learning", query=Query)
ECHO = "query($m: MoneyInput!) { echo(money: $m) { amount currency } }"


async def codes(query: str, **variables: Any) -> list[str]:
    result = await SCHEMA.execute(query, variable_values=variables)
    assert result.errors is not None
    return [error.extensions["code"] for error in result.errors if error.extensions]


@pytest.mark.parametrize("amount", [MOST, -MOST, 0])
async def test_money_is_exact_to_its_bounds(amount: int) -> None:
    money = {"amount": amount, "currency": "USD"}
    result = await SCHEMA.execute(ECHO, variable_values={"m": money})
    assert result.errors is None
    assert result.data == {"echo": money}
    literal = f'{{ echo(money: {{amount: {amount}, currency: "USD"}}) {{ amount }} }}'
    assert (await SCHEMA.execute(literal)).data == {"echo": {"amount": amount}}


@pytest.mark.parametrize("amount", [MOST + 1, -MOST - 1, 2**70, 1.5, 1.0, True, "1", None])
async def test_other_amounts_are_refused(amount: Any) -> None:
    [code] = await codes(ECHO, m={"amount": amount, "currency": "USD"})
    assert code == ("GRAPHQL_VALIDATION_FAILED" if amount is None else "INVALID_INPUT")


@pytest.mark.parametrize("amount", ["9007199254740992", "1.5", "true", '"1"'])
async def test_other_amounts_are_refused_in_documents(amount: str) -> None:
    query = f'{{ echo(money: {{amount: {amount}, currency: "USD"}}) {{ amount }} }}'
    assert await codes(query) == ["INVALID_INPUT"]


@pytest.mark.parametrize("currency", ["", "usd", "US", "USDX", "USD\n", "ÜSD", 840])
async def test_other_currencies_are_refused(currency: Any) -> None:
    assert await codes(ECHO, m={"amount": 1, "currency": currency}) == ["INVALID_INPUT"]


@pytest.mark.parametrize(("amount", "currency"), [(MOST + 1, "USD"), (1.5, "USD"), (1, "dollars")])
async def test_money_of_ours_out_of_bounds_is_an_accident(amount: Any, currency: str) -> None:
    answer.update(amount=amount, currency=currency)
    assert await codes("{ money { amount currency } }") == ["INTERNAL"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-11-21T09:30:00Z", "2026-11-21T09:30:00Z"),
        ("2026-11-21t09:30:00.25z", "2026-11-21T09:30:00.250000Z"),
        ("2026-11-21 11:30:00+02:00", "2026-11-21T09:30:00Z"),
        ("2026-11-21T00:00:00-12:30", "2026-11-21T12:30:00Z"),
    ],
)
async def test_moment_is_kept_in_utc(text: str, shown: str) -> None:
    result = await SCHEMA.execute(
        "query($at: DateTime!) { moment(at: $at) }", variable_values={"at": text}
    )
    assert result.data == {"moment": shown}
    assert answer["at"].tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2026-11-21T09:30:00", "DateTime needs an offset, such as Z or +02:00."),
        ("2026-02-30T09:30:00Z", "DateTime is not a moment of the calendar."),
        ("0001-01-01T00:00:00+14:00", "DateTime is not a moment of the calendar."),
        ("9999-12-31T23:59:59-14:00", "DateTime is not a moment of the calendar."),
        *(
            (text, "DateTime is an RFC 3339 time, such as 2026-11-21T09:30:00Z.")
            for text in ("", "2026-11-21", "20261121T093000Z", "2026-W47-6T09:30:00Z", 5)
        ),
    ],
)
async def test_other_moments_are_refused(text: Any, message: str) -> None:
    result = await SCHEMA.execute(
        "query($at: DateTime!) { moment(at: $at) }", variable_values={"at": text}
    )
    assert result.errors is not None
    [error] = result.errors
    assert error.message.endswith(message)
    assert error.extensions is not None
    assert error.extensions["code"] == "INVALID_INPUT"


async def test_stored_moment_has_an_offset_and_one_without_is_an_accident() -> None:
    answer["stored"] = datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    assert (await SCHEMA.execute("{ stored }")).data == {"stored": "2026-01-01T00:00:00+02:00"}
    answer["stored"] = datetime(2026, 1, 1)  # noqa: DTZ001 - what must not leave
    assert await codes("{ stored }") == ["INTERNAL"]
