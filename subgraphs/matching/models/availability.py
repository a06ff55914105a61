"""When tutors teach: wall times in a zone, never instants."""

from datetime import date, time
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from shared.db import Timestamps, one_of
from shared.ids import new_id
from subgraphs.matching.models.base import Base


class AvailabilityOverrideKind(StrEnum):
    """What an override says of its days."""

    CLOSED = "CLOSED"
    HOURS = "HOURS"
    TRAVEL = "TRAVEL"


class AvailabilityRule(Base):
    """Hours of a weekday; an end that is not after the start is on the next day."""

    __tablename__ = "availability_rules"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    profile_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("tutor_profiles.id", ondelete="CASCADE"), index=True
    )
    weekday: Mapped[int] = mapped_column(sa.SmallInteger)
    start_local: Mapped[time]
    end_local: Mapped[time]
    valid_from: Mapped[date | None]
    valid_to: Mapped[date | None]

    __table_args__ = (
        sa.CheckConstraint("weekday BETWEEN 1 AND 7", name="weekday"),
        sa.CheckConstraint("valid_from <= valid_to", name="valid"),
    )


class AvailabilityOverride(Timestamps, Base):
    """What replaces the rules from one date to another, both included; never two on a date."""

    __tablename__ = "availability_overrides"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    profile_id: Mapped[UUID] = mapped_column(sa.ForeignKey("tutor_profiles.id", ondelete="CASCADE"))
    first_date: Mapped[date]
    last_date: Mapped[date]
    kind: Mapped[str] = mapped_column(sa.String(20))
    starts: Mapped[list[time]] = mapped_column(ARRAY(sa.Time), server_default="{}")
    ends: Mapped[list[time]] = mapped_column(ARRAY(sa.Time), server_default="{}")
    time_zone: Mapped[str | None] = mapped_column(sa.String(64))

    __table_args__ = (
        one_of("kind", AvailabilityOverrideKind),
        sa.CheckConstraint("first_date <= last_date", name="dates"),
        sa.CheckConstraint("cardinality(starts) = cardinality(ends)", name="hours"),
        sa.CheckConstraint("(kind = 'HOURS') = (cardinality(starts) > 0)", name="hours_given"),
        sa.CheckConstraint("kind <> 'TRAVEL' OR time_zone IS NOT NULL", name="travel"),
        ExcludeConstraint(
            (sa.column("profile_id"), "="),
            (sa.text("daterange(first_date, last_date, '[]')"), "&&"),
            using="gist",
            name="ex_availability_overrides_dates",
        ),
    )
