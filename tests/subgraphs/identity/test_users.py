"""Users as others see them, their profiles, and what admins do."""

import asyncio
from typing import Any

import pytest

from shared.errors import NotFound
from shared.ids import new_id
from subgraphs.identity.service import users
from tests.subgraphs.identity.people import (
    PASSWORD,
    Person,
    actions,
    execute,
    login_problem,
    mails,
    person,
    rows,
    seed,
    sign_in,
    value,
)
from tests.support.graph import GraphClient, counted, published

PRIVATE = "email phone lastLoginAt isEmailVerified hasPassword preferences"
USER = f"query($id: ID!) {{ user(id: $id) {{ id name {PRIVATE} }} }}"
UPDATE = """
mutation($input: UpdateProfileInput!) { updateProfile(input: $input) { __typename
  ... on User { firstName lastName name username bio avatarUrl phone timeZone locale preferences }
  ... on Problem { code message field } } }
"""
USERS = """
query($filter: UserFilter, $first: Int, $after: String) {
  users(filter: $filter, first: $first, after: $after) {
    nodes { email } pageInfo { hasNextPage endCursor } } }
"""
ME = "{ me { id } }"


def admin_mutation(name: str, arguments: str = "", given: str = "") -> str:
    """A mutation about a user."""
    return (
        f"mutation($id: ID! {arguments}) {{ {name}(userId: $id {given}) {{ __typename"
        " ... on User { id status roles } ... on Problem { code field } } }"
    )


SET_ROLE = admin_mutation("setRole", "$role: Role!", "role: $role")
REMOVE_ROLE = admin_mutation("removeRole", "$role: Role!", "role: $role")
SUSPEND = admin_mutation("suspendUser", "$reason: String!", "reason: $reason")
RESTORE = admin_mutation("restoreUser")


async def act(who: Person, mutation: str, about: Any, **arguments: Any) -> Any:
    """What an admin's mutation answers."""
    answer = await who.client.ask(mutation, id=str(about), **arguments)
    return next(iter(answer.data.values()))


async def update(who: Person, **changes: Any) -> Any:
    """What a change of profile answers."""
    return (await who.client.ask(UPDATE, input=changes)).data["updateProfile"]


async def test_private_fields_are_for_oneself_and_admins(identity: GraphClient) -> None:
    ada = await person(identity, first_name="Ada", last_name="L.")
    await update(ada, phone="+49 30 123456", preferences={"theme": "dark"})
    eve = await person(identity, "eve@example.org", "tutor", "moderator")
    boss = await person(identity, "boss@example.org", "admin")
    nothing = dict.fromkeys(PRIVATE.split())
    for client in (identity, eve.client):
        answer = (await client.ask(USER, id=ada.id)).data["user"]
        assert answer == {"id": str(ada.id), "name": "Ada L."} | nothing
    mine = (await ada.client.ask(USER, id=ada.id)).data["user"]
    theirs = (await boss.client.ask(USER, id=ada.id)).data["user"]
    assert (mine["email"], mine["phone"]) == ("ada@example.org", "+4930123456")
    assert (mine["isEmailVerified"], mine["hasPassword"]) == (True, True)
    assert mine["lastLoginAt"] is not None
    assert mine["preferences"] == {"theme": "dark"}
    assert theirs == mine | {"preferences": None}


async def test_references_resolve_in_one_statement_and_hide_private_fields(
    identity: GraphClient,
) -> None:
    ids = [await seed(identity, f"p{n}@example.org", "tutor", "student") for n in range(6)]
    unknown = [new_id(), "not-an-id", ""]
    for wanted in (ids[:1], [*ids, *unknown]):
        with counted(identity.runtime.database) as statements:
            answer = await identity.entities("User", wanted, "id roles email bio")
        assert len(statements) == 1
    entities = answer.data["_entities"]
    assert [entity and entity["id"] for entity in entities] == [*map(str, ids), None, None, None]
    assert entities[0]["roles"] == ["TUTOR", "STUDENT"]
    assert {entity["email"] for entity in entities[:6]} == {None}


@pytest.mark.parametrize("change", ["deleted_at = now()", "status = 'ERASED'"])
async def test_deleted_user_is_a_name_and_an_id_even_for_admins(
    identity: GraphClient, change: str
) -> None:
    boss = await person(identity, "boss@example.org", "admin")
    gone = await seed(identity, "ada@example.org", first_name="Ada")
    await execute(identity, f"UPDATE users SET {change} WHERE id = :id", id=gone)  # noqa: S608
    fields = f"id name firstName lastName status isActive roles {PRIVATE}"
    for client in (identity, boss.client):
        (entity,) = (await client.entities("User", [gone], fields)).data["_entities"]
        assert entity == {
            "__typename": "User",
            "id": str(gone),
            "name": "Deleted user",
            "firstName": "",
            "lastName": "",
            "status": "ERASED",
            "isActive": False,
            "roles": [],
        } | dict.fromkeys(PRIVATE.split())
    assert (await act(boss, SET_ROLE, gone, role="TUTOR"))["code"] == "NOT_FOUND"


async def test_anonymous_viewer_is_nobody(identity: GraphClient) -> None:
    assert (await identity.ask(ME)).data == {"me": None}
    for field in ("mySessions", "myConsents", "mySocialAccounts", "users", "auditLog"):
        answer = await identity.ask(f"{{ {field} {{ pageInfo {{ hasNextPage }} }} }}")
        assert answer.codes == ["UNAUTHENTICATED"]
    for id_ in (new_id(), "nonsense"):
        assert (await identity.ask(USER, id=id_)).data == {"user": None}


async def test_profile_changes_and_tells_others_what_they_keep(identity: GraphClient) -> None:
    who = await person(identity)
    answer = await update(
        who,
        firstName=" Grace ",
        lastName="Hopper",
        username="grace.h",
        bio="Line one\nline two",
        avatarUrl="https://cdn.example.org/g.png",
        timeZone="America/New_York",
        locale="pt-BR",
        preferences={"theme": "dark", "rows": [1, 2]},
    )
    assert answer["name"] == "Grace Hopper"
    assert answer["bio"] == "Line one\nline two"
    assert answer["preferences"] == {"theme": "dark", "rows": [1, 2]}
    kind, event = (await published(identity.runtime))[-1]
    assert kind == "edtech.identity.user.updated.v1"
    assert (event["firstName"], event["timeZone"], event["version"], event["ver"]) == (
        "Grace",
        "America/New_York",
        2,
        1,
    )
    assert "grace.h" not in str(event)


async def test_what_is_left_out_stays_and_null_clears(identity: GraphClient) -> None:
    who = await person(identity, first_name="Ada")
    await update(who, bio="Hello", phone="+4930123456", username="ada")
    answer = await update(who, bio=None, firstName=None)
    assert (answer["bio"], answer["firstName"]) == (None, "Ada")
    assert (answer["phone"], answer["username"]) == ("+4930123456", "ada")


async def test_change_that_nobody_else_keeps_is_no_event(identity: GraphClient) -> None:
    who = await person(identity, first_name="Ada")
    before = len(await published(identity.runtime))
    await update(who, bio="Hello")
    await update(who, firstName="Ada")
    assert len(await published(identity.runtime)) == before
    assert (await actions(identity)).count("profile.updated") == 1


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("firstName", ""),
        ("lastName", "x" * 101),
        ("username", "NO"),
        ("bio", "x" * 5001),
        ("bio", "a\0b"),
        ("avatarUrl", "http://cdn.example.org/a.png"),
        ("avatarUrl", "javascript:alert(1)"),
        ("avatarUrl", "https://user@evil.example/"),
        ("avatarUrl", "https://[bad"),
        ("phone", "030 123456"),
        ("timeZone", "Nowhere"),
        ("locale", "xx_YY"),
        ("preferences", ["a list"]),
        ("preferences", {"a": "\0"}),
        ("preferences", {"a": "x" * 9000}),
    ],
)
async def test_bad_value_is_refused_by_field(
    identity: GraphClient, field: str, bad: object
) -> None:
    who = await person(identity)
    answer = await update(who, **{field: bad})
    assert (answer["code"], answer["field"]) == ("INVALID_INPUT", field)
    assert await value(identity, "SELECT version FROM users") == 1


async def test_username_is_unique(identity: GraphClient) -> None:
    ada, eve = await person(identity), await person(identity, "eve@example.org")
    answers = await asyncio.gather(*(update(who, username="first") for who in (ada, eve)))
    assert sorted(a.get("code", "User") for a in answers) == ["CONFLICT", "User"]


async def test_search_finds_every_word_somewhere(identity: GraphClient) -> None:
    boss = await person(identity, "boss@example.org", "admin")
    await seed(identity, "ada@example.org", first_name="Ada", last_name="Lovelace")
    await seed(identity, "grace@navy.mil", "tutor", first_name="Grace", last_name="Hopper")
    await seed(identity, "g_under@example.org", verified=False, first_name="G%", last_name="U")

    async def found(**wanted: Any) -> list[str]:
        answer = await boss.client.ask(USERS, filter=wanted)
        return [node["email"] for node in answer.data["users"]["nodes"]]

    assert await found(text="LOVE ada") == ["ada@example.org"]
    assert await found(text="navy") == ["grace@navy.mil"]
    assert await found(text="_") == await found(text="%") == ["g_under@example.org"]
    assert await found(text="love grace") == []
    assert await found(role="TUTOR") == ["grace@navy.mil"]
    assert await found(status="UNVERIFIED") == ["g_under@example.org"]
    assert len(await found()) == 4


async def test_users_come_in_pages_without_gap(identity: GraphClient) -> None:
    boss = await person(identity, "boss@example.org", "admin")
    for n in range(4):
        await seed(identity, f"p{n}@example.org")
    seen, after = [], None
    while True:
        with counted(identity.runtime.database) as statements:
            answer = await boss.client.ask(USERS, first=2, after=after)
        assert len(statements) == 2
        page = answer.data["users"]
        seen += [node["email"] for node in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    assert seen == [f"p{n}@example.org" for n in (3, 2, 1, 0)] + ["boss@example.org"]


async def test_only_admins_administer(identity: GraphClient) -> None:
    who = await person(identity, "mod@example.org", "moderator")
    other = await seed(identity, "ada@example.org")
    refused = [
        await act(who, SET_ROLE, who.id, role="ADMIN"),
        await act(who, REMOVE_ROLE, other, role="STUDENT"),
        await act(who, SUSPEND, other, reason="I do not like them"),
        await act(who, RESTORE, other),
    ]
    assert {answer["code"] for answer in refused} == {"FORBIDDEN"}
    assert (await who.client.ask(USERS)).codes == ["FORBIDDEN"]
    assert len(await published(identity.runtime)) == 3


async def test_roles_are_granted_and_withdrawn_with_an_event(identity: GraphClient) -> None:
    boss = await person(identity, "boss@example.org", "admin")
    ada = await person(identity)
    answer = await act(boss, SET_ROLE, ada.id, role="TUTOR")
    assert answer["roles"] == ["STUDENT", "TUTOR"]
    kind, event = (await published(identity.runtime))[-1]
    assert kind == "edtech.identity.user.role_changed.v1"
    assert (event["role"], event["roles"]) == ("student", ["student", "tutor"])
    assert (event["ver"], event["version"]) == (2, 2)
    count = len(await published(identity.runtime))
    await act(boss, SET_ROLE, ada.id, role="TUTOR")
    assert len(await published(identity.runtime)) == count
    assert (await act(boss, REMOVE_ROLE, ada.id, role="STUDENT"))["roles"] == ["TUTOR"]
    assert (await published(identity.runtime))[-1][1]["role"] == "tutor"
    assert (await act(boss, REMOVE_ROLE, ada.id, role="TUTOR"))["code"] == "LAST_ROLE"


async def test_last_admin_stays_even_when_two_remove_each_other(identity: GraphClient) -> None:
    one = await person(identity, "one@example.org", "admin", "student")
    two = await person(identity, "two@example.org", "admin", "student")
    answers = await asyncio.gather(
        act(one, REMOVE_ROLE, two.id, role="ADMIN"), act(two, REMOVE_ROLE, one.id, role="ADMIN")
    )
    assert sorted(a.get("code", "User") for a in answers) == ["LAST_ADMIN", "User"]
    assert await value(identity, "SELECT count(*) FROM user_roles WHERE role = 'admin'") == 1


async def test_suspension_ends_sessions_tells_the_user_and_can_be_undone(
    identity: GraphClient,
) -> None:
    boss = await person(identity, "boss@example.org", "admin")
    ada = await person(identity)
    answer = await act(boss, SUSPEND, ada.id, reason="Sold essays")
    assert answer["status"] == "SUSPENDED"
    assert (await ada.client.ask(ME)).codes == ["UNAUTHENTICATED"]
    assert (await login_problem(identity, ada.email, PASSWORD))["code"] == "ACCOUNT_SUSPENDED"
    kind, event = (await published(identity.runtime))[-1]
    assert kind == "edtech.identity.user.suspended.v1"
    assert (event["status"], event["ver"]) == ("SUSPENDED", 2)
    assert "essays" not in str(event)
    ((name, to, values),) = await mails(identity)
    assert (name, to, values["reason"]) == ("account_suspended", ada.email, "Sold essays")
    assert (await act(boss, RESTORE, ada.id))["status"] == "ACTIVE"
    assert (await published(identity.runtime))[-1][0] == "edtech.identity.user.restored.v1"
    assert (await ada.client.ask(ME)).status == 401
    await sign_in(identity, ada.email)


async def test_neither_oneself_nor_the_last_admin_is_suspended(identity: GraphClient) -> None:
    boss = await person(identity, "boss@example.org", "admin")
    assert (await act(boss, SUSPEND, boss.id, reason="Tired"))["code"] == "FORBIDDEN"
    other = await person(identity, "two@example.org", "admin")
    answers = await asyncio.gather(
        act(boss, SUSPEND, other.id, reason="First"), act(other, SUSPEND, boss.id, reason="First")
    )
    outcomes = sorted(str(a.get("code") or a.get("status")) for a in answers)
    assert outcomes == ["LAST_ADMIN", "SUSPENDED"]


async def test_operator_makes_the_first_admin(identity: GraphClient) -> None:
    await seed(identity, "boss@example.org")
    async with identity.runtime.database.write() as session:
        user = await users.grant_admin(session, email="BOSS@example.org")
        assert user.roles == ["student", "admin"]
    with pytest.raises(NotFound):
        async with identity.runtime.database.write() as session:
            await users.grant_admin(session, email="nobody@example.org")
    assert await rows(
        identity, "SELECT actor, actor_id FROM audit_log WHERE action = 'role.granted'"
    ) == [("system", None)]


async def test_seeding_twice_gives_one_account(identity: GraphClient) -> None:
    first = await seed(identity, "ada@example.org", "tutor", "admin")
    assert await seed(identity, "Ada@Example.org") == first
    assert len(await published(identity.runtime)) == 1
