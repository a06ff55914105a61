"""Tables of identity by noun. Secrets are hashed or encrypted; see docs/domain/identity.md."""

from subgraphs.identity.models.audit import AuditEntry
from subgraphs.identity.models.base import Base
from subgraphs.identity.models.credentials import (
    AuthToken,
    ProviderLogin,
    RecoveryCode,
    RefreshToken,
    SigningKey,
    TotpFactor,
    UserSession,
)
from subgraphs.identity.models.mails import MailJob
from subgraphs.identity.models.partners import OauthClient, OauthClientSecret
from subgraphs.identity.models.users import Consent, SocialAccount, User, UserProfile, UserRole
from subgraphs.identity.models.webhooks import (
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookSecret,
)

__all__ = [
    "AuditEntry",
    "AuthToken",
    "Base",
    "Consent",
    "MailJob",
    "OauthClient",
    "OauthClientSecret",
    "ProviderLogin",
    "RecoveryCode",
    "RefreshToken",
    "SigningKey",
    "SocialAccount",
    "TotpFactor",
    "User",
    "UserProfile",
    "UserRole",
    "UserSession",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookSecret",
]
