"""Signing in with an OpenID provider, over real HTTP."""

import asyncio
import base64
import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.subgraphs.identity.openid import OpenIdProvider
from tests.subgraphs.identity.people import (
    PASSWORD,
    actions,
    execute,
    http,
    mails,
    person,
    rows,
    seed,
    sign_in,
    value,
)
from tests.support.graph import GraphClient, published
from tests.support.services import ISSUER, PUBLIC_URL

REDIRECT = f"{PUBLIC_URL}/auth/callback"
START = """
mutation($provider: String!, $redirect: String!) {
  startProviderLogin(provider: $provider, redirectUri: $redirect) { __typename
    ... on ProviderLogin { authorizationUrl loginSecret } ... on Problem { code field } } }
"""
LOGIN = """
mutation($input: LoginWithProviderInput!) { loginWithProvider(input: $input) { __typename
  ... on AuthTokens { accessToken user { id email name status isEmailVerified hasPassword } }
  ... on Problem { code field } } }
"""
LINK = """
mutation($input: LinkProviderInput!) { linkProvider(input: $input) {
  __typename ... on User { id } ... on Problem { code } } }
"""
UNLINK = """
mutation($provider: String!) { unlinkProvider(provider: $provider) {
  __typename ... on User { id } ... on Problem { code } } }
"""
LINKED = "{ mySocialAccounts { nodes { provider email } } }"


@dataclass
class Trip:
    """A way to the provider and back, before its code is redeemed."""

    provider: str
    secret: str
    asked: dict[str, list[str]]  # the query of the provider's page
    callback: str  # path and query that the provider sent the browser to
    answer: dict[str, list[str]]  # the query that the web app got

    @property
    def input(self) -> dict[str, str]:
        """What redeems the trip."""
        return {
            "provider": self.provider,
            "code": self.answer["code"][0],
            "loginSecret": self.secret,
        }


async def start(identity: GraphClient, provider: str = "google", redirect: str = REDIRECT) -> Any:
    """What a start answers."""
    answer = await identity.ask(START, provider=provider, redirect=redirect)
    return answer.data["startProviderLogin"]


async def agree(url: str) -> str:
    """The provider's page, where everybody agrees; path and query of our callback."""
    async with httpx.AsyncClient(trust_env=False) as browser:
        location = (await browser.get(url)).headers["location"]
    assert location.startswith(f"{ISSUER}/oauth/callback/")
    return location.removeprefix(ISSUER)


async def travel(identity: GraphClient, provider: str = "google") -> Trip:
    """To the provider and back to the web app."""
    begun = await start(identity, provider)
    callback = await agree(begun["authorizationUrl"])
    if provider == "apple":
        path, _, query = callback.partition("?")
        back = await http(identity, "POST", path, form=query.encode())
    else:
        back = await http(identity, "GET", callback)
    assert back.status_code == 303, back.text
    assert back.headers["location"].startswith(f"{REDIRECT}?")
    assert back.headers["referrer-policy"] == "no-referrer"
    return Trip(
        provider,
        begun["loginSecret"],
        parse_qs(urlsplit(begun["authorizationUrl"]).query),
        callback,
        parse_qs(urlsplit(back.headers["location"]).query),
    )


async def log_in(identity: GraphClient, trip: Trip, **changes: str) -> Any:
    """What redeeming answers."""
    answer = await identity.ask(LOGIN, input=trip.input | changes)
    return answer.data["loginWithProvider"]


@pytest.mark.parametrize(("provider", "algorithm"), [("google", "ES256"), ("apple", "RS256")])
async def test_first_login_makes_a_verified_account(
    identity: GraphClient, openid: OpenIdProvider, provider: str, algorithm: str
) -> None:
    openid.algorithm = algorithm
    answer = await log_in(identity, await travel(identity, provider))
    assert answer["user"] | {"id": ""} == {
        "id": "",
        "email": "ada@example.org",
        "name": "Ada Lovelace",
        "status": "ACTIVE",
        "isEmailVerified": True,
        "hasPassword": False,
    }
    kinds = [kind for kind, _ in await published(identity.runtime)]
    assert kinds == ["edtech.identity.user.created.v1", "edtech.identity.user.logged_in.v1"]
    assert await mails(identity) == []
    assert await actions(identity) == ["user.registered", "provider.linked", "session.opened"]
    assert await rows(identity, "SELECT method FROM user_sessions") == [(provider,)]
    client = identity.with_token(answer["accessToken"])
    assert (await client.ask(LINKED)).data["mySocialAccounts"]["nodes"] == [
        {"provider": provider, "email": "ada@example.org"}
    ]


async def test_simultaneous_first_logins_make_one_account(
    identity: GraphClient, openid: OpenIdProvider
) -> None:
    trips = [await travel(identity) for _ in range(4)]
    answers = await asyncio.gather(*(log_in(identity, trip) for trip in trips))
    assert [answer["__typename"] for answer in answers] == ["AuthTokens"] * 4
    assert len({answer["user"]["id"] for answer in answers}) == 1
    assert await value(identity, "SELECT count(*) FROM social_accounts") == 1


async def test_later_logins_find_the_account_by_subject(
    identity: GraphClient, openid: OpenIdProvider
) -> None:
    first = await log_in(identity, await travel(identity))
    openid.person |= {"email": "other@example.org", "email_verified": False}
    second = await log_in(identity, await travel(identity))
    assert second["user"]["id"] == first["user"]["id"]
    assert await value(identity, "SELECT count(*) FROM users") == 1


async def test_page_is_asked_with_pkce_nonce_and_state_that_are_kept_hashed(
    identity: GraphClient, openid: OpenIdProvider
) -> None:
    trip = await travel(identity)
    asked = trip.asked
    assert asked["redirect_uri"] == [f"{ISSUER}/oauth/callback/google"]
    assert asked["scope"] == ["openid email profile"]
    assert len(base64.urlsafe_b64decode(asked["code_challenge"][0] + "=")) == 32
    ((stored,),) = await rows(identity, "SELECT p::text FROM provider_logins p")
    for secret in (asked["state"][0], asked["nonce"][0], trip.secret, trip.answer["code"][0]):
        assert secret not in stored
        assert secret.encode().hex() not in stored
    assert hashlib.sha256(asked["state"][0].encode()).hexdigest() in stored
    assert b"ada@example.org".hex() not in stored


async def test_verified_account_is_linked_by_a_verified_address(
    identity: GraphClient, openid: OpenIdProvider
) -> None:
    mine = await seed(identity, "ADA@example.org")
    answer = await log_in(identity, await travel(identity))
    assert answer["user"]["id"] == str(mine)
    assert answer["user"]["hasPassword"] is True


async def test_unverified_account_is_never_linked_by_its_address(
    identity: GraphClient, openid: OpenIdProvider
) -> None:
    await seed(identity, "ada@example.org", verified=False)
    answer = await log_in(identity, await travel(identity))
    assert answer["code"] == "EMAIL_NOT_VERIFIED"
    assert await value(identity, "SELECT count(*) FROM social_accounts") == 0
    assert await value(identity, "SELECT count(*) FROM user_sessions") == 0


@pytest.mark.parametrize(
    "change", [{"email_verified": False}, {"email_verified": "false"}, {"email": None}]
)
async def test_address_that_the_provider_does_not_confirm_counts_for_nothing(
    identity: GraphClient, openid: OpenIdProvider, change: dict[str, Any]
) -> None:
    openid.person |= change
    for seeded in (False, True):
        if seeded:
            await seed(identity, "ada@example.org")
        answer = await log_in(identity, await travel(identity))
        assert answer["code"] == "PROVIDER_EMAIL_UNVERIFIED"
    assert await value(identity, "SELECT count(*) FROM social_accounts") == 0


async def test_code_is_redeemed_once(identity: GraphClient, openid: OpenIdProvider) -> None:
    trip = await travel(identity)
    answers = await asyncio.gather(*(log_in(identity, trip) for _ in range(4)))
    kinds = sorted(answer.get("code", "AuthTokens") for answer in answers)
    assert kinds == ["AuthTokens"] + ["PROVIDER_CODE_INVALID"] * 3
    assert await value(identity, "SELECT count(*) FROM users") == 1


async def test_code_is_worth_nothing_without_the_browsers_secret(
    identity: GraphClient, openid: OpenIdProvider
) -> None:
    trip = await travel(identity)
    for changes in ({"loginSecret": "another"}, {"code": "another"}, {"provider": "apple"}):
        assert (await log_in(identity, trip, **changes))["code"] == "PROVIDER_CODE_INVALID"
    assert (await log_in(identity, trip))["__typename"] == "AuthTokens"


async def test_old_code_is_refused(identity: GraphClient, openid: OpenIdProvider) -> None:
    trip = await travel(identity)
    await execute(identity, "UPDATE provider_logins SET expires_at = now()")
    assert (await log_in(identity, trip))["code"] == "PROVIDER_CODE_INVALID"


async def test_callback_is_accepted_once_and_only_with_our_state(
    identity: GraphClient, openid: OpenIdProvider
) -> None:
    trip = await travel(identity)
    assert (await http(identity, "GET", trip.callback)).status_code == 400
    for query in ("", "code=x", "code=x&state=y"):
        answer = await http(identity, "GET", f"/oauth/callback/google?{query}")
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    begun = await start(identity)
    callback = await agree(begun["authorizationUrl"])
    elsewhere = callback.replace("/google?", "/apple?")
    assert (await http(identity, "GET", elsewhere)).status_code == 400
    assert openid.requests.count("token") == 1


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"aud": "another-client"},
        {"iss": "http://elsewhere.test"},
        {"exp": 1},
        {"azp": "another-client"},
    ],
)
async def test_identity_that_is_not_for_this_login_is_refused(
    identity: GraphClient, openid: OpenIdProvider, claims: dict[str, Any]
) -> None:
    openid.claims = claims
    trip = await travel(identity)
    assert trip.answer == {"provider": ["google"], "error": ["provider_refused"]}
    assert await value(identity, "SELECT code_hash IS NULL FROM provider_logins")


async def test_identity_with_a_strangers_signature_is_refused(
    identity: GraphClient, openid: OpenIdProvider
) -> None:
    openid.forged = True
    assert (await travel(identity)).answer["error"] == ["provider_refused"]


async def test_provider_that_is_down_is_told_and_a_new_login_works(
    identity: GraphClient, openid: OpenIdProvider
) -> None:
    openid.down = True
    assert (await travel(identity)).answer["error"] == ["unavailable"]
    openid.down = False
    assert (await log_in(identity, await travel(identity)))["__typename"] == "AuthTokens"


async def test_refusal_at_the_providers_page_is_told(
    identity: GraphClient, openid: OpenIdProvider
) -> None:
    begun = await start(identity)
    state = parse_qs(urlsplit(begun["authorizationUrl"]).query)["state"][0]
    back = await http(identity, "GET", f"/oauth/callback/google?error=access_denied&state={state}")
    assert back.headers["location"] == f"{REDIRECT}?provider=google&error=access_denied"


async def test_unknown_provider_and_foreign_redirect_are_refused(
    identity: GraphClient, openid: OpenIdProvider
) -> None:
    assert (await start(identity, "myspace"))["field"] == "provider"
    for redirect in ("https://evil.example/", f"{REDIRECT}/more", f"{REDIRECT}?x=1"):
        assert (await start(identity, redirect=redirect))["field"] == "redirectUri"
    assert await value(identity, "SELECT count(*) FROM provider_logins") == 0


async def test_second_factor_is_asked_for_here_too_and_the_code_survives_the_question(
    identity: GraphClient, openid: OpenIdProvider
) -> None:
    await log_in(identity, await travel(identity))
    await execute(
        identity,
        "INSERT INTO totp_factors (user_id, secret, confirmed_at) SELECT id, 'x', now() FROM users",
    )
    await execute(
        identity,
        "INSERT INTO recovery_codes (user_id, code_hash) SELECT id, sha256('ABCD') FROM users",
    )
    trip = await travel(identity)
    assert (await log_in(identity, trip))["code"] == "MFA_REQUIRED"
    assert (await log_in(identity, trip, recoveryCode="ab-cd"))["__typename"] == "AuthTokens"


async def test_suspended_user_is_refused(identity: GraphClient, openid: OpenIdProvider) -> None:
    await log_in(identity, await travel(identity))
    await execute(identity, "UPDATE users SET status = 'SUSPENDED'")
    assert (await log_in(identity, await travel(identity)))["code"] == "ACCOUNT_SUSPENDED"


async def test_signed_in_user_links_and_unlinks(
    identity: GraphClient, openid: OpenIdProvider
) -> None:
    who = await person(identity, "someone@example.org")
    trip = await travel(who.client)
    answer = (await who.client.ask(LINK, input=trip.input)).data["linkProvider"]
    assert answer == {"__typename": "User", "id": str(who.id)}
    signed_in = await log_in(identity, await travel(identity))
    assert signed_in["user"]["id"] == str(who.id)
    answer = (await who.client.ask(UNLINK, provider="google")).data["unlinkProvider"]
    assert answer["__typename"] == "User"
    assert (await who.client.ask(LINKED)).data["mySocialAccounts"]["nodes"] == []
    await sign_in(identity, who.email, PASSWORD)


async def test_identity_belongs_to_one_account(
    identity: GraphClient, openid: OpenIdProvider
) -> None:
    await log_in(identity, await travel(identity))
    eve = await person(identity, "eve@example.org")
    trip = await travel(eve.client)
    answer = (await eve.client.ask(LINK, input=trip.input)).data["linkProvider"]
    assert answer["code"] == "ALREADY_LINKED"


async def test_last_way_to_sign_in_stays(identity: GraphClient, openid: OpenIdProvider) -> None:
    answer = await log_in(identity, await travel(identity))
    client = identity.with_token(answer["accessToken"])
    refused = (await client.ask(UNLINK, provider="google")).data["unlinkProvider"]
    assert refused["code"] == "LAST_WAY_IN"
    trip = await travel(client, "apple")
    await client.ask(LINK, input=trip.input)
    answers = await asyncio.gather(
        client.ask(UNLINK, provider="google"), client.ask(UNLINK, provider="apple")
    )
    kinds = sorted(a.data["unlinkProvider"].get("code", "User") for a in answers)
    assert kinds == ["LAST_WAY_IN", "User"]
    assert await value(identity, "SELECT count(*) FROM social_accounts") == 1
