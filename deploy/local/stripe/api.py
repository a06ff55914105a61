"""The simulated provider's HTTP: the API in its own shape, and the control API beside it."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deploy.local.stripe.books import Books
from deploy.local.stripe.refusals import ApiError, missing
from deploy.local.stripe.store import Json, Store, new_id
from deploy.local.stripe.webhooks import Sender, signature

_PART = re.compile(r"[^\[\]]+")


@dataclass
class Fault:
    """What goes wrong with the next requests that match: `when` is before, after or refuse."""

    count: int
    when: str
    path: str = ""
    delay: float = 0
    status: int = 500
    code: str = ""
    merchant: str = ""


@dataclass
class Call:
    """One request to the API, read."""

    books: Books
    params: Json
    account: str
    ids: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The id in the path."""
        return self.ids["id"]


Handler = Callable[[Call], Json]


def parse(text: str) -> Json:
    """Form parameters with their nesting: `metadata[a]=b` is {"metadata": {"a": "b"}}."""
    found: Json = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        parts = _PART.findall(name)
        place = found
        for part in parts[:-1]:
            place = place.setdefault(part, {})
        place[parts[-1]] = value
    return found


def listed(call: Call, kind: str, *filters: str, account: str | None = None) -> Json:
    """One page of objects, the newest first."""
    params = call.params
    items = call.books.store.all(call.books.merchant, kind, account=account)
    for name in filters:
        if name in params:
            items = [item for item in items if item.get(name) == params[name]]
    least = int((params.get("created") or {}).get("gte", 0))
    items = [item for item in items if item["created"] >= least]
    if "starting_after" in params:
        ids = [item["id"] for item in items]
        items = items[ids.index(params["starting_after"]) + 1 :]
    limit = int(params.get("limit", 10))
    return {
        "object": "list",
        "data": items[:limit],
        "has_more": len(items) > limit,
        "url": f"/v1/{kind}s",
    }


def _update_dispute(call: Call) -> Json:
    dispute = call.books.need("dispute", call.id)
    evidence = dispute["evidence"] | (call.params.get("evidence") or {})
    submitted = call.params.get("submit") != "false"
    status = "under_review" if submitted else dispute["status"]
    changed = call.books.save(dispute, evidence=evidence, status=status)
    call.books.emit("charge.dispute.updated", changed)
    return changed


def _balance(call: Call) -> Json:
    held = call.books.store.balances(call.books.merchant, call.account)
    available = [{"currency": name, "amount": amount} for name, amount in held.items()]
    return {"object": "balance", "available": available, "pending": [], "livemode": False}


def _setup_intent(call: Call) -> Json:
    call.books.need("customer", call.params.get("customer"))
    made = call.books.new(
        "setup_intent",
        "seti",
        customer=call.params["customer"],
        status="requires_payment_method",
        payment_method=None,
        usage=call.params.get("usage", "off_session"),
        metadata=call.params.get("metadata") or {},
    )
    return call.books.save(made, client_secret=f"{made['id']}_secret_{new_id('s')[2:]}")


def _account_link(call: Call) -> Json:
    account = call.books.need("account", call.params.get("account"))
    made = call.books.new("account_link", "acctlink", opens=account["id"])
    return {
        "object": "account_link",
        "created": made["created"],
        "expires_at": made["created"] + 300,
        "url": f"https://connect.provider.example/setup/{made['id']}",
    }


API: list[tuple[str, str, Handler]] = [
    (
        "POST",
        "customers",
        lambda c: c.books.new("customer", "cus", metadata=c.params.get("metadata") or {}),
    ),
    ("GET", "customers/{id}", lambda c: c.books.need("customer", c.id)),
    ("POST", "setup_intents", _setup_intent),
    ("GET", "setup_intents/{id}", lambda c: c.books.need("setup_intent", c.id)),
    (
        "POST",
        "setup_intents/{id}/confirm",
        lambda c: c.books.finish_setup(
            c.books.need("setup_intent", c.id), str(c.params.get("payment_method"))
        ),
    ),
    ("GET", "payment_methods", lambda c: listed(c, "payment_method", "customer")),
    ("GET", "payment_methods/{id}", lambda c: c.books.need("payment_method", c.id)),
    (
        "POST",
        "payment_methods/{id}/attach",
        lambda c: c.books.attach(str(c.params.get("customer")), c.id),
    ),
    (
        "POST",
        "payment_methods/{id}/detach",
        lambda c: c.books.detach(c.books.need("payment_method", c.id)),
    ),
    ("POST", "payment_intents", lambda c: c.books.create_intent(c.params)),
    ("GET", "payment_intents", lambda c: listed(c, "payment_intent", "customer")),
    ("GET", "payment_intents/{id}", lambda c: c.books.need("payment_intent", c.id)),
    (
        "POST",
        "payment_intents/{id}/confirm",
        lambda c: c.books.confirm(c.books.need("payment_intent", c.id), c.params),
    ),
    (
        "POST",
        "payment_intents/{id}/cancel",
        lambda c: c.books.cancel(c.books.need("payment_intent", c.id)),
    ),
    ("GET", "charges", lambda c: listed(c, "charge", "payment_intent", "transfer_group")),
    ("GET", "charges/{id}", lambda c: c.books.need("charge", c.id)),
    ("POST", "refunds", lambda c: c.books.refund(c.params)),
    ("GET", "refunds", lambda c: listed(c, "refund", "charge", "payment_intent")),
    ("GET", "refunds/{id}", lambda c: c.books.need("refund", c.id)),
    ("POST", "transfers", lambda c: c.books.transfer(c.params)),
    ("GET", "transfers", lambda c: listed(c, "transfer", "destination", "transfer_group")),
    ("GET", "transfers/{id}", lambda c: c.books.need("transfer", c.id)),
    (
        "POST",
        "transfers/{id}/reversals",
        lambda c: c.books.reverse(c.books.need("transfer", c.id), c.params),
    ),
    ("POST", "accounts", lambda c: c.books.create_account(c.params)),
    ("GET", "accounts/{id}", lambda c: c.books.need("account", c.id)),
    ("POST", "account_links", _account_link),
    ("POST", "payouts", lambda c: c.books.pay_out(c.account, c.params)),
    ("GET", "payouts", lambda c: listed(c, "payout", account=c.account)),
    ("GET", "payouts/{id}", lambda c: c.books.need("payout", c.id)),
    ("GET", "balance", _balance),
    ("GET", "disputes", lambda c: listed(c, "dispute", "charge", "payment_intent")),
    ("GET", "disputes/{id}", lambda c: c.books.need("dispute", c.id)),
    ("POST", "disputes/{id}", _update_dispute),
]


def _secret(call: Call, kind: str) -> Json:
    secret = str(call.params.get("client_secret"))
    found = call.books.need(kind, secret.split("_secret_")[0])
    if found["client_secret"] != secret:
        raise missing(secret)
    return found


def _settle_intent(call: Call) -> Json:
    intent = call.books.need("payment_intent", call.params["intent"])
    if intent["status"] == "canceled" and not call.params.get("late"):
        raise ApiError(400, "The payment was given up.")
    if call.params.get("outcome", "succeed") == "succeed":
        return call.books.succeed(intent, amount=call.params.get("amount"))
    return call.books.fail(intent, str(call.params.get("code", "generic_decline")))


def _open_dispute(call: Call) -> Json:
    return call.books.open_dispute(call.books.need("charge", call.params["charge"]), call.params)


def _onboard(call: Call) -> Json:
    """Whoever opened a link has told what was asked, or not enough."""
    link = call.books.need("account_link", str(call.params["url"]).rpartition("/")[2])
    account, enabled = call.books.need("account", link["opens"]), bool(call.params["enabled"])
    due = [] if enabled else ["individual.verification.document"]
    return call.books.change_account(account, enabled=enabled, due=due)


def _books(call: Call) -> Json:
    kinds = ("charge", "refund", "transfer", "transfer_reversal", "payout", "payment_intent")
    store, merchant = call.books.store, call.books.merchant
    found: Json = {f"{kind}s": store.all(merchant, kind)[::-1] for kind in kinds}
    return found | {"balance": store.balances(merchant, "")}


# What payer, bank and provider do; JSON in, JSON out.
CONTROL: dict[str, Handler] = {
    "pay": lambda c: c.books.confirm(_secret(c, "payment_intent"), c.params),
    "setup": lambda c: c.books.finish_setup(_secret(c, "setup_intent"), c.params["method"]),
    "settle-intent": _settle_intent,
    "settle-refund": lambda c: c.books.change_refund(
        c.books.need("refund", c.params["refund"]), c.params["status"], c.params.get("reason")
    ),
    "open-dispute": _open_dispute,
    "close-dispute": lambda c: c.books.close_dispute(
        c.books.need("dispute", c.params["dispute"]), won=bool(c.params["won"])
    ),
    "account": lambda c: c.books.change_account(
        c.books.need("account", c.params["account"]),
        enabled=bool(c.params["enabled"]),
        due=list(c.params.get("due", [])),
    ),
    "onboard": _onboard,
    "settle-payout": lambda c: c.books.settle_payout(
        c.books.need("payout", c.params["payout"]), paid=bool(c.params["paid"])
    ),
    "books": _books,
}


class Server:
    """Answers requests, with idempotency keys, faults and a transaction each."""

    def __init__(self, store: Store, sender: Sender) -> None:
        self.store, self.sender = store, sender
        self.faults: list[Fault] = []

    async def api(self, request: Request, handler: Handler) -> Response:
        """One request to the API."""
        merchant = merchant_of(request)
        if merchant is None:
            return failure(ApiError(401, "No API key.", type="authentication_error"))
        body = (await request.body()).decode() if request.method == "POST" else ""
        text = body or request.url.query
        call = Call(
            Books(self.store, merchant),
            parse(text),
            request.headers.get("stripe-account", ""),
            request.path_params,
        )
        fault = self._fault(merchant, request.url.path)
        if fault is not None:
            await asyncio.sleep(fault.delay)
            if fault.when == "before":
                return unavailable(fault.status)
            if fault.when == "refuse":
                return failure(ApiError(fault.status, "Refused.", code=fault.code))
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        answer = self._answer(call, handler, key, f"{request.url.path} {text}")
        return unavailable(fault.status) if fault and fault.when == "after" else answer

    def _answer(self, call: Call, handler: Handler, key: str | None, asked: str) -> Response:
        merchant = call.books.merchant
        known = self.store.answer(merchant, key) if key else None
        if known is not None:
            if known[0] != asked:
                return failure(
                    ApiError(400, "Other parameters under the same key.", type="idempotency_error")
                )
            return written(known[1], known[2], {"idempotent-replayed": "true"})
        self.store.begin()
        try:
            status, body = 200, json.dumps(handler(call))
        except ApiError as error:
            status, body = error.status, json.dumps({"error": error.error})
        except BaseException:
            self.store.end(keep=False)
            raise
        # A declined card is an answer, too; a wrong request is not remembered under its key.
        if key and status in (200, 402):
            self.store.keep_answer(merchant, key, asked, status, body)
        self.store.end(keep=True)
        return written(status, body)

    def _fault(self, merchant: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.merchant == merchant and fault.count > 0 and fault.path in path:
                fault.count -= 1
                return fault
        return None

    async def control(self, request: Request) -> Response:
        """One request to the control API."""
        merchant = merchant_of(request) or ""
        params: Json = json.loads(await request.body() or b"{}")
        match request.path_params["action"]:
            case "reset":
                self.store.reset(merchant)
                self.faults = [fault for fault in self.faults if fault.merchant != merchant]
                return JSONResponse({})
            case "faults":
                self.faults.append(Fault(**params, merchant=merchant))
                return JSONResponse({})
            case "webhooks":
                await self.sender.turn(params.get("mode"), params.get("url"))
                return JSONResponse({"url": self.sender.url, "mode": self.sender.mode})
            case "events":
                return JSONResponse(self._take(merchant, taken=params.get("take", True)))
            case action if action in CONTROL:
                call = Call(Books(self.store, merchant), params, "")
                return self._answer(call, CONTROL[action], None, "")
            case action:
                return failure(missing(action))

    def _take(self, merchant: str, *, taken: bool) -> list[Json]:
        """Notifications that wait, signed, for who delivers them by hand."""
        found = self.store.events(merchant)
        if taken:
            for event in found:
                self.store.settle(event["seq"])
        return [
            {
                "id": event["id"],
                "type": event["type"],
                "payload": event["payload"],
                "signature": signature(event["payload"], self.sender.secret),
            }
            for event in found
        ]


def merchant_of(request: Request) -> str | None:
    """Whose books: the API key."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key if scheme == "Bearer" and key.startswith("sk_") else None


def written(status: int, body: str, headers: dict[str, str] | None = None) -> Response:
    """An answer with the provider's headers."""
    named = {"request-id": new_id("req"), **(headers or {})}
    return Response(body, status, named, "application/json")


def failure(error: ApiError) -> Response:
    """A refusal."""
    return written(error.status, json.dumps({"error": error.error}))


def unavailable(status: int) -> Response:
    """The provider has a bad moment."""
    return written(status, json.dumps({"error": {"type": "api_error", "message": "Try again."}}))


def make_app(store: Store, sender: Sender) -> Starlette:
    """The API under `/v1/`, the control API under `/_test/`."""
    server = Server(store, sender)

    def route(method: str, path: str, handler: Handler) -> Route:
        async def answer(request: Request) -> Response:
            return await server.api(request, handler)

        return Route(f"/v1/{path}", answer, methods=[method])

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    return Starlette(
        routes=[
            *(route(method, path, handler) for method, path, handler in API),
            Route("/_test/{action}", server.control, methods=["POST"]),
            Route("/health", health),
        ]
    )
