"""Learning's tables. Users are soft references; there is no foreign key to another database."""

from subgraphs.learning.models.base import Base, UserRef
from subgraphs.learning.models.courses import Course, CourseLevel, CourseStatus, CourseUnit
from subgraphs.learning.models.enrollments import (
    Certificate,
    Enrollment,
    EnrollmentStatus,
    UnitProgress,
    WaitlistEntry,
    WaitlistStatus,
)

__all__ = [
    "Base",
    "Certificate",
    "Course",
    "CourseLevel",
    "CourseStatus",
    "CourseUnit",
    "Enrollment",
    "EnrollmentStatus",
    "UnitProgress",
    "UserRef",
    "WaitlistEntry",
    "WaitlistStatus",
]
