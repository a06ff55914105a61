"""The simulated provider: idempotent, signed, faulty when told so, and it survives a restart."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.stripe import WEBHOOK_SECRET, Stripe
from deploy.local.stripe.webhooks import signature
from tests.support.plain import PLAIN

INTENT = {"amount": "5000", "currency": "usd", "metadata[payment_id]": "p-1"}


class Receiver:
    """Takes notifications; refuses the first ones it gets."""

    def __init__(self, *, refuse: int = 0) -> None:
        self.got: list[tuple[str, str]] = []
        left = [refuse]
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                outer.got.append((body, self.headers["stripe-signature"]))
                left[0] -= 1
                self.send_response(500 if left[0] >= 0 else 200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def wait_for(self, count: int) -> None:
        """Until so many have come."""
        deadline = time.monotonic() + 20
        while len(self.got) < count:
            assert time.monotonic() < deadline, f"{len(self.got)} of {count}"
            time.sleep(0.02)

    def close(self) -> None:
        """Stop."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(scope="module")
def stripe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stripe]:
    service = Stripe(tmp_path_factory.mktemp("stripe"))
    service.start()
    yield service
    service.stop()


def call(
    service: Stripe,
    path: str,
    data: dict[str, str] | None = None,
    *,
    key: str = "sk_a",
    **head: str,
) -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"} | {k.replace("_", "-"): v for k, v in head.items()}
    url = f"{service.env()['STRIPE_API_BASE']}/v1/{path}"
    method = "GET" if data is None else "POST"
    return httpx.request(method, url, data=data, headers=headers, trust_env=False, verify=PLAIN)


def control(service: Stripe, action: str, *, key: str = "sk_a", **params: Any) -> Any:
    url = f"{service.env()['STRIPE_API_BASE']}/_test/{action}"
    headers = {"authorization": f"Bearer {key}"}
    return httpx.post(url, json=params, headers=headers, trust_env=False, verify=PLAIN).json()


def test_same_key_replays_and_other_parameters_are_an_error(stripe: Stripe) -> None:
    first = call(stripe, "payment_intents", INTENT, idempotency_key="k1")
    again = call(stripe, "payment_intents", INTENT, idempotency_key="k1")
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    other = call(stripe, "payment_intents", INTENT | {"amount": "1"}, idempotency_key="k1")
    assert (other.status_code, other.json()["error"]["type"]) == (400, "idempotency_error")


def test_each_api_key_has_books_of_its_own(stripe: Stripe) -> None:
    made = call(stripe, "payment_intents", INTENT, key="sk_b").json()
    assert call(stripe, f"payment_intents/{made['id']}", key="sk_b").status_code == 200
    missing = call(stripe, f"payment_intents/{made['id']}", key="sk_c")
    assert missing.json()["error"]["code"] == "resource_missing"
    assert call(stripe, "charges", key="nonsense").status_code == 401


def test_fault_after_acting_acts_once(stripe: Stripe) -> None:
    control(stripe, "faults", key="sk_d", count=1, when="after")
    lost = call(stripe, "payment_intents", INTENT, key="sk_d", idempotency_key="k")
    assert lost.status_code == 500
    again = call(stripe, "payment_intents", INTENT, key="sk_d", idempotency_key="k")
    assert again.status_code == 200
    assert len(call(stripe, "payment_intents", key="sk_d").json()["data"]) == 1


def test_wrong_amounts_are_refused_in_the_providers_shape(stripe: Stripe) -> None:
    for amount in ("0", "-5", "1.5", "x"):
        answer = call(stripe, "payment_intents", {"amount": amount, "currency": "usd"})
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == "amount"


def test_lists_are_paged(stripe: Stripe) -> None:
    for _ in range(3):
        call(stripe, "customers", {}, key="sk_e")
        call(stripe, "payment_intents", INTENT, key="sk_e")
    first = call(stripe, "payment_intents?limit=2", key="sk_e").json()
    assert (len(first["data"]), first["has_more"]) == (2, True)
    last = first["data"][-1]["id"]
    rest = call(stripe, f"payment_intents?limit=2&starting_after={last}", key="sk_e").json()
    assert (len(rest["data"]), rest["has_more"]) == (1, False)


def test_balances_limit_reversals_and_payouts(stripe: Stripe) -> None:
    made = call(stripe, "payment_intents", INTENT, key="sk_f").json()
    paid = control(
        stripe,
        "pay",
        key="sk_f",
        client_secret=made["client_secret"],
        payment_method="pm_card_visa",
    )
    account = call(stripe, "accounts", {"type": "express"}, key="sk_f").json()["id"]
    control(stripe, "account", key="sk_f", account=account, enabled=True)
    send = {"amount": "4000", "currency": "usd", "destination": account}
    send["source_transaction"] = paid["latest_charge"]
    transfer = call(stripe, "transfers", send, key="sk_f").json()
    payout = {"amount": "3000", "currency": "usd"}
    assert call(stripe, "payouts", payout, key="sk_f", stripe_account=account).status_code == 200
    over = call(stripe, "payouts", payout, key="sk_f", stripe_account=account)
    assert over.json()["error"]["code"] == "balance_insufficient"
    path = f"transfers/{transfer['id']}/reversals"
    over = call(stripe, path, {"amount": "1001"}, key="sk_f")
    assert over.json()["error"]["code"] == "balance_insufficient"
    assert call(stripe, path, {"amount": "1000"}, key="sk_f").status_code == 200


def test_notifications_are_signed_and_sent_until_accepted(tmp_path: Path) -> None:
    receiver = Receiver(refuse=1)
    service = Stripe(tmp_path)
    service.webhook_url = receiver.url
    service.start()
    try:
        call(service, "payment_intents", INTENT)
        receiver.wait_for(2)
        body, header = receiver.got[1]
        assert receiver.got[0][0] == body
        moment = int(header.split(",")[0].removeprefix("t="))
        assert header == signature(body, WEBHOOK_SECRET, at=moment)
        control(service, "webhooks", mode="duplicate")
        call(service, "payment_intents", INTENT)
        receiver.wait_for(4)
        assert receiver.got[2][0] == receiver.got[3][0] != body
    finally:
        service.stop()
        receiver.close()


def test_books_survive_a_restart(tmp_path: Path) -> None:
    service = Stripe(tmp_path)
    service.start()
    try:
        made = call(service, "payment_intents", INTENT, idempotency_key="k").json()
        service.kill()
        service.start()
        assert call(service, f"payment_intents/{made['id']}").json() == made
        assert call(service, "payment_intents", INTENT, idempotency_key="k").json() == made
        assert [event["type"] for event in control(service, "events")] == ["payment_intent.created"]
    finally:
        service.stop()
