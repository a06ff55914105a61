"""Settings of reviews, prefix REVIEWS_."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.config import SubgraphSettings


class Settings(SubgraphSettings):
    """Reviews' database and rules that operators may change."""

    model_config = SettingsConfigDict(
        env_prefix="REVIEWS_", env_ignore_empty=True, extra="ignore", frozen=True
    )
    subgraph: ClassVar[str] = "reviews"

    eligibility_days: int = Field(30, ge=1, le=365)
    blind_days: int = Field(7, ge=1, le=60)
    edit_hours: int = Field(48, ge=1, le=24 * 30)
    # Cheaper single lessons are reviewed, but do not count: a rating must cost more than a coin.
    least_price: int = Field(100, ge=0)
