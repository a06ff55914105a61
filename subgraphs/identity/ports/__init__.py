"""Other people's systems: the mail server, OpenID providers, partners' webhook receivers."""

from subgraphs.identity.ports.mail import MailRefused, MailServer
from subgraphs.identity.ports.openid import Identity, OpenIdProviders, ProviderRefused
from subgraphs.identity.ports.webhooks import Answer, WebhookSender

__all__ = [
    "Answer",
    "Identity",
    "MailRefused",
    "MailServer",
    "OpenIdProviders",
    "ProviderRefused",
    "WebhookSender",
]
