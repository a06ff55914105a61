"""Partners' programs: OAuth 2 client credentials."""

import asyncio
import base64
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from joserfc import jwt
from joserfc.jwk import KeySet

from shared.contracts import PATH
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
    ... on OauthClientSecret {
      secret client { id name contract scopes actsFor contact validSecrets revokedAt } }
    ... on Problem { code field } } }
"""
ROTATE = """
mutation($id: ID!, $hours: Int! = 24) {
  rotateOauthClientSecret(clientId: $id, overlapHours: $hours) { __typename
    ... on OauthClientSecret { secret client { id validSecrets } }
    ... on Problem { code field } } }
"""
REVOKE = """
mutation($id: ID!) { revokeOauthClient(clientId: $id) { __typename
  ... on OauthClient { revokedAt } ... on Problem { code field } } }
"""
SCHOOL = {
    "name": "School",
    "contract": "partner-lms",
    "scopes": ["catalog:read", "enrollments:read"],
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
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 50)
    assert body["scope"] == "catalog:read enrollments:read"
    token = jwt.decode(
        body["access_token"], KeySet.import_key_set({"keys": jwks.keys}), algorithms=["ES256"]
    )
    assert token.header["alg"] == "ES256"
    assert dict(token.claims) | {"iat": 0, "exp": 0, "jti": ""} == {
        "iss": ISSUER,
        "aud": "partner-lms",
        "sub": client_id,
        "client_id": client_id,
        "scope": "catalog:read enrollments:read",
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
        form={"grant_type": "client_credentials", "scope": "catalog:read"},
        headers=basic(made["client"]["id"], made["secret"]),
    )
    assert (answer.status_code, answer.json()["scope"]) == (200, "catalog:read")


async def test_partners_token_opens_nothing_here(identity: GraphClient, boss: Person) -> None:
    made = await create(boss)
    _, body = await ask(identity, made["client"]["id"], made["secret"])
    partner = identity.with_token(body["access_token"])
    assert (await partner.ask("{ me { id } }")).data == {"me": None}
    assert (await partner.ask("{ mySessions { nodes { id } } }")).codes == ["UNAUTHENTICATED"]
    assert (await partner.ask("{ oauthClients { nodes { id } } }")).codes == ["FORBIDDEN"]
    refused = await partner.ask(CREATE, input=SCHOOL)
    assert refused.data["createOauthClient"]["code"] == "FORBIDDEN"


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
        ({"scope": "catalog:write"}, 400, "invalid_scope"),
        ({"scope": "catalog:read catalog:write"}, 400, "invalid_scope"),
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
        ("contract", "web"),
        ("contract", "Not a contract"),
        ("scopes", ["everything"]),
        ("scopes", ["enrollments:read"]),
        ("scopes", []),
        ("actsFor", "019aa000-0000-7000-8000-000000000000"),
        ("actsFor", "nobody"),
        ("contact", "no address"),
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


async def refusals(identity: GraphClient) -> list[str]:
    """The reasons in the audit log, in order."""
    query = "SELECT details FROM audit_log WHERE action = 'oauth_client.refused' ORDER BY id"
    return [row.details["reason"] for row in await rows(identity, query)]


async def test_refusals_are_audited_once_a_minute_with_their_reason(
    identity: GraphClient, boss: Person
) -> None:
    made = await create(boss)
    id_, secret = made["client"]["id"], made["secret"]
    for _ in range(2):
        assert (await ask(identity, id_, "wrong"))[0] == 401
    assert (await ask(identity, str(boss.id), secret))[0] == 401
    await boss.client.ask(ROTATE, id=id_, hours=0)
    assert (await ask(identity, id_, secret))[0] == 401
    assert (await ask(identity, id_, secret, scope="catalog:write"))[0] == 401
    await boss.client.ask(REVOKE, id=id_)
    assert (await ask(identity, id_, secret))[0] == 401
    # Nothing is noted of who is no client.
    assert await refusals(identity) == ["wrong_secret", "expired_secret", "revoked"]
    entry = (
        await rows(identity, "SELECT subject_id, details FROM audit_log ORDER BY id DESC LIMIT 1")
    )[0]
    assert str(entry.subject_id) == id_
    assert secret not in str(entry.details)


async def test_old_secret_ends_with_the_overlap(identity: GraphClient, boss: Person) -> None:
    made = await create(boss)
    id_ = made["client"]["id"]
    assert made["client"]["validSecrets"] == 1
    rotated = (await boss.client.ask(ROTATE, id=id_)).data["rotateOauthClientSecret"]
    assert rotated["client"]["validSecrets"] == 2
    last = (await boss.client.ask(ROTATE, id=id_, hours=0)).data["rotateOauthClientSecret"]
    assert last["client"]["validSecrets"] == 1
    given = [made["secret"], rotated["secret"], last["secret"]]
    assert [(await ask(identity, id_, secret))[0] for secret in given] == [401, 401, 200]
    for hours in (-1, 169):
        answer = await boss.client.ask(ROTATE, id=id_, hours=hours)
        assert answer.data["rotateOauthClientSecret"] == {
            "__typename": "Problem",
            "code": "INVALID_INPUT",
            "field": "overlapHours",
        }


async def test_rotations_at_once_leave_two_secrets(identity: GraphClient, boss: Person) -> None:
    made = await create(boss)
    id_ = made["client"]["id"]
    answers = await asyncio.gather(*(boss.client.ask(ROTATE, id=id_) for _ in range(5)))
    given = [made["secret"]]
    given += [answer.data["rotateOauthClientSecret"]["secret"] for answer in answers]
    valid = [secret for secret in given if (await ask(identity, id_, secret))[0] == 200]
    assert len(valid) == 2
    assert made["secret"] not in valid
    assert (await actions(identity)).count("oauth_client.secret_rotated") == 5


async def test_program_acts_for_an_account_while_it_is_open(
    identity: GraphClient, boss: Person, jwks: JwksServer
) -> None:
    tutor = await person(identity, "tutor@example.org", "tutor")
    made = await create(boss, actsFor=str(tutor.id), contact="it@school.example")
    assert made["client"]["actsFor"] == str(tutor.id)
    assert made["client"]["contact"] == "it@school.example"
    id_ = made["client"]["id"]
    _, body = await ask(identity, id_, made["secret"])
    keys = KeySet.import_key_set({"keys": jwks.keys})
    claims = jwt.decode(body["access_token"], keys, algorithms=["ES256"]).claims
    assert claims["acts_for"] == str(tutor.id)

    await execute(identity, "UPDATE users SET status = 'SUSPENDED' WHERE id = :id", id=tutor.id)
    status, refused = await ask(identity, id_, made["secret"])
    assert (status, refused["error"]) == (400, "unauthorized_client")
    assert await refusals(identity) == ["account_closed"]
    assert (await create(boss, actsFor=str(tutor.id)))["field"] == "actsFor"


async def test_contract_and_scopes_are_those_of_the_file_at_the_moment(
    identity: GraphClient, boss: Person, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = await create(boss)
    id_, secret = made["client"]["id"], made["secret"]
    file = tmp_path / "contracts.yaml"
    changed = runtime_of(identity).settings.model_copy(update={"contracts_file": file})
    monkeypatch.setattr(identity.runtime, "settings", changed)

    def write(text: str) -> None:
        new = tmp_path / "new"
        new.write_text(text)
        new.rename(file)

    known = yaml.safe_load(PATH.read_text())["contracts"]
    less = known["partner-lms"] | {"scopes": ["catalog:read"]}
    write(yaml.safe_dump({"contracts": {"partner-lms": less}}))
    assert (await ask(identity, id_, secret))[1]["scope"] == "catalog:read"
    asked = await ask(identity, id_, secret, scope="enrollments:read")
    assert (asked[0], asked[1]["error"]) == (400, "invalid_scope")

    write(yaml.safe_dump({"contracts": {"web": known["web"]}}))
    status, body = await ask(identity, id_, secret)
    assert (status, body["error"]) == (400, "unauthorized_client")
    assert "partner-lms" in body["error_description"]
    assert (await create(boss))["field"] == "contract"

    for text in ("contracts: [", "contracts: {}"):
        write(text)
        status, body = await ask(identity, id_, secret)
        wanted = (503, "temporarily_unavailable") if "[" in text else (400, "unauthorized_client")
        assert (status, body["error"]) == wanted
    assert await refusals(identity) == ["scope_not_held", "contract_withdrawn"]
    # Who has no secret learns nothing of contracts.
    assert (await ask(identity, id_, "wrong"))[1]["error"] == "invalid_client"
