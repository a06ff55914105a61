"""Changing an address: the new one confirms it, the old one may take it back."""

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from shared import validation
from shared.db import WriteSession, violated_constraint
from shared.errors import Conflict, InvalidInput
from shared.events.identity import UserUpdated
from shared.viewer import Viewer
from subgraphs.identity.models import AuthToken, User
from subgraphs.identity.service import accounts, audit, links
from subgraphs.identity.service.mails import Post
from subgraphs.identity.service.passwords import InvalidCredentials


class EmailTaken(Conflict):
    """Another account has taken this address meanwhile."""

    code = "EMAIL_TAKEN"


async def request_change(
    session: WriteSession, *, viewer: Viewer, post: Post, email: str, verified_hash: str
) -> User:
    """Mail a link to the new address, and a way to undo it to the old one.

    A taken address is answered the same; its owner gets a mail that says so.
    """
    email = validation.email(email, field="newEmail")
    user = await accounts.lock(session, viewer.require_user())
    if user.password_hash != verified_hash:
        raise InvalidCredentials("The password is wrong.", field="password")
    if email.lower() == user.email.lower():
        raise InvalidInput("newEmail is your address already.", field="newEmail")
    owner = await accounts.by_email(session, email)
    if owner is not None:
        post.queue(
            session,
            "already_registered",
            to=owner.email,
            locale=owner.locale,
            name=owner.first_name,
        )
    else:
        await post.queue_link(session, "change_email", user, to=email)
    await post.queue_link(session, "undo_email", user)
    audit.record(session, "email.change_requested", viewer=viewer, subject_id=user.id)
    return user


async def confirm_change(session: WriteSession, *, viewer: Viewer, token: str) -> User:
    """Use the new address from now on. Raises TokenInvalid, TokenExpired or EmailTaken."""
    link = await links.consume(session, purpose="change_email", token=token)
    user = await accounts.lock(session, link.user_id)
    await _set_email(session, user, link.email)
    audit.record(session, "email.changed", viewer=viewer, subject_id=user.id, actor_id=user.id)
    return user


async def undo_change(session: WriteSession, *, viewer: Viewer, post: Post, token: str) -> User:
    """Give the account back to its old address, and make it safe.

    Whoever asked for the change knew the password, so it is removed, every session ends, and the
    old address gets a link to choose a new one. Raises TokenInvalid, TokenExpired or EmailTaken.
    """
    link = await links.consume(session, purpose="undo_email", token=token)
    user = await accounts.lock(session, link.user_id)
    await session.execute(
        sa.delete(AuthToken).where(AuthToken.user_id == user.id, AuthToken.used_at.is_(None))
    )
    user.password_hash = None
    await accounts.revoke_sessions(session, user.id, reason="e-mail change undone")
    await _set_email(session, user, link.email, outdate_tokens=True)
    await post.queue_link(session, "reset_password", user)
    audit.record(
        session, "email.change_undone", viewer=viewer, subject_id=user.id, actor_id=user.id
    )
    return user


async def _set_email(
    session: WriteSession, user: User, email: str, *, outdate_tokens: bool = False
) -> None:
    await links.cancel(session, user_id=user.id, purpose="verify_email")
    user.email = email
    user.is_email_verified = True
    if user.status == "UNVERIFIED":
        user.status = "ACTIVE"
    try:
        await accounts.announce(session, UserUpdated, user, outdate_tokens=outdate_tokens)
    except IntegrityError as error:
        if violated_constraint(error) == "uq_users_email":
            raise EmailTaken("Another account uses this address.", field="token") from error
        raise
