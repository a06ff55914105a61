"""People of the marketplace, through the router: tutors that can be booked, students who pay."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from deploy import market as op
from deploy.demo.journey import NOT_YET
from deploy.local.platform import Platform
from deploy.market import Bank, TimeMachine
from tests.e2e.client import VERIFY, Client, eventually

ALL_DAY = [{"weekday": day, "startLocal": "00:00", "endLocal": "00:00"} for day in range(1, 8)]
RATE = {"amount": 4000, "currency": "USD"}


def make_admin(platform: Platform, web: Client) -> Client:
    """Register somebody, make an admin of them, and sign them in."""
    email = f"admin-{datetime.now(UTC):%H%M%S%f}@edtech.test"
    web.register(email)
    web.act(VERIFY, token=web.mailed_token(email))
    platform.run_command("grant-admin", email)
    return web.login(email)


@dataclass
class Market:
    """A platform with its bank, its clock and its admin, and a web app without a token."""

    platform: Platform
    web: Client
    admin: Client

    @cached_property
    def bank(self) -> Bank:
        """The simulated provider."""
        return Bank.of(self.platform.env)

    @cached_property
    def clock(self) -> TimeMachine:
        """Moves moments into the past."""
        return TimeMachine(self.platform.env)

    def insist(self, client: Client, query: str, **variables: Any) -> Any:
        """Act until the news that it needs has spread; whatever else is answered is final."""

        def answer() -> Any:
            body = client.post(query, **variables).json()
            if body.get("errors"):
                code = body["errors"][0]["extensions"]["code"]
                assert code in NOT_YET, body
                return None
            [root] = body["data"].values()
            return None if isinstance(root, dict) and root.get("code") in NOT_YET else root

        return eventually(answer)

    def tutor(self, *, onboarded: bool = True, rate: dict[str, Any] = RATE) -> Client:
        """A verified tutor who is free all day, every day, and can be paid."""
        tutor = self.web.join("TUTOR", timeZone="Europe/Lisbon")
        given = {
            "headline": "Fado and patience",
            "languages": ["en", "pt"],
            "hourlyRate": rate,
            "timeZone": "Europe/Lisbon",
        }
        profile = self.insist(tutor, op.BECOME_TUTOR, input=given)
        assert profile["__typename"] == "TutorProfile", profile
        free = tutor.act(op.SET_AVAILABILITY, profileId=profile["id"], rules=ALL_DAY)
        assert free["__typename"] == "TutorProfile", free
        papers = [{"kind": "passport", "reference": "passport.pdf"}]
        asked = tutor.act(op.SUBMIT_VERIFICATION, profileId=profile["id"], documents=papers)
        assert asked["__typename"] == "Verification", asked
        verified = self.admin.act(op.VERIFY_TUTOR, profileId=profile["id"])
        assert verified["__typename"] == "TutorProfile", verified
        if onboarded:
            self.onboard(tutor)
        # Verification changed the roles: the tutor signs in anew with the next refresh.
        return tutor

    def onboard(self, tutor: Client, *, enabled: bool = True) -> None:
        """The tutor tells the provider what it asks; the news arrives by notification alone."""
        link = self.insist(tutor, op.START_ONBOARDING)
        assert link["__typename"] == "PayoutOnboarding", link
        self.bank.finish_onboarding(link["url"], enabled=enabled)
        eventually(lambda: self.profile(tutor)["isBookable"] is enabled)
        # Learning, too, has to have heard it.
        eventually(
            lambda: self.clock.run(
                "learning",
                "SELECT 1 FROM tutor_refs WHERE user_id = %(id)s AND is_bookable = %(enabled)s",
                id=tutor.user_id,
                enabled=enabled,
            )
        )

    def profile(self, tutor: Client) -> dict[str, Any]:
        """A tutor's profile with its rating."""
        found: dict[str, Any] = self.web.act(op.TUTOR, userId=tutor.user_id)
        return found

    def slots(self, student: Client, tutor: Client, *, minutes: int = 60) -> list[dict[str, Any]]:
        """Free slots of the second and third day from now."""
        start = datetime.now(UTC) + timedelta(days=2)
        found: list[dict[str, Any]] = student.act(
            op.SLOTS,
            userId=tutor.user_id,
            **{"from": start.isoformat(), "to": (start + timedelta(days=2)).isoformat()},
            zone="America/New_York",
            minutes=minutes,
        )
        return found

    def book(self, student: Client, tutor: Client, *, which: int = 0) -> dict[str, Any]:
        """Book a slot; the lesson, which is held."""
        offer = self.slots(student, tutor)[which]["offerToken"]
        lesson: dict[str, Any] = self.insist(student, op.BOOK, offer=offer)
        assert lesson["__typename"] == "Lesson", lesson
        return lesson

    def begin_payment(
        self, student: Client, id_: str, kind: str = "LESSON", **more: Any
    ) -> dict[str, Any]:
        """A payment that waits for the browser."""
        given = {"payableType": kind, "payableId": id_, **more}
        payment: dict[str, Any] = self.insist(student, op.CREATE_PAYMENT, input=given)
        assert payment["__typename"] == "Payment", payment
        return payment

    def pay(self, student: Client, id_: str, kind: str = "LESSON", **more: Any) -> dict[str, Any]:
        """Pay with a card that works."""
        payment = self.begin_payment(student, id_, kind, **more)
        self.bank.pay(payment["clientSecret"])
        return payment

    def lesson(self, viewer: Client, id_: str) -> dict[str, Any]:
        """A lesson with its payment."""
        found: dict[str, Any] = viewer.act(op.LESSON, id=id_)
        return found

    def until(self, viewer: Client, id_: str, status: str) -> dict[str, Any]:
        """The lesson, once it has a status."""

        def reached() -> dict[str, Any] | None:
            found = self.lesson(viewer, id_)
            return found if found["status"] == status else None

        return eventually(reached)

    def scheduled(self, student: Client, tutor: Client, *, which: int = 0) -> str:
        """A lesson that is booked and paid; its id."""
        lesson = self.book(student, tutor, which=which)
        self.pay(student, lesson["id"])
        self.until(student, lesson["id"], "SCHEDULED")
        return str(lesson["id"])

    def completed(self, student: Client, tutor: Client, *, which: int = 0) -> str:
        """A lesson that was had; its id."""
        id_ = self.scheduled(student, tutor, which=which)
        self.clock.begin_in(id_, timedelta(minutes=-30))
        done = tutor.act(op.COMPLETE_LESSON, id=id_)
        assert done["__typename"] == "Lesson", done
        assert done["status"] == "COMPLETED"
        return id_

    def transfer(self, tutor: Client, id_: str) -> dict[str, Any]:
        """The tutor's part of a lesson on its way, once payment has heard of the lesson's end."""
        return eventually(lambda: self.lesson(tutor, id_)["payment"]["transfer"])

    def end_dispute_window(self, tutor: Client, id_: str) -> None:
        """Nobody complains any more."""
        self.transfer(tutor, id_)
        self.clock.end_dispute_window(id_)

    def transferred(self, tutor: Client, id_: str, amount: int) -> None:
        """Wait until so much has come to the tutor."""

        def sent() -> bool:
            found = self.transfer(tutor, id_)
            return (found["status"], found["amount"]["amount"]) == ("SUCCEEDED", amount)

        eventually(sent)

    def refunded(self, student: Client, id_: str, amount: int) -> dict[str, Any]:
        """The lesson, once so much of its payment has gone back."""

        def back() -> dict[str, Any] | None:
            found = self.lesson(student, id_)
            done = found["payment"] and found["payment"]["refundedAmount"]["amount"] == amount
            return found if done else None

        return eventually(back)

    def check_ledger(self) -> None:
        """The ledger sums to zero per currency, and per payment."""
        for group in ("e.currency", "e.currency, t.payment_id"):
            wrong = self.clock.run(
                "payment",
                f"SELECT {group}, sum(e.amount) FROM ledger_entries e"  # noqa: S608
                " JOIN transactions t ON t.id = e.transaction_id"
                f" GROUP BY {group} HAVING sum(e.amount) <> 0",
            )
            assert wrong == []
