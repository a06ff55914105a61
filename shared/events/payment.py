"""What payment publishes: payments, payouts and invoices as occurrences, payout accounts as states.

Amounts are whole minor units of `currency`. Ids alone: names and addresses stay where they are.
"""

from typing import ClassVar, Literal
from uuid import UUID

from shared.events import Event

PAYMENT_LOG = "edtech.payment.payment.log.v1"
PAYOUT_ACCOUNT_TOPIC = "edtech.payment.payout_account.v1"
PAYOUT_LOG = "edtech.payment.payout.log.v1"
INVOICE_LOG = "edtech.payment.invoice.log.v1"


class PaymentEvent(Event):
    """An occurrence in the life of one payment.

    `payable_id` is the lesson or the course; `purchase_id` is what was reserved for the payer: the
    lesson again, or the purchase that SeatReserved named.
    """

    topic: ClassVar[str] = PAYMENT_LOG
    subject_field: ClassVar[str] = "payment_id"

    payment_id: UUID
    payable_type: Literal["LESSON", "COURSE"]
    payable_id: UUID
    purchase_id: UUID
    payer_id: UUID
    payee_id: UUID
    amount: int
    currency: str


class PaymentInitiated(PaymentEvent):
    """A payer began to pay."""

    type: ClassVar[str] = "edtech.payment.payment.initiated.v1"


class PaymentActionRequired(PaymentEvent):
    """The payer's bank wants the payer to confirm (3-D Secure)."""

    type: ClassVar[str] = "edtech.payment.payment.action_required.v1"


class PaymentSucceeded(PaymentEvent):
    """The whole amount was received."""

    type: ClassVar[str] = "edtech.payment.payment.succeeded.v1"


class PaymentFailed(PaymentEvent):
    """A try was declined or the payment was given up; `reason` is the provider's code."""

    type: ClassVar[str] = "edtech.payment.payment.failed.v1"

    reason: str
    # Whether the payer can try again until the reservation ends.
    is_final: bool


class PaymentRefunded(PaymentEvent):
    """Money went back to the payer."""

    type: ClassVar[str] = "edtech.payment.payment.refunded.v1"

    refund_id: UUID
    refund_amount: int
    refunded_total: int
    is_partial: bool


class RefundFailed(PaymentEvent):
    """The provider could not give money back; a person has to look."""

    type: ClassVar[str] = "edtech.payment.payment.refund_failed.v1"

    refund_id: UUID
    refund_amount: int


class TransferCreated(PaymentEvent):
    """The tutor's part went to the tutor's balance at the provider."""

    type: ClassVar[str] = "edtech.payment.payment.transfer_created.v1"

    transfer_id: UUID
    transfer_amount: int


class TransferReversed(PaymentEvent):
    """A part of a transfer was taken back."""

    type: ClassVar[str] = "edtech.payment.payment.transfer_reversed.v1"

    transfer_id: UUID
    reversed_amount: int


class DisputeOpened(PaymentEvent):
    """The payer's bank took the money back for now (a chargeback)."""

    type: ClassVar[str] = "edtech.payment.payment.dispute_opened.v1"

    dispute_id: UUID
    disputed_amount: int


class DisputeClosed(PaymentEvent):
    """The bank has decided a chargeback."""

    type: ClassVar[str] = "edtech.payment.payment.dispute_closed.v1"

    dispute_id: UUID
    disputed_amount: int
    is_won: bool


class PayoutAccountState(Event):
    """Whether a tutor can be paid."""

    topic: ClassVar[str] = PAYOUT_ACCOUNT_TOPIC
    subject_field: ClassVar[str] = "user_id"

    user_id: UUID
    is_enabled: bool


class PayoutAccountEnabled(PayoutAccountState):
    """The provider has checked the tutor: charges and payouts are enabled."""

    type: ClassVar[str] = "edtech.payment.payout_account.enabled.v1"


class PayoutAccountRestricted(PayoutAccountState):
    """The provider wants more from the tutor: no new paid lessons until then."""

    type: ClassVar[str] = "edtech.payment.payout_account.restricted.v1"


class PayoutEvent(Event):
    """An occurrence in the life of one payout."""

    topic: ClassVar[str] = PAYOUT_LOG
    subject_field: ClassVar[str] = "payout_id"

    payout_id: UUID
    user_id: UUID
    amount: int
    currency: str


class PayoutPaid(PayoutEvent):
    """A tutor's money has reached the bank."""

    type: ClassVar[str] = "edtech.payment.payout.paid.v1"


class PayoutFailed(PayoutEvent):
    """The bank refused a payout; the balance is restored."""

    type: ClassVar[str] = "edtech.payment.payout.failed.v1"

    reason: str


class InvoiceIssued(Event):
    """An invoice or a credit note has its number."""

    topic: ClassVar[str] = INVOICE_LOG
    type: ClassVar[str] = "edtech.payment.invoice.issued.v1"
    subject_field: ClassVar[str] = "invoice_id"

    invoice_id: UUID
    payment_id: UUID
    payer_id: UUID
    payee_id: UUID
    number: str
