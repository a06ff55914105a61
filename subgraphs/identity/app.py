"""The identity subgraph."""

from shared.runtime import Subgraph
from subgraphs.identity.config import Settings
from subgraphs.identity.graph import Context, schema
from subgraphs.identity.handlers import handlers
from subgraphs.identity.http import routes
from subgraphs.identity.runtime import IdentityRuntime
from subgraphs.identity.service.sessions import authorize
from subgraphs.identity.timers import timers

subgraph = Subgraph(
    name="identity",
    settings=Settings,
    schema=schema,
    context=Context,
    handlers=handlers,
    authorize=authorize,
    runtime=IdentityRuntime,
    timers=timers,
    routes=routes,
)
