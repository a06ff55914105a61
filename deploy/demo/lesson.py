"""A student finds a tutor, books a lesson, pays with 3-D Secure, has it and reviews it.

The tutor is paid. Then a card is declined, and a payment arrives when its time is over.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from deploy import market as op
from deploy.demo.journey import Journey, Person
from deploy.market import Bank, TimeMachine

ALL_DAY = [{"weekday": day, "startLocal": "08:00", "endLocal": "20:00"} for day in range(1, 8)]
ZONE = "America/New_York"


@dataclass(frozen=True)
class Backstage:
    """What no web app can do: play the bank, turn the clock, make somebody an admin."""

    bank: Bank
    clock: TimeMachine
    promote: Callable[[str], None]


def walk(journey: Journey, backstage: Backstage) -> dict[str, Any]:
    """The journey; the tutor's statement. Raises Refused."""
    tutor = _become_tutor(journey, backstage)
    journey.say("A student in New York looks for a tutor, with a typing error")
    student = journey.join("June", "Park", "STUDENT", ZONE)
    journey.await_(
        lambda: journey.ask(op.FIND_TUTORS, {"filter": {"text": f"accordeon {journey.mark}"}}),
        lambda found: any(node["user"]["name"] == "Rosa Nunes" for node in found["nodes"]),
    )
    lesson = _book_and_pay(journey, backstage, student, tutor)
    _have_lesson(journey, backstage, student, tutor, lesson)
    _decline_then_late_success(journey, backstage, student, tutor)
    journey.say("The tutor's rating and this month's statement")
    journey.await_(
        lambda: journey.ask(op.TUTOR, {"userId": tutor.id}),
        lambda profile: (profile["rating"] or {}).get("count") == 1,
    )
    month = {"month": f"{datetime.now(UTC):%Y-%m}"}
    statement: dict[str, Any] = journey.ask(op.STATEMENT, month, token=tutor.token)
    return statement


def _become_tutor(journey: Journey, backstage: Backstage) -> Person:
    journey.say("A tutor registers, describes herself, says when she is free")
    tutor = journey.join("Rosa", "Nunes", "TUTOR", "Europe/Lisbon")
    given = {
        "headline": f"Accordion for everybody {journey.mark}",
        "languages": ["en", "pt"],
        "hourlyRate": {"amount": 4000, "currency": "USD"},
        "timeZone": "Europe/Lisbon",
    }
    profile = journey.insist(op.BECOME_TUTOR, {"input": given}, token=tutor.token)
    journey.ask(
        op.SET_AVAILABILITY, {"profileId": profile["id"], "rules": ALL_DAY}, token=tutor.token
    )
    journey.ask(
        op.SUBMIT_VERIFICATION,
        {
            "profileId": profile["id"],
            "documents": [{"kind": "passport", "reference": "passport.pdf"}],
        },
        token=tutor.token,
    )
    journey.say("An admin verifies her; the payment provider does, too")
    admin = journey.join("Vera", "Lopes", "STUDENT", "Europe/Lisbon")
    backstage.promote(admin.email)
    admin = journey.sign_in(admin.email, admin.password)
    journey.ask(op.VERIFY_TUTOR, {"profileId": profile["id"]}, token=admin.token)
    link = journey.insist(op.START_ONBOARDING, {}, token=tutor.token)
    journey.note("the tutor answers the provider's questions behind the link")
    backstage.bank.finish_onboarding(link["url"])
    journey.await_(
        lambda: journey.ask(op.TUTOR, {"userId": tutor.id}), lambda found: found["isBookable"]
    )
    return tutor


def _slot(journey: Journey, student: Person, tutor: Person) -> dict[str, Any]:
    start = datetime.now(UTC) + timedelta(days=2)
    wanted = {
        "userId": tutor.id,
        "from": start.isoformat(timespec="seconds"),
        "to": (start + timedelta(hours=20)).isoformat(timespec="seconds"),
        "zone": ZONE,
        "minutes": 60,
    }
    found: list[dict[str, Any]] = journey.ask(op.SLOTS, wanted, token=student.token)
    return found[0]


def _begin_payment(journey: Journey, student: Person, lesson_id: str) -> dict[str, Any]:
    given = {"input": {"payableType": "LESSON", "payableId": lesson_id}}
    payment: dict[str, Any] = journey.insist(op.CREATE_PAYMENT, given, token=student.token)
    return payment


def _book_and_pay(
    journey: Journey, backstage: Backstage, student: Person, tutor: Person
) -> dict[str, Any]:
    journey.say("She sees free slots in her own time zone, and books one")
    offer = {"offer": _slot(journey, student, tutor)["offerToken"], "key": f"demo-{journey.mark}-1"}
    lesson: dict[str, Any] = journey.insist(op.BOOK, offer, token=student.token)
    journey.say("She pays; her bank wants her to confirm (3-D Secure)")
    payment = _begin_payment(journey, student, lesson["id"])
    backstage.bank.pay(payment["clientSecret"], "pm_card_threeDSecure2Required")
    journey.await_(
        lambda: _begin_payment(journey, student, lesson["id"]),
        lambda found: found["nextAction"] == "AUTHENTICATE",
    )
    journey.note("the student confirms at her bank")
    backstage.bank.confirm_at_bank(payment["clientSecret"])
    _until(journey, student, lesson["id"], "SCHEDULED")
    return lesson


def _until(journey: Journey, viewer: Person, lesson_id: str, *statuses: str) -> dict[str, Any]:
    found: dict[str, Any] = journey.await_(
        lambda: journey.ask(op.LESSON, {"id": lesson_id}, token=viewer.token),
        lambda lesson: lesson["status"] in statuses,
    )
    return found


def _have_lesson(
    journey: Journey, backstage: Backstage, student: Person, tutor: Person, lesson: dict[str, Any]
) -> None:
    journey.say("The lesson takes place")
    journey.note("the demo moves the lesson into the past, in the database")
    backstage.clock.begin_in(lesson["id"], timedelta(minutes=-40))
    journey.ask(op.START_LESSON, {"id": lesson["id"]}, token=tutor.token)
    journey.ask(op.COMPLETE_LESSON, {"id": lesson["id"]}, token=tutor.token)
    journey.say("Nobody complains for 72 hours: the tutor gets the price less the fee of 20 %")
    journey.await_(
        lambda: journey.ask(op.LESSON, {"id": lesson["id"]}, token=tutor.token),
        lambda found: found["payment"]["transfer"] is not None,
    )
    journey.note("the demo ends the dispute window, in the database")
    backstage.clock.end_dispute_window(lesson["id"])
    journey.await_(
        lambda: journey.ask(op.LESSON, {"id": lesson["id"]}, token=tutor.token),
        lambda found: found["payment"]["transfer"]["status"] == "SUCCEEDED",
    )
    journey.say("Both review; neither could read the other's before")
    journey.await_(
        lambda: journey.ask(op.LESSON, {"id": lesson["id"]}, token=student.token),
        lambda found: found["canReview"],
    )
    mine = {"lessonId": lesson["id"], "rating": 5, "comment": "Patient, and it was fun."}
    journey.ask(op.SUBMIT_REVIEW, {"input": mine}, token=student.token)
    theirs = {"lessonId": lesson["id"], "rating": 5}
    journey.ask(op.SUBMIT_REVIEW, {"input": theirs}, token=tutor.token)


def _decline_then_late_success(
    journey: Journey, backstage: Backstage, student: Person, tutor: Person
) -> None:
    journey.say("A second booking: the card is declined, the slot stays held for another try")
    offer = {"offer": _slot(journey, student, tutor)["offerToken"], "key": f"demo-{journey.mark}-2"}
    lesson = journey.insist(op.BOOK, offer, token=student.token)
    payment = _begin_payment(journey, student, lesson["id"])
    backstage.bank.pay(payment["clientSecret"], "pm_card_chargeDeclined")
    journey.await_(
        lambda: _begin_payment(journey, student, lesson["id"]),
        lambda found: found["failureCode"] is not None,
    )
    journey.say("The hold ends, and only then the payment arrives: the slot is still free")
    backstage.bank.act("webhooks", mode="hold")
    try:
        backstage.bank.pay(payment["clientSecret"])
        journey.note("the demo ends the hold, in the database, and keeps back the notification")
        backstage.clock.end_hold(lesson["id"])
        # Found by calling the payment off, it may have come already.
        _until(journey, student, lesson["id"], "EXPIRED", "SCHEDULED")
    finally:
        backstage.bank.act("webhooks", mode="deliver")
    _until(journey, student, lesson["id"], "SCHEDULED")
