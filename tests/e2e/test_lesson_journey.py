"""Sagas A, B and E: a student finds a tutor, books, pays with 3-D Secure, learns, reviews."""

from datetime import UTC, datetime, timedelta

from deploy import market as op
from tests.e2e.client import eventually
from tests.e2e.market import Market


def test_lesson_from_search_to_the_tutors_statement(market: Market) -> None:
    tutor, student = market.tutor(), market.web.join()
    found = eventually(
        lambda: [
            node
            for node in student.act(op.FIND_TUTORS, filter={"text": "fado pacience"})["nodes"]
            if node["id"] == market.profile(tutor)["id"]
        ]
    )
    assert found[0]["hourlyRate"] == {"amount": 4000, "currency": "USD"}
    slots = market.slots(student, tutor)
    assert slots[0]["price"] == {"amount": 4000, "currency": "USD"}
    # The student's wall time, hours behind Lisbon's.
    assert slots[0]["localStart"][-6:] in ("-04:00", "-05:00")
    first = datetime.fromisoformat(slots[0]["startsAt"])
    assert datetime.fromisoformat(slots[0]["localStart"]) == first

    lesson = market.book(student, tutor)
    assert lesson["status"] == "PENDING_PAYMENT"
    held = datetime.fromisoformat(lesson["holdExpiresAt"]) - datetime.now(UTC)
    assert timedelta(minutes=14) < held <= timedelta(minutes=15)
    # What is held is not offered again.
    eventually(
        lambda: lesson["startsAt"] not in [s["startsAt"] for s in market.slots(student, tutor)]
    )

    payment = market.begin_payment(student, lesson["id"])
    market.bank.pay(payment["clientSecret"], "pm_card_threeDSecure2Required")
    waiting = eventually(
        lambda: next(
            (
                again
                for again in [market.begin_payment(student, lesson["id"])]
                if again["nextAction"] == "AUTHENTICATE"
            ),
            None,
        )
    )
    assert waiting is not None
    assert waiting["id"] == payment["id"]
    assert market.lesson(student, lesson["id"])["status"] == "PENDING_PAYMENT"
    market.bank.confirm_at_bank(payment["clientSecret"])
    paid = market.until(student, lesson["id"], "SCHEDULED")
    assert paid["payment"]["status"] == "SUCCEEDED"
    assert paid["canReview"] is False

    market.clock.begin_in(lesson["id"], timedelta(minutes=-30))
    assert tutor.act(op.START_LESSON, id=lesson["id"])["status"] == "IN_PROGRESS"
    done = tutor.act(op.COMPLETE_LESSON, id=lesson["id"])
    assert done["status"] == "COMPLETED"
    window = datetime.fromisoformat(done["disputeUntil"]) - datetime.now(UTC)
    assert timedelta(hours=71) < window <= timedelta(hours=72)
    assert market.transfer(tutor, lesson["id"])["status"] == "WAITING"
    market.end_dispute_window(tutor, lesson["id"])
    market.transferred(tutor, lesson["id"], 3200)

    eventually(lambda: market.lesson(student, lesson["id"])["canReview"])
    given = {"lessonId": lesson["id"], "rating": 5, "comment": "Patient, indeed."}
    assert student.act(op.SUBMIT_REVIEW, input=given)["status"] == "BLIND"
    answer = {"lessonId": lesson["id"], "rating": 4}
    assert tutor.act(op.SUBMIT_REVIEW, input=answer)["status"] == "PUBLISHED"
    rated = eventually(
        lambda: next(
            (p for p in [market.profile(tutor)] if p["rating"] and p["rating"]["count"] == 1), None
        )
    )
    assert rated is not None
    assert rated["ratingSummary"] == {
        "count": 1,
        "meanHundredths": 500,
        "scoreHundredths": rated["ratingSummary"]["scoreHundredths"],
    }
    assert 390 < rated["ratingSummary"]["scoreHundredths"] < 500

    month = f"{datetime.now(UTC):%Y-%m}"
    statement = tutor.ask(op.STATEMENT, month=month)
    [earned] = statement["tutorStatement"]["earnings"]
    assert earned["gross"] == {"amount": 3200, "currency": "USD"}
    assert earned["transferred"]["amount"] == 3200
    [balance] = statement["me"]["balance"]
    assert balance["available"] == {"amount": 3200, "currency": "USD"}
    market.check_ledger()


def test_outsider_sees_neither_lesson_nor_payment(market: Market) -> None:
    tutor, student = market.tutor(), market.web.join()
    id_ = market.scheduled(student, tutor)
    for other in (market.web, market.web.join()):
        assert other.act(op.LESSON, id=id_) is None
        query = "query($id: ID!) { payment(id: $id) { id } }"
        payment_id = market.lesson(student, id_)["payment"]["id"]
        assert other.act(query, id=payment_id) is None
    theirs = market.web.join().act(
        op.CREATE_PAYMENT, input={"payableType": "LESSON", "payableId": id_}
    )
    assert theirs["code"] in ("NOT_FOUND", "FORBIDDEN")


def test_tutor_who_cannot_be_paid_is_not_booked_and_is_paid_once_he_can(market: Market) -> None:
    tutor, student = market.tutor(onboarded=False), market.web.join()
    assert market.profile(tutor)["isBookable"] is False
    assert market.slots(student, tutor) == []
    market.onboard(tutor)
    id_ = market.completed(student, tutor)
    offer = market.slots(student, tutor)[0]["offerToken"]
    market.onboard(tutor, enabled=False)
    refused = student.act(op.BOOK, offer=offer)
    assert refused["code"] == "TUTOR_NOT_BOOKABLE"
    market.end_dispute_window(tutor, id_)
    eventually(lambda: market.transfer(tutor, id_)["waitsFor"] == "account")
    assert market.transfer(tutor, id_)["status"] == "WAITING"
    market.onboard(tutor)
    market.transferred(tutor, id_, 3200)
    market.check_ledger()
