"""Learning's tables. Users are soft references; there is no foreign key to another database."""

from subgraphs.learning.models.base import Base, UserRef
from subgraphs.learning.models.courses import Course, CourseLevel, CourseStatus, CourseUnit
from subgraphs.learning.models.enrollments import (
    SEATED,
    Certificate,
    CoursePurchase,
    Enrollment,
    EnrollmentStatus,
    UnitProgress,
    WaitlistEntry,
    WaitlistStatus,
)
from subgraphs.learning.models.feeds import CalendarFeed
from subgraphs.learning.models.homework import Homework, HomeworkStatus
from subgraphs.learning.models.lessons import (
    LIVE_LESSON,
    ONE_TRIAL,
    Attendance,
    Lesson,
    LessonEvent,
    LessonKind,
    LessonParticipant,
    LessonRole,
    LessonStatus,
    TutorRef,
    is_overlap,
)
from subgraphs.learning.models.paths import LearningPath, PathStep, StepKind
from subgraphs.learning.models.quizzes import QuestionKind, Quiz, QuizAttempt, QuizQuestion

__all__ = [
    "LIVE_LESSON",
    "ONE_TRIAL",
    "SEATED",
    "Attendance",
    "Base",
    "CalendarFeed",
    "Certificate",
    "Course",
    "CourseLevel",
    "CoursePurchase",
    "CourseStatus",
    "CourseUnit",
    "Enrollment",
    "EnrollmentStatus",
    "Homework",
    "HomeworkStatus",
    "LearningPath",
    "Lesson",
    "LessonEvent",
    "LessonKind",
    "LessonParticipant",
    "LessonRole",
    "LessonStatus",
    "PathStep",
    "QuestionKind",
    "Quiz",
    "QuizAttempt",
    "QuizQuestion",
    "StepKind",
    "TutorRef",
    "UnitProgress",
    "UserRef",
    "WaitlistEntry",
    "WaitlistStatus",
    "is_overlap",
]
