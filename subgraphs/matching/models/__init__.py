"""Matching's tables. Users, lessons and courses are soft references to other databases."""

from subgraphs.matching.models.availability import (
    AvailabilityOverride,
    AvailabilityOverrideKind,
    AvailabilityRule,
)
from subgraphs.matching.models.base import Base, SkillLevel
from subgraphs.matching.models.profiles import (
    MOST_MONEY,
    Favourite,
    SearchWord,
    StudentProfile,
    TutorListing,
    TutorProfile,
    Verification,
    VerificationStatus,
)
from subgraphs.matching.models.references import (
    FREED,
    TAKEN,
    CourseRef,
    LessonBusyRef,
    PayoutRef,
    RatingRef,
    UserRef,
)
from subgraphs.matching.models.requests import (
    MatchCandidate,
    MatchingRequest,
    MatchingRequestStatus,
)
from subgraphs.matching.models.skills import (
    CourseSkill,
    Skill,
    SkillEdge,
    SkillLinkKind,
    TutorSkill,
)

__all__ = [
    "FREED",
    "MOST_MONEY",
    "TAKEN",
    "AvailabilityOverride",
    "AvailabilityOverrideKind",
    "AvailabilityRule",
    "Base",
    "CourseRef",
    "CourseSkill",
    "Favourite",
    "LessonBusyRef",
    "MatchCandidate",
    "MatchingRequest",
    "MatchingRequestStatus",
    "PayoutRef",
    "RatingRef",
    "SearchWord",
    "Skill",
    "SkillEdge",
    "SkillLevel",
    "SkillLinkKind",
    "StudentProfile",
    "TutorListing",
    "TutorProfile",
    "TutorSkill",
    "UserRef",
    "Verification",
    "VerificationStatus",
]
