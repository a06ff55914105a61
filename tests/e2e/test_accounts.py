"""An account's life through the router: sessions, refresh, reset, second factor, suspension."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import psycopg
import pyotp

from deploy.local.platform import Platform
from tests.e2e.client import LOGIN, PASSWORD, Client, eventually

REFRESH = """mutation($token: String!) {
  refresh(refreshToken: $token) {
    __typename ... on AuthTokens { accessToken refreshToken } ... on Problem { code }
  }
}"""


def address(client: Client) -> str:
    return str(client.act("{ me { email } }")["email"])


def test_sessions_show_where_they_began_and_end_at_once(client: Client) -> None:
    desk = client.join()
    phone = client.login(address(desk))
    sessions = desk.act("{ mySessions { nodes { id isCurrent ipAddress userAgent } } }")["nodes"]
    assert [s["isCurrent"] for s in sessions] == [False, True]
    assert {s["ipAddress"] for s in sessions} == {"127.0.0.1"}
    assert all(s["userAgent"].startswith("python-httpx/") for s in sessions)
    assert phone.act("{ me { id } }") == {"id": desk.user_id}
    revoke = "mutation($id: ID!) { revokeSession(id: $id) { __typename } }"
    assert desk.act(revoke, id=sessions[0]["id"]) == {"__typename": "Session"}
    refused = phone.post("{ me { id } }").json()
    assert refused["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert desk.act("{ me { id } }") == {"id": desk.user_id}


def test_answers_go_to_whom_they_belong_when_many_ask_the_same_at_once(client: Client) -> None:
    people = [client.join() for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: people[n % 4].act("{ me { id } }"), range(120)))
    assert [a["id"] for a in answers] == [people[n % 4].user_id for n in range(120)]


def test_refresh_token_works_once_and_its_tokens_do(client: Client) -> None:
    signed_in = client.join()
    tokens = client.act(REFRESH, token=signed_in.refresh_token)
    assert tokens["__typename"] == "AuthTokens"
    assert replace(client, token=tokens["accessToken"]).act("{ me { id } }") == {
        "id": signed_in.user_id
    }
    assert client.act(REFRESH, token=signed_in.refresh_token)["__typename"] == "Problem"


def test_password_is_reset_by_mail_and_all_sessions_end(client: Client) -> None:
    before = client.join()
    email = address(before)
    request = """mutation($email: String!) {
      requestPasswordReset(email: $email) { __typename } }"""
    known = client.act(request, email=email)
    assert known == client.act(request, email="nobody-at-all@edtech.test")

    def link() -> str | None:
        [mail, *_] = client.mails(email)
        found = re.search(r"reset[^\s]*token=([\w.~-]+)", mail["text"])
        return found[1] if found else None

    token = eventually(link)
    reset = """mutation($token: String!, $password: String!) {
      resetPassword(token: $token, newPassword: $password) { __typename } }"""
    password = "marble-thistle-outpost-27"
    assert client.act(reset, token=token, password=password) == {"__typename": "User"}
    assert client.act(reset, token=token, password=password) == {"__typename": "Problem"}
    assert before.post("{ me { id } }").json()["errors"]
    assert client.login(email, password).user_id == before.user_id


def test_second_factor_is_asked_for_once_it_is_on(client: Client) -> None:
    signed_in = client.join()
    email = address(signed_in)
    secret = signed_in.act("mutation { enableTotp { ... on TotpSecret { secret } } }")["secret"]
    confirmed = signed_in.act(
        """mutation($code: String!) { confirmTotp(code: $code) {
             ... on RecoveryCodes { codes } ... on Problem { code } } }""",
        code=pyotp.TOTP(secret).now(),
    )
    assert len(confirmed["codes"]) == 10

    def login(**second: Any) -> Any:
        return client.act(LOGIN, input={"email": email, "password": PASSWORD, **second})

    assert login()["code"] == "MFA_REQUIRED"
    assert login(recoveryCode=confirmed["codes"][0])["__typename"] == "AuthTokens"
    assert login(recoveryCode=confirmed["codes"][0])["__typename"] == "Problem"


def test_suspension_reaches_the_other_subgraph_within_the_lag_of_its_event(
    platform: Platform, client: Client, admin: Client
) -> None:
    user = client.join()
    query = "{ courses(first: 1) { nodes { id } } }"
    assert "errors" not in user.post(query).json()
    suspend = """mutation($id: ID!) {
      suspendUser(userId: $id, reason: "Spam in every course") {
        __typename ... on Problem { code message } } }"""
    assert admin.act(suspend, id=user.user_id) == {"__typename": "User"}
    # Identity knows at once, learning by the event.
    assert user.post("{ me { id } }").json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    eventually(lambda: user.post(query).json().get("errors"))
    restore = "mutation($id: ID!) { restoreUser(userId: $id) { __typename } }"
    assert admin.act(restore, id=user.user_id) == {"__typename": "User"}
    with psycopg.connect(
        host="127.0.0.1", port=platform.env["DB_PORT"], user="postgres", dbname="edtech_learning_db"
    ) as learning:
        eventually(
            lambda: (
                learning.execute(
                    "SELECT status FROM user_refs WHERE user_id = %s", (user.user_id,)
                ).fetchone()
                == ("ACTIVE",)
            )
        )


def test_keys_discovery_and_partner_tokens_are_reached_through_the_router(
    client: Client, admin: Client
) -> None:
    keys = client.http.get(f"{client.router}/.well-known/jwks.json").json()["keys"]
    assert {key["alg"] for key in keys} == {"ES256"}
    assert not any("d" in key for key in keys)
    found = client.http.get(f"{client.router}/.well-known/openid-configuration").json()
    assert found["token_endpoint"] == f"{client.router}/oauth/token"
    created = admin.act(
        """mutation($input: CreateOauthClientInput!) {
             createOauthClient(input: $input) {
               ... on OauthClientSecret { secret client { id } }
               ... on Problem { code message field } } }""",
        input={"name": "School", "contract": "partner-catalog", "scopes": ["catalog:read"]},
    )
    assert "secret" in created, created
    pair = (created["client"]["id"], created["secret"])
    form = {"grant_type": "client_credentials", "scope": "catalog:read"}
    answer = client.http.post(found["token_endpoint"], data=form, auth=pair)
    assert answer.status_code == 200, answer.text
    # The token is for its contract's router; this one serves the whole graph and refuses it.
    partner = replace(client, token=answer.json()["access_token"])
    assert partner.post("{ courses(first: 1) { nodes { id } } }").status_code == 401
    wrong = client.http.post(found["token_endpoint"], data=form, auth=(pair[0], "wrong"))
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
