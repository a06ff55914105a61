"""What people say of lessons, courses, tutors and students, and the ratings that follow.

Owns:       Review(id), RatingSummary
Extends:    User(id): reviewsReceived, reviewsWritten, ratingSummary
            Lesson(id): reviews, canReview; Course(id): reviews, canReview, ratingSummary
            TutorProfile(userId): ratingSummary
Publishes:  ReviewSubmitted, ReviewPublished, ReviewHidden, RatingUpdated
Listens to: UserCreated, UserUpdated, UserRoleChanged, UserSuspended, UserRestored,
            CoursePublished, CourseUpdated, CourseArchived, every event of a lesson,
            EnrollmentCompleted, PaymentRefunded, DisputeClosed
"""
