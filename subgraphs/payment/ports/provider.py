"""The provider's API, by the official library."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from datetime import datetime
from importlib import import_module
from typing import Any
from uuid import UUID

from circuitbreaker import STATE_CLOSED, STATE_HALF_OPEN, CircuitBreaker
from prometheus_client import Gauge

from subgraphs.payment.config import Settings
from subgraphs.payment.ports.errors import (
    BadNotification,
    Declined,
    InsufficientFunds,
    ProviderRefused,
    ProviderUnavailable,
)
from subgraphs.payment.ports.objects import (
    Card,
    ConnectedAccount,
    Intent,
    Moved,
    Notification,
    read_notification,
)

WEBHOOK_TOLERANCE_SECONDS = 300
PAGE = 100
BREAKER = Gauge(
    "edtech_payment_provider_breaker", "State of the breaker: 0 closed, 1 half open, 2 open."
)


class Provider:
    """The provider's API; open before use, close at the end."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stripe: Any = None
        self._http: Any = None
        self._api: Any = None
        self.breaker = CircuitBreaker(
            failure_threshold=settings.breaker_failures,
            recovery_timeout=settings.breaker_seconds,
            # Refusals are answers: they say that the provider is well.
            expected_exception=ProviderUnavailable,
            name="payment-provider",
        )
        BREAKER.set_function(self._breaker_state)

    def _breaker_state(self) -> float:
        return {STATE_CLOSED: 0, STATE_HALF_OPEN: 1}.get(self.breaker.state, 2)

    async def open(self) -> None:
        """Load the library, which takes a while: who only reads the schema need not."""
        self._stripe = await asyncio.to_thread(import_module, "stripe")
        s = self._settings
        self._http = _http_client(self._stripe, s.provider_timeout_seconds)
        self._api = self._stripe.StripeClient(
            s.stripe_api_key.get_secret_value(),
            base_addresses={"api": s.stripe_api_base.rstrip("/")},
            http_client=self._http,
            # With jitter; the library gives every creating request an idempotency key.
            max_network_retries=s.provider_retries,
        ).v1

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.close_async()

    async def _call(self, request: Awaitable[Any]) -> dict[str, Any]:
        """The answer as plain values. Raises ProviderUnavailable or ProviderRefused."""
        if self.breaker.opened:
            if asyncio.iscoroutine(request):
                request.close()
            raise ProviderUnavailable("The payment provider does not answer. Try again later.")
        with self.breaker:
            try:
                answer = await request
            except self._stripe.StripeError as error:
                raise self._typed(error) from None
        return dict(answer.to_dict())

    def _typed(self, error: Any) -> Exception:
        s = self._stripe
        if isinstance(error, s.CardError):
            detail = getattr(error.error, "decline_code", None) if error.error else None
            return Declined(detail or error.code or "declined", "The payment was declined.")
        away = (s.APIConnectionError, s.RateLimitError)
        if isinstance(error, away) or (error.http_status or 500) >= 500:
            return ProviderUnavailable("The payment provider does not answer. Try again later.")
        if error.http_status == 409:
            # Another request with the same key is on its way.
            return ProviderUnavailable("The payment provider is still at it. Try again later.")
        if error.code in ("balance_insufficient", "insufficient_funds"):
            return InsufficientFunds(error.code, "There is not enough on the account.")
        return ProviderRefused(error.code or type(error).__name__)

    # Payments

    async def create_customer(self, user_id: UUID) -> str:
        """The provider's record of a user, made once."""
        params = {"metadata": {"user_id": str(user_id)}}
        options = {"idempotency_key": f"customer:{user_id}"}
        made = await self._call(self._api.customers.create_async(params, options))
        return str(made["id"])

    async def create_intent(
        self,
        *,
        key: str,
        payment_id: UUID,
        purchase_id: UUID,
        amount: int,
        currency: str,
        customer_id: str | None,
    ) -> Intent:
        """A payment that waits for the payer's method; the same key gives the same one."""
        params: dict[str, Any] = {
            "amount": amount,
            "currency": currency.lower(),
            "transfer_group": str(purchase_id),
            "metadata": {"payment_id": str(payment_id), "purchase_id": str(purchase_id)},
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
        if customer_id is not None:
            params["customer"] = customer_id
        options = {"idempotency_key": key}
        return Intent.of(await self._call(self._api.payment_intents.create_async(params, options)))

    async def confirm_intent(self, intent_id: str, method_id: str, *, key: str) -> Intent:
        """Try to charge a saved method. Raises Declined."""
        request = self._api.payment_intents.confirm_async(
            intent_id, {"payment_method": method_id}, {"idempotency_key": key}
        )
        return Intent.of(await self._call(request))

    async def get_intent(self, intent_id: str) -> Intent:
        """A payment as it is now."""
        return Intent.of(await self._call(self._api.payment_intents.retrieve_async(intent_id)))

    async def cancel_intent(self, intent_id: str) -> Intent:
        """Give a payment up, or learn what it came to instead."""
        # One that has succeeded, or was given up before, is looked at.
        with suppress(ProviderRefused):
            request = self._api.payment_intents.cancel_async(intent_id)
            return Intent.of(await self._call(request))
        return await self.get_intent(intent_id)

    # Refunds and disputes

    async def create_refund(
        self, charge_id: str, *, amount: int, key: str, metadata: dict[str, str]
    ) -> Moved:
        """Give money of a charge back."""
        params = {"charge": charge_id, "amount": amount, "metadata": metadata}
        request = self._api.refunds.create_async(params, {"idempotency_key": key})
        return Moved.of(await self._call(request))

    async def get_refund(self, refund_id: str) -> Moved:
        """A refund as it is now."""
        return Moved.of(await self._call(self._api.refunds.retrieve_async(refund_id)))

    async def answer_dispute(self, dispute_id: str, text: str) -> None:
        """Hand in what speaks against a chargeback."""
        params = {"evidence": {"uncategorized_text": text}, "submit": True}
        await self._call(self._api.disputes.update_async(dispute_id, params))

    # Tutors' accounts

    async def create_transfer(
        self,
        *,
        key: str,
        amount: int,
        currency: str,
        account_id: str,
        charge_id: str | None,
        group: str,
        metadata: dict[str, str],
    ) -> Moved:
        """Money to a tutor's account, out of a charge or out of the platform's balance."""
        params: dict[str, Any] = {
            "amount": amount,
            "currency": currency.lower(),
            "destination": account_id,
            "transfer_group": group,
            "metadata": metadata,
        }
        if charge_id is not None:
            params["source_transaction"] = charge_id
        request = self._api.transfers.create_async(params, {"idempotency_key": key})
        return Moved.of(await self._call(request))

    async def reverse_transfer(
        self, transfer_id: str, *, amount: int, key: str, metadata: dict[str, str]
    ) -> Moved:
        """Take money of a transfer back. Raises InsufficientFunds."""
        params = {"amount": amount, "metadata": metadata}
        request = self._api.transfers.reversals.create_async(
            transfer_id, params, {"idempotency_key": key}
        )
        return Moved.of(await self._call(request))

    async def create_account(self, user_id: UUID) -> str:
        """A tutor's account, made once."""
        params = {
            "type": "express",
            "capabilities": {"transfers": {"requested": True}},
            "metadata": {"user_id": str(user_id)},
        }
        options = {"idempotency_key": f"account:{user_id}"}
        return str((await self._call(self._api.accounts.create_async(params, options)))["id"])

    async def create_account_link(
        self, account_id: str, *, return_url: str, refresh_url: str
    ) -> str:
        """A page on which the tutor tells the provider what it wants to know; works once."""
        params = {
            "account": account_id,
            "type": "account_onboarding",
            "return_url": return_url,
            "refresh_url": refresh_url,
        }
        return str((await self._call(self._api.account_links.create_async(params)))["url"])

    async def get_account(self, account_id: str) -> ConnectedAccount:
        """A tutor's account as it is now."""
        item = await self._call(self._api.accounts.retrieve_async(account_id))
        due = (item.get("requirements") or {}).get("currently_due") or []
        return ConnectedAccount(
            id=item["id"],
            charges_enabled=bool(item.get("charges_enabled")),
            payouts_enabled=bool(item.get("payouts_enabled")),
            requirements_due=len(due),
        )

    async def create_payout(
        self, account_id: str, *, amount: int, currency: str, key: str, metadata: dict[str, str]
    ) -> Moved:
        """Money from a tutor's account to the tutor's bank."""
        params = {"amount": amount, "currency": currency.lower(), "metadata": metadata}
        options = {"idempotency_key": key, "stripe_account": account_id}
        return Moved.of(await self._call(self._api.payouts.create_async(params, options)))

    async def get_payout(self, account_id: str, payout_id: str) -> Moved:
        """A payout as it is now."""
        options = {"stripe_account": account_id}
        request = self._api.payouts.retrieve_async(payout_id, None, options)
        return Moved.of(await self._call(request))

    # Saved methods

    async def create_setup(self, customer_id: str, *, key: str) -> str:
        """The client secret by which a browser saves a card for a customer."""
        params = {"customer": customer_id, "usage": "off_session"}
        request = self._api.setup_intents.create_async(params, {"idempotency_key": key})
        return str((await self._call(request))["client_secret"])

    async def get_method(self, method_id: str) -> Card:
        """A saved card as it is now; without a customer it was removed."""
        return Card.of(await self._call(self._api.payment_methods.retrieve_async(method_id)))

    async def detach_method(self, method_id: str) -> None:
        """Forget a saved card; one that is forgotten stays so."""
        with suppress(ProviderRefused):
            await self._call(self._api.payment_methods.detach_async(method_id))

    # What the provider says it did

    def list_charges(self, since: datetime) -> AsyncIterator[Moved]:
        """Charges since a moment."""
        return self._listed(self._api.charges, since)

    def list_refunds(self, since: datetime) -> AsyncIterator[Moved]:
        """Refunds since a moment."""
        return self._listed(self._api.refunds, since)

    def list_transfers(self, since: datetime) -> AsyncIterator[Moved]:
        """Transfers since a moment."""
        return self._listed(self._api.transfers, since)

    def list_disputes(
        self, charge_id: str | None = None, *, since: datetime | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Chargebacks as notifications tell of them: of a charge, or since a moment."""
        filters: dict[str, Any] = {"charge": charge_id} if charge_id else {}
        if since is not None:
            filters["created"] = {"gte": int(since.timestamp())}
        return self._pages(self._api.disputes, filters)

    async def get_dispute(self, dispute_id: str) -> dict[str, Any]:
        """A chargeback as it is now."""
        return dict(await self._call(self._api.disputes.retrieve_async(dispute_id)))

    async def _listed(self, service: Any, since: datetime) -> AsyncIterator[Moved]:
        async for item in self._pages(service, {"created": {"gte": int(since.timestamp())}}):
            yield Moved.of(item)

    async def _pages(self, service: Any, filters: dict[str, Any]) -> AsyncIterator[Any]:
        params: dict[str, Any] = {"limit": PAGE, **filters}
        while True:
            page = await self._call(service.list_async(params))
            for item in page["data"]:
                yield item
            if not page["has_more"]:
                return
            params["starting_after"] = page["data"][-1]["id"]

    def verify(self, payload: bytes, header: str | None) -> Notification:
        """Read a notification, by its exact body. Raises BadNotification."""
        for secret in self._settings.webhook_secrets:
            with suppress(self._stripe.SignatureVerificationError, UnicodeDecodeError):
                self._stripe.WebhookSignature.verify_header(
                    payload.decode(), header or "", secret, WEBHOOK_TOLERANCE_SECONDS
                )
                return read_notification(payload)
        raise BadNotification


def _http_client(stripe: Any, timeout: float) -> Any:
    """The library's httpx client, which hands over bodies in a way that httpx has deprecated."""

    # Its module is known at run time only.
    class Client(stripe.HTTPXClient):  # type: ignore[misc]
        def _get_request_args_kwargs(self, *request: Any) -> Any:
            args, options = super()._get_request_args_kwargs(*request)
            options["content"] = options.pop("data") or None
            return args, options

    return Client(timeout=timeout)
