"""The second factor: each code is accepted once."""

import asyncio
import time
from typing import Any

import pyotp
import pytest

from tests.subgraphs.identity.people import (
    LOGIN,
    NEW_PASSWORD,
    PASSWORD,
    Person,
    actions,
    execute,
    login_problem,
    mails,
    person,
    rows,
    sign_in,
    value,
)
from tests.support.graph import GraphClient

ENABLE = """
mutation { enableTotp { __typename ... on TotpSecret { secret uri } ... on Problem { code } } }
"""
CONFIRM = """
mutation($code: String!) { confirmTotp(code: $code) { __typename
  ... on RecoveryCodes { codes } ... on Problem { code field } } }
"""
DISABLE = """
mutation($password: String!, $code: String!) { disableTotp(password: $password, code: $code) {
  __typename ... on User { id } ... on Problem { code field } } }
"""


async def begin(who: Person) -> pyotp.TOTP:
    """An authenticator app with the user's secret."""
    answer = (await who.client.ask(ENABLE)).data["enableTotp"]
    return pyotp.TOTP(answer["secret"])


async def confirm(who: Person, code: str) -> Any:
    """What a confirmation answers."""
    return (await who.client.ask(CONFIRM, code=code)).data["confirmTotp"]


async def turn_on(identity: GraphClient, who: Person) -> tuple[pyotp.TOTP, list[str]]:
    """The app and the recovery codes of a user whose second factor is on and unused."""
    app = await begin(who)
    codes = (await confirm(who, app.now()))["codes"]
    await execute(identity, "UPDATE totp_factors SET last_step = 0")
    return app, codes


async def test_factor_counts_only_once_it_is_confirmed(identity: GraphClient) -> None:
    who = await person(identity)
    answer = (await who.client.ask(ENABLE)).data["enableTotp"]
    uri = pyotp.parse_uri(answer["uri"])
    assert (uri.secret, uri.name, uri.issuer) == (answer["secret"], who.email, "EdTech")
    await sign_in(identity, who.email)
    stored = bytes(await value(identity, "SELECT secret FROM totp_factors"))
    assert answer["secret"].encode() not in stored
    wrong = await confirm(who, "000000")
    assert (wrong["code"], wrong["field"]) == ("INVALID_INPUT", "code")
    app = pyotp.TOTP(answer["secret"])
    codes = (await confirm(who, app.now()))["codes"]
    assert len(set(codes)) == 10
    assert all(
        len(bytes(row[0])) == 32
        for row in await rows(identity, "SELECT code_hash FROM recovery_codes")
    )
    assert (await who.client.ask(ENABLE)).data["enableTotp"]["code"] == "MFA_ALREADY_ON"
    assert (await confirm(who, app.now()))["code"] == "MFA_ALREADY_ON"
    assert [name for name, _, _ in await mails(identity)] == ["second_factor_on"]
    assert "mfa.enabled" in await actions(identity)


async def test_login_asks_for_the_code_only_after_the_right_password(
    identity: GraphClient,
) -> None:
    who = await person(identity)
    app, _ = await turn_on(identity, who)
    wrong = await login_problem(identity, who.email, NEW_PASSWORD, totpCode=app.now())
    assert wrong["code"] == "INVALID_CREDENTIALS"
    missing = await login_problem(identity, who.email, PASSWORD)
    assert (missing["code"], missing["field"]) == ("MFA_REQUIRED", "totpCode")
    bad = await login_problem(identity, who.email, PASSWORD, totpCode="12345")
    assert (bad["code"], bad["field"]) == ("MFA_CODE_INVALID", "totpCode")
    assert await value(identity, "SELECT count(*) FROM user_sessions") == 1
    await sign_in(identity, who.email, totpCode=app.now())


async def test_code_is_accepted_once(identity: GraphClient) -> None:
    who = await person(identity)
    app, _ = await turn_on(identity, who)
    code = app.now()
    await sign_in(identity, who.email, totpCode=code)
    again = await login_problem(identity, who.email, PASSWORD, totpCode=code)
    assert again["code"] == "MFA_CODE_INVALID"
    earlier = app.at(int(time.time()) - 30)
    assert (await login_problem(identity, who.email, PASSWORD, totpCode=earlier))["code"] == (
        "MFA_CODE_INVALID"
    )


async def test_code_that_confirmed_does_not_sign_in(identity: GraphClient) -> None:
    who = await person(identity)
    app = await begin(who)
    code = app.now()
    await confirm(who, code)
    answer = await login_problem(identity, who.email, PASSWORD, totpCode=code)
    assert answer["code"] == "MFA_CODE_INVALID"


@pytest.mark.parametrize("kind", ["totpCode", "recoveryCode"])
async def test_simultaneous_uses_of_one_code_open_one_session(
    identity: GraphClient, kind: str
) -> None:
    who = await person(identity)
    app, recovery = await turn_on(identity, who)
    code = app.now() if kind == "totpCode" else recovery[0]
    given = {"email": who.email, "password": PASSWORD, kind: code}
    answers = await asyncio.gather(*(identity.ask(LOGIN, input=given) for _ in range(5)))
    kinds = sorted(a.data["login"].get("code", "AuthTokens") for a in answers)
    assert kinds == ["AuthTokens"] + ["MFA_CODE_INVALID"] * 4
    assert await value(identity, "SELECT count(*) FROM user_sessions") == 2


async def test_codes_a_step_off_are_accepted_and_older_ones_not(identity: GraphClient) -> None:
    who = await person(identity)
    app, _ = await turn_on(identity, who)
    old = app.at(int(time.time()) - 90)
    assert (await login_problem(identity, who.email, PASSWORD, totpCode=old))["code"] == (
        "MFA_CODE_INVALID"
    )
    await sign_in(identity, who.email, totpCode=app.at(int(time.time()) + 30))


async def test_recovery_code_works_once_in_any_writing(identity: GraphClient) -> None:
    who = await person(identity)
    _, codes = await turn_on(identity, who)
    await sign_in(identity, who.email, recoveryCode=codes[0].lower().replace("-", " "))
    again = await login_problem(identity, who.email, PASSWORD, recoveryCode=codes[0])
    assert (again["code"], again["field"]) == ("MFA_CODE_INVALID", "recoveryCode")
    await sign_in(identity, who.email, recoveryCode=codes[1])


async def test_other_peoples_recovery_codes_do_not_work(identity: GraphClient) -> None:
    who, eve = await person(identity), await person(identity, "eve@example.org")
    await turn_on(identity, who)
    _, theirs = await turn_on(identity, eve)
    answer = await login_problem(identity, who.email, PASSWORD, recoveryCode=theirs[0])
    assert answer["code"] == "MFA_CODE_INVALID"


async def test_turning_off_takes_password_and_code(identity: GraphClient) -> None:
    who = await person(identity)
    app, codes = await turn_on(identity, who)

    async def disable(password: str, code: str) -> Any:
        return (await who.client.ask(DISABLE, password=password, code=code)).data["disableTotp"]

    assert (await disable(NEW_PASSWORD, app.now()))["field"] == "password"
    assert (await disable(PASSWORD, "000000"))["code"] == "MFA_CODE_INVALID"
    assert await value(identity, "SELECT count(*) FROM totp_factors") == 1
    assert (await disable(PASSWORD, codes[3]))["__typename"] == "User"
    assert await value(identity, "SELECT count(*) FROM recovery_codes") == 0
    await sign_in(identity, who.email)
    assert (await disable(PASSWORD, app.now()))["code"] == "MFA_NOT_ON"
    assert [name for name, _, _ in await mails(identity)] == [
        "second_factor_on",
        "second_factor_off",
    ]
