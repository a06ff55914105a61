"""Partners' programs: OAuth 2 client credentials."""

import base64
from typing import Any
from urllib.parse import quote

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from subgraphs.identity.config import Rate
from tests.subgraphs.identity.people import (
    Person,
    actions,
    execute,
    http,
    person,
    rows,
    runtime_of,
    value,
)
from tests.support.graph import GraphClient
from tests.support.services import ISSUER
from tests.support.tokens import JwksServer

CREATE = """
mutation($input: CreateOauthClientInput!, $key: String) {
  createOauthClient(input: $input, idempotencyKey: $key) { __typename
    ... on OauthClientSecret { secret client { id name contract scopes revokedAt } }
    ... on Problem { code field } } }
"""
ROTATE = """
mutation($id: ID!) { rotateOauthClientSecret(clientId: $id) { __typename
  ... on OauthClientSecret { secret client { id } } ... on Problem { code field } } }
"""
REVOKE = """
mutation($id: ID!) { revokeOauthClient(clientId: $id) { __typename
  ... on OauthClient { revokedAt } ... on Problem { code field } } }
"""
SCHOOL = {
    "name": "School",
    "contract": "partner-school",
    "scopes": ["courses:read", "enrollments:read"],
}


async def create(boss: Person, **changes: Any) -> Any:
    """What creating a client answers."""
    return (await boss.client.ask(CREATE, input=SCHOOL | changes)).data["createOauthClient"]


@pytest.fixture
async def boss(identity: GraphClient) -> Person:
    """An admin."""
    return await person(identity, "boss@example.org", "admin")


def basic(client_id: str, secret: str) -> dict[str, str]:
    """The header of client_secret_basic."""
    pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
    return {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


async def ask(
    identity: GraphClient, client_id: str, secret: str, **form: str
) -> tuple[int, dict[str, Any]]:
    """A token request by client_secret_post; status and body."""
    given = {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "client_secret": secret,
    } | form
    answer = await http(identity, "POST", "/oauth/token", form=given)
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, answer.json()


async def test_client_gets_a_token_for_its_contract(
    identity: GraphClient, boss: Person, jwks: JwksServer
) -> None:
    made = await create(boss)
    client_id = made["client"]["id"]
    status, body = await ask(identity, client_id, made["secret"])
    assert status == 200
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 600)
    assert body["scope"] == "courses:read enrollments:read"
    token = jwt.decode(
        body["access_token"], KeySet.import_key_set({"keys": jwks.keys}), algorithms=["ES256"]
    )
    assert token.header["alg"] == "ES256"
    assert dict(token.claims) | {"iat": 0, "exp": 0, "jti": ""} == {
        "iss": ISSUER,
        "aud": "partner-school",
        "sub": client_id,
        "client_id": client_id,
        "scope": "courses:read enrollments:read",
        "iat": 0,
        "exp": 0,
        "jti": "",
    }


async def test_basic_authentication_and_fewer_scopes(identity: GraphClient, boss: Person) -> None:
    made = await create(boss)
    answer = await http(
        identity,
        "POST",
        "/oauth/token",
        form={"grant_type": "client_credentials", "scope": "courses:read"},
        headers=basic(made["client"]["id"], made["secret"]),
    )
    assert (answer.status_code, answer.json()["scope"]) == (200, "courses:read")


async def test_partners_token_opens_nothing_here(identity: GraphClient, boss: Person) -> None:
    made = await create(boss)
    _, body = await ask(identity, made["client"]["id"], made["secret"])
    assert (await identity.with_token(body["access_token"]).ask("{ me { id } }")).status == 401


async def test_wrong_client_and_wrong_secret_are_answered_the_same(
    identity: GraphClient, boss: Person
) -> None:
    made = await create(boss)
    client_id = made["client"]["id"]
    answers = [
        await ask(identity, client_id, "wrong"),
        await ask(identity, str(boss.id), made["secret"]),
        await ask(identity, "nonsense", made["secret"]),
    ]
    assert answers[0] == answers[1] == answers[2]
    assert (answers[0][0], answers[0][1]["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, 400, "unsupported_grant_type"),
        ({"scope": "courses:write"}, 400, "invalid_scope"),
        ({"scope": "courses:read courses:write"}, 400, "invalid_scope"),
        ({"scope": ""}, 400, "invalid_scope"),
        ({"client_secret": ""}, 401, "invalid_client"),
    ],
)
async def test_refusals_speak_oauth(
    identity: GraphClient, boss: Person, change: dict[str, str], status: int, error: str
) -> None:
    made = await create(boss)
    found = await ask(identity, made["client"]["id"], made["secret"], **change)
    assert (found[0], found[1]["error"]) == (status, error)


async def test_malformed_requests_are_refused(identity: GraphClient, boss: Person) -> None:
    made = await create(boss)
    id_, secret = made["client"]["id"], made["secret"]
    header = basic(id_, secret)
    cases: list[tuple[bytes, dict[str, str], int, str]] = [
        (b"", {}, 401, "invalid_client"),
        (b"", header, 400, "invalid_request"),
        (b"grant_type=a&grant_type=b", header, 400, "invalid_request"),
        (b"grant_type=client_credentials&client_secret=x", header, 400, "invalid_request"),
        (b"grant_type=client_credentials&client_id=x", header, 400, "invalid_request"),
        (b"grant_type=client_credentials", {"authorization": "Basic ???"}, 401, "invalid_client"),
        (b"grant_type=client_credentials", {"authorization": "Bearer x"}, 401, "invalid_client"),
        (b"{}", {**header, "content-type": "application/json"}, 400, "invalid_request"),
        (b"\xff\xfe", header, 400, "invalid_request"),
        (b"&".join(b"a%d=1" % n for n in range(30)), header, 400, "invalid_request"),
    ]
    for body, headers, status, error in cases:
        answer = await http(identity, "POST", "/oauth/token", form=body, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (status, error), body
        assert ("www-authenticate" in answer.headers) == (status == 401)


async def test_two_secrets_are_valid_while_one_is_replaced(
    identity: GraphClient, boss: Person
) -> None:
    made = await create(boss)
    id_ = made["client"]["id"]
    secrets = [made["secret"]]
    for _ in range(2):
        answer = await boss.client.ask(ROTATE, id=id_)
        secrets.append(answer.data["rotateOauthClientSecret"]["secret"])
    assert [(await ask(identity, id_, secret))[0] for secret in secrets] == [401, 200, 200]
    await execute(
        identity, "UPDATE oauth_client_secrets SET expires_at = now() WHERE expires_at IS NOT NULL"
    )
    assert [(await ask(identity, id_, secret))[0] for secret in secrets] == [401, 401, 200]
    stored = await rows(identity, "SELECT secret_hash FROM oauth_client_secrets")
    assert {len(bytes(row.secret_hash)) for row in stored} == {32}


async def test_revoked_client_gets_nothing(identity: GraphClient, boss: Person) -> None:
    made = await create(boss)
    id_ = made["client"]["id"]
    first = (await boss.client.ask(REVOKE, id=id_)).data["revokeOauthClient"]
    assert first["revokedAt"] is not None
    assert (await boss.client.ask(REVOKE, id=id_)).data["revokeOauthClient"] == first
    assert (await ask(identity, id_, made["secret"]))[0] == 401
    rotated = (await boss.client.ask(ROTATE, id=id_)).data["rotateOauthClientSecret"]
    assert rotated["code"] == "NOT_FOUND"
    assert (await actions(identity)).count("oauth_client.revoked") == 1


async def test_partners_token_cannot_be_revoked_and_that_is_told(
    identity: GraphClient, boss: Person
) -> None:
    made = await create(boss)
    _, body = await ask(identity, made["client"]["id"], made["secret"])
    answer = await http(identity, "POST", "/oauth/revoke", form={"token": body["access_token"]})
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_token_type")


async def test_same_key_creates_one_client_and_shows_its_secret_once(
    identity: GraphClient, boss: Person
) -> None:
    answers = [
        (await boss.client.ask(CREATE, input=SCHOOL, key="school-one")).data["createOauthClient"]
        for _ in range(2)
    ]
    assert answers[0]["client"] == answers[1]["client"]
    assert answers[0]["secret"] is not None
    assert answers[1]["secret"] is None
    assert await value(identity, "SELECT count(*) FROM oauth_clients") == 1


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("name", ""),
        ("contract", "graph"),
        ("contract", "Not a contract"),
        ("scopes", ["everything"]),
        ("scopes", ["a:b"] * 51),
    ],
)
async def test_bad_client_is_refused(boss: Person, field: str, bad: object) -> None:
    answer = await create(boss, **{field: bad})
    assert (answer["code"], answer["field"]) == ("INVALID_INPUT", field)


async def test_only_admins_manage_clients(identity: GraphClient, boss: Person) -> None:
    made = await create(boss)
    who = await person(identity)
    assert (await create(who))["code"] == "FORBIDDEN"
    for mutation in (ROTATE, REVOKE):
        answer = await who.client.ask(mutation, id=made["client"]["id"])
        assert next(iter(answer.data.values()))["code"] == "FORBIDDEN"
    listed = "{ oauthClients { nodes { name } } }"
    assert (await who.client.ask(listed)).codes == ["FORBIDDEN"]
    assert (await boss.client.ask(listed)).data["oauthClients"]["nodes"] == [{"name": "School"}]


async def test_tries_are_limited(identity: GraphClient, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = runtime_of(identity).settings.model_copy(update={"limit_oauth_ip": Rate(1, 60)})
    monkeypatch.setattr(identity.runtime, "settings", changed)
    assert (await ask(identity, "x", "y"))[0] == 401
    status, body = await ask(identity, "x", "y")
    assert (status, body["error"]) == (429, "temporarily_unavailable")
