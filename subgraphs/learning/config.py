"""Settings of learning, prefix LEARNING_."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.config import SubgraphSettings


class Settings(SubgraphSettings):
    """Learning's database and rules that operators may change."""

    model_config = SettingsConfigDict(
        env_prefix="LEARNING_", env_ignore_empty=True, extra="ignore", frozen=True
    )
    subgraph: ClassVar[str] = "learning"

    waitlist_offer_hours: int = Field(24, ge=1, le=24 * 14)
