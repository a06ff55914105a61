"""The audit log."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.ids import new_id
from subgraphs.identity.models.base import Base, now


class AuditEntry(Base):
    """Who did what to whom; never a secret, an address or a token of anybody."""

    __tablename__ = "audit_log"
    __table_args__ = (sa.Index("idx_audit_log_subject_id_id", "subject_id", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    at: Mapped[datetime] = mapped_column(server_default=now())
    action: Mapped[str]
    actor: Mapped[str]  # as Viewer.kind: anonymous, user, partner, system
    actor_id: Mapped[UUID | None]
    subject_id: Mapped[UUID | None]
    ip_address: Mapped[str | None]
    details: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
