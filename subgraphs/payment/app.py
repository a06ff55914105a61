"""Payment, as the commands start it."""

from shared.runtime import Subgraph
from subgraphs.payment.config import Settings
from subgraphs.payment.graph import Context, schema
from subgraphs.payment.handlers import handlers
from subgraphs.payment.http import routes
from subgraphs.payment.runtime import PaymentRuntime
from subgraphs.payment.sagas import sagas
from subgraphs.payment.service.users import authorize
from subgraphs.payment.timers import timers

subgraph = Subgraph(
    name="payment",
    settings=Settings,
    schema=schema,
    context=Context,
    handlers=handlers,
    authorize=authorize,
    runtime=PaymentRuntime,
    timers=(*timers, *sagas.timers()),
    routes=routes,
)
