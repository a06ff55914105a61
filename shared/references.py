"""The local reference of a user, fed by identity's compacted topic, as most subgraphs keep it.

A row is written only by a newer version. An id that is met before its event gets a stub, which
the event fills in. An erased user keeps a marker row, so that late events stay dropped.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Mapped, mapped_column

from shared.db import ReadSession, WriteSession
from shared.errors import EmailNotVerified, Unauthenticated, Unavailable
from shared.events.identity import UserState
from shared.viewer import Viewer

# Columns of a reference as they are read from JSON.
_JSON_TYPES = {
    "user_id": "uuid",
    "first_name": "text",
    "last_name": "text",
    "roles": "text[]",
    "status": "text",
    "auth_version": "bigint",
    "time_zone": "text",
    "locale": "text",
    "version": "bigint",
}
BLOCKED = frozenset({"SUSPENDED", "DEACTIVATED", "ERASED"})


class UserRefColumns:
    """Columns of `user_refs`; a subgraph declares `class UserRef(UserRefColumns, Base)`."""

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    first_name: Mapped[str] = mapped_column(server_default="")
    last_name: Mapped[str] = mapped_column(server_default="")
    roles: Mapped[list[str]] = mapped_column(ARRAY(sa.Text), server_default="{}")
    status: Mapped[str] = mapped_column(server_default="UNKNOWN")
    auth_version: Mapped[int] = mapped_column(sa.BigInteger, server_default="0")
    time_zone: Mapped[str] = mapped_column(server_default="UTC")
    locale: Mapped[str] = mapped_column(server_default="en")
    # 0 is a stub: the id is known, its event is not here yet.
    version: Mapped[int] = mapped_column(sa.BigInteger, server_default="0")

    @property
    def name(self) -> str:
        """The name to show."""
        return f"{self.first_name} {self.last_name}".strip()


R = TypeVar("R", bound=UserRefColumns)


async def upsert_user_refs(
    session: WriteSession, table: type[UserRefColumns], events: Sequence[UserState]
) -> None:
    """Bring rows up to the newest version of each user, in one statement."""
    newest: dict[UUID, UserState] = {}
    for event in events:
        known = newest.get(event.user_id)
        if known is None or event.version > known.version:
            newest[event.user_id] = event
    rows = [
        {
            "user_id": event.user_id,
            "first_name": event.first_name,
            "last_name": event.last_name,
            "roles": event.roles,
            "status": event.status,
            "auth_version": event.ver,
            "time_zone": event.time_zone,
            "locale": event.locale,
            "version": event.version,
        }
        for event in newest.values()
    ]
    await session.execute(_upsert(str(_table(table))), {"rows": orjson.dumps(rows).decode()})


def _table(table: type[UserRefColumns]) -> sa.FromClause:
    found: sa.FromClause = sa.inspect(table).local_table
    return found


@cache
def _upsert(table: str) -> sa.TextClause:
    """All rows are one parameter: the same text, prepared once, for any number of them."""
    names = ", ".join(_JSON_TYPES)
    typed = ", ".join(f"{name} {type_}" for name, type_ in _JSON_TYPES.items())
    changes = ", ".join(f"{name} = excluded.{name}" for name in _JSON_TYPES if name != "user_id")
    return sa.text(
        f"INSERT INTO {table} AS known ({names})"  # noqa: S608 - names of our own code
        f" SELECT {names} FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given ({typed})"
        # Ordered, so that two consumers lock rows in the same order.
        " ORDER BY user_id"
        f" ON CONFLICT (user_id) DO UPDATE SET {changes} WHERE excluded.version > known.version"
    )


async def ensure_user_refs(
    session: WriteSession, table: type[UserRefColumns], user_ids: Sequence[UUID]
) -> None:
    """Stubs for ids that have no row yet."""
    if user_ids:
        await session.execute(
            insert(table)
            .values([{"user_id": user_id} for user_id in sorted(set(user_ids))])
            .on_conflict_do_nothing()
        )


def refuse_unknown(user: R | None) -> R:
    """The reference. Raises Unavailable until the user's event, which is on its way, is here."""
    if user is None or user.status == "UNKNOWN":
        raise Unavailable("Your account is not known here yet. Try again in a moment.")
    return user


def refuse_unverified(user: UserRefColumns | None) -> None:
    """Refuse who has not verified the address. Raises EmailNotVerified, or Unavailable."""
    if refuse_unknown(user).status == "UNVERIFIED":
        raise EmailNotVerified("Verify your e-mail address first.")


async def require_verified(
    session: ReadSession, viewer: Viewer, table: type[UserRefColumns]
) -> UUID:
    """The viewer's id, if the address is verified. Raises EmailNotVerified or Unavailable."""
    user_id = viewer.require_user()
    refuse_unverified(await session.get(table, user_id))
    return user_id


async def authorize_by_reference(
    session: ReadSession, viewer: Viewer, table: type[UserRefColumns]
) -> Viewer:
    """The viewer with the roles that the reference holds. Raises Unauthenticated when blocked.

    A user whose event is not here yet is taken at the token's word: it is minutes old at most.
    """
    if viewer.user_id is None:
        return viewer
    row = (await session.execute(_state(_table(table)), {"id": viewer.user_id})).one_or_none()
    if row is None or row.status == "UNKNOWN":
        return viewer
    if row.status in BLOCKED:
        raise Unauthenticated("This account is not active.")
    if row.auth_version <= viewer.version:
        return viewer
    return viewer.with_state(roles=frozenset(row.roles), version=row.auth_version)


@cache
def _state(user: sa.FromClause) -> sa.Select[Any, Any, Any]:
    """Built once: every request of a signed-in user asks it."""
    return sa.select(user.c.status, user.c.roles, user.c.auth_version).where(
        user.c.user_id == sa.bindparam("id")
    )
