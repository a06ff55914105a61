"""Partners' programs and their secrets, by hash."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from shared.db import Timestamps
from shared.ids import new_id
from subgraphs.identity.models.base import Base, now


class OauthClient(Timestamps, Base):
    """A partner's program, bound to one contract of the graph."""

    __tablename__ = "oauth_clients"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    contract: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(sa.Text), server_default="{}")
    # Whose courses and the like the program may read; it needs an account that is open.
    acts_for: Mapped[UUID | None] = mapped_column(
        sa.ForeignKey("users.id", ondelete="CASCADE"), index=True
    )
    contact: Mapped[str | None]  # an address for notices
    revoked_at: Mapped[datetime | None]


class OauthClientSecret(Base):
    """A client's secret, by hash; two are valid while one is being replaced."""

    __tablename__ = "oauth_client_secrets"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    client_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("oauth_clients.id", ondelete="CASCADE"), index=True
    )
    secret_hash: Mapped[bytes] = mapped_column(sa.LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=now())
    expires_at: Mapped[datetime | None]
