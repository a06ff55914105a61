"""Who somebody is, how they prove it, and what they may do.

Owns:       User(id), Session, SocialAccount, Consent, AuditEntry, OauthClient
Extends:    nothing
Publishes:  UserCreated, UserUpdated, UserRoleChanged, UserSuspended, UserRestored, UserLoggedIn
Listens to: TutorProfileVerified
"""
