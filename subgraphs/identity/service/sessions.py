"""Sign-in, refresh, sign-out: sessions are families of refresh tokens that are used once each."""

import time
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared.db import ReadSession, WriteSession, among, utc_now
from shared.errors import Conflict, Forbidden, NotFound, Unauthenticated
from shared.events.identity import UserLoggedIn
from shared.ids import new_id
from shared.outbox import publish
from shared.pages import Order, Page, PageRequest, keyset
from shared.viewer import Viewer
from subgraphs.identity.config import Settings
from subgraphs.identity.models import RefreshToken, User, UserRole, UserSession
from subgraphs.identity.service import accounts, audit, mfa
from subgraphs.identity.service.keys import Signer
from subgraphs.identity.service.mails import Post
from subgraphs.identity.service.passwords import InvalidCredentials
from subgraphs.identity.service.secrets import Vault, digest, new_secret

LONGEST_USER_AGENT = 1000


class AccountSuspended(Forbidden):
    """The account is closed for now."""

    code = "ACCOUNT_SUSPENDED"


class RefreshTokenInvalid(Conflict):
    """The refresh token is unknown, expired, or its session has ended: sign in again."""

    code = "REFRESH_TOKEN_INVALID"


class RefreshTokenReused(Conflict):
    """The refresh token was used before, perhaps by a thief: its session was ended."""

    code = "REFRESH_TOKEN_REUSED"


class RefreshSuperseded(Conflict):
    """Another tab refreshed a moment ago: use the tokens that it got."""

    code = "REFRESH_SUPERSEDED"


@dataclass(frozen=True)
class Opened:
    """A session with the refresh token that continues it; the token exists nowhere else."""

    user: User
    session_id: UUID
    refresh_token: str


def access_token(signer: Signer, settings: Settings, opened: Opened) -> tuple[str, int]:
    """A signed access token and the second at which it ends."""
    now = int(time.time())
    expires_at = now + settings.access_token_seconds
    claims: dict[str, Any] = {
        "iss": settings.jwt_issuer,
        "aud": settings.jwt_audiences[0],
        "sub": str(opened.user.id),
        "roles": list(opened.user.roles),
        "scope": "",
        "sid": str(opened.session_id),
        "ver": opened.user.auth_version,
        "iat": now,
        "exp": expires_at,
        "jti": str(new_id()),
    }
    return signer.sign(claims), expires_at


async def record_failure(session: WriteSession, *, viewer: Viewer, user: User | None) -> None:
    """Note a wrong address or password; both cost the same."""
    audit.record(session, "session.refused", viewer=viewer, subject_id=user.id if user else None)


async def log_in(
    session: WriteSession,
    *,
    viewer: Viewer,
    settings: Settings,
    vault: Vault,
    user_id: UUID,
    verified_hash: str,
    new_hash: str | None,
    totp_code: str | None,
    recovery_code: str | None,
) -> Opened:
    """Open a session after the right password. `verified_hash` is what it was checked against.

    Raises InvalidCredentials, AccountSuspended or MfaRequired.
    """
    user = await accounts.lock(session, user_id)
    if user.password_hash != verified_hash:
        raise InvalidCredentials("The e-mail address or the password is wrong.")
    if new_hash is not None:
        user.password_hash = new_hash
    return await open_session(
        session,
        viewer=viewer,
        settings=settings,
        vault=vault,
        user=user,
        method="password",
        totp_code=totp_code,
        recovery_code=recovery_code,
    )


async def open_session(
    session: WriteSession,
    *,
    viewer: Viewer,
    settings: Settings,
    vault: Vault,
    user: User,
    method: str,
    totp_code: str | None,
    recovery_code: str | None,
) -> Opened:
    """Open a session for a locked account whose owner proved the first factor."""
    if user.status not in ("ACTIVE", "UNVERIFIED"):
        raise AccountSuspended("This account is suspended.")
    await mfa.require(
        session, vault=vault, user_id=user.id, totp_code=totp_code, recovery_code=recovery_code
    )
    now = utc_now()
    user.last_login_at = now
    opened = UserSession(
        id=new_id(),
        user_id=user.id,
        method=method,
        ip_address=viewer.ip,
        user_agent=viewer.user_agent[:LONGEST_USER_AGENT] if viewer.user_agent else None,
        expires_at=now + timedelta(days=settings.session_days),
    )
    session.add(opened)
    await session.flush()
    token = _issue(session, settings, opened)
    audit.record(
        session,
        "session.opened",
        viewer=viewer,
        subject_id=user.id,
        actor_id=user.id,
        method=method,
        session_id=str(opened.id),
    )
    publish(session, UserLoggedIn(user_id=user.id, session_id=opened.id, version=user.version))
    return Opened(user, opened.id, token)


def _issue(session: WriteSession, settings: Settings, opened: UserSession) -> str:
    token = new_secret()
    lasts = utc_now() + timedelta(days=settings.refresh_token_days)
    session.add(
        RefreshToken(
            session_id=opened.id,
            token_hash=digest(token),
            expires_at=min(lasts, opened.expires_at),
        )
    )
    return token


async def rotate(
    session: WriteSession, *, viewer: Viewer, settings: Settings, post: Post, token: str
) -> Opened | RefreshTokenReused:
    """Use up a refresh token and give the next one.

    A token that comes a second time ends the session: the thief or the owner holds a copy. That
    must be committed, so it is returned and not raised. Within the grace period the second use is
    two tabs at the same moment: it is refused, but ends nothing, and the first one's tokens hold.
    Raises RefreshTokenInvalid, RefreshSuperseded or AccountSuspended.
    """
    used = await session.scalar(
        sa.update(RefreshToken)
        .where(
            RefreshToken.token_hash == digest(token),
            RefreshToken.used_at.is_(None),
            RefreshToken.expires_at > sa.func.clock_timestamp(),
            RefreshToken.session_id == UserSession.id,
            UserSession.revoked_at.is_(None),
        )
        .values(used_at=sa.func.clock_timestamp())
        .returning(RefreshToken.session_id)
    )
    if used is None:
        return await _refused(session, viewer=viewer, settings=settings, post=post, token=token)
    # The condition decides again under the row's lock: a revocation may have come in between.
    opened = await session.scalar(
        sa.update(UserSession)
        .where(UserSession.id == used, UserSession.revoked_at.is_(None))
        .values(last_used_at=sa.func.clock_timestamp())
        .returning(UserSession)
    )
    if opened is None:
        raise RefreshTokenInvalid("This session has ended. Sign in again.")
    (user,) = await accounts.get_users(session, [opened.user_id])
    if user is None or user.status not in ("ACTIVE", "UNVERIFIED"):
        raise AccountSuspended("This account is suspended.")
    return Opened(user, opened.id, _issue(session, settings, opened))


async def _refused(
    session: WriteSession, *, viewer: Viewer, settings: Settings, post: Post, token: str
) -> RefreshTokenReused:
    found = (
        await session.execute(
            sa.select(RefreshToken.used_at, UserSession)
            .join(UserSession, UserSession.id == RefreshToken.session_id)
            .where(RefreshToken.token_hash == digest(token))
        )
    ).one_or_none()
    if found is None:
        raise RefreshTokenInvalid("This session has ended. Sign in again.")
    used_at, opened = found.used_at, found.UserSession
    if used_at is None or opened.revoked_at is not None:
        raise RefreshTokenInvalid("This session has ended. Sign in again.")
    if utc_now() - used_at <= timedelta(seconds=settings.refresh_grace_seconds):
        raise RefreshSuperseded("This refresh token was used a moment ago. Use the newer tokens.")
    ended = await session.scalar(
        sa.update(UserSession)
        .where(UserSession.id == opened.id, UserSession.revoked_at.is_(None))
        .values(revoked_at=sa.func.clock_timestamp(), revoke_reason="refresh token reused")
        .returning(UserSession.id)
    )
    (user,) = await accounts.get_users(session, [opened.user_id])
    if ended is not None and user is not None:
        post.queue(
            session, "session_stolen", to=user.email, locale=user.locale, name=user.first_name
        )
        audit.record(
            session,
            "session.reuse_detected",
            viewer=viewer,
            subject_id=user.id,
            session_id=str(opened.id),
        )
    return RefreshTokenReused("This session was ended for your safety. Sign in again.")


async def list_own(session: ReadSession, *, viewer: Viewer, page: PageRequest) -> Page[UserSession]:
    """The viewer's open sessions, newest first."""
    statement = sa.select(UserSession).where(
        UserSession.user_id == viewer.require_user(),
        UserSession.revoked_at.is_(None),
        UserSession.expires_at > sa.func.clock_timestamp(),
    )
    return await keyset(session, statement, Order.by(UserSession.id.desc()), page)


async def revoke(
    session: WriteSession, *, viewer: Viewer, session_id: UUID, reason: str
) -> UserSession:
    """End one of the viewer's sessions; ending an ended one changes nothing. Raises NotFound."""
    user_id = viewer.require_user()
    ended: UserSession | None = await session.scalar(
        sa.update(UserSession)
        .where(
            UserSession.id == session_id,
            UserSession.user_id == user_id,
            UserSession.revoked_at.is_(None),
        )
        .values(revoked_at=sa.func.clock_timestamp(), revoke_reason=reason)
        .returning(UserSession)
    )
    if ended is not None:
        audit.record(
            session,
            "session.revoked",
            viewer=viewer,
            subject_id=user_id,
            session_id=str(session_id),
        )
        return ended
    before = await session.scalar(
        sa.select(UserSession).where(UserSession.id == session_id, UserSession.user_id == user_id)
    )
    if before is None:
        raise NotFound("There is no such session.", field="id")
    return before


async def log_out(session: WriteSession, *, viewer: Viewer) -> UserSession:
    """End the session that the viewer's token belongs to."""
    viewer.require_user()
    if viewer.session_id is None:
        raise Unauthenticated("Sign in first.")
    return await revoke(session, viewer=viewer, session_id=viewer.session_id, reason="signed out")


async def revoke_others(session: WriteSession, *, viewer: Viewer) -> User:
    """End every session of the viewer but the present one."""
    user = await accounts.lock(session, viewer.require_user())
    count = await accounts.revoke_sessions(
        session, user.id, reason="signed out elsewhere", keep=viewer.session_id
    )
    if count:
        audit.record(
            session, "session.others_revoked", viewer=viewer, subject_id=user.id, count=count
        )
    return user


async def revoke_by_refresh_token(session: WriteSession, *, viewer: Viewer, token: str) -> bool:
    """End the session of a refresh token; whoever holds it may (RFC 7009). Whether it was open."""
    ended = (
        await session.execute(
            sa.update(UserSession)
            .where(
                UserSession.id == RefreshToken.session_id,
                RefreshToken.token_hash == digest(token),
                UserSession.revoked_at.is_(None),
            )
            .values(revoked_at=sa.func.clock_timestamp(), revoke_reason="token revoked")
            .returning(UserSession.id, UserSession.user_id)
        )
    ).one_or_none()
    if ended is None:
        return False
    audit.record(
        session,
        "session.revoked",
        viewer=viewer,
        subject_id=ended.user_id,
        actor_id=ended.user_id,
        session_id=str(ended.id),
    )
    return True


@cache
def _account_of_session() -> sa.Select[Any]:
    """Built once: every request of a signed-in user runs it."""
    roles = (
        sa.select(sa.func.array_agg(UserRole.role))
        .where(UserRole.user_id == User.id)
        .correlate(User)
        .scalar_subquery()
    )
    return (
        sa.select(User.auth_version, roles.label("roles"))
        .join(UserSession, UserSession.user_id == User.id)
        .where(
            User.id == sa.bindparam("user_id"),
            User.deleted_at.is_(None),
            among(User.status, ("ACTIVE", "UNVERIFIED")),
            UserSession.id == sa.bindparam("session_id"),
            UserSession.revoked_at.is_(None),
            UserSession.expires_at > sa.func.clock_timestamp(),
        )
    )


async def authorize(session: ReadSession, viewer: Viewer) -> Viewer:
    """The viewer as the account is now: ended sessions and closed accounts are out at once."""
    row = (
        await session.execute(
            _account_of_session(),
            {"user_id": viewer.user_id, "session_id": viewer.session_id},
        )
    ).one_or_none()
    if row is None:
        raise Unauthenticated("This session has ended.")
    if row.auth_version <= viewer.version:
        return viewer
    return viewer.with_state(roles=frozenset(row.roles or ()), version=row.auth_version)
