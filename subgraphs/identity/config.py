"""Settings of identity."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, ClassVar, Literal, NamedTuple

from cryptography.fernet import Fernet
from pydantic import BaseModel, BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from shared.config import SubgraphSettings
from shared.contracts import PATH


class Rate(NamedTuple):
    """So many tries in so many seconds."""

    hits: int
    seconds: int


def _rate(value: object) -> object:
    if isinstance(value, str):
        found = re.fullmatch(r"([1-9]\d{0,8})/([1-9]\d{0,8})", value)
        if found is None:
            raise ValueError("is written as tries/seconds, such as 10/300")
        return Rate(int(found[1]), int(found[2]))
    return value


def _list(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


# Written in the environment as tries/seconds, such as 10/300.
Limit = Annotated[Rate, NoDecode, BeforeValidator(_rate)]
# Written in the environment with commas.
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_list)]


class Provider(BaseModel, frozen=True):
    """An OpenID provider that people may sign in with; the endpoints come from its discovery.

    Facebook publishes no token endpoint in its discovery document, so it can be given here. Apple
    answers by POST as soon as a scope is asked for, and its secret is a JWT made from its key.
    """

    issuer: str = Field(pattern=r"^https?://")
    client_id: str = Field(min_length=1)
    client_secret: SecretStr
    scopes: str = "openid email profile"
    response_mode: Literal["query", "form_post"] = "query"
    token_endpoint: str | None = Field(None, pattern=r"^https?://")


class Settings(SubgraphSettings):
    """What identity reads from the environment."""

    model_config = SettingsConfigDict(env_prefix="IDENTITY_")
    subgraph: ClassVar[str] = "identity"

    # Fernet keys, newest first: what is written uses the first, what is read may use any.
    master_key: SecretStr

    argon2_memory_kib: int = Field(19_456, ge=8)
    argon2_passes: int = Field(2, ge=1)
    password_threads: int = Field(2, ge=1, le=64)

    access_token_seconds: int = Field(600, ge=30, le=600)
    # With the leeway of those who check it, a token of a partner ends within a minute.
    partner_token_seconds: int = Field(50, ge=10, le=55)
    contracts_file: Path = Field(PATH, validation_alias="CONTRACTS_FILE")
    refresh_token_days: int = Field(30, ge=1)
    session_days: int = Field(180, ge=1)
    # How long the loser of two simultaneous refreshes is a mistake and not a theft.
    refresh_grace_seconds: int = Field(10, ge=0, le=60)
    signing_key_days: int = Field(30, ge=1)
    # How long before its first use a signing key is published; the keys may be cached that long.
    signing_key_lead_seconds: int = Field(3600, ge=60)

    verify_email_hours: int = Field(48, ge=1)
    reset_password_minutes: int = Field(60, ge=5)
    undo_email_days: int = Field(7, ge=1)
    terms_version: str = Field("2026-11", min_length=1, max_length=50)

    smtp_host: str = Field(validation_alias="SMTP_HOST", min_length=1)
    smtp_port: int = Field(587, validation_alias="SMTP_PORT", ge=1, le=65535)
    smtp_user: str | None = Field(None, validation_alias="SMTP_USER")
    smtp_password: SecretStr | None = Field(None, validation_alias="SMTP_PASSWORD")
    smtp_security: Literal["none", "starttls", "tls"] = Field(
        "none", validation_alias="SMTP_SECURITY"
    )
    mail_from: str = Field(min_length=3)
    mail_attempts: int = Field(8, ge=1, le=20)
    mail_timeout_seconds: float = Field(10, gt=0, le=60)

    # For one try to deliver a webhook, from resolving the name to the last byte that is read.
    webhook_timeout_seconds: float = Field(10, gt=0, le=30)
    # An endpoint that took nothing for so long is disabled.
    webhook_disable_hours: int = Field(72, ge=1)
    # Networks that webhooks may be sent to though they are not public: for development and tests.
    webhook_allowed_networks: Words = ()

    # JSON: {"google": {"issuer": "https://accounts.google.com", "client_id": …}}
    providers: dict[str, Provider] = Field(default_factory=dict)
    # Where the web app may be sent back to after a provider's page.
    redirect_uris: Words = ()

    limit_login_account: Limit = Rate(10, 300)  # per account and address
    limit_login_everywhere: Limit = Rate(100, 3600)  # per account, from all addresses together
    limit_login_ip: Limit = Rate(60, 300)
    limit_register_ip: Limit = Rate(20, 3600)
    limit_mail_address: Limit = Rate(5, 3600)  # mails that one address can be made to get
    limit_mail_ip: Limit = Rate(30, 3600)
    limit_token_ip: Limit = Rate(60, 300)  # links and one-time codes
    limit_password_user: Limit = Rate(10, 300)  # a signed-in user's own password or code
    limit_refresh_ip: Limit = Rate(600, 300)
    limit_oauth_ip: Limit = Rate(120, 60)
    limit_webhook_tests: Limit = Rate(10, 60)  # messages without an event, per program

    @field_validator("master_key")
    @classmethod
    def _fernet_keys(cls, value: SecretStr) -> SecretStr:
        for key in value.get_secret_value().split(","):
            try:
                Fernet(key.strip())
            except ValueError:
                raise ValueError("needs Fernet keys: 32 bytes in URL-safe base64") from None
        return value

    @field_validator("webhook_allowed_networks")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            try:
                ip_network(each)
            except ValueError:
                raise ValueError("needs networks with commas, such as 127.0.0.0/8") from None
        return value

    @property
    def allowed_redirects(self) -> tuple[str, ...]:
        """The exact addresses that a provider's login may return to."""
        return self.redirect_uris or (f"{self.public_url.rstrip('/')}/auth/callback",)
