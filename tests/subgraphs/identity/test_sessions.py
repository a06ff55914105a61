"""Sign-in, refresh with rotation, sign-out, and what a token says."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from shared.auth import sign
from subgraphs.identity.config import Rate
from subgraphs.identity.graph import schema
from tests.subgraphs.identity.people import (
    LOGIN,
    NEW_PASSWORD,
    PASSWORD,
    REFRESH,
    actions,
    execute,
    http,
    login_problem,
    mails,
    person,
    rows,
    runtime_of,
    seed,
    sign_in,
    value,
)
from tests.support import tokens
from tests.support.graph import GraphClient, counted, published
from tests.support.services import ISSUER, SECRET
from tests.support.tokens import JwksServer

ME = "{ me { id roles } }"
SESSIONS = "{ mySessions { nodes { id isCurrent method ipAddress userAgent } } }"
REVOKE = """
mutation($id: ID!) { revokeSession(id: $id) { __typename ... on Session { id revokedAt }
  ... on Problem { code field } } }
"""


async def refresh(identity: GraphClient, token: str) -> Any:
    """What a refresh answers."""
    return (await identity.ask(REFRESH, token=token)).data["refresh"]


def claims_of(jwks: JwksServer, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, verified with the published keys."""
    decoded = jwt.decode(token, KeySet.import_key_set({"keys": jwks.keys}), algorithms=["ES256"])
    return dict(decoded.header), dict(decoded.claims)


async def test_token_says_who_and_for_how_long_and_nothing_else(
    identity: GraphClient, jwks: JwksServer
) -> None:
    who = await person(identity, "ada@example.org", "tutor", "student")
    header, claims = claims_of(jwks, who.access_token)
    session_id = await value(identity, "SELECT id FROM user_sessions")
    key_id = await value(identity, "SELECT id FROM signing_keys")
    assert header == {"typ": "JWT", "alg": "ES256", "kid": str(key_id)}
    assert claims.keys() == {
        "iss", "aud", "sub", "roles", "scope", "sid", "ver", "iat", "exp", "jti"
    }  # fmt: skip
    assert claims["exp"] - claims["iat"] == 600
    assert claims | {"iat": 0, "exp": 0, "jti": ""} == {
        "iss": ISSUER,
        "aud": "graph",
        "sub": str(who.id),
        "roles": ["tutor", "student"],
        "scope": "",
        "sid": str(session_id),
        "ver": 1,
        "iat": 0,
        "exp": 0,
        "jti": "",
    }
    assert (await who.client.ask(ME)).data["me"] == {
        "id": str(who.id),
        "roles": ["TUTOR", "STUDENT"],
    }


async def test_login_records_session_time_audit_and_event(identity: GraphClient) -> None:
    who = await person(identity)
    ((user_id, method, ip),) = await rows(
        identity, "SELECT user_id, method, ip_address FROM user_sessions"
    )
    assert (user_id, method, ip) == (who.id, "password", "192.0.2.1")
    assert await value(identity, "SELECT last_login_at IS NOT NULL FROM users")
    assert await actions(identity) == ["user.seeded", "session.opened"]
    kind, event = (await published(identity.runtime))[1]
    session_id = await value(identity, "SELECT id FROM user_sessions")
    assert kind == "edtech.identity.user.logged_in.v1"
    assert event == {"version": 1, "userId": str(who.id), "sessionId": str(session_id)}


async def test_unknown_address_and_wrong_password_look_and_cost_the_same(
    identity: GraphClient,
) -> None:
    await seed(identity, "ada@example.org")
    with counted(identity.runtime.database) as unknown:
        first = await login_problem(identity, "nobody@example.org", PASSWORD)
    with counted(identity.runtime.database) as wrong:
        second = await login_problem(identity, "ada@example.org", NEW_PASSWORD)
    assert first == second
    assert (first["code"], first["field"]) == ("INVALID_CREDENTIALS", None)
    assert unknown == wrong
    assert len(wrong) == 2
    assert await value(identity, "SELECT count(*) FROM user_sessions") == 0
    assert await actions(identity) == ["user.seeded", "session.refused", "session.refused"]


async def test_address_is_matched_in_any_case(identity: GraphClient) -> None:
    await seed(identity, "Ada@example.org")
    who = await sign_in(identity, "aDA@Example.ORG")
    assert who.access_token


async def test_account_without_password_refuses_every_password(identity: GraphClient) -> None:
    await seed(identity, "ada@example.org")
    await execute(identity, "UPDATE users SET password_hash = NULL")
    for password in (PASSWORD, "", "nobody's password"):
        answer = await login_problem(identity, "ada@example.org", password)
        assert answer["code"] == "INVALID_CREDENTIALS"


async def test_suspension_is_told_only_after_the_right_password(identity: GraphClient) -> None:
    await seed(identity, "ada@example.org")
    await execute(identity, "UPDATE users SET status = 'SUSPENDED'")
    wrong = await login_problem(identity, "ada@example.org", NEW_PASSWORD)
    right = await login_problem(identity, "ada@example.org", PASSWORD)
    assert (wrong["code"], right["code"]) == ("INVALID_CREDENTIALS", "ACCOUNT_SUSPENDED")
    assert await value(identity, "SELECT count(*) FROM user_sessions") == 0


async def test_hash_of_other_parameters_is_renewed(identity: GraphClient) -> None:
    from argon2 import PasswordHasher

    await seed(identity, "ada@example.org")
    old = PasswordHasher(time_cost=1, memory_cost=32, parallelism=1).hash(PASSWORD)
    await execute(identity, "UPDATE users SET password_hash = :old", old=old)
    await sign_in(identity, "ada@example.org")
    renewed = await value(identity, "SELECT password_hash FROM users")
    assert "m=64,t=1,p=1" in renewed
    await sign_in(identity, "ada@example.org")
    assert await value(identity, "SELECT password_hash FROM users") == renewed


async def test_tries_are_limited_by_account_and_by_address(
    identity: GraphClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = runtime_of(identity).settings
    changed = settings.model_copy(
        update={"limit_login_account": Rate(2, 60), "limit_login_ip": Rate(5, 60)}
    )
    monkeypatch.setattr(identity.runtime, "settings", changed)
    await seed(identity, "ada@example.org")
    codes = [
        (await login_problem(identity, "ada@example.org", NEW_PASSWORD))["code"] for _ in range(3)
    ]
    assert codes == ["INVALID_CREDENTIALS"] * 2 + ["RATE_LIMITED"]
    # The right password helps no more; another account still may, until the address is full.
    assert (await login_problem(identity, "ADA@example.org", PASSWORD))["code"] == "RATE_LIMITED"
    assert (await login_problem(identity, "b@example.org", PASSWORD))["code"] == (
        "INVALID_CREDENTIALS"
    )
    assert (await login_problem(identity, "c@example.org", PASSWORD))["code"] == "RATE_LIMITED"
    elsewhere = identity.with_token(None, ip="198.51.100.9")
    await sign_in(elsewhere, "ada@example.org")


async def test_refresh_gives_new_tokens_of_the_same_session(
    identity: GraphClient, jwks: JwksServer
) -> None:
    who = await person(identity)
    answer = await refresh(identity, who.refresh_token)
    assert answer["refreshToken"] != who.refresh_token
    before, after = (
        claims_of(jwks, token)[1] for token in (who.access_token, answer["accessToken"])
    )
    assert before["sid"] == after["sid"]
    assert before["jti"] != after["jti"]
    assert (await refresh(identity, answer["refreshToken"]))["__typename"] == "AuthTokens"
    stored = await rows(identity, "SELECT token_hash FROM refresh_tokens")
    assert len(stored) == 3
    assert all(len(bytes(row.token_hash)) == 32 for row in stored)


async def test_second_use_ends_the_session_and_tells_the_owner(identity: GraphClient) -> None:
    who = await person(identity)
    newer = await refresh(identity, who.refresh_token)
    await execute(
        identity,
        "UPDATE refresh_tokens SET used_at = now() - interval '11 s' WHERE used_at IS NOT NULL",
    )
    reused = await refresh(identity, who.refresh_token)
    assert (reused["__typename"], reused["code"]) == ("Problem", "REFRESH_TOKEN_REUSED")
    assert (await refresh(identity, newer["refreshToken"]))["code"] == "REFRESH_TOKEN_INVALID"
    assert (await identity.with_token(newer["accessToken"]).ask(ME)).status == 401
    assert await value(identity, "SELECT revoke_reason FROM user_sessions") == (
        "refresh token reused"
    )
    assert [name for name, _, _ in await mails(identity)] == ["session_stolen"]
    assert (await actions(identity))[-1] == "session.reuse_detected"
    # Once more changes nothing and mails nothing.
    assert (await refresh(identity, who.refresh_token))["code"] == "REFRESH_TOKEN_INVALID"
    assert len(await mails(identity)) == 1


async def test_second_use_at_the_same_moment_is_refused_but_ends_nothing(
    identity: GraphClient,
) -> None:
    who = await person(identity)
    answers = await asyncio.gather(*(refresh(identity, who.refresh_token) for _ in range(5)))
    kinds = sorted(answer.get("code", "AuthTokens") for answer in answers)
    assert kinds == ["AuthTokens"] + ["REFRESH_SUPERSEDED"] * 4
    (winner,) = [answer for answer in answers if answer["__typename"] == "AuthTokens"]
    assert (await refresh(identity, winner["refreshToken"]))["__typename"] == "AuthTokens"
    assert await mails(identity) == []


async def test_old_and_unknown_refresh_tokens_are_refused(identity: GraphClient) -> None:
    who = await person(identity)
    await execute(identity, "UPDATE refresh_tokens SET expires_at = now()")
    for token in (who.refresh_token, "unknown", "", who.access_token):
        assert (await refresh(identity, token))["code"] == "REFRESH_TOKEN_INVALID"
    assert await value(identity, "SELECT revoked_at IS NULL FROM user_sessions")


async def test_suspended_user_gets_no_new_tokens(identity: GraphClient) -> None:
    who = await person(identity)
    await execute(identity, "UPDATE users SET status = 'SUSPENDED'")
    assert (await refresh(identity, who.refresh_token))["code"] == "ACCOUNT_SUSPENDED"
    assert (await who.client.ask(ME)).codes == ["UNAUTHENTICATED"]


async def test_logout_ends_the_session_at_once(identity: GraphClient) -> None:
    who = await person(identity)
    other = await sign_in(identity, who.email)
    answer = await who.client.ask("mutation { logout { ... on Session { isCurrent revokedAt } } }")
    assert answer.data["logout"]["isCurrent"] is True
    assert answer.data["logout"]["revokedAt"] is not None
    refused = await who.client.ask(ME)
    assert (refused.status, refused.codes) == (401, ["UNAUTHENTICATED"])
    assert (await refresh(identity, who.refresh_token))["code"] == "REFRESH_TOKEN_INVALID"
    assert (await other.client.ask(ME)).data["me"]["id"] == str(who.id)


async def test_sessions_list_only_ones_own_open_ones(identity: GraphClient) -> None:
    who = await person(identity)
    await person(identity, "eve@example.org")
    phone = await sign_in(identity.with_token(None, ip="198.51.100.7"), who.email)
    nodes = (await who.client.ask(SESSIONS)).data["mySessions"]["nodes"]
    assert [(node["isCurrent"], node["ipAddress"]) for node in nodes] == [
        (False, "198.51.100.7"),
        (True, "192.0.2.1"),
    ]
    answer = (await who.client.ask(REVOKE, id=nodes[0]["id"])).data["revokeSession"]
    assert answer["revokedAt"] is not None
    assert (await phone.client.ask(ME)).status == 401
    again = (await who.client.ask(REVOKE, id=nodes[0]["id"])).data["revokeSession"]
    assert again == answer
    assert len((await who.client.ask(SESSIONS)).data["mySessions"]["nodes"]) == 1
    assert (await actions(identity)).count("session.revoked") == 1


async def test_other_peoples_sessions_cannot_be_ended(identity: GraphClient) -> None:
    who, eve = await person(identity), await person(identity, "eve@example.org")
    theirs = await value(identity, "SELECT id FROM user_sessions WHERE user_id = :id", id=who.id)
    for given in (str(theirs), "not-an-id"):
        answer = (await eve.client.ask(REVOKE, id=given)).data["revokeSession"]
        assert answer["field"] == "id"
    assert (await who.client.ask(ME)).data["me"]["id"] == str(who.id)


async def test_other_sessions_end_and_the_present_one_stays(identity: GraphClient) -> None:
    who = await person(identity)
    others = [await sign_in(identity, who.email) for _ in range(2)]
    await who.client.ask("mutation { revokeOtherSessions { ... on User { id } } }")
    assert (await who.client.ask(ME)).status == 200
    assert [(await other.client.ask(ME)).status for other in others] == [401, 401]


async def test_own_account_costs_two_statements_one_of_them_the_check(
    identity: GraphClient,
) -> None:
    who = await person(identity)
    with counted(identity.runtime.database) as statements:
        await who.client.ask("{ me { id name email roles bio } }")
    assert len(statements) == 2


async def test_role_that_was_granted_since_holds_at_once(identity: GraphClient) -> None:
    who = await person(identity)
    assert (await who.client.ask("{ users { nodes { id } } }")).codes == ["FORBIDDEN"]
    await execute(identity, "INSERT INTO user_roles VALUES (:id, 'admin')", id=who.id)
    await execute(identity, "UPDATE users SET auth_version = 2")
    answer = await who.client.ask("{ users { nodes { id } } }")
    assert len(answer.data["users"]["nodes"]) == 1


async def test_tokens_of_nobody_and_of_no_session_are_refused(identity: GraphClient) -> None:
    who = await person(identity)
    stranger = UUID("0190a000-0000-7000-8000-000000000001")
    for client in (identity.as_user(stranger), identity.as_user(who.id)):
        assert (await client.ask(ME)).status == 401


@pytest.mark.parametrize("end", ["", ".", "A", "..."])
async def test_tampered_token_is_refused(identity: GraphClient, end: str) -> None:
    who = await person(identity)
    header, body, signature = who.access_token.split(".")
    changed = body[:-2] + ("AA" if body[-2:] != "AA" else "BB")
    for token in (f"{header}.{changed}.{signature}", f"{header}.{body}.{end}"):
        assert (await identity.with_token(token).ask(ME)).status == 401


async def test_token_that_signs_itself_is_refused(identity: GraphClient) -> None:
    who = await person(identity)
    session_id = await value(identity, "SELECT id FROM user_sessions")
    own = ECKey.generate_key("P-256", {"kid": "mine"}, private=True)
    for options in (
        {"key": own, "header": {"alg": "ES256", "kid": "mine"}},
        {"key": own, "header": {"alg": "ES256", "kid": "tests"}},
        {"exp": 1},
        {"iss": "http://elsewhere.test"},
        {"aud": "partner-school"},
    ):
        token = tokens.token(who.id, session_id=session_id, **options)
        assert (await identity.with_token(token).ask(ME)).status == 401
    genuine = tokens.token(who.id, session_id=session_id)
    assert (await identity.with_token(genuine).ask(ME)).status == 200


async def test_refresh_token_can_be_revoked_over_oauth(identity: GraphClient) -> None:
    who = await person(identity)
    answer = await http(identity, "POST", "/oauth/revoke", form={"token": who.refresh_token})
    assert (answer.status_code, answer.content) == (200, b"")
    assert (await who.client.ask(ME)).status == 401
    unknown = await http(identity, "POST", "/oauth/revoke", form={"token": "unknown"})
    assert unknown.status_code == 200


async def test_access_token_can_be_revoked_over_oauth(identity: GraphClient) -> None:
    who = await person(identity)
    forged = who.access_token[:-4] + "AAAA"
    assert (
        await http(identity, "POST", "/oauth/revoke", form={"token": forged})
    ).status_code == 200
    assert (await who.client.ask(ME)).status == 200
    await http(identity, "POST", "/oauth/revoke", form={"token": who.access_token})
    assert (await who.client.ask(ME)).status == 401
    await execute(identity, "DELETE FROM user_sessions")
    again = await http(identity, "POST", "/oauth/revoke", form={"token": who.access_token})
    assert again.status_code == 200


async def test_only_the_router_may_ask(identity: GraphClient) -> None:
    body = b'{"query":"{ me { id } }"}'
    for signature in ("", sign(b"x" * 40, body), sign(SECRET.encode(), body, at=1)):
        assert (await identity.post(body, signature=signature)).status_code == 401


async def test_password_never_reaches_an_error(identity: GraphClient) -> None:
    answer = await identity.ask(LOGIN, input={"email": "bad", "password": PASSWORD})
    assert answer.data["login"]["code"] == "INVALID_INPUT"
    assert PASSWORD not in str(answer.body)


def test_every_type_field_argument_and_value_is_described() -> None:
    missing = [
        name
        for name, kind in schema._schema.type_map.items()
        if not name.startswith(("_", "link__")) and name not in ("Query", "Mutation")
        if not kind.description
        or any(not field.description for field in getattr(kind, "fields", {}).values())
        or any(not entry.description for entry in getattr(kind, "values", {}).values())
        or any(
            not argument.description
            for field in getattr(kind, "fields", {}).values()
            for argument in getattr(field, "args", {}).values()
        )
    ]
    assert missing == []
