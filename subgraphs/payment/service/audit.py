"""The audit log, read."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from shared.db import ReadSession, among
from subgraphs.payment.models import AuditEntry


async def get_entries(session: ReadSession, subject_ids: Sequence[UUID]) -> list[list[AuditEntry]]:
    """Who changed what of each subject, the oldest first."""
    rows = await session.scalars(
        sa.select(AuditEntry)
        .where(among(AuditEntry.subject_id, subject_ids))
        .order_by(AuditEntry.id)
    )
    found: dict[UUID, list[AuditEntry]] = {}
    for row in rows:
        found.setdefault(row.subject_id, []).append(row)
    return [found.get(id_, []) for id_ in subject_ids]
