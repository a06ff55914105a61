"""Payment's tables. Users, lessons and courses are soft references."""

from subgraphs.payment.models.base import Base, UserRef
from subgraphs.payment.models.coupons import Coupon, CouponRedemption
from subgraphs.payment.models.invoices import Invoice, InvoiceCounter, InvoiceKind
from subgraphs.payment.models.ledger import (
    Account,
    LedgerEntry,
    Transaction,
    TransactionKind,
    TutorBalance,
)
from subgraphs.payment.models.payments import (
    AuditEntry,
    PayableRef,
    PayableStatus,
    PayableType,
    Payment,
    PaymentEvent,
    PaymentStatus,
)
from subgraphs.payment.models.payouts import (
    Payout,
    PayoutAccount,
    PayoutAccountStatus,
    PayoutStatus,
)
from subgraphs.payment.models.provider import (
    Customer,
    ReconciliationDifference,
    SavedMethod,
    WebhookEvent,
    WebhookStatus,
)
from subgraphs.payment.models.refunds import (
    Dispute,
    DisputeStatus,
    Refund,
    RefundKind,
    RefundStatus,
    Transfer,
    TransferStatus,
)

__all__ = [
    "Account",
    "AuditEntry",
    "Base",
    "Coupon",
    "CouponRedemption",
    "Customer",
    "Dispute",
    "DisputeStatus",
    "Invoice",
    "InvoiceCounter",
    "InvoiceKind",
    "LedgerEntry",
    "PayableRef",
    "PayableStatus",
    "PayableType",
    "Payment",
    "PaymentEvent",
    "PaymentStatus",
    "Payout",
    "PayoutAccount",
    "PayoutAccountStatus",
    "PayoutStatus",
    "ReconciliationDifference",
    "Refund",
    "RefundKind",
    "RefundStatus",
    "SavedMethod",
    "Transaction",
    "TransactionKind",
    "Transfer",
    "TransferStatus",
    "TutorBalance",
    "UserRef",
    "WebhookEvent",
    "WebhookStatus",
]
