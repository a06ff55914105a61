"""How somebody proves who they are; secrets are hashed or encrypted."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.db import one_of
from shared.ids import new_id
from subgraphs.identity.models.base import Base, now, user_id_column

LINK_PURPOSES = ("verify_email", "reset_password", "change_email", "undo_email")


class UserSession(Base):
    """One sign-in on one device, from login to logout; also a family of refresh tokens."""

    __tablename__ = "user_sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = user_id_column()
    method: Mapped[str]  # "password" or the provider's name
    ip_address: Mapped[str | None]
    user_agent: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=now())
    last_used_at: Mapped[datetime] = mapped_column(server_default=now())
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
    created_at: Mapped[datetime] = mapped_column(server_default=now())
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class AuthToken(Base):
    """A link that was mailed, by hash; used once."""

    __tablename__ = "auth_tokens"
    __table_args__ = (one_of("purpose", LINK_PURPOSES),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = user_id_column()
    purpose: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(sa.LargeBinary, unique=True)
    # The address that the link is about: the new one of a change, the old one of an undo.
    email: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=now())
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


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
    created_at: Mapped[datetime] = mapped_column(server_default=now())
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
    created_at: Mapped[datetime] = mapped_column(server_default=now())
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
    created_at: Mapped[datetime] = mapped_column(server_default=now())
    used_at: Mapped[datetime | None]


class SigningKey(Base):
    """A key that signs access tokens; the private part is encrypted."""

    __tablename__ = "signing_keys"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    public_key: Mapped[dict[str, Any]] = mapped_column(JSONB)
    private_key: Mapped[bytes] = mapped_column(sa.LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=now())
    active_from: Mapped[datetime]
    active_until: Mapped[datetime]
    # Published until the last token that it signed is dead.
    published_until: Mapped[datetime] = mapped_column(index=True)
