"""What a client sees when a subgraph misbehaves: masked errors, timeouts, retries, the breaker."""

import asyncio
from typing import Any

import pytest

from tests.gateway.subgraphs import LEAK, Record
from tests.gateway.support import Router, eventually, only_error

UNAVAILABLE = "A part of the platform is unavailable. Try again soon."
TIMEOUT = "A part of the platform took too long to answer."
INTERNAL = "Internal error. The request id names it in our logs."


def seen(body: dict[str, Any]) -> list[tuple[str, str]]:
    """Code and message of each error."""
    return [(error["extensions"]["code"], error["message"]) for error in body["errors"]]


async def test_unexpected_error_is_masked_and_the_rest_is_answered(router: Router) -> None:
    answer = await router.ask("{ leak courseTitle }")
    body = answer.json()
    assert answer.status_code == 200
    assert body["data"] == {"leak": None, "courseTitle": "Algebra"}
    assert seen(body) == [("INTERNAL", INTERNAL)]
    assert body["errors"][0]["path"] == ["leak"]
    assert body["errors"][0]["extensions"]["requestId"] == answer.headers["x-request-id"]
    assert LEAK not in router.log_file.read_text()


@pytest.mark.parametrize(
    "code",
    [
        "UNAUTHENTICATED",
        "FORBIDDEN",
        "INVALID_INPUT",
        "NOT_FOUND",
        "CONFLICT",
        "RATE_LIMITED",
        "UNAVAILABLE",
        "TIMEOUT",
    ],
)
async def test_public_codes_keep_their_words_and_lose_the_rest(router: Router, code: str) -> None:
    answer = await router.ask("query Q($c: String!) { failsWith(code: $c) }", {"c": code})
    body = answer.json()
    assert body["data"] == {"failsWith": None}
    assert seen(body) == [(code, "the words of the subgraph")]
    assert set(body["errors"][0]["extensions"]) == {"code", "requestId"}


async def test_other_codes_are_masked_unless_the_subgraph_marks_them(router: Router) -> None:
    masked = await router.ask('{ failsWith(code: "SEAT_GONE") }')
    assert seen(masked.json()) == [("INTERNAL", INTERNAL)]
    marked = await router.ask('{ failsWith(code: "SEAT_GONE", public: true) }')
    assert seen(marked.json()) == [("SEAT_GONE", "the words of the subgraph")]
    assert set(marked.json()["errors"][0]["extensions"]) == {"code", "requestId"}


async def test_subgraph_that_is_down_nulls_its_fields_alone(router: Router) -> None:
    answer = await router.ask("{ user(id: 3) { name ghost courses } }")
    body = answer.json()
    assert body["data"] == {"user": {"name": "user 3", "ghost": None, "courses": ["course of 3"]}}
    assert seen(body) == [("UNAVAILABLE", UNAVAILABLE)]
    assert "127.0.0.1" not in answer.text


async def test_data_is_null_per_field_when_no_subgraph_answered(router: Router) -> None:
    body = (await router.ask("{ ghosts again: ghosts __typename }")).json()
    assert body["data"] == {"ghosts": None, "again": None, "__typename": "Query"}
    body = (await router.ask("{ ghosts }")).json()
    assert body["data"] == {"ghosts": None}
    assert seen(body) == [("UNAVAILABLE", UNAVAILABLE)]


async def test_data_is_null_when_a_required_root_field_has_no_answer(
    router: Router, record: Record
) -> None:
    record.status["users"] = 500
    assert (await router.ask("{ userList { id } }")).json()["data"] is None


async def test_slow_subgraph_times_out_and_the_rest_is_answered(
    router: Router, record: Record
) -> None:
    body = (await router.ask("{ slow(ms: 3000) courseTitle }")).json()
    assert body["data"] == {"slow": None, "courseTitle": "Algebra"}
    assert seen(body) == [("TIMEOUT", TIMEOUT)]
    assert len(record.to("users")) == 1


@pytest.mark.parametrize(("status", "calls"), [(500, 1), (502, 2), (503, 2), (504, 2)])
async def test_query_is_repeated_once_when_the_subgraph_cannot_have_answered(
    router: Router, record: Record, status: int, calls: int
) -> None:
    record.status["courses"] = status
    body = (await router.ask("{ courseTitle }")).json()
    assert body["data"] == {"courseTitle": None}
    assert seen(body) == [("UNAVAILABLE", UNAVAILABLE)]
    assert len(record.to("courses")) == calls


async def test_refusal_by_a_subgraph_is_our_fault(router: Router, record: Record) -> None:
    record.status["courses"] = 401
    body = (await router.ask("{ courseTitle }")).json()
    assert seen(body) == [("INTERNAL", INTERNAL)]
    assert len(record.to("courses")) == 1


@pytest.mark.parametrize("status", [500, 503])
async def test_mutation_is_never_repeated(router: Router, record: Record, status: int) -> None:
    record.status["users"] = status
    body = (await router.ask('mutation { rename(name: "x") }')).json()
    assert body["data"] == {"rename": None}
    assert seen(body) == [("UNAVAILABLE", UNAVAILABLE)]
    assert len(record.to("users")) == 1


async def test_breaker_opens_after_failures_in_a_row_and_closes_when_all_is_well(
    development: Router, record: Record
) -> None:
    record.status["courses"] = 500
    for _ in range(3):
        await development.ask("{ courseTitle }")
    assert len(record.to("courses")) == 3
    assert development.metric('router_breaker_open{subgraph="courses"}') == 1
    body = (await development.ask("{ courseTitle user(id: 1) { name } }")).json()
    assert body["data"] == {"courseTitle": None, "user": {"name": "user 1"}}
    assert seen(body) == [("UNAVAILABLE", UNAVAILABLE)]
    assert len(record.to("courses")) == 3

    record.status.clear()
    for _ in range(100):
        body = (await development.ask("{ courseTitle }")).json()
        if "errors" not in body:
            break
        await asyncio.sleep(0.05)
    assert body == {"data": {"courseTitle": "Algebra"}}
    assert development.metric('router_breaker_open{subgraph="courses"}') == 0


async def test_breaker_stays_closed_when_resolvers_fail(
    development: Router, record: Record
) -> None:
    for _ in range(5):
        await development.ask("{ leak }")
    assert len(record.to("users")) == 5


async def test_leaving_client_cancels_the_subgraph_request(router: Router, record: Record) -> None:
    asking = asyncio.create_task(router.ask("{ slow(ms: 900) }"))
    await eventually(lambda: record.opened == 1, "the subgraph was asked")
    asking.cancel()
    await eventually(
        lambda: [line for line in router.lines("request") if line["status"] == 499],
        "the router saw the client leave",
    )
    assert router.process.poll() is None


async def test_storm_of_leaving_clients_does_not_end_the_process(
    router: Router, record: Record
) -> None:
    async def leave(n: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", router.port)
        query = ["{ slow(ms: 200) courseTitle }", "{ user(id: 1) { name ghost courses } }"][n % 2]
        body = f'{{"query": "{query}"}}'.encode()
        head = (
            "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        ).encode()
        # Some leave in the middle of their own request, most while it is being answered.
        writer.write(head + (body[:10] if n % 5 == 0 else body))
        await writer.drain()
        await asyncio.sleep(0.002 * (n % 40))
        writer.transport.abort()
        assert reader is not None

    for start in range(0, 200, 25):
        await asyncio.gather(*(leave(n) for n in range(start, start + 25)))
    assert router.process.poll() is None
    idle = "router_requests_in_progress"
    await eventually(lambda: router.metric(idle) == 0, "every abandoned request ended")
    await eventually(lambda: record.closed == record.opened, "the subgraphs stopped working")
    # Not sooner: what the storm left to do may take the subgraphs longer than they are given.
    answer = await router.ask("{ courseTitle }")
    assert answer.json() == {"data": {"courseTitle": "Algebra"}}
    assert router.process.poll() is None


async def test_error_of_the_front_has_the_same_shape(router: Router) -> None:
    async with router.client() as client:
        error = only_error(await client.get("/nowhere"))
    assert error["extensions"]["code"] == "NOT_FOUND"
