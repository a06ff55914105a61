"""Calendar feeds: what makes an older address of a feed useless."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from shared.db import Timestamps
from subgraphs.learning.models.base import Base


class CalendarFeed(Timestamps, Base):
    """How often a user has asked for a new address; without a row, never."""

    __tablename__ = "calendar_feeds"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    generation: Mapped[int]

    __table_args__ = (sa.CheckConstraint("generation > 0", name="generation"),)
