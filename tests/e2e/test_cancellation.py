"""Saga C: who cancels, and when, decides what goes back; the ledger always adds up."""

from datetime import timedelta

import pytest

from deploy import market as op
from tests.e2e.market import Market


@pytest.mark.parametrize(
    ("notice", "back"),
    [(timedelta(hours=25), 4000), (timedelta(hours=23), 2000), (timedelta(hours=11), 0)],
)
def test_student_who_cancels_gets_back_what_the_policy_says(
    market: Market, notice: timedelta, back: int
) -> None:
    tutor, student = market.tutor(), market.web.join()
    id_ = market.scheduled(student, tutor)
    market.clock.begin_in(id_, notice)
    cancelled = student.act(op.CANCEL_LESSON, id=id_, reason="A cold.")
    assert cancelled["status"] == "CANCELLED_BY_STUDENT"
    if back:
        market.refunded(student, id_, back)
    # What is not given back is the tutor's, less the fee.
    if rest := (4000 - back) * 8 // 10:
        market.transferred(tutor, id_, rest)
    assert market.lesson(student, id_)["payment"]["refundedAmount"]["amount"] == back
    market.check_ledger()


def test_tutor_who_cancels_gives_everything_back(market: Market) -> None:
    tutor, student = market.tutor(), market.web.join()
    id_ = market.scheduled(student, tutor)
    market.clock.begin_in(id_, timedelta(hours=1))
    assert tutor.act(op.CANCEL_LESSON, id=id_)["status"] == "CANCELLED_BY_TUTOR"
    market.refunded(student, id_, 4000)
    market.check_ledger()


def test_dispute_about_a_lesson_freezes_the_transfer_and_an_admin_decides(market: Market) -> None:
    tutor, student = market.tutor(), market.web.join()
    id_ = market.completed(student, tutor)
    opened = student.act(
        """mutation($id: ID!) { openDispute(lessonId: $id, reason: "He left after five minutes.") {
          __typename ... on Lesson { status } ... on Problem { code } } }""",
        id=id_,
    )
    assert opened == {"__typename": "Lesson", "status": "DISPUTED"}
    market.end_dispute_window(tutor, id_)
    resolved = market.admin.act(
        """mutation($id: ID!) { resolveDispute(lessonId: $id, refundBps: 5000) {
          __typename ... on Lesson { status } ... on Problem { code } } }""",
        id=id_,
    )
    assert resolved == {"__typename": "Lesson", "status": "COMPLETED"}
    market.refunded(student, id_, 2000)
    market.transferred(tutor, id_, 1600)
    market.check_ledger()


def test_refund_after_the_transfer_takes_it_back_first(market: Market) -> None:
    tutor, student = market.tutor(), market.web.join()
    id_ = market.completed(student, tutor)
    market.end_dispute_window(tutor, id_)
    market.transferred(tutor, id_, 3200)
    payment_id = market.lesson(student, id_)["payment"]["id"]
    query = """mutation($id: ID!, $amount: MinorUnits) {
      requestRefund(paymentId: $id, reason: "Goodwill.", amount: $amount) {
        __typename ... on Problem { code message } } }"""
    assert student.act(query, id=payment_id, amount=100)["code"] == "FORBIDDEN"
    asked = market.admin.act(query, id=payment_id, amount=1333)
    assert asked["__typename"] != "Problem", asked
    market.refunded(student, id_, 1333)
    over = market.admin.act(query, id=payment_id, amount=2668)
    assert over["__typename"] == "Problem"
    assert market.admin.act(query, id=payment_id, amount=2667)["__typename"] != "Problem"
    market.refunded(student, id_, 4000)
    market.check_ledger()
