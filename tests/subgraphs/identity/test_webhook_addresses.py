"""Where webhooks may be sent to, and how much of an answer is heard."""

import socket
from collections.abc import Callable
from typing import Any

import pytest

from tests.subgraphs.identity.receiver import Receiver
from tests.subgraphs.identity.webhooks import (
    Partner,
    happen,
    published,
    run,
    states,
    tries,
)
from tests.support.graph import GraphClient

pytestmark = pytest.mark.usefixtures("webhooks")


async def test_redirect_is_not_followed(
    identity: GraphClient, school: Partner, receiver: Receiver
) -> None:
    inside = Receiver()
    receiver.status, receiver.headers = 307, {"location": inside.url}
    await school.endpoint(receiver.url)
    await happen(identity, published())
    await run(identity)
    inside.close()
    assert (len(receiver.requests), len(inside.requests)) == (1, 0)
    assert await tries(identity) == [(307, "redirects are not followed")]
    assert await states(identity) == [("PENDING", 1)]


async def test_answer_is_read_no_further_than_needed(
    identity: GraphClient, school: Partner, receiver: Receiver
) -> None:
    receiver.status, receiver.answer = 200, b"x" * 5_000_000
    endpoint_id, _ = await school.endpoint(receiver.url)
    await happen(identity, published())
    await run(identity)
    [delivery] = (await school.show(endpoint_id))["deliveries"]["nodes"]
    assert (delivery["status"], delivery["log"][0]["response"]) == ("DELIVERED", "x" * 500)


async def test_status_counts_though_the_body_never_ends(
    identity: GraphClient,
    school: Partner,
    receiver: Receiver,
    webhooks: Callable[..., None],
) -> None:
    webhooks(webhook_timeout_seconds=0.5)
    receiver.status, receiver.answer, receiver.drips = 200, b"y" * 1000, True
    await school.endpoint(receiver.url)
    await happen(identity, published())
    await run(identity)
    assert await states(identity) == [("DELIVERED", 1)]


async def test_private_address_gets_nothing_whatever_name_leads_there(
    identity: GraphClient,
    school: Partner,
    receiver: Receiver,
    webhooks: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = socket.getaddrinfo

    def resolve(host: str, *arguments: Any, **named: Any) -> Any:
        places = {"one.test": ["127.0.0.1"], "two.test": ["8.8.8.8", "127.0.0.1"]}
        return [
            place
            for address in places.get(host, [host])
            for place in real(address, *arguments, **named)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    for host in ("one.test", "two.test", "2130706433", "0x7f.1"):
        await school.endpoint(f"http://{host}:{receiver.port}/hooks")
    # Was allowed when it was made.
    await school.endpoint(receiver.url)
    webhooks(webhook_allowed_networks=())
    await happen(identity, published())
    await run(identity)
    assert receiver.requests == []
    assert sorted(await tries(identity), key=str) == [
        (None, "the URL leads to an address that is not public"),
        *[(None, "the address is not public")] * 4,
    ]


async def test_connection_goes_to_the_address_that_was_checked(
    identity: GraphClient,
    school: Partner,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = socket.getaddrinfo
    asked: list[str] = []

    def rebinding(host: str, *arguments: Any, **named: Any) -> Any:
        if host != "hooks.test":
            return real(host, *arguments, **named)
        asked.append(host)
        # Whoever asks a second time is led elsewhere.
        address = "127.0.0.1" if len(asked) == 1 else "10.0.0.1"
        return real(address, *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    await school.endpoint(f"http://hooks.test:{receiver.port}/hooks")
    await happen(identity, published())
    await run(identity)
    [message] = receiver.requests
    assert message.headers["host"] == f"hooks.test:{receiver.port}"
    assert asked == ["hooks.test"]


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://127.0.0.1:1/", "the connection failed"),
        ("https://127.0.0.1:{port}/", "TLS failed"),
        ("http://nowhere.invalid/", "the connection failed"),
    ],
)
async def test_server_that_is_not_there_is_tried_again(
    identity: GraphClient, school: Partner, receiver: Receiver, url: str, error: str
) -> None:
    await school.endpoint(url.replace("{port}", str(receiver.port)))
    await happen(identity, published())
    await run(identity)
    assert await tries(identity) == [(None, error)]
    assert await states(identity) == [("PENDING", 1)]
