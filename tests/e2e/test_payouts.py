"""Saga I's end: what a tutor earned reaches the bank, or comes back to the balance."""

from tests.e2e.client import Client, eventually
from tests.e2e.market import Market

REQUEST = """mutation($amount: MinorUnits) {
  requestPayout(currency: "USD", amount: $amount) {
    __typename ... on Payout { id status amount { amount } } ... on Problem { code message } } }"""
BALANCE = """{ me {
  balance { available { amount } pending { amount } paidOut { amount } }
  payouts { nodes { id status } }
} }"""


def balance(tutor: Client) -> tuple[int, int, int]:
    """Available, on its way, paid out."""
    [found] = tutor.act(BALANCE)["balance"]
    return tuple(found[name]["amount"] for name in ("available", "pending", "paidOut"))


def test_payout_that_fails_restores_the_balance_and_another_succeeds(market: Market) -> None:
    tutor, student = market.tutor(), market.web.join()
    for which in (0, 3):
        id_ = market.completed(student, tutor, which=which)
        market.end_dispute_window(tutor, id_)
        market.transferred(tutor, id_, 3200)
    assert balance(tutor) == (6400, 0, 0)
    assert tutor.act(REQUEST, amount=6401)["__typename"] == "Problem"
    assert tutor.act(REQUEST, amount=100)["__typename"] == "Problem"
    assert student.act(REQUEST, amount=3000)["__typename"] == "Problem"

    before = {payout["id"] for payout in market.bank.act("books")["payouts"]}

    def made() -> str | None:
        new = {payout["id"] for payout in market.bank.act("books")["payouts"]} - before
        return new.pop() if new else None

    first = tutor.act(REQUEST, amount=5000)
    assert first["__typename"] == "Payout", first
    payout = eventually(made)
    assert balance(tutor) == (1400, 5000, 0)
    market.bank.act("settle-payout", payout=payout, paid=False)
    eventually(lambda: balance(tutor) == (6400, 0, 0))
    before.add(payout)
    assert tutor.act(REQUEST)["__typename"] == "Payout"
    market.bank.act("settle-payout", payout=eventually(made), paid=True)
    eventually(lambda: balance(tutor) == (0, 0, 6400))
    states = [node["status"] for node in tutor.act(BALANCE)["payouts"]["nodes"]]
    assert states == ["PAID", "FAILED"]
    market.check_ledger()
