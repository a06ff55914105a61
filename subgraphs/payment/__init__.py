"""Who pays whom: payments, refunds, transfers, payouts, invoices, and the ledger beneath them.

Owns:       Payment(id), Payout(id), Invoice(id), Coupon(id)
Extends:    User(id): payments, invoices, payoutAccount, balance, payouts; Lesson(id): payment,
            invoice; Course(id): myPurchase
Publishes:  PaymentInitiated, PaymentActionRequired, PaymentSucceeded, PaymentFailed,
            PaymentRefunded, RefundFailed, TransferCreated, TransferReversed, DisputeOpened,
            DisputeClosed, PayoutAccountEnabled, PayoutAccountRestricted, PayoutPaid, PayoutFailed,
            InvoiceIssued
Listens to: LessonReserved, LessonScheduled, LessonRescheduled, LessonStarted, LessonCompleted,
            LessonCancelled, LessonExpired, LessonNoShow, LessonDisputed, SeatReserved,
            SeatReleased, EnrollmentActivated, EnrollmentCancelled, UserCreated, UserUpdated,
            UserRoleChanged, UserSuspended, UserRestored
"""
