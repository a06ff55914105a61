"""Reviews, as the commands start it."""

from shared.runtime import Subgraph, Timer
from subgraphs.reviews.config import Settings
from subgraphs.reviews.graph import Context, schema
from subgraphs.reviews.handlers import handlers
from subgraphs.reviews.service.users import authorize
from subgraphs.reviews.timers import publish_blind_reviews, refresh_platform_means

subgraph = Subgraph(
    name="reviews",
    settings=Settings,
    schema=schema,
    context=Context,
    handlers=handlers,
    authorize=authorize,
    timers=(
        Timer("publish-blind-reviews", 5, publish_blind_reviews),
        Timer("refresh-platform-means", 3600, refresh_platform_means),
    ),
)
