"""Changing an address, and taking it back."""

from typing import Any

from tests.subgraphs.identity.people import (
    NEW_PASSWORD,
    PASSWORD,
    Person,
    actions,
    login_problem,
    mailed_token,
    mails,
    person,
    seed,
    sign_in,
    value,
)
from tests.support.graph import GraphClient, published

ASK = """
mutation($email: String!, $password: String!) {
  requestEmailChange(newEmail: $email, password: $password) {
    __typename ... on User { id email } ... on Problem { code field } } }
"""
CONFIRM = """
mutation($token: String!) { confirmEmailChange(token: $token) {
  __typename ... on User { email isEmailVerified } ... on Problem { code field } } }
"""
UNDO = """
mutation($token: String!) { undoEmailChange(token: $token) {
  __typename ... on User { email } ... on Problem { code field } } }
"""
NEW = "new@example.org"


async def ask(who: Person, email: str = NEW, password: str = PASSWORD) -> Any:
    """What a request to change answers."""
    answer = await who.client.ask(ASK, email=email, password=password)
    return answer.data["requestEmailChange"]


async def use(identity: GraphClient, mutation: str, template: str) -> Any:
    """Follow the newest link of a template."""
    answer = await identity.ask(mutation, token=await mailed_token(identity, template))
    return next(iter(answer.data.values()))


async def test_address_changes_when_the_new_one_confirms(identity: GraphClient) -> None:
    who = await person(identity)
    assert (await ask(who))["email"] == who.email
    sent = [(name, to) for name, to, _ in await mails(identity)]
    assert sorted(sent) == [("change_email", NEW), ("undo_email", who.email)]
    assert await value(identity, "SELECT email FROM users") == who.email
    assert await use(identity, CONFIRM, "change_email") == {
        "__typename": "User",
        "email": NEW,
        "isEmailVerified": True,
    }
    kind, event = (await published(identity.runtime))[-1]
    assert (kind, event["email"]) == ("edtech.identity.user.updated.v1", NEW)
    await sign_in(identity, NEW)
    assert (await login_problem(identity, who.email, PASSWORD))["code"] == "INVALID_CREDENTIALS"
    assert (await use(identity, CONFIRM, "change_email"))["code"] == "TOKEN_INVALID"


async def test_password_is_needed_and_a_wrong_one_sends_nothing(identity: GraphClient) -> None:
    who = await person(identity)
    answer = await ask(who, password=NEW_PASSWORD)
    assert (answer["code"], answer["field"]) == ("INVALID_CREDENTIALS", "password")
    for email in ("nonsense", who.email.upper()):
        assert (await ask(who, email))["code"] == "INVALID_INPUT"
    assert await mails(identity) == []


async def test_taken_address_is_answered_the_same_and_its_owner_is_told(
    identity: GraphClient,
) -> None:
    who = await person(identity)
    await seed(identity, "eve@example.org")
    assert (await ask(who, "EVE@example.org"))["__typename"] == "User"
    sent = [(name, to) for name, to, _ in await mails(identity)]
    assert sorted(sent) == [("already_registered", "eve@example.org"), ("undo_email", who.email)]


async def test_address_that_was_taken_meanwhile_is_refused(identity: GraphClient) -> None:
    who = await person(identity)
    await ask(who)
    await seed(identity, "NEW@example.org")
    events = len(await published(identity.runtime))
    answer = await use(identity, CONFIRM, "change_email")
    assert (answer["code"], answer["field"]) == ("EMAIL_TAKEN", "token")
    assert len(await published(identity.runtime)) == events
    assert await value(identity, "SELECT count(*) FROM users WHERE email = :e", e=who.email) == 1


async def test_undo_before_the_change_stops_it(identity: GraphClient) -> None:
    who = await person(identity)
    await ask(who)
    assert (await use(identity, UNDO, "undo_email"))["email"] == who.email
    assert (await use(identity, CONFIRM, "change_email"))["code"] == "TOKEN_INVALID"
    assert await value(identity, "SELECT email FROM users") == who.email


async def test_undo_after_the_change_gives_the_account_back_and_makes_it_safe(
    identity: GraphClient,
) -> None:
    thief = await person(identity)
    await ask(thief)
    await use(identity, CONFIRM, "change_email")
    assert (await use(identity, UNDO, "undo_email"))["email"] == thief.email
    assert (await thief.client.ask("{ me { id } }")).status == 401
    for email in (thief.email, NEW):
        assert (await login_problem(identity, email, PASSWORD))["code"] == "INVALID_CREDENTIALS"
    name, to, _ = (await mails(identity))[-1]
    assert (name, to) == ("reset_password", thief.email)
    assert (await actions(identity))[-3:] == [
        "email.change_undone",
        "session.refused",
        "session.refused",
    ]
    _, event = (await published(identity.runtime))[-1]
    assert (event["email"], event["ver"]) == (thief.email, 2)
    assert (await use(identity, UNDO, "undo_email"))["code"] == "TOKEN_INVALID"
