"""Who can teach whom, and when: tutors' profiles, skills, availability, search and requests.

Owns:       TutorProfile(id | userId), Skill(id), MatchingRequest(id); BookableSlot as a value
Extends:    User(id): tutorProfile, studentProfile, matchingRequests;
            Lesson(id): matchingRequest; Course(id): skills
Publishes:  TutorProfileCreated, TutorProfileUpdated, TutorProfileVerified, TutorProfilePaused,
            AvailabilityChanged, MatchRequested, MatchFound, MatchAccepted
Listens to: UserCreated, UserUpdated, UserRoleChanged, UserSuspended, UserRestored; every lesson's
            and course's state; RatingUpdated; PayoutAccountEnabled, PayoutAccountRestricted
"""
