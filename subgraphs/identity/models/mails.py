"""Mails to send."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from shared.db import one_of
from shared.ids import new_id
from subgraphs.identity.models.base import Base, now

MAIL_STATES = ("pending", "sent", "failed")


class MailJob(Base):
    """A mail to send; the values for its text are encrypted, and gone once it is sent."""

    __tablename__ = "mail_jobs"
    __table_args__ = (
        one_of("status", MAIL_STATES),
        sa.Index(
            "idx_mail_jobs_due", "next_attempt_at", postgresql_where=sa.text("status = 'pending'")
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    template: Mapped[str]
    locale: Mapped[str]
    recipient: Mapped[str]
    context: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    status: Mapped[str] = mapped_column(server_default="pending")
    attempts: Mapped[int] = mapped_column(server_default="0")
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=now())
    created_at: Mapped[datetime] = mapped_column(server_default=now(), index=True)
    sent_at: Mapped[datetime | None]
    error: Mapped[str | None]
