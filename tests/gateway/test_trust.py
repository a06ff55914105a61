"""Who may ask: tokens over HTTP and WebSocket, and what reaches the subgraphs with a request."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.gateway import tokens
from tests.gateway.subgraphs import Record
from tests.gateway.support import Backend, Router, bearer, eventually, only_error

BAD = tokens.bad_authorizations()
JOIN = "{ user(id: 7) { id name courses } courseTitle }"


@pytest.mark.parametrize("name", BAD)
async def test_bad_token_is_401_with_exactly_one_error(
    router: Router, record: Record, name: str
) -> None:
    answer = await router.ask(JOIN, headers={"authorization": BAD[name]})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert list(answer.json()) == ["errors"]
    assert only_error(answer)["extensions"]["code"] == "UNAUTHENTICATED"
    assert record.requests == []


@pytest.mark.parametrize("name", BAD)
async def test_bad_token_over_websocket_refuses_the_operation_and_keeps_the_socket(
    router: Router, record: Record, name: str
) -> None:
    async with router.socket({"authorization": BAD[name]}) as socket:
        for _ in range(2):
            [result] = await socket.run("subscription { ticks(count: 1) { number } }")
            assert [e["extensions"]["code"] for e in result["errors"]] == ["UNAUTHENTICATED"]
    assert record.requests == []
    assert record.connections == []


async def test_equal_questions_at_the_same_moment_are_asked_for_each_viewer(
    router: Router, record: Record
) -> None:
    viewers = [bearer(sub=f"viewer-{n}") for n in range(10)]
    answers = await asyncio.gather(
        *(router.ask("{ slow(ms: 200) }", headers=headers) for headers in viewers)
    )
    assert [answer.status_code for answer in answers] == [200] * 10
    sent = [request.headers["authorization"] for request in record.requests]
    assert sorted(sent) == sorted(headers["authorization"] for headers in viewers)


async def test_no_token_is_an_anonymous_viewer(router: Router, record: Record) -> None:
    answer = await router.ask("{ courseTitle }")
    assert answer.json() == {"data": {"courseTitle": "Algebra"}}
    assert "authorization" not in record.requests[0].headers


async def test_unknown_key_ids_do_not_make_the_router_fetch_keys_each_time(
    router: Router, backend: Backend
) -> None:
    await router.ask("{ courseTitle }", headers=bearer())
    before = backend.jwks_fetches
    for _ in range(5):
        await router.ask("{ courseTitle }", headers={"authorization": BAD["unknown-kid"]})
    assert backend.jwks_fetches == before


async def test_keys_that_cannot_be_fetched_are_503(backend: Backend, folder: Path) -> None:
    backend.jwks_down = True
    router = Router(backend, folder / "no-keys").start()
    try:
        answer = await router.ask("{ courseTitle }", headers=bearer())
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"
        assert only_error(answer)["extensions"]["code"] == "UNAVAILABLE"
        assert (await router.ask("{ courseTitle }")).status_code == 200
        backend.jwks_down = False
        assert (await router.ask("{ courseTitle }", headers=bearer())).status_code == 200
    finally:
        backend.jwks_down = False
        router.stop()


async def test_known_keys_go_on_to_serve_while_identity_is_away(
    backend: Backend, folder: Path
) -> None:
    router = Router(backend, folder / "stale-keys", JWKS_MAX_AGE_MS="1").start()
    try:
        assert (await router.ask("{ courseTitle }", headers=bearer())).status_code == 200
        backend.jwks_down = True
        for _ in range(2):
            assert (await router.ask("{ courseTitle }", headers=bearer())).status_code == 200
        wrong = await router.ask("{ courseTitle }", headers={"authorization": BAD["unknown-kid"]})
        assert wrong.status_code == 401
        assert len(router.lines("the signing keys cannot be fetched: the known ones serve")) == 1
    finally:
        backend.jwks_down = False
        router.stop()


async def test_every_subgraph_request_is_signed_over_its_exact_bytes(
    router: Router, record: Record
) -> None:
    variables = {"name": "naïve 😀 \u2028 end"}
    query = "mutation Rename($name: String!) { rename(name: $name) }"
    answer = await router.ask(query, variables, headers=bearer())
    assert answer.json() == {"data": {"rename": variables["name"]}}
    await router.ask(JOIN, headers=bearer())
    # The subgraphs verify each body before they answer; nothing was refused.
    assert record.refused == []
    assert [r.subgraph for r in record.requests].count("users") == 2
    assert [r.subgraph for r in record.requests].count("courses") >= 1


async def test_direct_request_without_the_signature_is_refused(
    backend: Backend, router: Router, record: Record
) -> None:
    async with router.client() as client:
        answer = await client.post(f"{backend.url}/users/graphql", json={"query": "{ userList }"})
    assert answer.status_code == 401
    assert record.requests == []


async def test_subgraphs_get_the_token_the_trace_the_id_and_the_language_but_nothing_else(
    router: Router, record: Record
) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    sent = {
        **bearer(),
        "x-request-id": "client-id-0001",
        "traceparent": trace,
        "accept-language": "uk, en;q=0.5",
        "x-gateway-signature": "t=1,ip=6.6.6.6,v1=00",
        "x-evil": "1",
        "cookie": "a=b",
    }
    extensions = {"headers": {"x-evil": "2"}}
    answer = await router.ask("{ courseTitle }", headers=sent, extensions=extensions)
    assert answer.headers["x-request-id"] == "client-id-0001"
    [got] = record.requests
    names = ("authorization", "x-request-id", "traceparent", "accept-language")
    assert {name: got.headers[name] for name in names} == {name: sent[name] for name in names}
    assert "x-evil" not in got.headers
    assert "cookie" not in got.headers
    assert b"x-evil" not in got.body


@pytest.mark.parametrize("given", ["short", "has space in it", "a" * 65, "semi;colon-id"])
async def test_unsafe_request_id_is_replaced(router: Router, record: Record, given: str) -> None:
    answer = await router.ask("{ courseTitle }", headers={"x-request-id": given})
    made = answer.headers["x-request-id"]
    assert made != given
    assert len(made) == 36
    assert record.requests[0].headers["x-request-id"] == made

    def logged() -> list[int]:
        return [line["status"] for line in router.lines("request") if line["requestId"] == made]

    await eventually(lambda: logged() == [200], "the request was logged under its id")


@pytest.mark.parametrize(
    ("header", "address"),
    [
        (None, "127.0.0.1"),
        ("203.0.113.9", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8::7", "2001:db8::7"),
        ("not an address", "127.0.0.1"),
    ],
)
async def test_client_address_is_signed_and_only_the_trusted_hop_counts(
    router: Router, record: Record, header: str | None, address: str
) -> None:
    headers = {"x-forwarded-for": header} if header else {}
    await router.ask("{ courseTitle }", headers=headers)
    assert [request.ip for request in record.requests] == [address]


@pytest.mark.parametrize("key", ["authorization", "Authorization"])
async def test_websocket_carries_identity_and_proof_in_the_connection_init(
    router: Router, record: Record, key: str
) -> None:
    header = bearer()["authorization"]
    async with router.socket({key: header}) as socket:
        results = await socket.run("subscription { ticks(count: 2) { number user { courses } } }")
    numbers = [r["data"]["ticks"]["number"] for r in results]
    assert numbers == [0, 1]
    assert results[1]["data"]["ticks"]["user"]["courses"] == ["course of 1"]
    [connection] = record.connections
    assert connection["authorization"] == header
    assert int(connection["x-gateway-signature"].split(",")[0].removeprefix("t=")) % 60 == 0
    assert {r.headers["authorization"] for r in record.to("courses")} == {header}


async def test_websocket_may_authenticate_by_the_upgrade_header(
    router: Router, record: Record
) -> None:
    async with router.socket(additional_headers=bearer()) as socket:
        assert await socket.run("{ courseTitle }") == [{"data": {"courseTitle": "Algebra"}}]
    assert record.requests[0].headers["authorization"].startswith("Bearer ")


async def test_websocket_from_a_foreign_page_is_refused(router: Router) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with router.socket(origin="https://evil.test"):
            pass
    assert refused.value.response.status_code == 403
    async with router.socket(origin="https://app.test") as socket:
        assert len(await socket.run("{ courseTitle }")) == 1


async def test_trusted_documents_are_the_only_text_for_users_but_not_for_partners(
    backend: Backend, folder: Path, record: Record
) -> None:
    manifest = folder / "trusted.json"
    hash_ = "a" * 64
    text = "query Title { courseTitle }"
    manifest.write_text(json.dumps({hash_: text}))
    router = Router(backend, folder / "trusted", TRUSTED_DOCUMENTS=str(manifest)).start()
    good = {"data": {"courseTitle": "Algebra"}}
    by_id: list[dict[str, Any]] = [
        {"documentId": hash_},
        {"documentId": f"sha256:{hash_}"},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": hash_}}},
    ]
    try:
        async with router.client() as client:
            for body in by_id:
                assert (await client.post("/graphql", json=body)).json() == good
            get = await client.get(
                f"/graphql?documentId={hash_}", headers={"graphql-require-preflight": "1"}
            )
            assert get.json() == good
            both = await client.post("/graphql", json={"query": "{ leak }", "documentId": hash_})
            assert both.json() == good
            unknown = await client.post("/graphql", json={"documentId": "b" * 64})
            assert unknown.status_code == 400
            assert only_error(unknown)["extensions"]["code"] == "INVALID_INPUT"
        for headers in ({}, bearer()):
            refused = await router.ask(text, headers=headers)
            assert refused.status_code == 403
            assert only_error(refused)["extensions"]["code"] == "FORBIDDEN"
        partner = await router.ask(text, headers=bearer(client_id="acme"))
        assert partner.json() == good
        async with router.socket() as socket:
            [refusal] = await socket.run(text)
            assert refusal["errors"][0]["extensions"]["code"] == "FORBIDDEN"
            assert await socket.run("", documentId=hash_) == [good]
    finally:
        router.stop()
