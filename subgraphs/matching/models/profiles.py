"""Tutors and students as matching sees them, and the verification of tutors."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from shared.db import Timestamps, one_of
from shared.ids import new_id
from subgraphs.matching.models.base import Base

MOST_MONEY = 2**53 - 1


class VerificationStatus(StrEnum):
    """Where a verification is in its life."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    REVOKED = "REVOKED"


class TutorProfile(Timestamps, Base):
    """A tutor, one per user. Whoever changes what it offers locks this row first."""

    __tablename__ = "tutor_profiles"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(unique=True)
    headline: Mapped[str] = mapped_column(sa.String(150))
    bio: Mapped[str | None]
    languages: Mapped[list[str]] = mapped_column(ARRAY(sa.Text), server_default="{}")
    time_zone: Mapped[str] = mapped_column(sa.String(64))
    rate_amount: Mapped[int] = mapped_column(sa.BigInteger)
    rate_currency: Mapped[str] = mapped_column(sa.CHAR(3), server_default="USD")
    trial_amount: Mapped[int | None] = mapped_column(sa.BigInteger)
    trial_minutes: Mapped[int | None]
    video_url: Mapped[str | None] = mapped_column(sa.String(500))
    buffer_before_minutes: Mapped[int] = mapped_column(default=0, server_default="0")
    buffer_after_minutes: Mapped[int] = mapped_column(default=0, server_default="0")
    minimum_notice_minutes: Mapped[int] = mapped_column(default=120, server_default="120")
    booking_window_days: Mapped[int] = mapped_column(default=60, server_default="60")
    most_per_day: Mapped[int | None]
    slot_interval_minutes: Mapped[int] = mapped_column(default=30, server_default="30")
    durations: Mapped[list[int]] = mapped_column(
        ARRAY(sa.Integer), default=lambda: [30, 60, 90], server_default="{30,60,90}"
    )
    is_verified: Mapped[bool] = mapped_column(default=False, server_default="false")
    verified_at: Mapped[datetime | None]
    is_paused: Mapped[bool] = mapped_column(default=False, server_default="false")
    # From payment and identity; kept here so that the row's lock covers all that makes it bookable.
    is_payable: Mapped[bool] = mapped_column(default=False, server_default="false")
    is_blocked: Mapped[bool] = mapped_column(default=False, server_default="false")
    version: Mapped[int] = mapped_column(sa.BigInteger, default=1, server_default="1")

    __table_args__ = (
        sa.CheckConstraint(f"rate_amount BETWEEN 0 AND {MOST_MONEY}", name="rate"),
        sa.CheckConstraint(f"trial_amount BETWEEN 0 AND {MOST_MONEY}", name="trial_price"),
        sa.CheckConstraint(
            "(trial_amount IS NULL) = (trial_minutes IS NULL)", name="trial_complete"
        ),
        sa.CheckConstraint("trial_minutes > 0", name="trial_minutes"),
        sa.CheckConstraint("most_per_day > 0", name="most_per_day"),
        sa.CheckConstraint("slot_interval_minutes > 0", name="slot_interval"),
        sa.CheckConstraint("cardinality(durations) > 0", name="durations"),
        sa.CheckConstraint(
            "buffer_before_minutes >= 0 AND buffer_after_minutes >= 0", name="buffers"
        ),
        sa.CheckConstraint(
            "minimum_notice_minutes >= 0 AND booking_window_days > 0", name="booking_window"
        ),
    )

    @property
    def is_bookable(self) -> bool:
        """Whether new lessons are sold: verified, not paused, able to be paid, account open."""
        return self.is_payable and self.is_listed

    @property
    def is_listed(self) -> bool:
        """Whether search finds it."""
        return self.is_verified and not self.is_paused and not self.is_blocked


class Verification(Timestamps, Base):
    """A tutor's documents, and what an admin made of them."""

    __tablename__ = "verifications"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    profile_id: Mapped[UUID] = mapped_column(sa.ForeignKey("tutor_profiles.id", ondelete="CASCADE"))
    status: Mapped[str] = mapped_column(sa.String(20), default=VerificationStatus.PENDING)
    documents: Mapped[list[dict[str, str]]] = mapped_column(JSONB, server_default="[]")
    reason: Mapped[str | None]
    reviewed_by: Mapped[UUID | None]
    reviewed_at: Mapped[datetime | None]

    __table_args__ = (
        one_of("status", VerificationStatus),
        sa.CheckConstraint("(status = 'PENDING') = (reviewed_at IS NULL)", name="reviewed"),
        sa.Index("idx_verifications_profile_id", "profile_id", sa.text("id DESC")),
        sa.Index(
            "uq_verifications_pending",
            "profile_id",
            unique=True,
            postgresql_where=sa.text("status = 'PENDING'"),
        ),
        sa.Index(
            "idx_verifications_queue",
            "id",
            postgresql_where=sa.text("status = 'PENDING'"),
        ),
    )


class StudentProfile(Timestamps, Base):
    """What a student looks for."""

    __tablename__ = "student_profiles"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    goals: Mapped[str | None]
    languages: Mapped[list[str]] = mapped_column(ARRAY(sa.Text), server_default="{}")
    time_zone: Mapped[str] = mapped_column(sa.String(64))


class Favourite(Base):
    """A tutor whom a user keeps in mind."""

    __tablename__ = "favourites"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    profile_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("tutor_profiles.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.clock_timestamp())

    __table_args__ = (
        sa.Index("idx_favourites_user_id", "user_id", sa.text("created_at DESC"), "profile_id"),
    )


class TutorListing(Base):
    """The read model of search: one row for each tutor that can be found.

    Written with the change that it shows, under the profile's lock (service/listings.py).
    """

    __tablename__ = "tutor_listings"

    profile_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("tutor_profiles.id", ondelete="CASCADE"), primary_key=True
    )
    is_bookable: Mapped[bool]
    price_amount: Mapped[int] = mapped_column(sa.BigInteger)
    # Hundredths: the mean that people see, the score that lists sort by (0 without a rating), and
    # the score with the boost of new tutors.
    rating_mean: Mapped[int]
    score: Mapped[int]
    standing: Mapped[int]
    listed_at: Mapped[datetime]
    notice_minutes: Mapped[int]
    shortest_minutes: Mapped[int]
    # What filters ask for: "skill:<id>", "skill:<id>:<level>" up to the tutor's, "lang:<tag>".
    tags: Mapped[list[str]] = mapped_column(ARRAY(sa.Text))
    search: Mapped[Any] = mapped_column(TSVECTOR, deferred=True)
    # Starts of the shortest lessons, in minutes since 1970 and in order, before any notice; and the
    # hours that they lie in, for the index.
    free_starts: Mapped[list[int]] = mapped_column(
        ARRAY(sa.Integer), server_default="{}", deferred=True
    )
    free_hours: Mapped[list[int]] = mapped_column(
        ARRAY(sa.Integer), server_default="{}", deferred=True
    )
    refreshed_at: Mapped[datetime] = mapped_column(index=True)

    __table_args__ = (
        sa.Index("idx_tutor_listings_price_amount", "price_amount", "profile_id"),
        sa.Index("idx_tutor_listings_score", sa.text("score DESC"), sa.text("profile_id DESC")),
        sa.Index(
            "idx_tutor_listings_standing", sa.text("standing DESC"), sa.text("profile_id DESC")
        ),
        sa.Index(
            "idx_tutor_listings_listed_at", sa.text("listed_at DESC"), sa.text("profile_id DESC")
        ),
        sa.Index("idx_tutor_listings_tags", "tags", postgresql_using="gin"),
        sa.Index("idx_tutor_listings_search", "search", postgresql_using="gin"),
        sa.Index("idx_tutor_listings_free_hours", "free_hours", postgresql_using="gin"),
    )


class SearchWord(Base):
    """A word of some listing, for the correction of words that are in none."""

    __tablename__ = "search_words"

    word: Mapped[str] = mapped_column(primary_key=True)

    __table_args__ = (
        sa.Index(
            "idx_search_words_word",
            "word",
            postgresql_using="gin",
            postgresql_ops={"word": "gin_trgm_ops"},
        ),
    )
