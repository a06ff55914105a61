"""Consents by version, and the audit log."""

from typing import Any

from tests.subgraphs.identity.people import Person, actions, person, rows, value
from tests.support.graph import GraphClient, counted

ACCEPT = """
mutation($kind: ConsentKind!, $version: String!) { acceptConsent(kind: $kind, version: $version) {
  __typename ... on Consent { id kind version withdrawnAt } ... on Problem { code field } } }
"""
WITHDRAW = """
mutation($kind: ConsentKind!) { withdrawConsent(kind: $kind) {
  __typename ... on Consent { id withdrawnAt } ... on Problem { code field } } }
"""
MINE = "{ myConsents { nodes { kind version withdrawnAt } } }"
AUDIT = """
query($subject: ID, $action: String, $first: Int) {
  auditLog(subjectId: $subject, action: $action, first: $first) {
    nodes { action actorKind subjectId ipAddress details actor { id email } } } }
"""


async def accept(who: Person, kind: str, version: str) -> Any:
    """What agreeing answers."""
    answer = await who.client.ask(ACCEPT, kind=kind, version=version)
    return answer.data["acceptConsent"]


async def test_versions_are_kept_beside_each_other(identity: GraphClient) -> None:
    who = await person(identity)
    first = await accept(who, "PRIVACY", "2026-01")
    assert await accept(who, "PRIVACY", "2026-01") == first
    await accept(who, "PRIVACY", "2026-11")
    nodes = (await who.client.ask(MINE)).data["myConsents"]["nodes"]
    assert [(node["kind"], node["version"]) for node in nodes] == [
        ("PRIVACY", "2026-11"),
        ("PRIVACY", "2026-01"),
    ]
    assert (await actions(identity)).count("consent.accepted") == 2


async def test_consent_is_taken_back_and_given_again(identity: GraphClient) -> None:
    who = await person(identity)
    given = await accept(who, "MARKETING", "1")
    taken = (await who.client.ask(WITHDRAW, kind="MARKETING")).data["withdrawConsent"]
    assert (taken["id"], taken["withdrawnAt"] is not None) == (given["id"], True)
    again = (await who.client.ask(WITHDRAW, kind="MARKETING")).data["withdrawConsent"]
    assert again["code"] == "NOT_FOUND"
    assert (await accept(who, "MARKETING", "1"))["withdrawnAt"] is None


async def test_terms_cannot_be_taken_back_and_versions_are_checked(identity: GraphClient) -> None:
    who = await person(identity)
    await accept(who, "TERMS", "1")
    refused = (await who.client.ask(WITHDRAW, kind="TERMS")).data["withdrawConsent"]
    assert (refused["code"], refused["field"]) == ("CONFLICT", "kind")
    for version in ("", "a b", "x" * 51, "\0"):
        assert (await accept(who, "PRIVACY", version))["field"] == "version"
    assert await value(identity, "SELECT count(*) FROM consents") == 1


async def test_audit_log_is_for_admins_and_names_actor_and_subject(identity: GraphClient) -> None:
    boss = await person(identity, "boss@example.org", "admin")
    ada = await person(identity)
    await boss.client.ask(
        "mutation($id: ID!) { setRole(userId: $id, role: TUTOR) { ... on User { id } } }",
        id=ada.id,
    )
    assert (await ada.client.ask(AUDIT)).codes == ["FORBIDDEN"]
    answer = await boss.client.ask(AUDIT, subject=ada.id, action="role.granted")
    assert answer.data["auditLog"]["nodes"] == [
        {
            "action": "role.granted",
            "actorKind": "user",
            "subjectId": str(ada.id),
            "ipAddress": "192.0.2.1",
            "details": {"role": "tutor"},
            "actor": {"id": str(boss.id), "email": "boss@example.org"},
        }
    ]


async def test_actors_of_a_page_cost_one_statement(identity: GraphClient) -> None:
    boss = await person(identity, "boss@example.org", "admin")
    for n in range(3):
        await person(identity, f"p{n}@example.org")
    counts = []
    for first in (2, 20):
        with counted(identity.runtime.database) as statements:
            await boss.client.ask(AUDIT, first=first)
        counts.append(len(statements))
    assert counts == [3, 3]


async def test_audit_log_holds_no_address(identity: GraphClient) -> None:
    who = await person(identity)
    await accept(who, "PRIVACY", "1")
    for (text,) in await rows(identity, "SELECT a::text FROM audit_log a"):
        assert "@" not in text
