"""Accounts: who somebody is, and what they agreed to."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, aggregate_order_by
from sqlalchemy.orm import Mapped, column_property, mapped_column, relationship

from shared.db import Timestamps, one_of
from shared.ids import new_id
from subgraphs.identity.models.base import Base, now, user_id_column

ROLES = ("student", "tutor", "moderator", "admin")
STATUSES = ("UNVERIFIED", "ACTIVE", "SUSPENDED", "DEACTIVATED", "ERASED")
CONSENT_KINDS = ("TERMS", "PRIVACY", "MARKETING")


class UserRole(Base):
    """A role of a user; the oldest is the primary one."""

    __tablename__ = "user_roles"
    __table_args__ = (one_of("role", ROLES), sa.Index("idx_user_roles_role", "role", "user_id"))

    user_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    role: Mapped[str] = mapped_column(primary_key=True)
    granted_at: Mapped[datetime] = mapped_column(server_default=now())


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


class SocialAccount(Base):
    """An identity at an OpenID provider that signs a user in."""

    __tablename__ = "social_accounts"
    __table_args__ = (
        sa.UniqueConstraint("provider", "subject"),
        sa.UniqueConstraint("user_id", "provider"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = user_id_column(index=False)
    provider: Mapped[str]
    subject: Mapped[str]
    email: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=now())


class Consent(Base):
    """What a user agreed to, in which version, and when they took it back."""

    __tablename__ = "consents"
    __table_args__ = (
        one_of("kind", CONSENT_KINDS),
        sa.UniqueConstraint("user_id", "kind", "version"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = user_id_column(index=False)
    kind: Mapped[str]
    version: Mapped[str]
    accepted_at: Mapped[datetime] = mapped_column(server_default=now())
    withdrawn_at: Mapped[datetime | None]
