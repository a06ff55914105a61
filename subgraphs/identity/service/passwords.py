"""Passwords: how they are hashed, which are too weak, how they are changed and reset."""

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

from shared.db import ReadSession, WriteSession
from shared.errors import Conflict, InvalidInput, NotFound, Unavailable
from shared.events.identity import UserUpdated
from shared.viewer import Viewer
from subgraphs.identity import models
from subgraphs.identity.config import Settings
from subgraphs.identity.models import User
from subgraphs.identity.service import accounts, audit, links
from subgraphs.identity.service.mails import Post
from subgraphs.identity.service.secrets import digest

SHORTEST, LONGEST = 10, 128
WEAKEST_SCORE = 3
# zxcvbn takes time that grows with the square of the length; more would not change the score.
SCORED_CHARACTERS = 72

# At 26 ms each and two threads, who comes after this many would wait for more than a second.
MOST_WAITING = 100

R = TypeVar("R")


class WeakPassword(InvalidInput):
    """The password is too easy to guess."""


class InvalidCredentials(Conflict):
    """Address, password or code is wrong; which of them is not told."""

    code = "INVALID_CREDENTIALS"


class Hasher:
    """argon2id with OWASP's parameters, in a few threads, so that the event loop never waits.

    Every method raises Unavailable when too many wait already.
    """

    def __init__(self, settings: Settings) -> None:
        self._argon2 = PasswordHasher(
            time_cost=settings.argon2_passes,
            memory_cost=settings.argon2_memory_kib,
            parallelism=1,
        )
        self._threads = ThreadPoolExecutor(settings.password_threads, thread_name_prefix="password")
        self._waiting = 0
        # Verified against when there is no account, so that both cases cost the same.
        self._nobody = self._argon2.hash("nobody's password")

    def close(self) -> None:
        """Stop the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], R]) -> R:
        if self._waiting >= MOST_WAITING:
            raise Unavailable("Too many people are signing in. Try again in a moment.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1

    async def hash(self, password: str) -> str:
        """The hash to store."""
        return await self._run(functools.partial(self._argon2.hash, password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password is right; without a stored hash no, after the same work."""
        return await self._run(functools.partial(self._verify, stored, password))

    def _verify(self, stored: str | None, password: str) -> bool:
        try:
            self._argon2.verify(stored or self._nobody, password)
        except (VerificationError, InvalidHashError):
            return False
        return stored is not None

    async def rehash(self, stored: str, password: str) -> str | None:
        """A new hash when the stored one was made with other parameters."""
        if not self._argon2.check_needs_rehash(stored):
            return None
        return await self.hash(password)

    async def hash_new(self, password: str, *, field: str, about: list[str]) -> str:
        """The hash of a password that is being chosen. Raises WeakPassword.

        `about` is what an attacker would try first: address and names of the user.
        """
        if not SHORTEST <= len(password) <= LONGEST or "\0" in password:
            raise WeakPassword(f"{field} needs {SHORTEST} to {LONGEST} characters.", field=field)
        known = [
            word.lower() for text in about for word in (text, *text.split("@")) if len(word) > 2
        ]
        if any(word in password.lower() for word in known):
            raise WeakPassword(f"{field} must not contain your name or address.", field=field)
        score = await self._run(
            lambda: int(zxcvbn(password[:SCORED_CHARACTERS], user_inputs=known)["score"])
        )
        if score < WEAKEST_SCORE:
            raise WeakPassword(f"{field} is too easy to guess. Add words.", field=field)
        return await self.hash(password)


async def request_reset(session: WriteSession, *, viewer: Viewer, post: Post, email: str) -> None:
    """Mail a link to choose a new password, when the address has an account.

    An address without one costs the same statements, a written row included.
    """
    user = await accounts.by_email(session, email)
    await post.queue_link(session, "reset_password", user)
    audit.record(
        session,
        "password.reset_requested",
        viewer=viewer,
        subject_id=user.id if user is not None else None,
    )


async def about_owner_of(session: ReadSession, token: str) -> list[str]:
    """Words that the owner of a reset link may not use; none for a link that does not work."""
    user = await session.scalar(
        sa.select(User)
        .join(models.AuthToken, models.AuthToken.user_id == User.id)
        .where(models.AuthToken.token_hash == digest(token))
    )
    return words_about(user) if user is not None else []


def words_about(user: User) -> list[str]:
    """What an attacker would try first."""
    return [user.email, user.first_name, user.last_name, user.username or ""]


async def reset(
    session: WriteSession, *, viewer: Viewer, post: Post, token: str, password_hash: str
) -> User:
    """Set a new password by a mailed link; everybody is signed out.

    The link proves the address. Where it was unverified before, a stranger may have registered it,
    so every other way in that they prepared goes, too. Raises TokenInvalid or TokenExpired.
    """
    link = await links.consume(session, purpose="reset_password", token=token)
    user = await accounts.lock(session, link.user_id)
    if user.email.lower() != link.email.lower():
        raise links.TokenInvalid("This link is not valid. Ask for a new one.", field="token")
    user.password_hash = password_hash
    if not user.is_email_verified:
        user.is_email_verified = True
        user.status = "ACTIVE" if user.status == "UNVERIFIED" else user.status
        for table in (models.SocialAccount, models.TotpFactor, models.RecoveryCode):
            await session.execute(sa.delete(table).where(table.user_id == user.id))
    await links.cancel(session, user_id=user.id)
    await accounts.revoke_sessions(session, user.id, reason="password reset")
    await accounts.announce(session, UserUpdated, user, outdate_tokens=True)
    post.queue(session, "password_changed", to=user.email, locale=user.locale, name=user.first_name)
    audit.record(session, "password.reset", viewer=viewer, subject_id=user.id, actor_id=user.id)
    return user


async def change(
    session: WriteSession, *, viewer: Viewer, post: Post, verified_hash: str, password_hash: str
) -> User:
    """Replace the viewer's own password; the other sessions end.

    `verified_hash` is the stored hash that the present password was checked against.
    """
    user = await accounts.lock(session, viewer.require_user())
    if user.password_hash != verified_hash:
        raise InvalidCredentials("The password is wrong.", field="currentPassword")
    user.password_hash = password_hash
    await links.cancel(session, user_id=user.id, purpose="reset_password")
    await accounts.revoke_sessions(
        session, user.id, reason="password changed", keep=viewer.session_id
    )
    await accounts.announce(session, UserUpdated, user, outdate_tokens=True)
    post.queue(session, "password_changed", to=user.email, locale=user.locale, name=user.first_name)
    audit.record(session, "password.changed", viewer=viewer, subject_id=user.id)
    return user


async def own_account(session: ReadSession, *, viewer: Viewer) -> User:
    """The viewer's account, to check a password against. Raises NotFound."""
    (user,) = await accounts.get_users(session, [viewer.require_user()])
    if user is None or user.is_tombstone:
        raise NotFound("There is no such user.")
    return user
