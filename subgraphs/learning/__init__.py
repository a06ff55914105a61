"""Who teaches and studies what: courses, enrolments, lessons, purchases, and what belongs to them.

Owns:       Course(id), CourseUnit(id), Enrollment(id), Certificate(id), Lesson(id),
            LearningPath(id)
Extends:    User(id): taughtCourses, enrolledCourses, enrollments, certificates, lessons,
            learningPaths
Publishes:  CoursePublished, CourseUpdated, CourseArchived, SeatReserved, SeatReleased,
            EnrollmentActivated, EnrollmentCancelled, EnrollmentCompleted, UnitCompleted,
            CertificateIssued, WaitlistSeatOffered, LessonReserved, LessonScheduled,
            LessonRescheduled, LessonStarted, LessonCompleted, LessonCancelled, LessonExpired,
            LessonNoShow, LessonDisputed
Listens to: UserCreated, UserUpdated, UserRoleChanged, UserSuspended, UserRestored,
            TutorProfileCreated, TutorProfileUpdated, TutorProfileVerified, TutorProfilePaused,
            PaymentSucceeded
"""
