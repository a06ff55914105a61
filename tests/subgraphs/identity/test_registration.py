"""Registration: one account per address, and no answer that tells who has one."""

import asyncio
from typing import Any

import pytest

from tests.subgraphs.identity.people import (
    NEW_PASSWORD,
    PASSWORD,
    REGISTER,
    TERMS,
    actions,
    execute,
    mailed_token,
    mails,
    rows,
    seed,
    sign_in,
    value,
)
from tests.support.graph import GraphClient, counted, published

VERIFY = """
mutation($token: String!) { verifyEmail(token: $token) { __typename
  ... on User { id status isEmailVerified email } ... on Problem { code field } } }
"""
RESEND = """
mutation($email: String!) { resendVerification(email: $email) { __typename
  ... on MailRequested { email } ... on Problem { code field } } }
"""


def newcomer(**changes: Any) -> dict[str, Any]:
    """What Ada registers with."""
    return {
        "email": "Ada@Example.org",
        "password": PASSWORD,
        "firstName": "Ada",
        "lastName": "Lovelace",
        "acceptTerms": TERMS,
    } | changes


async def register(identity: GraphClient, key: str | None = None, **changes: Any) -> Any:
    """What a registration answers."""
    return (await identity.ask(REGISTER, input=newcomer(**changes), key=key)).data["register"]


async def test_registration_writes_account_profile_role_consent_mail_audit_and_event(
    identity: GraphClient,
) -> None:
    answer = await register(
        identity, role="TUTOR", username="ada.l", locale="de", timeZone="Europe/Berlin"
    )
    assert answer == {"__typename": "RegistrationAccepted", "email": "Ada@example.org"}
    (user,) = await rows(identity, "SELECT * FROM users")
    assert (user.status, user.is_email_verified, user.version) == ("UNVERIFIED", False, 1)
    assert user.password_hash.startswith("$argon2id$")
    assert PASSWORD not in user.password_hash
    assert await rows(identity, "SELECT user_id, preferences FROM user_profiles") == [(user.id, {})]
    assert await rows(identity, "SELECT role FROM user_roles") == [("tutor",)]
    assert await rows(identity, "SELECT kind, version FROM consents") == [("TERMS", TERMS)]
    ((template, recipient, values),) = await mails(identity)
    assert (template, recipient, values["name"]) == ("verify_email", "Ada@example.org", "Ada")
    assert await actions(identity) == ["user.registered"]
    ((kind, event),) = await published(identity.runtime)
    assert kind == "edtech.identity.user.created.v1"
    assert event == {
        "version": 1,
        "userId": str(user.id),
        "email": "Ada@example.org",
        "firstName": "Ada",
        "lastName": "Lovelace",
        "role": "tutor",
        "roles": ["tutor"],
        "status": "UNVERIFIED",
        "ver": 1,
        "timeZone": "Europe/Berlin",
        "locale": "de",
    }


async def test_neither_token_nor_password_is_stored_in_the_clear(identity: GraphClient) -> None:
    await register(identity)
    token = await mailed_token(identity, "verify_email")
    tables = await rows(
        identity, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    )
    for (table,) in tables:
        for (text,) in await rows(identity, f"SELECT t::text FROM {table} t"):  # noqa: S608
            assert token not in text
            assert PASSWORD not in text
            assert token.encode().hex() not in text


async def test_taken_address_is_answered_the_same_and_its_owner_is_told(
    identity: GraphClient,
) -> None:
    first = await register(identity)
    again = await register(identity, email="ADA@example.org", firstName="Eve")
    assert again["__typename"] == first["__typename"] == "RegistrationAccepted"
    assert again.keys() == first.keys()
    assert await value(identity, "SELECT count(*) FROM users") == 1
    told = (await mails(identity))[1]
    assert told[:2] == ("already_registered", "Ada@example.org")
    assert told[2]["name"] == "Ada"
    assert len(await published(identity.runtime)) == 1
    assert await value(identity, "SELECT first_name FROM users") == "Ada"


async def test_taken_address_costs_the_same_statements(identity: GraphClient) -> None:
    with counted(identity.runtime.database) as fresh:
        await register(identity, username="ada")
    with counted(identity.runtime.database) as taken:
        await register(identity, username="eve")
    assert len(fresh) == len(taken) == 5


async def test_taken_username_conflicts_whatever_the_address(identity: GraphClient) -> None:
    await register(identity, username="ada")
    wanted = {"__typename": "Problem", "code": "CONFLICT", "field": "username"}
    for email in ("ada@example.org", "new@example.org"):
        answer = await register(identity, email=email, username="ada")
        assert answer == wanted | {"message": "This username is taken."}
    assert await value(identity, "SELECT count(*) FROM users") == 1
    assert len(await mails(identity)) == 1


async def test_simultaneous_registrations_of_one_address_make_one_account(
    identity: GraphClient,
) -> None:
    spellings = ["ada@example.org", "ADA@example.org", "Ada@EXAMPLE.org", "aDa@example.org"]
    answers = await asyncio.gather(*(register(identity, email=email) for email in spellings))
    assert {answer["__typename"] for answer in answers} == {"RegistrationAccepted"}
    assert await value(identity, "SELECT count(*) FROM users") == 1
    assert len(await published(identity.runtime)) == 1
    templates = sorted(template for template, _, _ in await mails(identity))
    assert templates == ["already_registered"] * 3 + ["verify_email"]


async def test_simultaneous_registrations_of_one_username_make_one_account(
    identity: GraphClient,
) -> None:
    answers = await asyncio.gather(
        *(register(identity, email=f"p{n}@example.org", username="ada") for n in range(4))
    )
    kinds = sorted(answer["__typename"] for answer in answers)
    assert kinds == ["Problem", "Problem", "Problem", "RegistrationAccepted"]
    assert await value(identity, "SELECT count(*) FROM users") == 1


async def test_address_of_a_tombstone_is_free_again(identity: GraphClient) -> None:
    gone = await seed(identity, "ada@example.org")
    await execute(identity, "UPDATE users SET deleted_at = now() WHERE id = :id", id=gone)
    await register(identity)
    assert await value(identity, "SELECT count(*) FROM users WHERE deleted_at IS NULL") == 1


async def test_same_key_registers_once_and_other_input_conflicts(identity: GraphClient) -> None:
    first = await register(identity, key="registration-1")
    again = await register(identity, key="registration-1")
    assert again == first
    assert len(await mails(identity)) == 1
    other = await register(identity, key="registration-1", firstName="Eve")
    assert (other["code"], other["field"]) == ("CONFLICT", "idempotencyKey")


@pytest.mark.parametrize(
    ("field", "bad", "code"),
    [
        ("email", "no-address", "INVALID_INPUT"),
        ("email", "a\0b@example.org", "INVALID_INPUT"),
        ("email", "a" * 250 + "@example.org", "INVALID_INPUT"),
        ("password", "short-1", "INVALID_INPUT"),
        ("password", "x7$Kq" * 26, "INVALID_INPUT"),
        ("password", "password1234", "INVALID_INPUT"),
        ("password", "otter-harbour-Lovelace-93", "INVALID_INPUT"),
        ("password", "ada@example.org-harbour", "INVALID_INPUT"),
        ("password", "violet-otter\0-93-harbour", "INVALID_INPUT"),
        ("firstName", " ", "INVALID_INPUT"),
        ("firstName", "A" * 101, "INVALID_INPUT"),
        ("firstName", "A\0a", "INVALID_INPUT"),
        ("firstName", "Win at https://evil.example", "INVALID_INPUT"),
        ("lastName", "<b>", "INVALID_INPUT"),
        ("username", "Ada", "INVALID_INPUT"),
        ("username", "ad", "INVALID_INPUT"),
        ("username", "a" * 51, "INVALID_INPUT"),
        ("role", "ADMIN", "INVALID_INPUT"),
        ("role", "MODERATOR", "INVALID_INPUT"),
        ("acceptTerms", "1999-01", "INVALID_INPUT"),
        ("locale", "klingon!", "INVALID_INPUT"),
        ("timeZone", "Mars/Olympus", "INVALID_INPUT"),
    ],
)
async def test_bad_value_is_refused_by_field_and_writes_nothing(
    identity: GraphClient, field: str, bad: str, code: str
) -> None:
    answer = await register(identity, **{field: bad})
    assert (answer["code"], answer["field"]) == (code, field)
    assert await value(identity, "SELECT count(*) FROM users") == 0
    assert await mails(identity) == []
    assert await published(identity.runtime) == []


async def test_mailed_link_verifies_once(identity: GraphClient) -> None:
    await register(identity)
    token = await mailed_token(identity, "verify_email")
    answer = (await identity.ask(VERIFY, token=token)).data["verifyEmail"]
    assert (answer["status"], answer["isEmailVerified"]) == ("ACTIVE", True)
    assert answer["email"] == "Ada@example.org"
    kind, event = (await published(identity.runtime))[1]
    assert kind == "edtech.identity.user.updated.v1"
    assert (event["status"], event["version"], event["ver"]) == ("ACTIVE", 2, 1)
    again = (await identity.ask(VERIFY, token=token)).data["verifyEmail"]
    assert (again["code"], again["field"]) == ("TOKEN_INVALID", "token")
    assert len(await published(identity.runtime)) == 2


async def test_simultaneous_uses_of_one_link_verify_once(identity: GraphClient) -> None:
    await register(identity)
    token = await mailed_token(identity, "verify_email")
    answers = await asyncio.gather(*(identity.ask(VERIFY, token=token) for _ in range(4)))
    kinds = sorted(answer.data["verifyEmail"]["__typename"] for answer in answers)
    assert kinds == ["Problem", "Problem", "Problem", "User"]
    assert len(await published(identity.runtime)) == 2


async def test_old_and_unknown_links_are_refused(identity: GraphClient) -> None:
    await register(identity)
    token = await mailed_token(identity, "verify_email")
    await execute(identity, "UPDATE auth_tokens SET expires_at = now()")
    for given, code in (
        (token, "TOKEN_EXPIRED"),
        ("unknown", "TOKEN_INVALID"),
        ("", "TOKEN_INVALID"),
    ):
        answer = (await identity.ask(VERIFY, token=given)).data["verifyEmail"]
        assert (answer["code"], answer["field"]) == (code, "token")
    assert await value(identity, "SELECT is_email_verified FROM users") is False


async def test_link_of_another_purpose_does_not_verify(identity: GraphClient) -> None:
    await register(identity)
    await execute(identity, "UPDATE auth_tokens SET purpose = 'reset_password'")
    token = await mailed_token(identity, "verify_email")
    answer = (await identity.ask(VERIFY, token=token)).data["verifyEmail"]
    assert answer["code"] == "TOKEN_INVALID"


async def test_new_link_replaces_the_old_one(identity: GraphClient) -> None:
    await register(identity)
    old = await mailed_token(identity, "verify_email")
    await identity.ask(RESEND, email="ada@example.org")
    new = await mailed_token(identity, "verify_email")
    assert (await identity.ask(VERIFY, token=old)).data["verifyEmail"]["code"] == "TOKEN_INVALID"
    assert (await identity.ask(VERIFY, token=new)).data["verifyEmail"]["__typename"] == "User"


async def test_resending_answers_and_costs_the_same_for_every_address(
    identity: GraphClient,
) -> None:
    await register(identity, email="new@example.org")
    await seed(identity, "done@example.org")
    counts, answers = [], []
    for name in ("new", "done", "nobody"):
        with counted(identity.runtime.database) as statements:
            answer = await identity.ask(RESEND, email=f"{name}@example.org")
        counts.append(len(statements))
        answers.append(answer.data["resendVerification"]["__typename"])
    assert answers == ["MailRequested"] * 3
    assert counts == [3, 3, 3]
    assert [recipient for _, recipient, _ in await mails(identity)] == ["new@example.org"] * 2


async def test_unverified_user_may_sign_in(identity: GraphClient) -> None:
    await register(identity)
    who = await sign_in(identity, "ada@example.org")
    answer = await who.client.ask("{ me { status isActive isEmailVerified } }")
    assert answer.data["me"] == {
        "status": "UNVERIFIED",
        "isActive": True,
        "isEmailVerified": False,
    }


async def test_another_good_password_is_accepted(identity: GraphClient) -> None:
    assert (await register(identity, password=NEW_PASSWORD))["__typename"] == "RegistrationAccepted"
