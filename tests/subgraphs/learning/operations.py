"""Learning's operations as tests send them."""

from tests.support.operations import mutation

COURSE = """id title description category level language price { amount currency }
 durationMinutes status maxStudents currentStudents seatsLeft"""
UNIT = "id position title summary durationMinutes"
ENROLLMENT = "id status completedAt progress { completedUnits totalUnits percent }"
ENTRY = "id status offerExpiresAt"


CREATE_COURSE = mutation(
    "createCourse", "$input: CreateCourseInput!, $idempotencyKey: String", "Course", COURSE
)
UPDATE_COURSE = mutation("updateCourse", "$id: ID!, $input: UpdateCourseInput!", "Course", COURSE)
PUBLISH_COURSE = mutation("publishCourse", "$id: ID!", "Course", COURSE)
ARCHIVE_COURSE = mutation("archiveCourse", "$id: ID!", "Course", COURSE)
DELETE_DRAFT = mutation("deleteCourseDraft", "$id: ID!", "Course", COURSE)
ADD_UNIT = mutation(
    "addCourseUnit", "$input: AddCourseUnitInput!, $idempotencyKey: String", "CourseUnit", UNIT
)
UPDATE_UNIT = mutation("updateCourseUnit", "$input: UpdateCourseUnitInput!", "CourseUnit", UNIT)
REMOVE_UNIT = mutation("removeCourseUnit", "$id: ID!", "Course", "units { nodes { id position } }")
REORDER_UNITS = mutation(
    "reorderCourseUnits",
    "$courseId: ID!, $unitIds: [ID!]!",
    "Course",
    "units(first: 100) { nodes { id position } }",
)
ENROLL = mutation("enrollFree", "$courseId: ID!, $idempotencyKey: String", "Enrollment", ENROLLMENT)
CANCEL = mutation("cancelEnrollment", "$id: ID!", "Enrollment", ENROLLMENT)
COMPLETE_UNIT = mutation(
    "completeUnit", "$unitId: ID!", "Enrollment", f"{ENROLLMENT} certificate {{ code }}"
)
JOIN_WAITLIST = mutation("joinWaitlist", "$courseId: ID!", "WaitlistEntry", ENTRY)
LEAVE_WAITLIST = mutation("leaveWaitlist", "$courseId: ID!", "WaitlistEntry", ENTRY)
LESSON = "id status kind startsAt endsAt holdExpiresAt completedAt disputeUntil refundBps"
BOOK = mutation("bookLesson", "$offerToken: String!, $idempotencyKey: String", "Lesson", LESSON)
RESCHEDULE = mutation(
    "rescheduleLesson", "$id: ID!, $offerToken: String, $startsAt: DateTime", "Lesson", LESSON
)
CANCEL_LESSON = mutation("cancelLesson", "$id: ID!, $reason: String", "Lesson", LESSON)
START_LESSON = mutation("startLesson", "$id: ID!", "Lesson", LESSON)
COMPLETE_LESSON = mutation("completeLesson", "$id: ID!", "Lesson", LESSON)
JOIN_LESSON = mutation("joinLesson", "$id: ID!", "Lesson", LESSON)
LEAVE_LESSON = mutation("leaveLesson", "$id: ID!", "Lesson", LESSON)
RECORD_ATTENDANCE = mutation(
    "recordAttendance",
    "$lessonId: ID!, $studentId: ID!, $attendance: Attendance!",
    "Lesson",
    LESSON,
)
REPORT_NO_SHOW = mutation("reportNoShow", "$lessonId: ID!, $who: LessonRole!", "Lesson", LESSON)
OPEN_DISPUTE = mutation("openDispute", "$lessonId: ID!, $reason: String!", "Lesson", LESSON)
RESOLVE_DISPUTE = mutation("resolveDispute", "$lessonId: ID!, $refundBps: Int!", "Lesson", LESSON)
SCHEDULE_GROUP = mutation(
    "scheduleGroupLesson",
    "$courseId: ID!, $startsAt: DateTime!, $durationMinutes: Int!, $idempotencyKey: String",
    "Lesson",
    f"{LESSON} participants(first: 100) {{ nodes {{ user {{ id }} role hasConflict }} }}",
)
PURCHASE = mutation(
    "purchaseCourse",
    "$courseId: ID!, $idempotencyKey: String",
    "Enrollment",
    f"{ENROLLMENT} purchaseId holdExpiresAt refundUntil",
)
RETRY_SAGA = mutation("retryLearningSaga", "$id: ID!", "Saga", "id kind state step attempts")
NOTES = "id sharedNotes myNote"
SAVE_NOTES = mutation("saveLessonNotes", "$lessonId: ID!, $notes: String!", "Lesson", NOTES)
SAVE_MY_NOTE = mutation("saveMyLessonNote", "$lessonId: ID!, $note: String!", "Lesson", NOTES)
HOMEWORK = "id status instructions dueAt submission isLate feedback"
ASSIGN = mutation(
    "assignHomework",
    "$lessonId: ID!, $studentId: ID!, $instructions: String!, $dueAt: DateTime,"
    " $idempotencyKey: String",
    "Homework",
    HOMEWORK,
)
SUBMIT_HOMEWORK = mutation("submitHomework", "$id: ID!, $submission: String!", "Homework", HOMEWORK)
REVIEW_HOMEWORK = mutation("reviewHomework", "$id: ID!, $feedback: String!", "Homework", HOMEWORK)
CREATE_QUIZ = mutation(
    "createQuiz",
    "$input: CreateQuizInput!, $idempotencyKey: String",
    "Quiz",
    "id title unitId passPercent maxAttempts isRequired questions { id kind prompt choices }",
)
DELETE_QUIZ = mutation("deleteQuiz", "$id: ID!", "Course", "id quizzes { nodes { id } }")
SUBMIT_QUIZ = mutation(
    "submitQuiz",
    "$id: ID!, $answers: [QuizAnswerInput!]!, $idempotencyKey: String",
    "QuizAttempt",
    "id number scorePercent isPassed",
)
PATH = "id title percent steps { id position kind text isDone }"
CREATE_PATH = mutation(
    "createLearningPath",
    "$title: String!, $steps: [LearningPathStepInput!]!, $idempotencyKey: String",
    "LearningPath",
    PATH,
)
TICK_STEP = mutation(
    "tickLearningPathStep", "$stepId: ID!, $isDone: Boolean!", "LearningPath", PATH
)
REORDER_PATH = mutation("reorderLearningPath", "$id: ID!, $stepIds: [ID!]!", "LearningPath", PATH)
DELETE_PATH = mutation("deleteLearningPath", "$id: ID!", "LearningPath", "id title")
