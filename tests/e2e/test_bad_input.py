"""What a client may get wrong, through the router with the real subgraphs behind it."""

import secrets
from typing import Any

import pytest

from shared.ids import new_id
from tests.e2e.client import PASSWORD, REGISTER, Client, eventually
from tests.support import tokens


def codes(answer: Any) -> list[str]:
    return [error["extensions"]["code"] for error in answer.json()["errors"]]


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("garbage", id="malformed"),
        # Signed, but by a key that this platform does not publish.
        pytest.param(tokens.token(new_id()), id="unknown key"),
    ],
)
def test_bad_token_is_refused_by_the_router(client: Client, token: str) -> None:
    answer = Client(client.http, client.router, client.mail, token=token).post("{ me { id } }")
    assert answer.status_code == 401
    assert codes(answer) == ["UNAUTHENTICATED"]
    assert "data" not in answer.json()


def nested(depth: int) -> str:
    inner = "id"
    for _ in range(depth):
        inner = f"course {{ {inner} }}" if _ % 2 else f"units {{ nodes {{ {inner} }} }}"
    return f"{{ courses {{ nodes {{ {inner} }} }} }}"


@pytest.mark.parametrize(
    ("query", "limit"),
    [
        pytest.param(nested(11), "MAX_DEPTH", id="depth"),
        pytest.param(
            "{ " + " ".join(f"a{n}: me {{ id }}" for n in range(60)) + " }",
            "MAX_ALIASES",
            id="aliases",
        ),
        pytest.param("{ me { " + "id " * 3000 + "} }", "MAX_TOKENS", id="tokens"),
        pytest.param("{ courses(first: 101) { nodes { id } } }", "MAX_PAGE_SIZE", id="page"),
    ],
)
def test_shape_over_a_limit_is_refused_with_the_limit_named(
    client: Client, query: str, limit: str
) -> None:
    answer = client.post(query)
    body = answer.json()
    assert set(codes(answer)) == {"INVALID_INPUT"}, body
    assert not body.get("data")
    name = limit.removeprefix("MAX_").split("_")[0].lower()
    assert any(name in str(error).lower() for error in body["errors"]), body


def test_body_over_the_limit_is_refused(client: Client) -> None:
    answer = client.post(
        "query($t: String) { searchCourses(filter: {text: $t}) { totalCount } }", t="x" * 10_000_000
    )
    assert answer.status_code == 413
    assert codes(answer) == ["INVALID_INPUT"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"password": "password123"}, "password"),
        ({"username": "a" * 51}, "username"),
        ({"username": "No Spaces"}, "username"),
        ({"firstName": "nul\x00byte"}, "firstName"),
        ({"lastName": "x" * 101}, "lastName"),
        ({"lastName": "\ud800"}, "lastName"),
        ({"email": "not an address"}, "email"),
        ({"timeZone": "Mars/Olympus"}, "timeZone"),
    ],
)
def test_bad_registration_names_the_field_and_writes_nothing(
    client: Client, change: dict[str, Any], field: str
) -> None:
    email = f"bad-{secrets.token_hex(6)}@edtech.test"
    person = {
        "email": email,
        "password": PASSWORD,
        "firstName": "Bad",
        "lastName": "Input",
        "acceptTerms": "2026-11",
    }
    body = client.post(REGISTER, input=person | change).json()
    assert "errors" not in body, body
    problem = body["data"]["register"]
    assert (problem["__typename"], problem["code"], problem["field"]) == (
        "Problem",
        "INVALID_INPUT",
        field,
    )
    assert client.register(email)["__typename"] == "RegistrationAccepted"


def test_taken_username_is_a_conflict(client: Client) -> None:
    name = f"taken_{secrets.token_hex(4)}"
    client.join(username=name)
    answer = client.register(f"other-{secrets.token_hex(4)}@edtech.test", username=name.upper())
    assert (answer["__typename"], answer["field"]) == ("Problem", "username")


def test_taken_address_is_answered_as_a_new_one_and_its_owner_is_told(client: Client) -> None:
    email = f"owner-{secrets.token_hex(6)}@edtech.test"
    first = client.register(email)
    again = client.register(email.upper())
    assert {**again, "email": again["email"].lower()} == first
    mails = eventually(lambda: found if len(found := client.mails(email)) == 2 else None)
    assert len({mail["subject"] for mail in mails}) == 2
    # The account is the first one's: its password works, nothing else came about.
    assert client.login(email).act("{ me { name } }") == {"name": "Rui Costa"}


def test_mutation_on_somebody_else_s_thing_is_forbidden(client: Client) -> None:
    owner, other = client.join("TUTOR"), client.join("TUTOR")
    course = owner.act(
        """mutation { createCourse(input: {title: "Mine alone", durationMinutes: 30}) {
             ... on Course { id } } }"""
    )
    change = """mutation($id: ID!) { updateCourse(id: $id, input: {title: "Stolen"}) {
      __typename ... on Problem { code } } }"""
    # Another's draft is not even visible; what is visible is forbidden.
    assert other.act(change, id=course["id"])["code"] in {"NOT_FOUND", "FORBIDDEN"}
    seen = owner.act("query($id: ID!) { course(id: $id) { title } }", id=course["id"])
    assert seen == {"title": "Mine alone"}
