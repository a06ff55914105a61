"""The audit log: every change of state, with who and when, and nothing secret."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared.db import ReadSession, WriteSession
from shared.pages import Order, Page, PageRequest, keyset
from shared.viewer import Viewer
from subgraphs.identity import models


def record(
    session: WriteSession,
    action: str,
    *,
    viewer: Viewer,
    subject_id: UUID | None,
    actor_id: UUID | None = None,
    **details: Any,
) -> None:
    """Note an action with this transaction. `actor_id` is for actors who are not signed in yet."""
    session.add(
        models.AuditEntry(
            action=action,
            actor=viewer.kind.value,
            actor_id=viewer.user_id or actor_id,
            subject_id=subject_id,
            ip_address=viewer.ip,
            details=details,
        )
    )


async def list_entries(
    session: ReadSession,
    *,
    viewer: Viewer,
    page: PageRequest,
    subject_id: UUID | None = None,
    action: str | None = None,
) -> Page[models.AuditEntry]:
    """Entries, newest first, for admins. Raises Forbidden."""
    viewer.require_role("admin")
    statement = sa.select(models.AuditEntry)
    if subject_id is not None:
        statement = statement.where(models.AuditEntry.subject_id == subject_id)
    if action is not None:
        statement = statement.where(models.AuditEntry.action == action)
    return await keyset(session, statement, Order.by(models.AuditEntry.id.desc()), page)
