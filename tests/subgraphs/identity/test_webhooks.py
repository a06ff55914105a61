"""Webhook endpoints: who may have them, for which events, at which addresses."""

import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.contracts import PATH, read_contracts
from shared.ids import new_id
from subgraphs.identity.config import Rate
from subgraphs.identity.ports.webhooks import is_public
from subgraphs.identity.service.webhook_events import OFFERED
from subgraphs.identity.service.webhooks import MOST_ENDPOINTS
from tests.subgraphs.identity.people import actions, execute, person, rows, value
from tests.subgraphs.identity.webhooks import (
    ACTIVATED,
    CREATE,
    DELETE,
    DISABLE,
    ENABLE,
    LIST,
    PUBLISHED,
    REPLAY,
    ROTATE,
    SHOW,
    TEST,
    UPDATE,
    activated,
    happen,
    partner,
    published,
    states,
)
from tests.support.graph import GraphClient
from tests.support.operations import code, run

pytestmark = pytest.mark.usefixtures("webhooks")
URL = "https://school.example/hooks"


async def test_partner_makes_an_endpoint_and_sees_its_secret_once(identity: GraphClient) -> None:
    school = await partner(identity)
    given = {"url": URL, "events": [PUBLISHED, PUBLISHED]}
    first, again = [
        await run(school.client, CREATE, input=given, idempotencyKey="first-endpoint")
        for _ in range(2)
    ]
    assert first["endpoint"] | {"id": "", "createdAt": ""} == {
        "id": "",
        "clientId": str(school.id),
        "url": URL,
        "events": [PUBLISHED],
        "createdAt": "",
        "failingSince": None,
        "disabledAt": None,
        "disabledReason": None,
        "deliveries": {"nodes": []},
    }
    assert first["secret"].startswith("whsec_")
    assert (again["endpoint"]["id"], again["secret"]) == (first["endpoint"]["id"], None)
    assert await value(identity, "SELECT count(*) FROM webhook_endpoints") == 1
    stored = await value(identity, "SELECT secret FROM webhook_secrets")
    assert first["secret"].removeprefix("whsec_").encode() not in bytes(stored)
    assert (await actions(identity))[-1] == "webhook_endpoint.created"


async def test_endpoint_of_another_partner_does_not_exist(identity: GraphClient) -> None:
    school, other = await partner(identity), await partner(identity)
    endpoint_id, _ = await school.endpoint(URL)
    for operation in (DISABLE, ENABLE, DELETE, ROTATE, TEST):
        assert await code(other.client, operation, id=endpoint_id) == "NOT_FOUND"
    assert await code(other.client, UPDATE, input={"id": endpoint_id, "url": URL}) == "NOT_FOUND"
    assert (await other.client.ask(SHOW, id=endpoint_id)).data == {"result": None}
    assert (await other.client.ask(LIST)).data == {"webhookEndpoints": {"nodes": []}}
    assert (await school.client.ask(LIST)).data["webhookEndpoints"]["nodes"] == [
        {"id": endpoint_id}
    ]
    given = {"url": URL, "events": [PUBLISHED], "clientId": str(school.id)}
    assert await code(other.client, CREATE, input=given) == "NOT_FOUND"


async def test_admin_manages_everybodys_and_users_nobodys(identity: GraphClient) -> None:
    school = await partner(identity)
    boss = await person(identity, "boss@example.org", "admin")
    given = {"url": URL, "events": [PUBLISHED]}
    assert await code(boss.client, CREATE, input=given) == "INVALID_INPUT"
    made = await run(boss.client, CREATE, input=given | {"clientId": str(school.id)})
    endpoint_id = made["endpoint"]["id"]
    assert (await run(boss.client, DISABLE, id=endpoint_id))["disabledReason"] == "ASKED"
    assert (await run(boss.client, ENABLE, id=endpoint_id))["disabledAt"] is None
    assert (await boss.client.ask(LIST)).data["webhookEndpoints"]["nodes"] == [{"id": endpoint_id}]
    ada = await person(identity)
    assert await code(ada.client, CREATE, input=given) == "FORBIDDEN"
    assert await code(identity, CREATE, input=given) == "UNAUTHENTICATED"
    assert (await ada.client.ask(LIST)).codes == ["FORBIDDEN"]
    assert (await ada.client.ask(SHOW, id=endpoint_id)).codes == ["FORBIDDEN"]


async def test_only_events_of_the_contract_can_be_listened_to(identity: GraphClient) -> None:
    school = await partner(identity)
    for events in (
        [ACTIVATED],
        [PUBLISHED, "edtech.identity.user.created.v1"],
        ["everything"],
        [],
    ):
        given = {"url": URL, "events": events}
        assert await code(school.client, CREATE, input=given) == "INVALID_INPUT"
    endpoint_id, _ = await school.endpoint(URL)
    change = {"id": endpoint_id, "events": [ACTIVATED]}
    assert await code(school.client, UPDATE, input=change) == "INVALID_INPUT"


def test_every_event_of_a_contract_can_be_sent() -> None:
    named = {event for contract in read_contracts().values() for event in contract.events}
    assert named <= OFFERED.keys()
    for event_type, offer in OFFERED.items():
        assert all(offer.event.model_fields[name].annotation is not str for name in offer.ids)
        assert event_type == offer.event.type


async def test_client_has_a_limited_number_of_endpoints(identity: GraphClient) -> None:
    school = await partner(identity)
    for _ in range(MOST_ENDPOINTS):
        await school.endpoint(URL)
    given = {"url": URL, "events": [PUBLISHED]}
    assert await code(school.client, CREATE, input=given) == "CONFLICT"
    listed = (await school.client.ask(LIST)).data["webhookEndpoints"]["nodes"]
    await run(school.client, DELETE, id=listed[0]["id"])
    await school.endpoint(URL)
    assert await value(identity, "SELECT count(*) FROM webhook_endpoints") == MOST_ENDPOINTS


@pytest.mark.parametrize(
    "url",
    [
        "",
        "school.example",
        "ftp://school.example/",
        "http://school.example/",
        "https://",
        "https://ada:secret@school.example/",
        "https://school.example/#part",
        "https://school.example:0/",
        "https://school.example:99999/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://10.1.2.3/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.1]/",
        "https://[fd00:ec2::254]/",
        "https://0.0.0.0/",
        "https://school.example/" + "x" * 2000,
        "https://school.example/\nhost: other",
    ],
)
async def test_bad_address_is_refused(
    identity: GraphClient, webhooks: Callable[..., None], url: str
) -> None:
    webhooks(webhook_allowed_networks=(), environment="production")
    school = await partner(identity)
    given = {"url": url, "events": [PUBLISHED]}
    assert await code(school.client, CREATE, input=given) == "INVALID_INPUT"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("100.100.100.200", False),
        ("169.254.169.254", False),
        ("168.63.129.16", False),
        ("192.0.0.192", False),
        ("0.0.0.0", False),  # noqa: S104 - an address that may not be called
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1", False),
        ("fec0::1", False),
        ("64:ff9b:1::1", False),
        ("fd00:ec2::254", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("2002:7f00:1::", False),
        ("2002:a9fe:a9fe::", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("64:ff9b::808:808", True),
        ("2001:0:a9fe:a9fe::", False),
    ],
)
def test_only_the_internet_is_public(address: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is public


async def test_event_is_written_once_per_endpoint_that_listens(identity: GraphClient) -> None:
    school, other = await partner(identity), await partner(identity)
    await school.endpoint(URL)
    await other.endpoint(URL)
    await other.endpoint(URL, "edtech.learning.course.archived.v1")
    course_id = new_id()
    await happen(identity, published(course_id))
    found = await rows(identity, "SELECT event_id, event_type, body FROM webhook_deliveries")
    assert len(found) == 2
    assert len({row.event_id for row in found}) == 1
    body = yaml.safe_load(found[0].body)
    assert (body["type"], body["data"]) == (PUBLISHED, {"courseId": str(course_id)})
    assert set(body) == {"type", "timestamp", "data"}


async def test_event_of_an_account_goes_to_those_who_act_for_it(identity: GraphClient) -> None:
    tutor = await person(identity, "tutor@example.org", "tutor")
    own = await partner(identity, "partner-lms", tutor.id)
    stranger = await person(identity, "stranger@example.org", "tutor")
    others = [
        await partner(identity, "partner-lms"),
        await partner(identity, "partner-lms", stranger.id),
    ]
    endpoint_id, _ = await own.endpoint(URL, ACTIVATED)
    for each in others:
        await each.endpoint(URL, ACTIVATED)
    await happen(identity, activated(tutor.id), activated(None), activated(new_id()))
    found = await rows(identity, "SELECT endpoint_id, body FROM webhook_deliveries")
    assert [str(row.endpoint_id) for row in found] == [endpoint_id]
    assert set(yaml.safe_load(found[0].body)["data"]) == {"enrollmentId", "courseId"}
    await execute(identity, "UPDATE users SET status = 'SUSPENDED'")
    await happen(identity, activated(tutor.id))
    assert await value(identity, "SELECT count(*) FROM webhook_deliveries") == 1


async def test_who_is_out_is_told_nothing(identity: GraphClient) -> None:
    school = await partner(identity)
    endpoint_id, _ = await school.endpoint(URL)
    await run(school.client, DISABLE, id=endpoint_id)
    await happen(identity, published())
    await run(school.client, ENABLE, id=endpoint_id)
    await execute(identity, "UPDATE oauth_clients SET revoked_at = now()")
    await happen(identity, published())
    assert await states(identity) == []


async def test_event_that_left_the_contract_is_sent_no_more(
    identity: GraphClient, webhooks: Callable[..., None], tmp_path: Path
) -> None:
    school = await partner(identity)
    await school.endpoint(URL)
    no_events: dict[str, Any] = {"events": []}
    for change in (no_events, None):
        content: dict[str, Any] = yaml.safe_load(PATH.read_text())
        if change is None:
            del content["contracts"]["partner-catalog"]
        else:
            content["contracts"]["partner-catalog"] |= change
        file = tmp_path / f"{change is None}.yaml"
        file.write_text(yaml.safe_dump(content))
        webhooks(contracts_file=file)
        await happen(identity, published())
    assert await states(identity) == []


async def test_test_message_is_queued_and_told_apart(identity: GraphClient) -> None:
    school = await partner(identity)
    endpoint_id, _ = await school.endpoint(URL)
    queued = await run(school.client, TEST, id=endpoint_id)
    assert (queued["status"], queued["eventType"]) == ("PENDING", "edtech.webhook.test.v1")
    assert yaml.safe_load(queued["body"])["data"] == {}
    await run(school.client, DISABLE, id=endpoint_id)
    assert await code(school.client, TEST, id=endpoint_id) == "CONFLICT"
    assert await code(school.client, REPLAY, id=queued["id"]) == "CONFLICT"
    assert await code(school.client, REPLAY, id=str(new_id())) == "NOT_FOUND"


async def test_test_messages_are_limited(
    identity: GraphClient, webhooks: Callable[..., None]
) -> None:
    webhooks(limit_webhook_tests=Rate(1, 60))
    school, other = await partner(identity), await partner(identity)
    endpoint_id, _ = await school.endpoint(URL)
    await run(school.client, TEST, id=endpoint_id)
    assert await code(school.client, TEST, id=endpoint_id) == "RATE_LIMITED"
    assert await code(other.client, TEST, id=endpoint_id) == "NOT_FOUND"


async def test_disabling_and_enabling_twice_changes_nothing(identity: GraphClient) -> None:
    school = await partner(identity)
    endpoint_id, _ = await school.endpoint(URL)
    for operation in (DISABLE, ENABLE):
        first = await run(school.client, operation, id=endpoint_id)
        assert await run(school.client, operation, id=endpoint_id) == first
    assert (await actions(identity))[-3:] == [
        "webhook_endpoint.created",
        "webhook_endpoint.disabled",
        "webhook_endpoint.enabled",
    ]


async def test_deleted_endpoint_takes_its_messages_along(identity: GraphClient) -> None:
    school = await partner(identity)
    endpoint_id, _ = await school.endpoint(URL)
    await happen(identity, published())
    await run(school.client, DELETE, id=endpoint_id)
    assert await states(identity) == []
    assert await value(identity, "SELECT count(*) FROM webhook_secrets") == 0
