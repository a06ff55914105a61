"""Money that goes astray: another amount, lost and repeated news, chargebacks, empty accounts."""

from typing import Any

from deploy import market as op
from tests.e2e.client import Client, eventually
from tests.e2e.market import Market

PAYMENT = """query($id: ID!) {
  payment(id: $id) { status attention refundedAmount { amount } disputes { status } } }"""
REFUND = """mutation($id: ID!, $amount: MinorUnits) {
  requestRefund(paymentId: $id, reason: "Goodwill.", amount: $amount) {
    __typename ... on Problem { code message } } }"""
REQUEST_PAYOUT = """mutation {
  requestPayout(currency: "USD") { __typename ... on Payout { id } ... on Problem { code } } }"""
DEBT = "{ me { balance { available { amount } debt { amount } } } }"


def intent_of(payment: dict[str, Any]) -> str:
    """The payment's id at the provider."""
    return str(payment["clientSecret"]).partition("_secret_")[0]


def balance(tutor: Client) -> tuple[int, int]:
    """Available, owed."""
    [found] = tutor.act(DEBT)["balance"]
    return found["available"]["amount"], found["debt"]["amount"]


def test_other_amount_goes_back_whole_and_a_person_looks(market: Market) -> None:
    tutor, student = market.tutor(), market.web.join()
    lesson = market.book(student, tutor)
    payment = market.begin_payment(student, lesson["id"])
    market.bank.act("settle-intent", intent=intent_of(payment), amount=3999)
    eventually(
        lambda: market.admin.act(PAYMENT, id=payment["id"])["attention"] == "amount mismatch"
    )
    assert market.lesson(student, lesson["id"])["status"] == "PENDING_PAYMENT"

    def sent_back() -> bool:
        return 3999 in [refund["amount"] for refund in market.bank.act("books")["refunds"]]

    eventually(sent_back)
    market.check_ledger()


def test_lost_notification_is_made_good_by_asking(market: Market) -> None:
    tutor, student = market.tutor(), market.web.join()
    lesson = market.book(student, tutor)
    payment = market.begin_payment(student, lesson["id"])
    market.bank.act("webhooks", mode="drop")
    try:
        market.bank.pay(payment["clientSecret"])
        # Ten minutes later the intent is asked for; nobody waits for that here.
        market.clock.run(
            "payment",
            "UPDATE saga_instances SET deadline = clock_timestamp(), version = version + 1"
            " WHERE id = %(id)s AND state = 'RUNNING'",
            id=payment["id"],
        )
        market.until(student, lesson["id"], "SCHEDULED")
    finally:
        market.bank.act("webhooks", mode="deliver")
    market.check_ledger()


def test_news_that_come_twice_and_backwards_count_once(market: Market) -> None:
    tutor, student = market.tutor(), market.web.join()
    for which, mode in enumerate(("duplicate", "reverse")):
        market.bank.act("webhooks", mode=mode)
        try:
            id_ = market.scheduled(student, tutor, which=3 * which)
        finally:
            market.bank.act("webhooks", mode="deliver")
        payment_id = market.lesson(student, id_)["payment"]["id"]
        booked = market.clock.run(
            "payment",
            "SELECT count(*) FROM transactions WHERE payment_id = %(id)s",
            id=payment_id,
        )
        assert booked == [(1,)]
    market.check_ledger()


def test_lost_chargeback_takes_transfer_and_weight_of_the_review(market: Market) -> None:
    tutor, student = market.tutor(), market.web.join()
    id_ = market.completed(student, tutor)
    market.end_dispute_window(tutor, id_)
    market.transferred(tutor, id_, 3200)
    eventually(lambda: market.lesson(student, id_)["canReview"])
    student.act(op.SUBMIT_REVIEW, input={"lessonId": id_, "rating": 5})
    tutor.act(op.SUBMIT_REVIEW, input={"lessonId": id_, "rating": 5})
    eventually(lambda: market.profile(tutor)["ratingSummary"]["count"] == 1)
    payment_id = market.lesson(student, id_)["payment"]["id"]
    [(charge,)] = market.clock.run(
        "payment", "SELECT provider_charge_id FROM payments WHERE id = %(id)s", id=payment_id
    )
    dispute = market.bank.act("open-dispute", charge=charge)
    eventually(lambda: balance(tutor) == (0, 0))
    market.bank.act("close-dispute", dispute=dispute["id"], won=False)
    eventually(lambda: market.profile(tutor)["ratingSummary"]["count"] == 0)
    states = market.admin.act(PAYMENT, id=payment_id)["disputes"]
    assert [state["status"] for state in states] == ["LOST"]
    market.check_ledger()


def test_refund_from_an_empty_account_is_owed_and_netted(market: Market) -> None:
    tutor, student = market.tutor(), market.web.join()
    first = market.completed(student, tutor)
    market.end_dispute_window(tutor, first)
    market.transferred(tutor, first, 3200)
    before = {payout["id"] for payout in market.bank.act("books")["payouts"]}
    assert tutor.act(REQUEST_PAYOUT)["__typename"] == "Payout"

    def made() -> str | None:
        new = {payout["id"] for payout in market.bank.act("books")["payouts"]} - before
        return new.pop() if new else None

    market.bank.act("settle-payout", payout=eventually(made), paid=True)
    payment_id = market.lesson(student, first)["payment"]["id"]
    assert market.admin.act(REFUND, id=payment_id, amount=4000)["__typename"] != "Problem"
    market.refunded(student, first, 4000)
    eventually(lambda: balance(tutor) == (0, 3200))
    second = market.completed(student, tutor, which=3)
    market.end_dispute_window(tutor, second)
    eventually(lambda: market.transfer(tutor, second)["netted"]["amount"] == 3200)
    assert balance(tutor) == (0, 0)
    market.check_ledger()


def test_lesson_is_moved_to_another_slot_at_the_same_price(market: Market) -> None:
    tutor, student, other = market.tutor(), market.web.join(), market.web.join()
    id_ = market.scheduled(student, tutor)
    before = market.lesson(student, id_)["startsAt"]
    slot = market.slots(student, tutor)[5]
    move = """mutation($id: ID!, $offer: String!) {
      rescheduleLesson(id: $id, offerToken: $offer) {
        __typename ... on Lesson { startsAt status } ... on Problem { code } } }"""
    moved = student.act(move, id=id_, offer=slot["offerToken"])
    assert moved == {"__typename": "Lesson", "startsAt": slot["startsAt"], "status": "SCHEDULED"}
    # The payment stays as it is; the old slot is free, the new one is not.
    assert market.lesson(student, id_)["payment"]["status"] == "SUCCEEDED"

    def calendar() -> bool:
        starts = [free["startsAt"] for free in market.slots(other, tutor)]
        return before in starts and slot["startsAt"] not in starts

    eventually(calendar)
