"""What refuses a seat, whichever way a student asks for it."""

from uuid import UUID

from shared.db import WriteSession
from shared.errors import Conflict, NotFound
from shared.viewer import Viewer
from subgraphs.learning.models import Course, CourseStatus


class CourseFull(Conflict):
    """Every seat of the course is taken or offered to somebody else."""

    code = "COURSE_FULL"


class AlreadyEnrolled(Conflict):
    """The student has a seat in the course already."""

    code = "ALREADY_ENROLLED"


class PaymentRequired(Conflict):
    """The course is not free."""

    code = "PAYMENT_REQUIRED"


class OwnCourse(Conflict):
    """Tutors cannot enrol in courses of their own."""

    code = "OWN_COURSE"


async def lock_open_course(session: WriteSession, viewer: Viewer, course_id: UUID) -> Course:
    """A course that takes the viewer as a student, locked. Raises NotFound, Conflict, OwnCourse."""
    student_id = viewer.require_user()
    course = await session.get(Course, course_id, with_for_update=True)
    if course is None or course.deleted_at is not None or course.status == CourseStatus.DRAFT:
        raise NotFound("There is no such course.")
    if course.status != CourseStatus.PUBLISHED:
        raise Conflict("This course takes no new students.")
    if course.tutor_id == student_id:
        raise OwnCourse("This is your own course.")
    return course
