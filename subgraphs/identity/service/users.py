"""What admins do with accounts, and how the first admin comes to be."""

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from shared import validation
from shared.db import ReadSession, WriteSession
from shared.errors import Conflict, Forbidden, NotFound
from shared.events.identity import UserRestored, UserRoleChanged, UserSuspended
from shared.outbox import publish
from shared.pages import Order, Page, PageRequest, keyset
from shared.viewer import Viewer
from subgraphs.identity.models import User, UserRole
from subgraphs.identity.service import accounts, audit, registration
from subgraphs.identity.service.mails import Post
from subgraphs.identity.service.secrets import new_secret

OPEN = ("ACTIVE", "UNVERIFIED")


class LastAdmin(Conflict):
    """Without this admin nobody could administer the platform."""

    code = "LAST_ADMIN"


class LastRole(Conflict):
    """A user keeps at least one role."""

    code = "LAST_ROLE"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which users are wanted; None asks for all."""

    text: str | None = None
    role: str | None = None
    status: str | None = None


async def list_users(
    session: ReadSession, *, viewer: Viewer, page: PageRequest, wanted: Filter
) -> Page[User]:
    """Users, newest first, for admins; each word of the text is in a name or the address."""
    viewer.require_role("admin")
    statement = sa.select(User).where(User.deleted_at.is_(None))
    text = validation.optional_text(wanted.text, field="text", most=100)
    for word in (text or "").split():
        pattern = "%" + word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        columns = (User.email, User.first_name, User.last_name, User.username)
        statement = statement.where(sa.or_(*(column.ilike(pattern) for column in columns)))
    if wanted.role is not None:
        statement = statement.where(
            sa.exists().where(UserRole.user_id == User.id, UserRole.role == wanted.role)
        )
    if wanted.status is not None:
        statement = statement.where(User.status == wanted.status)
    return await keyset(session, statement, Order.by(User.id.desc()), page)


async def _refuse_last_admin(session: WriteSession, user_id: UUID) -> None:
    # The rows are locked, so that two admins cannot remove each other at the same moment.
    admins = set(
        await session.scalars(
            sa.select(UserRole.user_id)
            .where(UserRole.role == "admin")
            .order_by(UserRole.user_id)
            .with_for_update()
        )
    )
    if user_id not in admins:
        return
    others = admins - {user_id}
    active = await session.scalar(
        sa.select(sa.func.count()).where(User.id.in_(others), User.status.in_(OPEN))
    )
    if not active:
        raise LastAdmin("There would be no admin left.", field="userId")


async def set_role(session: WriteSession, *, viewer: Viewer, user_id: UUID, role: str) -> User:
    """Grant a role; one that is there already changes nothing."""
    viewer.require_role("admin")
    user = await accounts.lock(session, user_id)
    if role in user.roles:
        return user
    session.add(UserRole(user_id=user.id, role=role))
    await session.flush()
    return await _announce_roles(session, viewer, user, "role.granted", role)


async def become_tutor(session: WriteSession, *, user_id: UUID) -> None:
    """Grant the role that a verified tutor needs; nothing for an account that is gone."""
    try:
        await set_role(session, viewer=Viewer.system(), user_id=user_id, role="tutor")
    except NotFound:
        return


async def remove_role(session: WriteSession, *, viewer: Viewer, user_id: UUID, role: str) -> User:
    """Withdraw a role; one that is not there changes nothing. Raises LastAdmin or LastRole."""
    viewer.require_role("admin")
    if role == "admin":
        await _refuse_last_admin(session, user_id)
    user = await accounts.lock(session, user_id)
    if role not in user.roles:
        return user
    if len(user.roles) == 1:
        raise LastRole("A user keeps at least one role.", field="role")
    await session.execute(
        sa.delete(UserRole).where(UserRole.user_id == user.id, UserRole.role == role)
    )
    return await _announce_roles(session, viewer, user, "role.withdrawn", role)


async def _announce_roles(
    session: WriteSession, viewer: Viewer, user: User, action: str, role: str
) -> User:
    await session.refresh(user, ["roles"])
    await accounts.announce(session, UserRoleChanged, user, outdate_tokens=True)
    audit.record(session, action, viewer=viewer, subject_id=user.id, role=role)
    return user


async def suspend(
    session: WriteSession, *, viewer: Viewer, post: Post, user_id: UUID, reason: str
) -> User:
    """Close an account for now: its sessions end, and nobody signs in. Raises LastAdmin."""
    viewer.require_role("admin")
    reason = validation.text(reason, field="reason", least=3, most=500)
    if viewer.is_user(user_id):
        raise Forbidden("You cannot suspend yourself.")
    await _refuse_last_admin(session, user_id)
    user = await accounts.lock(session, user_id)
    if user.status == "SUSPENDED":
        return user
    if user.status not in OPEN:
        raise Conflict("Only an open account can be suspended.", field="userId")
    user.status = "SUSPENDED"
    user.suspension_reason = reason
    await accounts.revoke_sessions(session, user.id, reason="account suspended")
    await accounts.announce(session, UserSuspended, user, outdate_tokens=True)
    post.queue(
        session,
        "account_suspended",
        to=user.email,
        locale=user.locale,
        name=user.first_name,
        reason=reason,
    )
    audit.record(session, "user.suspended", viewer=viewer, subject_id=user.id, reason=reason)
    return user


async def restore(session: WriteSession, *, viewer: Viewer, user_id: UUID) -> User:
    """Open a suspended account again; its sessions stay ended."""
    viewer.require_role("admin")
    user = await accounts.lock(session, user_id)
    if user.status != "SUSPENDED":
        return user
    user.status = "ACTIVE" if user.is_email_verified else "UNVERIFIED"
    user.suspension_reason = None
    await accounts.announce(session, UserRestored, user, outdate_tokens=True)
    audit.record(session, "user.restored", viewer=viewer, subject_id=user.id)
    return user


async def grant_admin(session: WriteSession, *, email: str) -> User:
    """Make an account an admin, by an operator's command. Raises NotFound."""
    user = await accounts.by_email(session, email)
    if user is None:
        raise NotFound("No account has this address.", field="email")
    return await set_role(session, viewer=Viewer.system(), user_id=user.id, role="admin")


async def seed_user(
    session: WriteSession,
    *,
    email: str,
    password_hash: str | None,
    roles: tuple[str, ...] = ("student",),
    first_name: str = "Demo",
    last_name: str = "User",
    verified: bool = True,
    locale: str = "en",
    time_zone: str = "UTC",
) -> User:
    """An account for demonstrations, without a mail; an address that is taken gives its account."""
    person = registration.Newcomer(
        email=validation.email(email),
        first_name=first_name,
        last_name=last_name,
        roles=roles,
        locale=locale,
        time_zone=time_zone,
        password_hash=password_hash,
        is_email_verified=verified,
    )
    created = await registration.create(
        session, person, token=new_secret(), link_lifetime=registration.SEED_LINK_LIFETIME
    )
    if created is not None:
        publish(session, registration.created_event(created, person))
        audit.record(session, "user.seeded", viewer=Viewer.system(), subject_id=created)
    user = await accounts.by_email(session, person.email)
    if user is None:
        raise NotFound("The account was removed meanwhile.")
    return user
