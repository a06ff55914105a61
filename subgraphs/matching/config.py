"""Settings of matching, prefix MATCHING_."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.config import SubgraphSettings


class Settings(SubgraphSettings):
    """Matching's database and rules that operators may change."""

    model_config = SettingsConfigDict(
        env_prefix="MATCHING_", env_ignore_empty=True, extra="ignore", frozen=True
    )
    subgraph: ClassVar[str] = "matching"

    db_custom_plans: bool = True
    # How long an offered slot keeps its price.
    offer_seconds: int = Field(600, ge=30, le=3600)
    # How old what search knows of a tutor's free time may grow before it is calculated again.
    listing_hours: int = Field(6, ge=1, le=48)
