"""What users agreed to, by version; nothing is ever overwritten."""

import re
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared.db import ReadSession, WriteSession
from shared.errors import Conflict, InvalidInput, NotFound
from shared.ids import new_id
from shared.pages import Order, Page, PageRequest, keyset
from shared.viewer import Viewer
from subgraphs.identity.models import Consent
from subgraphs.identity.service import audit

VERSION = re.compile(r"[A-Za-z0-9._-]{1,50}")


async def accept(session: WriteSession, *, viewer: Viewer, kind: str, version: str) -> Consent:
    """Agree to a version; agreeing again after a withdrawal counts from now."""
    user_id = viewer.require_user()
    if not VERSION.fullmatch(version):
        raise InvalidInput("version is not a version.", field="version")
    changed = await session.scalar(
        insert(Consent)
        .values(id=new_id(), user_id=user_id, kind=kind, version=version)
        .on_conflict_do_update(
            index_elements=["user_id", "kind", "version"],
            set_={"accepted_at": sa.func.clock_timestamp(), "withdrawn_at": None},
            where=Consent.withdrawn_at.is_not(None),
        )
        .returning(Consent.id)
    )
    if changed is not None:
        audit.record(
            session,
            "consent.accepted",
            viewer=viewer,
            subject_id=user_id,
            kind=kind,
            version=version,
        )
    return await _get(session, user_id, kind, version)


async def withdraw(session: WriteSession, *, viewer: Viewer, kind: str) -> Consent:
    """Take back what was agreed to, as easily as it was given. Raises NotFound."""
    user_id = viewer.require_user()
    if kind == "TERMS":
        raise Conflict("The terms hold for as long as the account exists.", field="kind")
    withdrawn: Consent | None = await session.scalar(
        sa.update(Consent)
        .where(Consent.user_id == user_id, Consent.kind == kind, Consent.withdrawn_at.is_(None))
        .values(withdrawn_at=sa.func.clock_timestamp())
        .returning(Consent)
    )
    if withdrawn is None:
        raise NotFound("There is nothing to take back.", field="kind")
    audit.record(session, "consent.withdrawn", viewer=viewer, subject_id=user_id, kind=kind)
    return withdrawn


async def _get(session: WriteSession, user_id: UUID, kind: str, version: str) -> Consent:
    return (
        await session.scalars(
            sa.select(Consent).where(
                Consent.user_id == user_id, Consent.kind == kind, Consent.version == version
            )
        )
    ).one()


async def list_own(session: ReadSession, *, viewer: Viewer, page: PageRequest) -> Page[Consent]:
    """The viewer's consents, newest first."""
    statement = sa.select(Consent).where(Consent.user_id == viewer.require_user())
    return await keyset(session, statement, Order.by(Consent.id.desc()), page)
