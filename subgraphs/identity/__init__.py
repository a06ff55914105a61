"""Who somebody is, how they prove it, and what they may do.

Owns:       User(id), Session, SocialAccount, Consent, AuditEntry, OauthClient, WebhookEndpoint
Extends:    nothing
Publishes:  UserCreated, UserUpdated, UserRoleChanged, UserSuspended, UserRestored, UserLoggedIn
Listens to: TutorProfileVerified, and for partners' webhooks TutorProfileUpdated,
            TutorProfilePaused, CoursePublished, CourseUpdated, CourseArchived,
            EnrollmentActivated, EnrollmentCancelled, EnrollmentCompleted, UnitCompleted,
            CertificateIssued
"""
