"""Who teaches and studies what: courses, units, enrolments, progress, certificates.

Owns:       Course(id), CourseUnit(id), Enrollment(id), Certificate(id)
Extends:    User(id): taughtCourses, enrolledCourses, enrollments, certificates
Publishes:  CoursePublished, CourseUpdated, CourseArchived, EnrollmentActivated,
            EnrollmentCancelled, EnrollmentCompleted, UnitCompleted, CertificateIssued,
            WaitlistSeatOffered
Listens to: UserCreated, UserUpdated, UserRoleChanged, UserSuspended, UserRestored
"""
