"""What the simulated provider does with money: the rules of its API, one merchant at a time."""

import secrets
import time
from collections.abc import Mapping
from typing import Any

from deploy.local.stripe.refusals import (
    ApiError,
    amount_of,
    currency_of,
    insufficient,
    missing,
    unexpected_state,
)
from deploy.local.stripe.store import Json, Store, new_id

# The provider's own test cards, by what they do.
CARDS: dict[str, tuple[str, str]] = {
    "pm_card_visa": ("visa", "succeed"),
    "pm_card_mastercard": ("mastercard", "succeed"),
    "pm_card_visa_chargeDeclined": ("visa", "generic_decline"),
    "pm_card_chargeDeclined": ("visa", "generic_decline"),
    "pm_card_chargeDeclinedInsufficientFunds": ("visa", "insufficient_funds"),
    "pm_card_visa_chargeDeclinedInsufficientFunds": ("visa", "insufficient_funds"),
    "pm_card_threeDSecure2Required": ("visa", "authenticate"),
    "pm_card_authenticationRequired": ("visa", "authenticate"),
    "pm_card_createDispute": ("visa", "dispute"),
    "pm_card_pendingRefund": ("visa", "refund_later"),
    # Not the provider's: a method that settles later, as bank debits do.
    "pm_simulated_slow": ("slow", "process"),
}
OPEN = ("requires_payment_method", "requires_confirmation", "requires_action", "processing")
DISPUTE_DAYS = 7


class Books:
    """One merchant's view of the store."""

    def __init__(self, store: Store, merchant: str) -> None:
        self.store, self.merchant = store, merchant

    def need(self, kind: str, id: Any) -> Json:
        """An object by id. Raises ApiError."""
        found = self.store.get(self.merchant, str(id), kind)
        if found is None:
            raise missing(str(id))
        return found

    def new(self, kind: str, prefix: str, *, account: str = "", **fields: Any) -> Json:
        """Keep a new object."""
        made = {"id": new_id(prefix), "object": kind, "created": int(time.time()), **fields}
        return self.store.put(self.merchant, made | {"livemode": False}, account=account)

    def save(self, item: Json, **changes: Any) -> Json:
        """Keep an object's changes."""
        return self.store.put(self.merchant, item | changes)

    def emit(self, type: str, item: Json, *, account: str = "") -> None:
        """Tell of an object."""
        self.store.emit(self.merchant, type, item, account=account)

    def move(self, account: str, currency: str, amount: int) -> None:
        """Change a balance."""
        self.store.move(self.merchant, account, currency, amount)

    def balance(self, account: str, currency: str) -> int:
        """What an account holds."""
        return self.store.balance(self.merchant, account, currency)

    # Payments

    def create_intent(self, params: Mapping[str, Any]) -> Json:
        """A payment that waits for a method."""
        customer = params.get("customer")
        if customer is not None:
            self.need("customer", customer)
        made = self.new(
            "payment_intent",
            "pi",
            amount=amount_of(params),
            amount_received=0,
            currency=currency_of(params),
            status="requires_payment_method",
            customer=customer,
            payment_method=None,
            latest_charge=None,
            last_payment_error=None,
            next_action=None,
            transfer_group=params.get("transfer_group"),
            metadata=params.get("metadata") or {},
        )
        made["client_secret"] = f"{made['id']}_secret_{secrets.token_hex(8)}"
        made = self.save(made)
        self.emit("payment_intent.created", made)
        return self.confirm(made, params) if params.get("confirm") == "true" else made

    def confirm(self, intent: Json, params: Mapping[str, Any]) -> Json:
        """Try to charge a method."""
        if intent["status"] not in OPEN[:3]:
            raise unexpected_state(intent)
        method = params.get("payment_method") or intent["payment_method"]
        if not method:
            raise ApiError(400, "A payment method is missing.", code="parameter_missing")
        match self._behaviour(str(method)):
            case "succeed" | "refund_later":
                return self.succeed(intent, method)
            case "dispute":
                done = self.succeed(intent, method)
                self.open_dispute(self.need("charge", done["latest_charge"]), {})
                return done
            case "authenticate":
                changed = self.save(
                    intent,
                    status="requires_action",
                    payment_method=method,
                    next_action={"type": "use_stripe_sdk", "use_stripe_sdk": {}},
                )
                self.emit("payment_intent.requires_action", changed)
                return changed
            case "process":
                changed = self.save(intent, status="processing", payment_method=method)
                self.emit("payment_intent.processing", changed)
                return changed
            case refusal:
                failed = self.fail(intent, refusal)
                raise ApiError(
                    402,
                    "Your card was declined.",
                    code="card_declined",
                    decline_code=refusal,
                    payment_intent=failed,
                )

    def _behaviour(self, method: str) -> str:
        token = method
        if method not in CARDS:
            token = str(self.need("payment_method", method).get("token", ""))
        return CARDS[token][1]

    def succeed(self, intent: Json, method: str | None = None, amount: int | None = None) -> Json:
        """The money was received; `amount` may be another than was asked for."""
        received = intent["amount"] if amount is None else amount
        charge = self.new(
            "charge",
            "ch",
            amount=received,
            amount_refunded=0,
            currency=intent["currency"],
            payment_intent=intent["id"],
            payment_method=method or intent["payment_method"],
            paid=True,
            status="succeeded",
            refunded=False,
            disputed=False,
            transfer_group=intent["transfer_group"],
            metadata=intent["metadata"],
        )
        self.move("", intent["currency"], received)
        done = self.save(
            intent,
            status="succeeded",
            amount_received=received,
            payment_method=method or intent["payment_method"],
            latest_charge=charge["id"],
            last_payment_error=None,
            next_action=None,
        )
        self.emit("charge.succeeded", charge)
        self.emit("payment_intent.succeeded", done)
        return done

    def fail(self, intent: Json, code: str) -> Json:
        """The bank said no; another method may be tried."""
        failed = self.save(
            intent,
            status="requires_payment_method",
            payment_method=None,
            next_action=None,
            last_payment_error={
                "type": "card_error",
                "code": "card_declined",
                "decline_code": code,
                "message": "Your card was declined.",
            },
        )
        self.emit("payment_intent.payment_failed", failed)
        return failed

    def cancel(self, intent: Json) -> Json:
        """Give a payment up, unless it has its money or is on the way."""
        if intent["status"] not in OPEN[:3]:
            raise unexpected_state(intent)
        done = self.save(intent, status="canceled", next_action=None)
        self.emit("payment_intent.canceled", done)
        return done

    # Refunds and disputes

    def refund(self, params: Mapping[str, Any]) -> Json:
        """Give money of a charge back."""
        if params.get("charge"):
            charge = self.need("charge", params["charge"])
        else:
            intent = self.need("payment_intent", params.get("payment_intent"))
            charge = self.need("charge", intent["latest_charge"])
        rest = charge["amount"] - charge["amount_refunded"]
        amount = amount_of(params) if "amount" in params else rest
        if rest == 0:
            raise ApiError(400, "Already refunded.", code="charge_already_refunded")
        if charge["disputed"]:
            raise ApiError(400, "The charge is disputed.", code="charge_disputed")
        if amount > rest:
            raise ApiError(400, "More than is left of the charge.", param="amount")
        method = charge["payment_method"]
        later = method is not None and self._behaviour(str(method)) == "refund_later"
        made = self.new(
            "refund",
            "re",
            amount=amount,
            currency=charge["currency"],
            charge=charge["id"],
            payment_intent=charge["payment_intent"],
            reason=params.get("reason"),
            status="pending" if later else "succeeded",
            failure_reason=None,
            metadata=params.get("metadata") or {},
        )
        refunded = charge["amount_refunded"] + amount
        charge = self.save(charge, amount_refunded=refunded, refunded=refunded == charge["amount"])
        self.move("", charge["currency"], -amount)
        self.emit("refund.created", made)
        self.emit("charge.refunded", charge)
        return made

    def change_refund(self, refund: Json, status: str, reason: str | None) -> Json:
        """The bank sends a refund back (failed), or it takes its time (pending) and arrives."""
        charge = self.need("charge", refund["charge"])
        if status == "failed" and refund["status"] != "failed":
            refunded = charge["amount_refunded"] - refund["amount"]
            self.save(charge, amount_refunded=refunded, refunded=False)
            self.move("", refund["currency"], refund["amount"])
        why = (reason or "expired_or_canceled_card") if status == "failed" else None
        changed = self.save(refund, status=status, failure_reason=why)
        self.emit("refund.failed" if status == "failed" else "refund.updated", changed)
        return changed

    def open_dispute(self, charge: Json, params: Mapping[str, Any]) -> Json:
        """The payer's bank takes money back for now."""
        amount = int(params.get("amount") or charge["amount"])
        made = self.new(
            "dispute",
            "dp",
            amount=amount,
            currency=charge["currency"],
            charge=charge["id"],
            payment_intent=charge["payment_intent"],
            reason=params.get("reason") or "fraudulent",
            status="needs_response",
            evidence={},
            evidence_details={"due_by": int(time.time()) + DISPUTE_DAYS * 86400},
        )
        self.save(charge, disputed=True)
        self.move("", charge["currency"], -amount)
        self.emit("charge.dispute.created", made)
        return made

    def close_dispute(self, dispute: Json, *, won: bool) -> Json:
        """The bank decides."""
        if won:
            self.move("", dispute["currency"], dispute["amount"])
            self.save(self.need("charge", dispute["charge"]), disputed=False)
        closed = self.save(dispute, status="won" if won else "lost")
        self.emit("charge.dispute.closed", closed)
        return closed

    # Tutors' accounts

    def transfer(self, params: Mapping[str, Any]) -> Json:
        """Money to a connected account; of a charge, no more than it has."""
        account = self.need("account", params.get("destination"))
        amount, currency = amount_of(params), currency_of(params)
        source = params.get("source_transaction")
        if not account["capabilities"].get("transfers") == "active":
            raise ApiError(
                400,
                "The account cannot take transfers.",
                code="insufficient_capabilities_for_transfer",
            )
        if source is not None:
            charge = self.need("charge", source)
            sent = sum(
                item["amount"] - item["amount_reversed"]
                for item in self.store.all(self.merchant, "transfer")
                if item["source_transaction"] == source
            )
            if sent + amount > charge["amount"] - charge["amount_refunded"]:
                raise ApiError(400, "More than is left of the charge.", param="amount")
        elif self.balance("", currency) < amount:
            raise insufficient()
        made = self.new(
            "transfer",
            "tr",
            amount=amount,
            amount_reversed=0,
            currency=currency,
            destination=account["id"],
            source_transaction=source,
            transfer_group=params.get("transfer_group"),
            reversed=False,
            metadata=params.get("metadata") or {},
        )
        self.move("", currency, -amount)
        self.move(account["id"], currency, amount)
        self.emit("transfer.created", made)
        return made

    def reverse(self, transfer: Json, params: Mapping[str, Any]) -> Json:
        """Take money of a transfer back, if the account still has it."""
        rest = transfer["amount"] - transfer["amount_reversed"]
        amount = amount_of(params) if "amount" in params else rest
        if amount > rest:
            raise ApiError(400, "More than is left of the transfer.", param="amount")
        if self.balance(transfer["destination"], transfer["currency"]) < amount:
            raise insufficient()
        made = self.new(
            "transfer_reversal",
            "trr",
            amount=amount,
            currency=transfer["currency"],
            transfer=transfer["id"],
            metadata=params.get("metadata") or {},
        )
        back = transfer["amount_reversed"] + amount
        changed = self.save(transfer, amount_reversed=back, reversed=back == transfer["amount"])
        self.move(transfer["destination"], transfer["currency"], -amount)
        self.move("", transfer["currency"], amount)
        self.emit("transfer.reversed", changed)
        return made

    def create_account(self, params: Mapping[str, Any]) -> Json:
        """A connected account that has told nothing about itself yet."""
        return self.new(
            "account",
            "acct",
            type=params.get("type") or "express",
            charges_enabled=False,
            payouts_enabled=False,
            details_submitted=False,
            capabilities={"transfers": "inactive"},
            requirements={"currently_due": ["external_account", "individual.verification"]},
            metadata=params.get("metadata") or {},
        )

    def change_account(self, account: Json, *, enabled: bool, due: list[str]) -> Json:
        """The tutor finishes onboarding, or the provider wants more."""
        changed = self.save(
            account,
            charges_enabled=enabled,
            payouts_enabled=enabled,
            details_submitted=True,
            capabilities={"transfers": "active" if enabled else "inactive"},
            requirements={"currently_due": due},
        )
        self.emit("account.updated", changed, account=account["id"])
        return changed

    def pay_out(self, account: str, params: Mapping[str, Any]) -> Json:
        """Money from a connected account to its bank."""
        if not self.need("account", account)["payouts_enabled"]:
            raise ApiError(400, "Payouts are not enabled.", code="payouts_not_allowed")
        amount, currency = amount_of(params), currency_of(params)
        if self.balance(account, currency) < amount:
            raise insufficient()
        self.move(account, currency, -amount)
        return self.new(
            "payout",
            "po",
            account=account,
            simulated_account=account,
            amount=amount,
            currency=currency,
            status="pending",
            failure_code=None,
            arrival_date=int(time.time()) + 86400,
            metadata=params.get("metadata") or {},
        )

    def settle_payout(self, payout: Json, *, paid: bool) -> Json:
        """The bank takes a payout, or sends it back."""
        account = payout["simulated_account"]
        if not paid and payout["status"] != "failed":
            self.move(account, payout["currency"], payout["amount"])
        code = None if paid else "account_closed"
        done = self.save(payout, status="paid" if paid else "failed", failure_code=code)
        self.emit("payout.paid" if paid else "payout.failed", done, account=account)
        return done

    # Saved methods

    def attach(self, customer: str, token: str) -> Json:
        """Save a test card for a customer."""
        if token not in CARDS:
            raise missing(token)
        self.need("customer", customer)
        made = self.new(
            "payment_method",
            "pm",
            type="card",
            customer=customer,
            token=token,
            card={"brand": CARDS[token][0], "last4": "4242", "exp_month": 12, "exp_year": 2034},
        )
        self.emit("payment_method.attached", made)
        return made

    def finish_setup(self, setup: Json, token: str) -> Json:
        """The payer gives a card to be saved."""
        method = self.attach(setup["customer"], token)
        done = self.save(setup, status="succeeded", payment_method=method["id"])
        self.emit("setup_intent.succeeded", done)
        return done

    def detach(self, method: Json) -> Json:
        """Forget a saved card."""
        if method["customer"] is None:
            raise ApiError(400, "The method is not attached.", code="resource_missing")
        changed = self.save(method, customer=None)
        self.emit("payment_method.detached", changed)
        return changed
