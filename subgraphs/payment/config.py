"""Settings of payment, prefix PAYMENT_; those of the provider have the prefix STRIPE_."""

from typing import ClassVar

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from shared.config import SubgraphSettings


class Settings(SubgraphSettings):
    """Payment's database, its provider, and rules that operators may change."""

    model_config = SettingsConfigDict(
        env_prefix="PAYMENT_", env_ignore_empty=True, extra="ignore", frozen=True
    )
    subgraph: ClassVar[str] = "payment"

    stripe_api_base: str = Field(
        "https://api.stripe.com", validation_alias="STRIPE_API_BASE", pattern=r"^https?://"
    )
    stripe_api_key: SecretStr = Field(validation_alias="STRIPE_API_KEY", min_length=8)
    # Two with a comma while one is rotated out.
    stripe_webhook_secret: SecretStr = Field(validation_alias="STRIPE_WEBHOOK_SECRET", min_length=8)
    provider_timeout_seconds: float = Field(5, gt=0, le=80)
    provider_retries: int = Field(2, ge=0, le=5)
    breaker_failures: int = Field(5, ge=1)
    breaker_seconds: int = Field(30, ge=1)

    # The platform's part in basis points; each payment keeps what held when it began.
    fee_bps: int = Field(2000, ge=0, le=10_000)
    # The provider takes no smaller charge, in minor units of any currency.
    min_charge: int = Field(50, ge=1)
    # What a payout needs at least, in minor units; JSON by currency for others than the default.
    min_payout: int = Field(2000, ge=1)
    min_payouts: dict[str, int] = Field(default_factory=dict)
    # The day of the week (UTC, Monday is 1) on which balances are paid out without being asked.
    payout_weekday: int = Field(1, ge=1, le=7)
    # How long an intent may be without an end before the provider is asked for it.
    poll_after_minutes: int = Field(10, ge=1)
    # How often a notification about something unknown is looked at again before a person has to.
    webhook_attempts: int = Field(6, ge=1)
    webhook_pause_seconds: int = Field(20, ge=1)
    document_link_seconds: int = Field(900, ge=60)
    # How far back the provider's books are compared, and how young may be on its way.
    reconcile_hours: int = Field(48, ge=1)
    reconcile_grace_minutes: int = Field(15, ge=0)
    invoice_issuer: str = Field("EdTech", min_length=1, max_length=200)

    @property
    def webhook_secrets(self) -> list[str]:
        """What notifications may be signed with."""
        parts = self.stripe_webhook_secret.get_secret_value().split(",")
        return [part.strip() for part in parts if part.strip()]

    def least_payout(self, currency: str) -> int:
        """The smallest payout in a currency, in its minor units."""
        return self.min_payouts.get(currency, self.min_payout)
