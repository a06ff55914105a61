"""What identity holds open: password threads, signing keys, and other people's systems."""

from shared.runtime import Runtime
from subgraphs.identity.config import Settings
from subgraphs.identity.ports import MailServer, OpenIdProviders, WebhookSender
from subgraphs.identity.service.keys import Keyring
from subgraphs.identity.service.mails import Post
from subgraphs.identity.service.passwords import Hasher
from subgraphs.identity.service.secrets import Vault


class IdentityRuntime(Runtime):
    """The platform's runtime with identity's own parts."""

    settings: Settings

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.vault = Vault(settings.master_key.get_secret_value())
        self.passwords = Hasher(settings)
        self.post = Post(settings, self.vault)
        self.mail_server = MailServer(settings)
        self.providers = OpenIdProviders(settings)
        self.webhooks = WebhookSender(settings)
        self.keyring = Keyring(
            settings, self.vault, read=self.database.read, write=self.database.write
        )

    async def close(self) -> None:
        """Close everything, in reverse."""
        await self.providers.close()
        self.passwords.close()
        await super().close()
