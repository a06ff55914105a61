"""Learning, as the commands start it."""

from shared.runtime import Subgraph, Timer
from subgraphs.learning.config import Settings
from subgraphs.learning.graph import Context, schema
from subgraphs.learning.handlers import handlers
from subgraphs.learning.http import routes
from subgraphs.learning.sagas import sagas
from subgraphs.learning.service.users import authorize
from subgraphs.learning.timers import complete_lessons, end_waitlist_offers

subgraph = Subgraph(
    name="learning",
    settings=Settings,
    schema=schema,
    context=Context,
    handlers=handlers,
    authorize=authorize,
    timers=(
        Timer("end-waitlist-offers", 5, end_waitlist_offers),
        Timer("complete-lessons", 30, complete_lessons),
        *sagas.timers(),
    ),
    routes=routes,
)
