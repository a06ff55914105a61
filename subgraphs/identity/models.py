"""Tables of identity. Secrets are hashed or encrypted; see docs/domain/identity.md."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, aggregate_order_by
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column, relationship

from shared.db import TYPES, Timestamps, new_metadata, one_of
from shared.idempotency import add_idempotency_table
from shared.ids import new_id
from shared.outbox import add_event_tables

ROLES = ("student", "tutor", "moderator", "admin")
STATUSES = ("UNVERIFIED", "ACTIVE", "SUSPENDED", "DEACTIVATED", "ERASED")
LINK_PURPOSES = ("verify_email", "reset_password", "change_email", "undo_email")
CONSENT_KINDS = ("TERMS", "PRIVACY", "MARKETING")
MAIL_STATES = ("pending", "sent", "failed")

_now = sa.func.clock_timestamp


def _user_id(*, index: bool = True) -> Any:
    return mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), index=index)


class Base(DeclarativeBase):
    """The registry of identity's tables."""

    metadata = new_metadata()
    type_annotation_map = TYPES


class UserRole(Base):
    """A role of a user; the oldest is the primary one."""

    __tablename__ = "user_roles"
    __table_args__ = (one_of("role", ROLES), sa.Index("idx_user_roles_role", "role", "user_id"))

    user_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    role: Mapped[str] = mapped_column(primary_key=True)
    granted_at: Mapped[datetime] = mapped_column(server_default=_now())


class UserProfile(Timestamps, Base):
    """What a user tells about themselves; one row per user."""

    __tablename__ = "user_profiles"

    user_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    bio: Mapped[str | None]
    avatar_url: Mapped[str | None]
    preferences: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")


class User(Timestamps, Base):
    """An account. A tombstone (`deleted_at` set) keeps only its id and version."""

    __tablename__ = "users"
    __table_args__ = (
        one_of("status", STATUSES),
        sa.Index(
            "uq_users_email",
            sa.text("lower(email)"),
            unique=True,
            postgresql_where=sa.text("deleted_at IS NULL"),
        ),
        sa.Index(
            "uq_users_username",
            "username",
            unique=True,
            postgresql_where=sa.text("deleted_at IS NULL"),
        ),
        sa.Index(
            "idx_users_search",
            "email",
            "first_name",
            "last_name",
            "username",
            postgresql_using="gin",
            postgresql_ops=dict.fromkeys(
                ("email", "first_name", "last_name", "username"), "gin_trgm_ops"
            ),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    email: Mapped[str]
    is_email_verified: Mapped[bool] = mapped_column(server_default=sa.false())
    # NULL: the user signs in with a provider alone.
    password_hash: Mapped[str | None]
    first_name: Mapped[str]
    last_name: Mapped[str]
    username: Mapped[str | None]
    phone: Mapped[str | None]
    time_zone: Mapped[str] = mapped_column(server_default="UTC")
    locale: Mapped[str] = mapped_column(server_default="en")
    status: Mapped[str] = mapped_column(server_default="UNVERIFIED")
    suspension_reason: Mapped[str | None]
    # Rises with every published state; consumers drop what is older.
    version: Mapped[int] = mapped_column(sa.BigInteger, server_default="1")
    # Rises when access tokens that are out must count as outdated.
    auth_version: Mapped[int] = mapped_column(sa.BigInteger, server_default="1")
    last_login_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]

    # One statement reads a user with profile and roles, wherever users are read.
    profile: Mapped[UserProfile] = relationship(lazy="joined", innerjoin=True)
    roles: Mapped[list[str]] = column_property(
        sa.select(
            sa.func.coalesce(
                sa.func.array_agg(
                    aggregate_order_by(UserRole.role, UserRole.granted_at, UserRole.role)
                ),
                sa.cast([], ARRAY(sa.Text)),
            )
        )
        .where(UserRole.user_id == id)
        .correlate_except(UserRole)
        .scalar_subquery(),
        expire_on_flush=False,
    )

    @property
    def is_tombstone(self) -> bool:
        """Whether the person is gone and only the id is left."""
        return self.deleted_at is not None or self.status == "ERASED"


class UserSession(Base):
    """One sign-in on one device, from login to logout; also a family of refresh tokens."""

    __tablename__ = "user_sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = _user_id()
    method: Mapped[str]  # "password" or the provider's name
    ip_address: Mapped[str | None]
    user_agent: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=_now())
    last_used_at: Mapped[datetime] = mapped_column(server_default=_now())
    expires_at: Mapped[datetime] = mapped_column(index=True)
    revoked_at: Mapped[datetime | None]
    revoke_reason: Mapped[str | None]


class RefreshToken(Base):
    """A refresh token, by hash; used once. All tokens of a session are one family."""

    __tablename__ = "refresh_tokens"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    session_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("user_sessions.id", ondelete="CASCADE"), index=True
    )
    token_hash: Mapped[bytes] = mapped_column(sa.LargeBinary, unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=_now())
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class AuthToken(Base):
    """A link that was mailed, by hash; used once."""

    __tablename__ = "auth_tokens"
    __table_args__ = (one_of("purpose", LINK_PURPOSES),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = _user_id()
    purpose: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(sa.LargeBinary, unique=True)
    # The address that the link is about: the new one of a change, the old one of an undo.
    email: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=_now())
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


class SocialAccount(Base):
    """An identity at an OpenID provider that signs a user in."""

    __tablename__ = "social_accounts"
    __table_args__ = (
        sa.UniqueConstraint("provider", "subject"),
        sa.UniqueConstraint("user_id", "provider"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = _user_id(index=False)
    provider: Mapped[str]
    subject: Mapped[str]
    email: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=_now())


class ProviderLogin(Base):
    """One trip to a provider's page and back: state, then a one-time code; each used once."""

    __tablename__ = "provider_logins"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    provider: Mapped[str]
    state_hash: Mapped[bytes] = mapped_column(sa.LargeBinary, unique=True)
    # Binds the trip to the browser that began it.
    secret_hash: Mapped[bytes] = mapped_column(sa.LargeBinary)
    nonce_hash: Mapped[bytes] = mapped_column(sa.LargeBinary)
    verifier: Mapped[bytes] = mapped_column(sa.LargeBinary)  # PKCE, encrypted
    redirect_uri: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=_now())
    expires_at: Mapped[datetime] = mapped_column(index=True)
    returned_at: Mapped[datetime | None]
    code_hash: Mapped[bytes | None] = mapped_column(sa.LargeBinary, unique=True)
    identity: Mapped[bytes | None] = mapped_column(sa.LargeBinary)  # the claims, encrypted
    used_at: Mapped[datetime | None]


class TotpFactor(Base):
    """A user's authenticator app; the secret is encrypted."""

    __tablename__ = "totp_factors"

    user_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    secret: Mapped[bytes] = mapped_column(sa.LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=_now())
    confirmed_at: Mapped[datetime | None]
    # The 30-second step of the last accepted code, so that no code counts twice.
    last_step: Mapped[int] = mapped_column(sa.BigInteger, server_default="0")


class RecoveryCode(Base):
    """Signs in once without the authenticator app; by hash."""

    __tablename__ = "recovery_codes"

    user_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    code_hash: Mapped[bytes] = mapped_column(sa.LargeBinary, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(server_default=_now())
    used_at: Mapped[datetime | None]


class OauthClient(Timestamps, Base):
    """A partner's program, bound to one contract of the graph."""

    __tablename__ = "oauth_clients"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    contract: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(sa.Text), server_default="{}")
    revoked_at: Mapped[datetime | None]


class OauthClientSecret(Base):
    """A client's secret, by hash; two are valid while one is being replaced."""

    __tablename__ = "oauth_client_secrets"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    client_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("oauth_clients.id", ondelete="CASCADE"), index=True
    )
    secret_hash: Mapped[bytes] = mapped_column(sa.LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=_now())
    expires_at: Mapped[datetime | None]


class SigningKey(Base):
    """A key that signs access tokens; the private part is encrypted."""

    __tablename__ = "signing_keys"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    public_key: Mapped[dict[str, Any]] = mapped_column(JSONB)
    private_key: Mapped[bytes] = mapped_column(sa.LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=_now())
    active_from: Mapped[datetime]
    active_until: Mapped[datetime]
    # Published until the last token that it signed is dead.
    published_until: Mapped[datetime] = mapped_column(index=True)


class MailJob(Base):
    """A mail to send; the values for its text are encrypted, and gone once it is sent."""

    __tablename__ = "mail_jobs"
    __table_args__ = (
        one_of("status", MAIL_STATES),
        sa.Index(
            "idx_mail_jobs_due", "next_attempt_at", postgresql_where=sa.text("status = 'pending'")
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    template: Mapped[str]
    locale: Mapped[str]
    recipient: Mapped[str]
    context: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    status: Mapped[str] = mapped_column(server_default="pending")
    attempts: Mapped[int] = mapped_column(server_default="0")
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=_now())
    created_at: Mapped[datetime] = mapped_column(server_default=_now(), index=True)
    sent_at: Mapped[datetime | None]
    error: Mapped[str | None]


class Consent(Base):
    """What a user agreed to, in which version, and when they took it back."""

    __tablename__ = "consents"
    __table_args__ = (
        one_of("kind", CONSENT_KINDS),
        sa.UniqueConstraint("user_id", "kind", "version"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = _user_id(index=False)
    kind: Mapped[str]
    version: Mapped[str]
    accepted_at: Mapped[datetime] = mapped_column(server_default=_now())
    withdrawn_at: Mapped[datetime | None]


class AuditEntry(Base):
    """Who did what to whom; never a secret, an address or a token of anybody."""

    __tablename__ = "audit_log"
    __table_args__ = (sa.Index("idx_audit_log_subject_id_id", "subject_id", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    at: Mapped[datetime] = mapped_column(server_default=_now())
    action: Mapped[str]
    actor: Mapped[str]  # as Viewer.kind: anonymous, user, partner, system
    actor_id: Mapped[UUID | None]
    subject_id: Mapped[UUID | None]
    ip_address: Mapped[str | None]
    details: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")


add_event_tables(Base.metadata)
add_idempotency_table(Base.metadata)
