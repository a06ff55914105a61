"""A partner's way: from `edtech partners create` to an answer, a refusal, a limit and a webhook."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from graphql import (
    GraphQLSchema,
    build_client_schema,
    build_schema,
    get_introspection_query,
    is_specified_scalar_type,
)

from deploy.local.contracts import ContractRouter
from deploy.local.platform import Platform
from schema.contracts import PATH, schema_path, supergraph_path
from schema.registry import ROOT
from tests.e2e.client import eventually
from tests.e2e.market import Market
from tests.e2e.test_commands import edtech
from tests.e2e.test_course_purchase import course_for_sale
from tests.schema.test_contracts import coordinates
from tests.subgraphs.identity.receiver import Receiver
from tests.support.plain import PLAIN

NAME = "partner-catalog"
BURST = 150
FOUND = """query($id: ID!) {
  course(id: $id) {
    title status seatsLeft price { amount currency } ratingSummary { count }
    units(first: 5) { nodes { position title } }
    tutorProfile {
      id headline isBookable nextFreeSlot
      hourlyRate { amount currency } rating { count } ratingSummary { count histogram { count } }
      skills { level skill { name } } } } }"""
SUBSCRIBE = """mutation($input: CreateWebhookEndpointInput!) {
  createWebhookEndpoint(input: $input) {
    __typename ... on WebhookEndpointSecret { secret endpoint { id } }
    ... on Problem { code field message } } }"""


@contextmanager
def started(platform: Platform, name: str, folder: Path) -> Iterator[ContractRouter]:
    """A contract's router beside the running platform, with few requests per minute."""
    file = folder / "contracts.yaml"
    known = yaml.safe_load(PATH.read_text(encoding="utf-8"))
    known["contracts"][name]["limits"] |= {"requests_per_minute": 1, "burst": BURST}
    file.write_text(yaml.safe_dump(known))
    supergraph = platform.supergraph.file_of(name)
    supergraph.parent.mkdir(parents=True, exist_ok=True)
    supergraph.write_bytes((ROOT / supergraph_path(name)).read_bytes())
    router = platform.contract_router(name, file)
    router.start()
    yield router
    router.stop()


@pytest.fixture
def router(platform: Platform, tmp_path: Path) -> Iterator[ContractRouter]:
    """The catalogue's router."""
    with started(platform, NAME, tmp_path) as router:
        yield router


@pytest.fixture
def lms(platform: Platform, tmp_path: Path) -> Iterator[ContractRouter]:
    """The router of schools."""
    with started(platform, "partner-lms", tmp_path) as router:
        yield router


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """The partner's own server."""
    receiver = Receiver()
    yield receiver
    receiver.close()


@dataclass
class Program:
    """A partner's program, which knows its router alone."""

    router: str
    client_id: str
    secret: str
    scopes: list[str] = field(default_factory=list)

    def token(self, **form: str) -> httpx.Response:
        """Ask for a token."""
        return httpx.post(
            f"{self.router}/oauth/token",
            data={"grant_type": "client_credentials", **form},
            auth=(self.client_id, self.secret),
            trust_env=False,
            verify=PLAIN,
            timeout=20,
        )

    def post(self, query: str, token: str, url: str | None = None, **variables: Any) -> Any:
        """Send an operation."""
        return httpx.post(
            f"{url or self.router}/graphql",
            json={"query": query, "variables": variables},
            headers={"authorization": f"Bearer {token}"},
            trust_env=False,
            verify=PLAIN,
            timeout=20,
        )


def shown(done: subprocess.CompletedProcess[str]) -> tuple[str, str]:
    """Id and secret that a command has printed."""
    assert done.returncode == 0, done.stderr
    found = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    return found["client_id"], found["client_secret"]


def test_partners_way(
    platform: Platform, router: ContractRouter, receiver: Receiver, market: Market
) -> None:
    client_id, secret = shown(
        edtech(
            platform,
            "partners",
            "create",
            "School",
            "--contract",
            NAME,
            "--contact",
            "it@school.test",
        )
    )
    program = Program(router.url, client_id, secret)
    listed = edtech(platform, "partners", "list")
    assert client_id in listed.stdout
    assert secret not in edtech(platform, "partners", "show", client_id).stdout

    # A first answer, which crosses three subgraphs by keys that the contract does not show.
    answer = program.token()
    assert answer.status_code == 200, answer.text
    assert answer.json()["scope"] == "catalog:read"
    # Five seconds of leeway: whoever is revoked is out within a minute.
    assert answer.json()["expires_in"] + 5 <= 60
    token = answer.json()["access_token"]
    tutor = market.tutor()
    course_id = course_for_sale(market, tutor, seats=3)

    def profile_is_known() -> Any:
        found = program.post(FOUND, program.token().json()["access_token"], id=course_id).json()
        assert "errors" not in found, found
        return found["data"]["course"]["tutorProfile"] and found["data"]["course"]

    course = eventually(profile_is_known)
    assert course["price"] == {"amount": 9999, "currency": "USD"}
    assert course["units"]["nodes"] == [{"position": 1, "title": "Bellows"}]
    assert course["ratingSummary"] == {"count": 0}
    profile = course["tutorProfile"]
    assert (profile["headline"], profile["isBookable"]) == ("Fado and patience", True)
    assert profile["hourlyRate"] == {"amount": 4000, "currency": "USD"}
    assert profile["nextFreeSlot"] is not None

    # What introspection shows is the contract's schema, to the last value.
    seen = program.post(get_introspection_query(descriptions=False), token).json()["data"]
    contract = build_schema((ROOT / schema_path(NAME)).read_text(encoding="utf-8"))
    assert names_in(build_client_schema(seen)) == names_in(contract)

    # Refusals: what is outside, the other door, the wrong scope, the wrong secret.
    for query in ("{ me { id } }", "{ course(id: 1) { tutor { id } } }", "{ mi { id } }"):
        refused = program.post(query, token).json()
        assert "data" not in refused
        assert refused["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    elsewhere = program.post("{ courses { nodes { id } } }", token, url=platform.router_url)
    assert elsewhere.status_code == 401
    assert program.token(scope="enrollments:read").json()["error"] == "invalid_scope"
    assert Program(router.url, client_id, "wrong").token().json()["error"] == "invalid_client"
    assert httpx.get(f"{router.url}/calendar/x.ics", trust_env=False).status_code == 404

    # A webhook, which names ids alone.
    given = {"url": receiver.url, "events": ["edtech.learning.course.published.v1"]}
    made = program.post(SUBSCRIBE, program.token().json()["access_token"], input=given).json()
    endpoint = made["data"]["createWebhookEndpoint"]
    assert endpoint["__typename"] == "WebhookEndpointSecret", made
    published = course_for_sale(market, tutor, seats=1)

    def told() -> Any:
        return [each for each in receiver.requests if published.encode() in each.body]

    [message] = eventually(told)
    assert message.signed_with(endpoint["secret"])
    assert message.content["type"] == "edtech.learning.course.published.v1"

    # A new secret; the old one ends with its overlap, here at once.
    old = program.secret
    _, program.secret = shown(
        edtech(platform, "partners", "rotate", client_id, "--overlap-hours", "0")
    )
    assert program.token().status_code == 200
    assert Program(router.url, client_id, old).token().status_code == 401

    # A limit.
    token = program.token().json()["access_token"]
    answers: list[httpx.Response] = []
    while len(answers) <= BURST:
        answers.append(program.post("{ __typename }", token))
        if answers[-1].status_code == 429:
            break
    last = answers[-1]
    assert last.status_code == 429
    assert last.json()["errors"][0]["extensions"]["limit"]["name"] == "requests_per_minute"
    assert int(last.headers["retry-after"]) > 0
    assert last.headers["ratelimit-remaining"] == "0"
    assert '"requests";q=1;w=60' in answers[0].headers["ratelimit-policy"]

    # And the end.
    revoked = edtech(platform, "partners", "revoke", client_id)
    assert revoked.stdout == f"School ({client_id}) is revoked\n"
    assert program.token().status_code == 401
    assert re.search(r"revoked: \d{4}-", edtech(platform, "partners", "show", client_id).stdout)
    said = market.admin.ask(AUDIT, id=client_id)["auditLog"]["nodes"]
    actions = [entry["action"] for entry in said]
    assert actions[0] == "oauth_client.refused"
    assert {f"oauth_client.{w}" for w in ("created", "secret_rotated", "revoked")} <= set(actions)
    assert old not in str(said)


def names_in(schema: GraphQLSchema) -> set[str]:
    """Types, fields, arguments and enum values."""
    found = set(coordinates(schema))
    for name, kind in schema.type_map.items():
        # A specified scalar that nothing uses is in one and not in the other.
        if not name.startswith("__") and not is_specified_scalar_type(kind):
            found |= {name, *(f"{name}.{value}" for value in getattr(kind, "values", {}))}
    return found


AUDIT = "query($id: ID!) { auditLog(subjectId: $id, first: 100) { nodes { action details } } }"
SEATS = """{ accountCourses { nodes {
  title enrollments { nodes { status student { id } progress { percent } } } } } }"""


def test_school_reads_the_enrollments_of_its_account(
    platform: Platform, lms: ContractRouter, market: Market
) -> None:
    school, student = market.web.join("TUTOR"), market.web.join()
    course = course_for_sale(market, school, seats=3, price=0)
    seat = market.insist(student, ENROLL, id=course)
    assert seat["__typename"] == "Enrollment", seat
    given = ("partners", "create", "School", "--contract", "partner-lms", "--acts-for")
    program = Program(lms.url, *shown(edtech(platform, *given, str(school.user_id))))

    token = program.token().json()["access_token"]
    [found] = program.post(SEATS, token).json()["data"]["accountCourses"]["nodes"]
    [only] = found["enrollments"]["nodes"]
    assert only == {
        "status": "ACTIVE",
        "student": {"id": student.user_id},
        "progress": {"percent": 0},
    }
    named = program.post(SEATS.replace("{ id }", "{ id firstName }"), token).json()
    assert named["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"

    less = program.token(scope="catalog:read").json()["access_token"]
    refused = program.post(SEATS, less).json()["errors"][0]
    assert refused["extensions"]["code"] == "FORBIDDEN"
    assert refused["message"] == "This needs the scope enrollments:read."
    none = program.token(scope="enrollments:read").json()["access_token"]
    closed = program.post("{ courses { nodes { id } } }", none)
    assert closed.status_code == 403
    assert closed.json()["errors"][0]["message"] == "This needs the scope catalog:read."

    suspended = market.admin.act(SUSPEND, id=school.user_id)
    assert suspended["__typename"] == "User", suspended
    assert program.token().json()["error"] == "unauthorized_client"


ENROLL = """mutation($id: ID!) { enrollFree(courseId: $id) {
  __typename ... on Enrollment { id } ... on Problem { code } } }"""
SUSPEND = """mutation($id: ID!) { suspendUser(userId: $id, reason: "closed") {
  __typename ... on User { id } ... on Problem { code message } } }"""


def test_wrong_input_is_one_line(platform: Platform, tmp_path: Path) -> None:
    cases = [
        (("create", "School", "--contract", "nothing"), "contract is one of"),
        (("show", "0199aaaa-0000-7000-8000-000000000000"), "no such client"),
    ]
    for arguments, reason in cases:
        done = edtech(platform, "partners", *arguments)
        assert done.returncode == 3, done.stderr
        assert reason in done.stderr
        assert len(done.stderr.splitlines()) == 1
    usage = edtech(platform, "partners", "rotate", "no-id", "--overlap-hours", "-1")
    assert usage.returncode == 2
    bad = tmp_path / "contracts.yaml"
    bad.write_text("contracts: [")
    settings = platform.env | {"CONTRACTS_FILE": str(bad)}
    broken = edtech(platform, "partners", "create", "School", "--contract", NAME, env=settings)
    assert broken.returncode == 3
    assert "Traceback" not in broken.stderr
