"""Matching, as the commands start it."""

from shared.runtime import Subgraph, Timer
from subgraphs.matching.config import Settings
from subgraphs.matching.graph import Context, schema
from subgraphs.matching.handlers import handlers
from subgraphs.matching.service.users import authorize
from subgraphs.matching.timers import match_open_requests, purge_words, refresh_listings

subgraph = Subgraph(
    name="matching",
    settings=Settings,
    schema=schema,
    context=Context,
    handlers=handlers,
    authorize=authorize,
    timers=(
        Timer("refresh-listings", 60, refresh_listings),
        Timer("match-open-requests", 60, match_open_requests),
        Timer("purge-search-words", 86_400, purge_words),
    ),
)
