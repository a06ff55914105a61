"""Payment's sagas: every call of the provider is a step that may be run again after a crash.

A step calls outside of a transaction, with an idempotency key that comes from the row it is about,
and books the answer in a transaction of its own.
"""

from shared.saga import Sagas, Step
from subgraphs.payment.sagas import accounts, notifications, payments, payouts, refunds, transfers
from subgraphs.payment.service.accounts import SAGA as ACCOUNT
from subgraphs.payment.service.accounts import SYNC
from subgraphs.payment.service.payouts import SAGA as PAYOUT
from subgraphs.payment.service.payouts import SEND as PAY_OUT
from subgraphs.payment.service.payouts import WATCH as WATCH_PAYOUT
from subgraphs.payment.service.refunds import PAY, PREPARE, REVERSE
from subgraphs.payment.service.refunds import SAGA as REFUND
from subgraphs.payment.service.refunds import WATCH as WATCH_REFUND
from subgraphs.payment.service.settlement import CANCEL, CREATE
from subgraphs.payment.service.settlement import SAGA as PAYMENT
from subgraphs.payment.service.settlement import WATCH as WATCH_PAYMENT
from subgraphs.payment.service.transfers import SAGA as TRANSFER
from subgraphs.payment.service.transfers import SEND, WAIT
from subgraphs.payment.service.webhooks import APPLY, FETCH
from subgraphs.payment.service.webhooks import SAGA as WEBHOOK

sagas = Sagas()
sagas.define(
    PAYMENT,
    Step(CREATE, payments.create),
    Step(WATCH_PAYMENT, payments.watch),
    Step(CANCEL, payments.cancel),
)
sagas.define(
    REFUND,
    Step(PREPARE, refunds.prepare),
    Step(REVERSE, refunds.reverse),
    Step(PAY, refunds.pay),
    Step(WATCH_REFUND, refunds.watch),
)
sagas.define(TRANSFER, Step(WAIT, transfers.prepare), Step(SEND, transfers.send))
sagas.define(PAYOUT, Step(PAY_OUT, payouts.send), Step(WATCH_PAYOUT, payouts.watch))
sagas.define(ACCOUNT, Step(SYNC, accounts.sync))
sagas.define(WEBHOOK, Step(APPLY, notifications.apply), Step(FETCH, notifications.fetch))

__all__ = ["sagas"]
