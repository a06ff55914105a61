"""Settings from the environment; a missing or malformed one stops the process at start.

Each subgraph extends `SubgraphSettings` with its own prefix (`IDENTITY_DB_HOST`, …); what all
share has no prefix (`KAFKA_BROKERS`, …). See docs/architecture.md, "Configuration".
"""

import os
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, computed_field, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

S = TypeVar("S", bound=BaseSettings)


class SettingsError(Exception):
    """The environment is not usable; `lines` has one line per variable at fault."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class PlatformSettings(BaseSettings):
    """What every process of the platform needs, under names without a prefix."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    environment: Literal["development", "test", "production"] = Field(
        "production", validation_alias="EDTECH_ENV"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", validation_alias="LOG_LEVEL"
    )
    kafka_brokers: str = Field(validation_alias="KAFKA_BROKERS", min_length=3)
    kafka_replication_factor: int = Field(
        3, validation_alias="KAFKA_REPLICATION_FACTOR", ge=1, le=7
    )
    valkey_url: str | None = Field(None, validation_alias="VALKEY_URL", pattern=r"^rediss?://")
    gateway_secret: SecretStr = Field(validation_alias="GATEWAY_SECRET")
    seal_secret: SecretStr = Field(validation_alias="SEAL_SECRET")
    jwks_url: str = Field(validation_alias="JWKS_URL", pattern=r"^https?://")
    jwt_issuer: str = Field(validation_alias="JWT_ISSUER", pattern=r"^https?://")
    # The platform's own audience, then those of partners' contracts, with commas.
    jwt_audience: str = Field("graph", validation_alias="JWT_AUDIENCE", min_length=1)
    public_url: str = Field(validation_alias="PUBLIC_URL", pattern=r"^https?://")
    otlp_endpoint: str | None = Field(
        None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT", pattern=r"^https?://"
    )
    # How often a worker looks for mails, saga deadlines and the like that are due.
    worker_poll_seconds: float = Field(1, validation_alias="WORKER_POLL_SECONDS", gt=0)
    # Off: graphql-core interprets every operation. See shared/executor/README.md.
    graphql_compiled: bool = Field(True, validation_alias="GRAPHQL_COMPILED")
    # One query in so many is answered by graphql-core, too, and compared; none with 0.
    graphql_sample_every: int = Field(0, validation_alias="GRAPHQL_SAMPLE_EVERY", ge=0)
    trace_sample_ratio: float = Field(0.1, validation_alias="OTEL_TRACES_SAMPLER_ARG", ge=0, le=1)

    @field_validator("gateway_secret", "seal_secret")
    @classmethod
    def _each_is_long(cls, value: SecretStr) -> SecretStr:
        # A comma too many would leave an empty secret, with which anybody can sign.
        if any(len(part.strip()) < 32 for part in value.get_secret_value().split(",")):
            raise ValueError("must be one or more secrets of at least 32 characters, with commas")
        return value

    @field_validator("jwt_audience")
    @classmethod
    def _no_audience_is_empty(cls, value: str) -> str:
        if not all(part.strip() for part in value.split(",")):
            raise ValueError("must be one or more audiences, with commas")
        return value

    @property
    def jwt_audiences(self) -> list[str]:
        """Whose tokens are accepted; people's tokens are for the first."""
        return [part.strip() for part in self.jwt_audience.split(",")]

    @property
    def gateway_secrets(self) -> list[bytes]:
        """The router's signing secrets; two while one is being rotated out."""
        return _each(self.gateway_secret)

    @property
    def seal_secrets(self) -> list[bytes]:
        """What tokens between subgraphs are sealed with: the first; any of them opens."""
        return _each(self.seal_secret)


def _each(secret: SecretStr) -> list[bytes]:
    return [part.strip().encode() for part in secret.get_secret_value().split(",")]


class _OneServer(PydanticBaseSettingsSource):
    """`DB_HOST`, `DB_PORT`, `DB_PASSWORD` without a prefix, where databases share a server."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The unprefixed variable of one of the three fields."""
        shared = field_name in ("db_host", "db_port", "db_password")
        return (os.environ.get(field_name.upper()) or None if shared else None), field_name, False

    def __call__(self) -> dict[str, Any]:
        """What is set of the three."""
        found = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in found.items() if value is not None}


class SubgraphSettings(PlatformSettings):
    """Settings of one subgraph with a PostgreSQL database; the subclass gives prefix and name."""

    subgraph: ClassVar[str]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment alone; a prefixed variable wins over the shared one."""
        return init_settings, env_settings, _OneServer(settings_cls)

    db_host: str
    db_port: int = Field(5432, ge=1, le=65535)
    db_name: str = ""
    db_user: str = ""
    db_password: SecretStr
    db_read_host: str | None = None
    db_pool_min: int = Field(1, ge=0)
    db_pool_max: int = Field(20, ge=1, le=200)
    db_pool_idle_seconds: float = Field(30, gt=0)
    db_connect_timeout_seconds: float = Field(2, gt=0)
    db_statement_timeout_ms: int = Field(2000, ge=0)
    # Plan each read for its own values: for searches in which words and filters decide the plan.
    db_custom_plans: bool = False

    @field_validator("db_name", "db_user")
    @classmethod
    def _identifier(cls, value: str) -> str:
        if value and not value.replace("_", "").isalnum():
            raise ValueError("may hold letters, digits and _ only")
        return value

    @computed_field  # type: ignore[prop-decorator]
    @property
    def database(self) -> str:
        """The database's name, `edtech_<subgraph>_db` unless set."""
        return self.db_name or f"edtech_{self.subgraph}_db"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def login(self) -> str:
        """The database login, `edtech_<subgraph>` unless set; it can open that database alone."""
        return self.db_user or f"edtech_{self.subgraph}"


def variable_name(settings: type[BaseSettings], name: str, info: FieldInfo) -> str:
    """The environment variable that a field is read from."""
    alias = info.validation_alias
    if isinstance(alias, str):
        return alias
    return f"{settings.model_config.get('env_prefix', '')}{name}".upper()


def load(settings: type[S], **overrides: Any) -> S:
    """Read the settings from the environment. Raises SettingsError with a line per bad variable."""
    try:
        return settings(**overrides)
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            location = str(problem["loc"][0]) if problem["loc"] else "?"
            info = settings.model_fields.get(location)
            name = variable_name(settings, location, info) if info else location
            reason = "is not set" if problem["type"] == "missing" else problem["msg"].lower()
            lines.append(f"{name}: {reason}")
        raise SettingsError(sorted(set(lines))) from None
