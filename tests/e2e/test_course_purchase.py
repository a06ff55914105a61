"""Saga D: a seat in a paid course is held, paid, given back, or too late."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.e2e.client import Client, eventually
from tests.e2e.market import Market

CREATE = """mutation($input: CreateCourseInput!) {
  createCourse(input: $input) { __typename ... on Course { id } ... on Problem { code } } }"""
ADD_UNIT = """mutation($input: AddCourseUnitInput!) {
  addCourseUnit(input: $input) { __typename ... on CourseUnit { id } ... on Problem { code } } }"""
PUBLISH = """mutation($id: ID!) {
  publishCourse(id: $id) { __typename ... on Course { id } ... on Problem { code } } }"""
PURCHASE = """mutation($id: ID!) {
  purchaseCourse(courseId: $id) {
    __typename ... on Enrollment { id status } ... on Problem { code } } }"""
CANCEL = """mutation($id: ID!) {
  cancelEnrollment(id: $id) {
    __typename ... on Enrollment { id status } ... on Problem { code } } }"""
JOIN_WAITLIST = """mutation($id: ID!) {
  joinWaitlist(courseId: $id) {
    __typename ... on WaitlistEntry { status } ... on Problem { code } } }"""
COURSE = """query($id: ID!) {
  course(id: $id) {
    seatsLeft
    currentStudents
    myEnrollment { id status }
    myWaitlistEntry { status }
    myPurchase { status refundedAmount { amount } transfer { status } }
  } }"""


def course_for_sale(market: Market, tutor: Client, *, seats: int, price: int = 9999) -> str:
    """A published course, at 99.99 dollars unless said otherwise, with one unit."""
    given = {
        "title": f"Accordion {secrets.token_hex(4)}",
        "durationMinutes": 90,
        "maxStudents": seats,
        "price": {"amount": price, "currency": "USD"},
    }
    course = tutor.act(CREATE, input=given)
    assert course["__typename"] == "Course", course
    unit = tutor.act(ADD_UNIT, input={"courseId": course["id"], "title": "Bellows"})
    assert unit["__typename"] == "CourseUnit", unit
    assert market.insist(tutor, PUBLISH, id=course["id"])["__typename"] == "Course"
    return str(course["id"])


def purchase_id(market: Market, enrollment_id: str) -> str:
    """What the enrolment is paid by."""
    query = "SELECT purchase_id FROM enrollments WHERE id = %(id)s"
    return str(market.clock.run("learning", query, id=enrollment_id)[0][0])


def seen(viewer: Client, id_: str) -> dict[str, Any]:
    """The course as somebody sees it."""
    found: dict[str, Any] = viewer.act(COURSE, id=id_)
    return found


def test_bought_seat_is_given_back_for_all_of_the_money(market: Market) -> None:
    tutor, student = market.tutor(), market.web.join()
    id_ = course_for_sale(market, tutor, seats=3)
    bought = market.insist(student, PURCHASE, id=id_)
    assert bought["status"] == "PENDING_PAYMENT"
    assert seen(student, id_)["seatsLeft"] == 2
    market.pay(student, id_, "COURSE")
    eventually(lambda: seen(student, id_)["myEnrollment"]["status"] == "ACTIVE")
    assert seen(student, id_)["currentStudents"] == 1
    cancelled = student.act(CANCEL, id=bought["id"])
    assert cancelled["status"] == "CANCELLED"
    eventually(lambda: seen(student, id_)["myPurchase"]["refundedAmount"]["amount"] == 9999)
    assert seen(student, id_)["seatsLeft"] == 3
    market.check_ledger()


def test_last_seat_goes_to_one_and_the_line_gets_it_when_nobody_pays(market: Market) -> None:
    tutor = market.tutor()
    students = [market.web.join() for _ in range(4)]
    id_ = course_for_sale(market, tutor, seats=1)
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda each: market.insist(each, PURCHASE, id=id_), students))
    codes = [outcome.get("code", "held") for outcome in outcomes]
    assert sorted(codes) == ["COURSE_FULL"] * 3 + ["held"]
    winner = codes.index("held")
    waiting = students[winner - 1]
    assert waiting.act(JOIN_WAITLIST, id=id_)["status"] == "WAITING"
    market.clock.end_hold(purchase_id(market, outcomes[winner]["id"]))
    eventually(lambda: seen(waiting, id_)["myWaitlistEntry"]["status"] == "OFFERED")
    assert market.insist(waiting, PURCHASE, id=id_)["status"] == "PENDING_PAYMENT"
    market.pay(waiting, id_, "COURSE")
    eventually(lambda: seen(waiting, id_)["myEnrollment"]["status"] == "ACTIVE")
    assert seen(waiting, id_)["seatsLeft"] == 0


def test_payment_after_the_seat_is_gone_is_paid_back(market: Market) -> None:
    tutor, late, quick = market.tutor(), market.web.join(), market.web.join()
    id_ = course_for_sale(market, tutor, seats=1)
    bought = market.insist(late, PURCHASE, id=id_)
    payment = market.begin_payment(late, id_, "COURSE")
    # The seat goes to the next in line in the moment when the hold ends.
    assert market.insist(quick, JOIN_WAITLIST, id=id_)["status"] == "WAITING"
    market.bank.act("webhooks", mode="hold")
    market.bank.pay(payment["clientSecret"])
    market.clock.end_hold(purchase_id(market, bought["id"]))
    eventually(lambda: seen(late, id_)["myEnrollment"]["status"] == "CANCELLED")
    assert market.insist(quick, PURCHASE, id=id_)["status"] == "PENDING_PAYMENT"
    market.bank.act("webhooks", mode="deliver")
    query = "query($id: ID!) { payment(id: $id) { status refundedAmount { amount } } }"
    eventually(
        lambda: (
            late.act(query, id=payment["id"])
            == {"status": "SUCCEEDED", "refundedAmount": {"amount": 9999}}
        )
    )
    assert seen(late, id_)["myEnrollment"]["status"] == "CANCELLED"
    market.check_ledger()
