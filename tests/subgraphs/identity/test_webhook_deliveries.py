"""Webhooks to a real server: signed, tried again, given up, replayed."""

from datetime import timedelta

import pytest

from shared.db import utc_now
from shared.ids import new_id
from subgraphs.identity.service.webhook_deliveries import DELAYS
from tests.subgraphs.identity.people import actions, execute, mails, value
from tests.subgraphs.identity.receiver import Receiver
from tests.subgraphs.identity.webhooks import (
    DISABLE,
    ENABLE,
    REPLAY,
    REPLAY_FAILED,
    ROTATE,
    TEST,
    UPDATE,
    Partner,
    happen,
    make_due,
    published,
    run,
    states,
)
from tests.support.graph import GraphClient
from tests.support.operations import run as act

pytestmark = pytest.mark.usefixtures("webhooks")


async def test_message_arrives_signed_and_holds_ids_only(
    identity: GraphClient, school: Partner, receiver: Receiver
) -> None:
    endpoint_id, secret = await school.endpoint(receiver.url)
    course_id = new_id()
    await happen(identity, published(course_id))
    await run(identity)
    await run(identity)
    [message] = receiver.requests
    assert message.path == "/hooks"
    assert message.signed_with(secret)
    assert message.headers["content-type"] == "application/json"
    assert message.content["data"] == {"courseId": str(course_id)}
    shown = await school.show(endpoint_id)
    [delivery] = shown["deliveries"]["nodes"]
    assert delivery["eventId"] == message.id
    assert (delivery["status"], delivery["attempts"]) == ("DELIVERED", 1)
    assert delivery["nextAttemptAt"] is None
    assert delivery["log"] == [{"statusCode": 204, "error": None, "response": None}]


async def test_failures_are_tried_again_for_three_days_and_given_up(
    identity: GraphClient, school: Partner, receiver: Receiver
) -> None:
    receiver.status = 500
    receiver.answer = b"out of order \x00\xff"
    endpoint_id, _ = await school.endpoint(receiver.url)
    await happen(identity, published())
    waits: list[float] = []
    for _ in range(len(DELAYS) + 2):
        await run(identity)
        await run(identity)
        waits.append(
            await value(
                identity,
                "SELECT round(extract(epoch FROM next_attempt_at - clock_timestamp()))"
                " FROM webhook_deliveries",
            )
        )
        await make_due(identity)
    for waited, wanted in zip(waits, DELAYS, strict=False):
        assert wanted.total_seconds() - 60 < waited <= wanted.total_seconds()
    assert timedelta(days=3) < sum(DELAYS, timedelta()) < timedelta(days=4)
    assert len(receiver.requests) == len(DELAYS) + 1
    assert len({message.id for message in receiver.requests}) == 1
    assert await states(identity) == [("FAILED", len(DELAYS) + 1)]
    shown = await school.show(endpoint_id)
    assert shown["failingSince"] is not None
    assert shown["disabledAt"] is None
    [delivery] = shown["deliveries"]["nodes"]
    assert delivery["log"][0] == {
        "statusCode": 500,
        "error": None,
        "response": "out of order \ufffd\ufffd",
    }


async def test_gone_endpoint_is_disabled_at_once_and_its_contact_told(
    identity: GraphClient, school: Partner, receiver: Receiver
) -> None:
    receiver.status = 410
    endpoint_id, _ = await school.endpoint(receiver.url)
    await happen(identity, published())
    await run(identity)
    shown = await school.show(endpoint_id)
    assert shown["disabledReason"] == "GONE"
    assert await states(identity) == [("FAILED", 1)]
    [(template, to, values)] = await mails(identity)
    assert (template, to) == ("webhook_disabled", "hooks@school.example")
    assert (values["link"], values["reason"]) == (receiver.url, "GONE")
    assert (await actions(identity))[-1] == "webhook_endpoint.disabled"
    await happen(identity, published())
    await run(identity)
    assert len(receiver.requests) == 1


async def test_endpoint_that_fails_for_days_is_disabled_and_its_messages_can_be_replayed(
    identity: GraphClient, school: Partner, receiver: Receiver
) -> None:
    receiver.status = 503
    endpoint_id, secret = await school.endpoint(receiver.url)
    await happen(identity, published())
    await run(identity)
    await execute(
        identity, "UPDATE webhook_endpoints SET failing_since = now() - interval '73 hours'"
    )
    await happen(identity, published(), published())
    await run(identity)
    assert (await school.show(endpoint_id))["disabledReason"] == "FAILING"
    assert {status for status, _ in await states(identity)} == {"FAILED"}
    assert len(await mails(identity)) == 1
    receiver.status = 204
    receiver.requests.clear()
    await act(school.client, ENABLE, id=endpoint_id)
    since = (utc_now() - timedelta(hours=1)).isoformat()
    replayed = await act(school.client, REPLAY_FAILED, id=endpoint_id, since=since)
    assert replayed["messages"] == 3
    await run(identity)
    assert len({message.id for message in receiver.requests}) == 3
    assert all(message.signed_with(secret) for message in receiver.requests)
    assert await states(identity) == [("DELIVERED", 1)] * 3
    assert (await school.show(endpoint_id))["failingSince"] is None
    assert (await act(school.client, REPLAY_FAILED, id=endpoint_id, since=since))["messages"] == 0


async def test_success_ends_the_count_of_failing(
    identity: GraphClient, school: Partner, receiver: Receiver
) -> None:
    receiver.status = 500
    endpoint_id, _ = await school.endpoint(receiver.url)
    await happen(identity, published())
    await run(identity)
    assert (await school.show(endpoint_id))["failingSince"] is not None
    receiver.status = 200
    await make_due(identity)
    await run(identity)
    assert (await school.show(endpoint_id))["failingSince"] is None


async def test_two_secrets_sign_while_one_is_replaced(
    identity: GraphClient, school: Partner, receiver: Receiver
) -> None:
    endpoint_id, first = await school.endpoint(receiver.url)
    second = (await act(school.client, ROTATE, id=endpoint_id))["secret"]
    await act(school.client, TEST, id=endpoint_id)
    await run(identity)
    third = (await act(school.client, ROTATE, id=endpoint_id))["secret"]
    await act(school.client, TEST, id=endpoint_id)
    await run(identity)
    await execute(
        identity, "UPDATE webhook_secrets SET expires_at = now() WHERE expires_at IS NOT NULL"
    )
    await act(school.client, TEST, id=endpoint_id)
    await run(identity)
    secrets = (first, second, third)
    signed = [[message.signed_with(each) for each in secrets] for message in receiver.requests]
    assert signed == [[True, True, False], [False, True, True], [False, False, True]]


async def test_replayed_message_is_the_same_message(
    identity: GraphClient, school: Partner, receiver: Receiver
) -> None:
    endpoint_id, _ = await school.endpoint(receiver.url)
    await happen(identity, published())
    await run(identity)
    [delivery] = (await school.show(endpoint_id))["deliveries"]["nodes"]
    again = await act(school.client, REPLAY, id=delivery["id"])
    assert (again["status"], again["attempts"]) == ("PENDING", 0)
    await run(identity)
    first, second = receiver.requests
    assert (first.id, first.body) == (second.id, second.body)
    assert (await actions(identity))[-1] == "webhook_endpoint.replayed"


async def test_what_waits_goes_to_the_new_address(
    identity: GraphClient, school: Partner, receiver: Receiver
) -> None:
    endpoint_id, _ = await school.endpoint("http://127.0.0.1:1/")
    await happen(identity, published())
    await run(identity)
    await act(school.client, UPDATE, input={"id": endpoint_id, "url": receiver.url})
    await make_due(identity)
    await run(identity)
    assert len(receiver.requests) == 1


async def test_revoked_client_is_sent_nothing_that_waits(
    identity: GraphClient, school: Partner, receiver: Receiver
) -> None:
    await school.endpoint(receiver.url)
    await happen(identity, published())
    await execute(identity, "UPDATE oauth_clients SET revoked_at = now()")
    await run(identity)
    assert receiver.requests == []


async def test_disabled_endpoint_gives_up_what_waits(
    identity: GraphClient, school: Partner, receiver: Receiver
) -> None:
    endpoint_id, _ = await school.endpoint(receiver.url)
    await happen(identity, published())
    await act(school.client, DISABLE, id=endpoint_id)
    await run(identity)
    assert receiver.requests == []
    assert await states(identity) == [("FAILED", 0)]
