"""What payment holds open: the payment provider beside the platform's own parts."""

from shared.runtime import Runtime
from subgraphs.payment.config import Settings
from subgraphs.payment.ports import Provider


class PaymentRuntime(Runtime):
    """The platform's runtime with the provider."""

    settings: Settings

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.provider = Provider(settings)

    async def open(self) -> None:
        """Open what needs opening; the provider is not asked."""
        await super().open()
        await self.provider.open()

    async def close(self) -> None:
        """Close everything, in reverse."""
        await self.provider.close()
        await super().close()
