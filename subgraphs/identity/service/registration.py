"""Registration and the confirmation of addresses.

The answer never tells whether an address is taken; its owner gets a mail that does. Both cases run
the same number of statements and hash the password.
"""

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from shared import validation
from shared.db import WriteSession, utc_now, violated_constraint
from shared.errors import Conflict, InvalidInput
from shared.events.identity import UserCreated, UserUpdated
from shared.ids import new_id
from shared.outbox import publish
from shared.viewer import Viewer
from subgraphs.identity.models import User
from subgraphs.identity.service import accounts, audit, links
from subgraphs.identity.service.mails import Post
from subgraphs.identity.service.secrets import digest, new_secret

USERNAME = re.compile(r"[a-z0-9_.]{3,50}")
LOCALE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?")
# Names stand in mails to addresses that the sender does not own, so they may hold no links.
NOT_IN_NAMES = re.compile(r"[<>@:/\\]")
OPEN_ROLES = ("student", "tutor")
SEED_LINK_LIFETIME = timedelta(days=1)

# One statement for the whole account, so that a taken address costs what a new one costs. The
# unique index decides between registrations at the same moment.
_CREATE = sa.text(
    """
    WITH created AS (
        INSERT INTO users (id, email, is_email_verified, password_hash, first_name, last_name,
                           username, time_zone, locale, status)
        VALUES (:id, :email, :verified, :password_hash, :first_name, :last_name,
                :username, :time_zone, :locale, :status)
        ON CONFLICT (lower(email)) WHERE deleted_at IS NULL DO NOTHING
        RETURNING id
    ), profile AS (
        INSERT INTO user_profiles (user_id) SELECT id FROM created
    ), roles AS (
        INSERT INTO user_roles (user_id, role, granted_at)
        SELECT id, r.role, clock_timestamp() + r.n * interval '1 microsecond'
        FROM created, unnest(CAST(:roles AS text[])) WITH ORDINALITY AS r (role, n)
    ), terms AS (
        INSERT INTO consents (id, user_id, kind, version)
        SELECT :consent_id, id, 'TERMS', :terms_version FROM created
        WHERE CAST(:terms_version AS text) IS NOT NULL
    ), link AS (
        INSERT INTO auth_tokens (id, user_id, purpose, token_hash, email, expires_at)
        SELECT :link_id, id, 'verify_email', :token_hash, :email, :link_expires_at FROM created
        WHERE NOT :verified
    )
    SELECT id FROM created
    """
)


class UsernameTaken(Conflict):
    """Somebody else has this username."""


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A checked registration; the password is a hash or, for a provider's users, absent."""

    email: str
    first_name: str
    last_name: str
    username: str | None = None
    roles: tuple[str, ...] = ("student",)
    locale: str = "en"
    time_zone: str = "UTC"
    terms_version: str | None = None
    password_hash: str | None = None
    is_email_verified: bool = False

    def with_password(self, password_hash: str) -> Self:
        """The same newcomer with a password."""
        return replace(self, password_hash=password_hash)


def person_name(value: str, *, field: str, least: int = 1) -> str:
    """A first or last name. Raises InvalidInput."""
    value = validation.text(value, field=field, least=least, most=100)
    if NOT_IN_NAMES.search(value):
        raise InvalidInput(f"{field} holds characters that are not allowed.", field=field)
    return value


def checked_username(value: str) -> str:
    """A username. Raises InvalidInput."""
    if not USERNAME.fullmatch(value):
        raise InvalidInput(
            "username needs 3 to 50 of the characters a-z, 0-9, _ and dot.", field="username"
        )
    return value


def checked_locale(value: str) -> str:
    """A language tag, such as en or pt-BR. Raises InvalidInput."""
    if not LOCALE.fullmatch(value):
        raise InvalidInput("locale is a language tag, such as en or pt-BR.", field="locale")
    return value


def newcomer(
    *,
    email: str,
    first_name: str,
    last_name: str,
    role: str,
    username: str | None,
    locale: str | None,
    time_zone: str | None,
    accept_terms: str,
    terms_version: str,
) -> Newcomer:
    """Check what a person registers with. Raises InvalidInput."""
    if role not in OPEN_ROLES:
        raise InvalidInput("role must be STUDENT or TUTOR.", field="role")
    if accept_terms != terms_version:
        raise InvalidInput(
            f"acceptTerms must be the present version, {terms_version}.", field="acceptTerms"
        )
    return Newcomer(
        email=validation.email(email),
        first_name=person_name(first_name, field="firstName"),
        last_name=person_name(last_name, field="lastName"),
        username=checked_username(username) if username is not None else None,
        roles=(role,),
        locale=checked_locale(locale) if locale is not None else "en",
        time_zone=validation.time_zone(time_zone) if time_zone is not None else "UTC",
        terms_version=terms_version,
    )


async def create(
    session: WriteSession, person: Newcomer, *, token: str, link_lifetime: timedelta
) -> UUID | None:
    """Create an account with profile, roles and consent; None when the address is taken.

    Raises UsernameTaken, which is looked at first: it may not depend on the address.
    """
    if person.username is not None:
        taken = await session.scalar(
            sa.select(User.id).where(User.username == person.username, User.deleted_at.is_(None))
        )
        if taken is not None:
            raise UsernameTaken("This username is taken.", field="username")
    try:
        created: UUID | None = await session.scalar(
            _CREATE,
            {
                "id": new_id(),
                "email": person.email,
                "verified": person.is_email_verified,
                "password_hash": person.password_hash,
                "first_name": person.first_name,
                "last_name": person.last_name,
                "username": person.username,
                "time_zone": person.time_zone,
                "locale": person.locale,
                "status": "ACTIVE" if person.is_email_verified else "UNVERIFIED",
                "roles": list(person.roles),
                "consent_id": new_id(),
                "terms_version": person.terms_version,
                "link_id": new_id(),
                "token_hash": digest(token),
                "link_expires_at": utc_now() + link_lifetime,
            },
        )
    except IntegrityError as error:
        if violated_constraint(error) == "uq_users_username":
            raise UsernameTaken("This username is taken.", field="username") from error
        raise
    return created


async def register(session: WriteSession, person: Newcomer, *, viewer: Viewer, post: Post) -> UUID:
    """Create an account and mail a link to confirm it; a taken address' owner is told instead.

    The id is for the idempotency key alone; for a taken address it means nothing.
    """
    token = new_secret()
    created = await create(
        session, person, token=token, link_lifetime=post.lifetime("verify_email")
    )
    if created is None:
        owner = await accounts.by_email(session, person.email)
        if owner is not None:
            post.queue(
                session,
                "already_registered",
                to=owner.email,
                locale=owner.locale,
                name=owner.first_name,
            )
            audit.record(session, "user.registered_again", viewer=viewer, subject_id=owner.id)
        return new_id()
    post.queue(
        session,
        "verify_email",
        to=person.email,
        locale=person.locale,
        name=person.first_name,
        link=post.link("verify_email", token),
    )
    audit.record(session, "user.registered", viewer=viewer, subject_id=created, actor_id=created)
    publish(session, created_event(created, person))
    return created


def created_event(user_id: UUID, person: Newcomer) -> UserCreated:
    """The first state of an account."""
    user = User(
        id=user_id,
        email=person.email,
        first_name=person.first_name,
        last_name=person.last_name,
        status="ACTIVE" if person.is_email_verified else "UNVERIFIED",
        version=1,
        auth_version=1,
        time_zone=person.time_zone,
        locale=person.locale,
        roles=list(person.roles),
    )
    event = accounts.state(UserCreated, user)
    assert isinstance(event, UserCreated)  # noqa: S101 - narrows the type
    return event


async def verify_email(session: WriteSession, *, viewer: Viewer, token: str) -> User:
    """Confirm an address by its link. Raises TokenInvalid or TokenExpired."""
    link = await links.consume(session, purpose="verify_email", token=token)
    user = await accounts.lock(session, link.user_id)
    if user.email.lower() != link.email.lower():
        raise links.TokenInvalid("This link is not valid. Ask for a new one.", field="token")
    if user.is_email_verified:
        return user
    user.is_email_verified = True
    if user.status == "UNVERIFIED":
        user.status = "ACTIVE"
    await accounts.announce(session, UserUpdated, user)
    audit.record(session, "email.verified", viewer=viewer, subject_id=user.id, actor_id=user.id)
    return user


async def resend_verification(
    session: WriteSession, *, viewer: Viewer, post: Post, email: str
) -> None:
    """Mail a new link, when the address has an account that is not confirmed.

    An address without one costs the same statements, a written row included.
    """
    user = await accounts.by_email(session, email)
    if user is not None and user.is_email_verified:
        user = None
    await post.queue_link(session, "verify_email", user)
    audit.record(
        session,
        "email.verification_requested",
        viewer=viewer,
        subject_id=user.id if user is not None else None,
    )
