"""Settings of learning, prefix LEARNING_."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import SettingsConfigDict

from shared.config import SubgraphSettings


class RefundTier(BaseModel):
    """Who cancels at least so many hours before the start gets so much back."""

    model_config = ConfigDict(frozen=True)

    hours_before: int = Field(ge=0, le=24 * 365)
    refund_bps: int = Field(ge=0, le=10_000)


class Settings(SubgraphSettings):
    """Learning's database and rules that operators may change."""

    model_config = SettingsConfigDict(
        env_prefix="LEARNING_", env_ignore_empty=True, extra="ignore", frozen=True
    )
    subgraph: ClassVar[str] = "learning"

    waitlist_offer_hours: int = Field(24, ge=1, le=24 * 14)
    # How long a slot or a seat is held for somebody who pays.
    hold_seconds: int = Field(900, ge=60, le=86_400)
    # What a student gets back, by JSON in the environment; after the last tier, nothing.
    cancellation_policy: tuple[RefundTier, ...] = (
        RefundTier(hours_before=24, refund_bps=10_000),
        RefundTier(hours_before=12, refund_bps=5_000),
    )
    reschedule_hours: int = Field(24, ge=0, le=24 * 30)
    start_minutes_before: int = Field(10, ge=0, le=120)
    no_show_grace_minutes: int = Field(10, ge=0, le=120)
    no_show_hours: int = Field(24, ge=1, le=24 * 30)
    # Nobody said that the lesson is over: it is, so long after its end.
    completion_hours: int = Field(24, ge=1, le=24 * 30)
    # The same when both sides were seen there.
    joined_completion_minutes: int = Field(15, ge=0, le=24 * 60)
    dispute_hours: int = Field(72, ge=1, le=24 * 60)
    # A purchase can be given back for money so long, and before so much of it is done.
    refund_days: int = Field(14, ge=0, le=365)
    refund_progress_percent: int = Field(20, ge=1, le=101)

    @field_validator("cancellation_policy")
    @classmethod
    def _falls(cls, tiers: tuple[RefundTier, ...]) -> tuple[RefundTier, ...]:
        hours = [tier.hours_before for tier in tiers]
        refunds = [tier.refund_bps for tier in tiers]
        if hours != sorted(set(hours), reverse=True) or refunds != sorted(refunds, reverse=True):
            raise ValueError("tiers go from many hours to few, and from much back to little")
        return tiers
