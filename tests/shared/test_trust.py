"""Who may ask a subgraph, over HTTP: the router alone, with a valid token or none."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from shared.auth import Jwks, sign, verify_proof
from shared.errors import Unavailable
from shared.ids import new_id
from tests.support import tokens
from tests.support.graph import GraphClient
from tests.support.services import SECRET
from tests.support.tokens import KEY, JwksServer

SDL = orjson.dumps({"query": "{ _service { sdl } }"})
QUERY = orjson.dumps({"query": "{ courses(first: 1) { nodes { id } } }"})


def refused(answer: httpx.Response, status: int = 401, code: str = "UNAUTHENTICATED") -> None:
    assert answer.status_code == status
    body = answer.json()
    assert "data" not in body
    assert [error["extensions"]["code"] for error in body["errors"]] == [code]


@pytest.mark.parametrize("body", [SDL, QUERY])
async def test_unsigned_request_is_refused(learning: GraphClient, body: bytes) -> None:
    refused(await learning.post(body, signature=""))


async def test_signed_request_is_answered(learning: GraphClient) -> None:
    answer = await learning.post(SDL)
    assert answer.status_code == 200
    assert "type Course" in answer.json()["data"]["_service"]["sdl"]


def signed(*, secret: str = SECRET, body: bytes = SDL, seconds: int = 0) -> str:
    return sign(secret.encode(), body, ip="192.0.2.1", at=int(time.time()) + seconds)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: "garbage", id="garbage"),
        pytest.param(lambda: "t=abc,ip=1,v1=00", id="time is no number"),
        pytest.param(lambda: "t=,ip=,v1=", id="empty parts"),
        pytest.param(lambda: signed(secret="another" * 8), id="another secret"),
        pytest.param(lambda: signed(body=b"another body"), id="another body"),
        pytest.param(lambda: signed(seconds=-120), id="stale"),
        pytest.param(lambda: signed(seconds=120), id="from the future"),
        pytest.param(lambda: signed().replace("192.0.2.1", "192.0.2.2"), id="another address"),
    ],
)
async def test_wrong_stale_or_altered_signature_is_refused(
    learning: GraphClient, make: Callable[[], str]
) -> None:
    refused(await learning.post(SDL, signature=make()))


def test_second_secret_is_accepted_while_it_is_rotated() -> None:
    header = sign(b"old-secret", b"body", ip="192.0.2.7")
    proof = verify_proof([b"new-secret", b"old-secret"], header, b"body")
    assert proof is not None
    assert proof.ip == "192.0.2.7"
    assert verify_proof([b"new-secret"], header, b"body") is None


def unsigned_token(algorithm: str) -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    claims = json.loads(
        base64.urlsafe_b64decode(tokens.token(new_id()).split(".")[1] + "==").decode()
    )
    return f"{part({'alg': algorithm, 'kid': 'tests'})}.{part(claims)}."


def token_signed_with_the_public_key() -> str:
    # By hand: no library signs with a public key.
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"tests"}').rstrip(b"=")
    signed = header + b"." + tokens.token(new_id()).split(".")[1].encode()
    digest = hmac.new(KEY.as_pem(private=False), signed, hashlib.sha256).digest()
    return (signed + b"." + base64.urlsafe_b64encode(digest).rstrip(b"=")).decode()


ROGUE = ECKey.generate_key("P-256", parameters={"kid": "tests"}, private=True)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: "garbage", id="malformed"),
        pytest.param(lambda: "a.b.c", id="malformed in three parts"),
        pytest.param(lambda: tokens.token(new_id(), exp=int(time.time()) - 60), id="expired"),
        pytest.param(lambda: tokens.token(new_id(), aud="other"), id="wrong audience"),
        pytest.param(lambda: tokens.token(new_id(), iss="http://evil.test"), id="wrong issuer"),
        pytest.param(lambda: tokens.token(new_id(), sub="nobody"), id="subject is no id"),
        pytest.param(lambda: unsigned_token("none"), id="alg none"),
        pytest.param(lambda: unsigned_token("None"), id="alg None"),
        pytest.param(token_signed_with_the_public_key, id="HS256 with the public key"),
        pytest.param(lambda: tokens.token(new_id(), key=ROGUE), id="signed by another key"),
        pytest.param(
            lambda: tokens.token(new_id(), header={"alg": "ES256", "kid": "unknown"}),
            id="unknown key id",
        ),
        pytest.param(lambda: tokens.token(new_id(), header={"alg": "ES256"}), id="no key id"),
        pytest.param(
            lambda: jwt.encode(
                {"alg": "ES256", "kid": "tests"}, {"iss": "x", "sub": str(new_id())}, KEY
            ),
            id="claims missing",
        ),
    ],
)
async def test_bad_token_is_refused_with_one_error(learning: GraphClient, make: Any) -> None:
    refused(await learning.with_token(make()).post(QUERY))


@pytest.mark.parametrize("value", ["Basic abc", "Bearer", "Bearer "])
async def test_other_authorization_is_refused(learning: GraphClient, value: str) -> None:
    refused(await learning.post(QUERY, headers={"authorization": value}))


async def test_valid_token_is_answered(learning: GraphClient) -> None:
    answer = await learning.as_user(new_id()).post(QUERY)
    assert answer.status_code == 200
    assert answer.json() == {"data": {"courses": {"nodes": []}}}


async def test_unknown_key_id_asks_for_keys_once_per_cooldown(jwks: JwksServer) -> None:
    keys = Jwks(jwks.url, cooldown=60)
    before = jwks.requests
    assert await keys.key("tests") is not None
    for _ in range(20):
        assert await keys.key("made up") is None
    assert jwks.requests == before + 1


async def test_new_key_is_found_and_removed_key_is_forgotten() -> None:
    server = JwksServer()
    try:
        keys = Jwks(server.url, cooldown=0, lifetime=60)
        new = ECKey.generate_key("P-256", parameters={"kid": "new"}, private=True)
        assert await keys.key("tests") is not None
        assert await keys.key("new") is None
        server.keys[:] = [dict(new.as_dict(private=False))]
        assert await keys.key("new") is not None
        assert await keys.key("tests") is None
    finally:
        server.close()


async def test_unreachable_keys_are_unavailable_and_known_ones_go_on_to_serve() -> None:
    server = JwksServer()
    keys = Jwks(server.url, cooldown=0, lifetime=0)
    assert await keys.key("tests") is not None
    server.close()
    assert await keys.key("tests") is not None
    with pytest.raises(Unavailable):
        await Jwks(server.url).key("tests")


async def test_body_over_the_limit_is_refused_with_the_limit_named(learning: GraphClient) -> None:
    answer = await learning.post(b" " * (2 * 1024 * 1024 + 1))
    refused(answer, 413, "INVALID_INPUT")
    assert "2097152" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize("body", [b"5", b"null", b"[]", b"{", b"[" * 100_000])
async def test_body_that_is_no_object_is_a_bad_request(learning: GraphClient, body: bytes) -> None:
    assert (await learning.post(body)).status_code == 400


async def test_every_error_carries_the_request_id(learning: GraphClient) -> None:
    answer = await learning.post(QUERY, signature="", headers={"x-request-id": "req-12345678"})
    assert answer.json()["errors"][0]["extensions"]["requestId"] == "req-12345678"
