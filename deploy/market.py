"""What the demo and the end-to-end tests need beside the router: payer and bank, and a clock.

The payment provider is simulated, so somebody has to play the browser and the bank; nobody waits
three days for a dispute window, so lessons and windows are moved into the past in the database.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import psycopg

BECOME_TUTOR = """\
mutation BecomeTutor($input: BecomeTutorInput!) {
  becomeTutor(input: $input) {
    __typename
    ... on TutorProfile { id headline hourlyRate { amount currency } isBookable }
    ... on Problem { code message field }
  }
}"""
SET_AVAILABILITY = """\
mutation SetAvailability($profileId: ID!, $rules: [AvailabilityRuleInput!]!) {
  setAvailability(profileId: $profileId, rules: $rules) {
    __typename
    ... on TutorProfile { id timeZone }
    ... on Problem { code message field }
  }
}"""
SUBMIT_VERIFICATION = """\
mutation SubmitVerification($profileId: ID!, $documents: [VerificationDocumentInput!]!) {
  submitVerification(profileId: $profileId, documents: $documents) {
    __typename
    ... on Verification { id status }
    ... on Problem { code message field }
  }
}"""
VERIFY_TUTOR = """\
mutation VerifyTutor($profileId: ID!) {
  verifyTutor(profileId: $profileId, approve: true) {
    __typename
    ... on TutorProfile { id isVerified }
    ... on Problem { code message field }
  }
}"""
START_ONBOARDING = """\
mutation StartPayoutOnboarding {
  startPayoutOnboarding {
    __typename
    ... on PayoutOnboarding { url account { status requirementsDue } }
    ... on Problem { code message }
  }
}"""
TUTOR = """\
query Tutor($userId: ID!) {
  tutorProfile(userId: $userId) {
    id
    isVerified
    isBookable
    rating { count }
    ratingSummary { count meanHundredths scoreHundredths }
  }
}"""
FIND_TUTORS = """\
query FindTutors($filter: TutorSearchInput!) {
  tutors(filter: $filter, first: 5) {
    nodes {
      id
      headline
      user { name }
      hourlyRate { amount currency }
      nextFreeSlot
      ratingSummary { scoreHundredths count }
    }
  }
}"""
SLOTS = """\
query Slots($userId: ID!, $from: DateTime!, $to: DateTime!, $zone: String!, $minutes: Int) {
  availableSlots(
    userId: $userId, from: $from, to: $to, viewerZone: $zone, durationMinutes: $minutes
  ) { startsAt endsAt localStart price { amount currency } offerToken }
}"""
BOOK = """\
mutation BookLesson($offer: String!, $key: String) {
  bookLesson(offerToken: $offer, idempotencyKey: $key) {
    __typename
    ... on Lesson { id status startsAt holdExpiresAt price { amount currency } }
    ... on Problem { code message field }
  }
}"""
CREATE_PAYMENT = """\
mutation CreatePaymentIntent($input: CreatePaymentIntentInput!) {
  createPaymentIntent(input: $input) {
    __typename
    ... on Payment { id status nextAction clientSecret amount { amount currency } failureCode }
    ... on Problem { code message field }
  }
}"""
LESSON = """\
query Lesson($id: ID!) {
  lesson(id: $id) {
    id
    status
    startsAt
    payment {
      id
      status
      amount { amount currency }
      refundedAmount { amount }
      transfer { status waitsFor amount { amount } netted { amount } }
    }
    canReview
  }
}"""
START_LESSON = """\
mutation StartLesson($id: ID!) {
  startLesson(id: $id) {
    __typename
    ... on Lesson { id status }
    ... on Problem { code message }
  }
}"""
COMPLETE_LESSON = """\
mutation CompleteLesson($id: ID!) {
  completeLesson(id: $id) {
    __typename
    ... on Lesson { id status disputeUntil }
    ... on Problem { code message }
  }
}"""
CANCEL_LESSON = """\
mutation CancelLesson($id: ID!, $reason: String) {
  cancelLesson(id: $id, reason: $reason) {
    __typename
    ... on Lesson { id status }
    ... on Problem { code message }
  }
}"""
SUBMIT_REVIEW = """\
mutation SubmitReview($input: SubmitReviewInput!) {
  submitReview(input: $input) {
    __typename
    ... on Review { id rating status }
    ... on Problem { code message field }
  }
}"""
STATEMENT = """\
query Statement($month: String!) {
  tutorStatement(month: $month) {
    month
    lines { kind amount { amount currency } }
    earnings {
      payments
      gross { amount currency }
      net { amount }
      transferred { amount }
      paidOut { amount }
    }
  }
  me { balance { available { amount currency } pending { amount currency } } }
}"""


@dataclass(frozen=True)
class Bank:
    """The browser, the bank and the provider's staff, at the simulated provider."""

    url: str
    key: str

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Bank":
        """The provider of a running platform."""
        return cls(environment["STRIPE_API_BASE"], environment["STRIPE_API_KEY"])

    def act(self, action: str, **params: Any) -> Any:
        """One request to the control API; a refused card is an answer, too."""
        headers = {"authorization": f"Bearer {self.key}"}
        with httpx.Client(base_url=self.url, headers=headers, timeout=10, trust_env=False) as http:
            answer = http.post(f"/_test/{action}", json=params)
        if answer.status_code != 402:
            answer.raise_for_status()
        return answer.json()

    def pay(self, client_secret: str, card: str = "pm_card_visa") -> Any:
        """The browser confirms a payment with a card."""
        return self.act("pay", client_secret=client_secret, payment_method=card)

    def confirm_at_bank(self, client_secret: str, *, outcome: str = "succeed") -> Any:
        """The payer confirms (3-D Secure), or does not."""
        intent = client_secret.partition("_secret_")[0]
        return self.act("settle-intent", intent=intent, outcome=outcome)

    def finish_onboarding(self, url: str, *, enabled: bool = True) -> None:
        """A tutor has told the provider everything that it asked behind a link, or not enough."""
        self.act("onboard", url=url, enabled=enabled)


class TimeMachine:
    """Moves lessons and windows into the past, as the superuser of a local platform."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = f"host={environment['DB_HOST']} port={environment['DB_PORT']} user=postgres"

    def run(self, subgraph: str, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """One statement in a subgraph's database; its rows, if it has any."""
        address = f"{self._address} dbname=edtech_{subgraph}_db"
        with psycopg.connect(address, autocommit=True) as connection:
            cursor = connection.execute(statement, values)
            return list(cursor.fetchall()) if cursor.description else []

    def begin_in(self, lesson_id: UUID | str, time: timedelta) -> None:
        """Let a lesson begin in so much time; a negative one has begun."""
        self.run(
            "learning",
            "UPDATE lessons SET ends_at = clock_timestamp() + %(time)s + (ends_at - starts_at),"
            " starts_at = clock_timestamp() + %(time)s WHERE id = %(id)s",
            id=lesson_id,
            time=time,
        )

    def end_hold(self, purchase_id: UUID | str, *, seen: bool = True) -> None:
        """Let the time to pay for a lesson or a course be over, and the worker see it, or not yet.

        What follows is quick: a payment that has succeeded meanwhile is found when the platform
        calls it off, so EXPIRED may be too short to be seen from outside.
        """
        self.run(
            "learning",
            "UPDATE lessons SET hold_expires_at = clock_timestamp() WHERE id = %(id)s",
            id=purchase_id,
        )
        self.run(
            "learning",
            "UPDATE course_purchases SET hold_expires_at = clock_timestamp() WHERE id = %(id)s",
            id=purchase_id,
        )
        if seen:
            self.run(
                "learning",
                "UPDATE saga_instances SET deadline = clock_timestamp(), version = version + 1"
                " WHERE id = %(id)s AND state = 'RUNNING'",
                id=purchase_id,
            )

    def end_dispute_window(self, purchase_id: UUID | str) -> None:
        """Let the time to complain be over, so that the tutor is paid."""
        self.run(
            "payment",
            "UPDATE payable_refs SET transfer_due_at = clock_timestamp()"
            " WHERE purchase_id = %(id)s AND transfer_due_at IS NOT NULL",
            id=purchase_id,
        )
        self.run(
            "payment",
            "UPDATE saga_instances s SET deadline = clock_timestamp(), version = s.version + 1"
            " FROM transfers t JOIN payments p ON p.id = t.payment_id"
            " WHERE s.id = t.id AND p.purchase_id = %(id)s AND s.state = 'RUNNING'",
            id=purchase_id,
        )
