"""Resetting and changing passwords."""

import asyncio
from typing import Any

import pytest

from shared.config import load
from shared.errors import Unavailable
from subgraphs.identity.config import Settings
from subgraphs.identity.service import passwords
from subgraphs.identity.service.passwords import Hasher
from tests.subgraphs.identity.people import (
    NEW_PASSWORD,
    PASSWORD,
    Person,
    actions,
    execute,
    login_problem,
    mailed_token,
    mails,
    person,
    runtime_of,
    seed,
    sign_in,
    value,
)
from tests.support.graph import GraphClient, counted, published

ASK = """
mutation($email: String!) { requestPasswordReset(email: $email) { __typename
  ... on MailRequested { email } ... on Problem { code field } } }
"""
RESET = """
mutation($token: String!, $new: String!) { resetPassword(token: $token, newPassword: $new) {
  __typename ... on User { id status } ... on Problem { code field } } }
"""
CHANGE = """
mutation($old: String!, $new: String!) {
  changePassword(currentPassword: $old, newPassword: $new) {
    __typename ... on User { id } ... on Problem { code field } } }
"""
ME = "{ me { id } }"


async def reset_token(identity: GraphClient, email: str) -> str:
    """The token of a reset link."""
    await identity.ask(ASK, email=email)
    return await mailed_token(identity, "reset_password")


async def reset(identity: GraphClient, token: str, new: str = NEW_PASSWORD) -> Any:
    """What a reset answers."""
    return (await identity.ask(RESET, token=token, new=new)).data["resetPassword"]


async def change(who: Person, old: str, new: str) -> Any:
    """What a change answers."""
    return (await who.client.ask(CHANGE, old=old, new=new)).data["changePassword"]


async def test_asking_answers_and_costs_the_same_for_every_address(identity: GraphClient) -> None:
    await seed(identity, "ada@example.org")
    counts, answers = [], []
    for name in ("ada", "nobody"):
        with counted(identity.runtime.database) as statements:
            answer = (await identity.ask(ASK, email=f"{name}@example.org")).data
        counts.append(len(statements))
        answers.append(answer["requestPasswordReset"]["__typename"])
    assert answers == ["MailRequested", "MailRequested"]
    assert counts == [3, 3]
    assert [recipient for _, recipient, _ in await mails(identity)] == ["ada@example.org"]
    assert await value(identity, "SELECT count(*) FROM auth_tokens WHERE purpose <> 'verify_email'")


async def test_reset_ends_every_session_and_outdates_tokens(identity: GraphClient) -> None:
    who = await person(identity)
    token = await reset_token(identity, who.email)
    assert (await reset(identity, token))["__typename"] == "User"
    assert (await who.client.ask(ME)).status == 401
    assert (await login_problem(identity, who.email, PASSWORD))["code"] == "INVALID_CREDENTIALS"
    await sign_in(identity, who.email, NEW_PASSWORD)
    kind, event = (await published(identity.runtime))[2]
    assert (kind, event["ver"], event["version"]) == ("edtech.identity.user.updated.v1", 2, 2)
    assert [name for name, _, _ in await mails(identity)] == ["reset_password", "password_changed"]
    assert "password.reset" in await actions(identity)


async def test_link_works_once_even_at_the_same_moment(identity: GraphClient) -> None:
    await seed(identity, "ada@example.org")
    token = await reset_token(identity, "ada@example.org")
    answers = await asyncio.gather(*(reset(identity, token) for _ in range(4)))
    kinds = sorted(answer.get("code", "User") for answer in answers)
    assert kinds == ["TOKEN_INVALID"] * 3 + ["User"]
    assert (await actions(identity)).count("password.reset") == 1


async def test_old_link_is_refused_and_changes_nothing(identity: GraphClient) -> None:
    await seed(identity, "ada@example.org")
    token = await reset_token(identity, "ada@example.org")
    await execute(identity, "UPDATE auth_tokens SET expires_at = now()")
    assert (await reset(identity, token))["code"] == "TOKEN_EXPIRED"
    await sign_in(identity, "ada@example.org")


async def test_weak_new_password_leaves_the_link_usable(identity: GraphClient) -> None:
    await seed(identity, "ada@example.org", first_name="Augusta")
    token = await reset_token(identity, "ada@example.org")
    for weak in ("short", "passwordpassword", "augusta-harbour-58-meadow"):
        answer = await reset(identity, token, weak)
        assert (answer["code"], answer["field"]) == ("INVALID_INPUT", "newPassword")
    assert (await reset(identity, token))["__typename"] == "User"


async def test_reset_of_an_unverified_address_throws_the_stranger_out(
    identity: GraphClient,
) -> None:
    stranger = await person(identity, "ada@example.org", verified=False)
    await execute(
        identity,
        "INSERT INTO social_accounts (id, user_id, provider, subject)"
        " VALUES (gen_random_uuid(), :id, 'google', 'stranger')",
        id=stranger.id,
    )
    await execute(
        identity,
        "INSERT INTO totp_factors (user_id, secret, confirmed_at) VALUES (:id, 'x', now())",
        id=stranger.id,
    )
    token = await reset_token(identity, "ada@example.org")
    assert (await reset(identity, token))["status"] == "ACTIVE"
    assert await value(identity, "SELECT is_email_verified FROM users")
    assert await value(identity, "SELECT count(*) FROM social_accounts") == 0
    await sign_in(identity, "ada@example.org", NEW_PASSWORD)
    assert (await stranger.client.ask(ME)).status == 401


async def test_verified_user_keeps_the_second_factor_through_a_reset(
    identity: GraphClient,
) -> None:
    who = await seed(identity, "ada@example.org")
    secret = runtime_of(identity).vault.seal(b"JBSWY3DPEHPK3PXP")
    await execute(
        identity,
        "INSERT INTO totp_factors (user_id, secret, confirmed_at) VALUES (:id, :secret, now())",
        id=who,
        secret=secret,
    )
    await reset(identity, await reset_token(identity, "ada@example.org"))
    answer = await login_problem(identity, "ada@example.org", NEW_PASSWORD)
    assert answer["code"] == "MFA_REQUIRED"


async def test_link_does_not_survive_a_change_of_address(identity: GraphClient) -> None:
    await seed(identity, "ada@example.org")
    token = await reset_token(identity, "ada@example.org")
    await execute(identity, "UPDATE users SET email = 'new@example.org'")
    assert (await reset(identity, token))["code"] == "TOKEN_INVALID"


async def test_change_needs_the_present_password(identity: GraphClient) -> None:
    who = await person(identity)
    answer = await change(who, NEW_PASSWORD, NEW_PASSWORD)
    assert (answer["code"], answer["field"]) == ("INVALID_CREDENTIALS", "currentPassword")
    assert len(await published(identity.runtime)) == 2
    await sign_in(identity, who.email, PASSWORD)


async def test_change_keeps_this_session_and_ends_the_others(identity: GraphClient) -> None:
    who = await person(identity)
    other = await sign_in(identity, who.email)
    stale = await reset_token(identity, who.email)
    assert (await change(who, PASSWORD, NEW_PASSWORD))["__typename"] == "User"
    assert (await who.client.ask(ME)).status == 200
    assert (await other.client.ask(ME)).status == 401
    assert (await reset(identity, stale))["code"] == "TOKEN_INVALID"
    await sign_in(identity, who.email, NEW_PASSWORD)
    assert [name for name, _, _ in await mails(identity)][-1] == "password_changed"


async def test_simultaneous_changes_count_once(identity: GraphClient) -> None:
    who = await person(identity)
    choices = [NEW_PASSWORD, "granite-willow-71-lagoon"]
    answers = await asyncio.gather(*(change(who, PASSWORD, new) for new in choices))
    kinds = sorted(answer.get("code", "User") for answer in answers)
    assert kinds == ["INVALID_CREDENTIALS", "User"]


async def test_anonymous_viewer_cannot_change_a_password(identity: GraphClient) -> None:
    answer = await identity.ask(CHANGE, old=PASSWORD, new=NEW_PASSWORD)
    assert answer.data["changePassword"]["code"] == "UNAUTHENTICATED"


async def test_hash_has_owasps_parameters(environment: None) -> None:
    hasher = Hasher(load(Settings))
    stored = await hasher.hash(PASSWORD)
    hasher.close()
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_crowd_at_the_door_is_refused_instead_of_waiting_for_ever(
    identity: GraphClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await seed(identity, "ada@example.org")
    monkeypatch.setattr(passwords, "MOST_WAITING", 2)
    hasher = runtime_of(identity).passwords
    answers = await asyncio.gather(
        *(hasher.verify(None, PASSWORD) for _ in range(5)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [bool, bool, *[Unavailable] * 3]
    assert await hasher.verify(None, PASSWORD) is False
