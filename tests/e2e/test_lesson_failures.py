"""Where saga A goes wrong: declined, too late, in the meantime taken, told twice."""

from concurrent.futures import ThreadPoolExecutor

from deploy import market as op
from tests.e2e.client import eventually
from tests.e2e.market import Market


def history(market: Market, lesson_id: str) -> list[str]:
    """The states that a lesson has had."""
    statement = "SELECT to_status FROM lesson_events WHERE lesson_id = %(id)s ORDER BY version"
    return [str(status) for (status,) in market.clock.run("learning", statement, id=lesson_id)]


def test_declined_card_leaves_the_hold_for_another_try(market: Market) -> None:
    tutor, student = market.tutor(), market.web.join()
    lesson = market.book(student, tutor)
    payment = market.begin_payment(student, lesson["id"])
    market.bank.pay(payment["clientSecret"], "pm_card_chargeDeclined")
    again = eventually(
        lambda: next(
            (p for p in [market.begin_payment(student, lesson["id"])] if p["failureCode"]), None
        )
    )
    assert again is not None
    assert again["id"] == payment["id"]
    assert market.lesson(student, lesson["id"])["status"] == "PENDING_PAYMENT"
    market.bank.pay(again["clientSecret"])
    market.until(student, lesson["id"], "SCHEDULED")
    market.check_ledger()


def test_unpaid_hold_ends_and_the_slot_is_free_again(market: Market) -> None:
    tutor, student, other = market.tutor(), market.web.join(), market.web.join()
    lesson = market.book(student, tutor)
    payment = market.begin_payment(student, lesson["id"])
    market.clock.end_hold(lesson["id"])
    market.until(student, lesson["id"], "EXPIRED")
    query = "query($id: ID!) { payment(id: $id) { status } }"
    eventually(lambda: student.act(query, id=payment["id"])["status"] == "CANCELLED")
    free = eventually(
        lambda: [s for s in market.slots(other, tutor) if s["startsAt"] == lesson["startsAt"]]
    )
    taken = other.act(op.BOOK, offer=free[0]["offerToken"])
    assert taken["__typename"] == "Lesson"


def test_success_after_the_hold_takes_a_free_slot_again(market: Market) -> None:
    tutor, student = market.tutor(), market.web.join()
    lesson = market.book(student, tutor)
    payment = market.begin_payment(student, lesson["id"])
    # The payer confirms while nothing can be sent: the notification comes after the hold's end.
    market.bank.act("webhooks", mode="hold")
    market.bank.pay(payment["clientSecret"])
    market.clock.end_hold(lesson["id"])
    eventually(lambda: "EXPIRED" in history(market, lesson["id"]))
    market.bank.act("webhooks", mode="deliver")
    late = market.until(student, lesson["id"], "SCHEDULED")
    assert late["payment"]["status"] == "SUCCEEDED"
    assert late["payment"]["refundedAmount"]["amount"] == 0
    assert history(market, lesson["id"]) == ["PENDING_PAYMENT", "EXPIRED", "SCHEDULED"]
    market.check_ledger()


def test_success_after_the_slot_is_taken_is_paid_back(market: Market) -> None:
    tutor, student, other = market.tutor(), market.web.join(), market.web.join()
    seen_before = market.slots(other, tutor)[0]
    lesson = market.book(student, tutor)
    assert seen_before["startsAt"] == lesson["startsAt"]
    payment = market.begin_payment(student, lesson["id"])
    market.bank.act("webhooks", mode="hold")
    market.bank.pay(payment["clientSecret"])
    # The next booking ends the hold: nothing comes between the two.
    market.clock.end_hold(lesson["id"], seen=False)
    taken = market.insist(other, op.BOOK, offer=seen_before["offerToken"])
    assert taken["__typename"] == "Lesson"
    market.bank.act("webhooks", mode="deliver")
    back = market.refunded(student, lesson["id"], 4000)
    assert back["status"] == "EXPIRED"
    market.check_ledger()


def test_students_at_once_get_one_slot(market: Market) -> None:
    tutor = market.tutor()
    students = [market.web.join() for _ in range(5)]
    offers = [market.slots(student, tutor)[0]["offerToken"] for student in students]
    with ThreadPoolExecutor(5) as pool:
        outcomes = list(
            pool.map(
                lambda pair: market.insist(pair[0], op.BOOK, offer=pair[1]),
                zip(students, offers, strict=True),
            )
        )
    kinds = sorted(outcome.get("code", "booked") for outcome in outcomes)
    assert kinds == ["SLOT_TAKEN"] * 4 + ["booked"]


def test_tampered_and_foreign_offers_are_refused(market: Market) -> None:
    tutor, student = market.tutor(), market.web.join()
    offer = market.slots(student, tutor)[0]["offerToken"]
    body, _, mac = offer.partition(".")
    for bad in (f"{body}x.{mac}", f"{body}.{mac[::-1]}", "nonsense"):
        assert market.insist(student, op.BOOK, offer=bad)["code"] == "OFFER_INVALID"
    own = market.insist(tutor, op.BOOK, offer=market.slots(tutor, tutor)[0]["offerToken"])
    assert own["code"] == "OWN_LESSON"
