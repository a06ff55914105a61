"""Where partners are told of events, and each message that was sent or is to be sent."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from shared.db import Timestamps, one_of
from shared.ids import new_id
from subgraphs.identity.models.base import Base, now


class WebhookDeliveryStatus(StrEnum):
    """What became of a message."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


class WebhookDisabledReason(StrEnum):
    """Why an endpoint gets nothing more."""

    ASKED = "ASKED"
    GONE = "GONE"
    FAILING = "FAILING"


class WebhookEndpoint(Timestamps, Base):
    """An address of a partner's program that is told of some types of events."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        one_of("disabled_reason", WebhookDisabledReason),
        sa.CheckConstraint(
            "(disabled_at IS NULL) = (disabled_reason IS NULL)", name="disabled_with_reason"
        ),
        sa.Index("idx_webhook_endpoints_events", "events", postgresql_using="gin"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    client_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("oauth_clients.id", ondelete="CASCADE"), index=True
    )
    url: Mapped[str]
    events: Mapped[list[str]] = mapped_column(ARRAY(sa.Text))
    # The first failure since something got through.
    failing_since: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None]


class WebhookSecret(Base):
    """What messages are signed with, encrypted; two are valid while one is being replaced."""

    __tablename__ = "webhook_secrets"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    endpoint_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("webhook_endpoints.id", ondelete="CASCADE"), index=True
    )
    secret: Mapped[bytes] = mapped_column(sa.LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=now())
    expires_at: Mapped[datetime | None]


class WebhookDelivery(Base):
    """One event for one endpoint; `next_attempt_at` is also the end of the sender's lease."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        one_of("status", WebhookDeliveryStatus),
        sa.UniqueConstraint("endpoint_id", "event_id"),
        sa.Index("idx_webhook_deliveries_endpoint_id_id", "endpoint_id", "id"),
        sa.Index(
            "idx_webhook_deliveries_due",
            "endpoint_id",
            "next_attempt_at",
            postgresql_where=sa.text("status = 'PENDING'"),
        ),
        sa.Index(
            "idx_webhook_deliveries_settled_at",
            "settled_at",
            postgresql_where=sa.text("settled_at IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    endpoint_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("webhook_endpoints.id", ondelete="CASCADE")
    )
    event_id: Mapped[UUID]
    event_type: Mapped[str]
    # Text: the bytes that are signed are the bytes that are sent.
    body: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="PENDING")
    attempts: Mapped[int] = mapped_column(server_default="0")
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=now())
    created_at: Mapped[datetime] = mapped_column(server_default=now())
    settled_at: Mapped[datetime | None]


class WebhookAttempt(Base):
    """One try to deliver, and what the partner's server answered."""

    __tablename__ = "webhook_attempts"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    delivery_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("webhook_deliveries.id", ondelete="CASCADE"), index=True
    )
    at: Mapped[datetime] = mapped_column(server_default=now())
    # NULL: there was no answer; `error` says why.
    status_code: Mapped[int | None]
    error: Mapped[str | None]
    milliseconds: Mapped[int]
    response: Mapped[str | None]  # the beginning of the answer
