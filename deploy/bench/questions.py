"""The questions, as each face of the platform is asked them.

A federated question is also asked part by part: what the router sends to each subgraph for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import httpx
import orjson

from deploy.bench.crowd import SUBJECTS
from deploy.bench.http_load import http_request
from deploy.bench.market import Market
from deploy.local.errors import LocalServiceError
from shared.auth import SIGNATURE_HEADER, sign

ME = "{ me { id name email roles } }"
SEARCH = """query($text: String!) {
  searchCourses(filter: {text: $text}, first: 10) { nodes { id title tutor { id name } } }
}"""
SEARCH_IN_LEARNING = """query($text: String!) {
  searchCourses(filter: {text: $text}, first: 10) {
    nodes { id title tutor { __typename id } }
  }
}"""
USERS = """query($first: Int!, $after: String) {
  users(first: $first, after: $after) {
    nodes { id name enrolledCourses(first: 5) { nodes { id title tutor { name } } } }
  }
}"""
USERS_IN_IDENTITY = """query($first: Int!, $after: String) {
  users(first: $first, after: $after) { nodes { __typename id name } }
}"""
COURSES_IN_LEARNING = """query($representations: [_Any!]!) {
  _entities(representations: $representations) {
    __typename
    ... on User { enrolledCourses(first: 5) { nodes { id title tutor { __typename id } } } }
  }
}"""
NAMES_IN_IDENTITY = """query($representations: [_Any!]!) {
  _entities(representations: $representations) { __typename ... on User { name } }
}"""
TUTORS = """query($skill: ID!) {
  tutors(filter: {skillId: $skill}, first: 20) {
    nodes { id headline hourlyRate { amount currency } rating { count mean } nextFreeSlot }
  }
}"""
SLOTS = """query($tutor: ID!, $from: DateTime!, $to: DateTime!) {
  availableSlots(tutorId: $tutor, from: $from, to: $to) {
    startsAt endsAt price { amount currency }
  }
}"""
CURSORS = (
    "query($after: String) { users(first: 100, after: $after) { edges { cursor node { id } } } }"
)
PAGE = 20


@dataclass(frozen=True)
class Body:
    """What one request says, and for whom (None: for nobody in particular)."""

    json: Mapping[str, Any]
    token: str | None = None

    def encoded(self) -> bytes:
        """As sent."""
        return orjson.dumps(self.json)


@dataclass(frozen=True)
class Target:
    """One face that is asked: its address and the bodies that are sent in turn."""

    name: str
    port: int
    path: str
    bodies: Sequence[Body]
    # Subgraphs answer only what is signed, for a minute: requests are made just before they leave.
    secret: bytes | None = None
    # What each body is answered when it is asked alone; filled by `Question.check`.
    answers: list[str] = field(default_factory=list)
    # Parts of what the router sends to subgraphs are added up in the tables.
    is_part: bool = False

    def exchanges(self) -> list[tuple[str, str]]:
        """The bodies as HTTP requests that are valid now, with their answers."""
        return [
            (http_request(self.path, body.encoded(), self.headers(body)), answer)
            for body, answer in zip(self.bodies, self.answers, strict=True)
        ]

    def headers(self, body: Body) -> list[tuple[str, str]]:
        """Token and proof."""
        headers = [("authorization", f"Bearer {body.token}")] if body.token else []
        if self.secret is not None:
            headers.append((SIGNATURE_HEADER, sign(self.secret, body.encoded(), ip="192.0.2.1")))
        return headers

    def ask(self, client: httpx.Client, index: int) -> Any:
        """One answer's data. Raises LocalServiceError for anything but data."""
        return orjson.loads(self.text(client, index))["data"]

    def text(self, client: httpx.Client, index: int) -> str:
        """One answer as it came, as latin-1 text. Raises LocalServiceError for a refusal."""
        body = self.bodies[index]
        answer = client.post(
            f"http://127.0.0.1:{self.port}{self.path}",
            content=body.encoded(),
            headers=[("content-type", "application/json"), *self.headers(body)],
        )
        if answer.status_code != 200 or "errors" in answer.json():
            raise LocalServiceError(f"{self.name}: {answer.status_code} {answer.text[:300]}")
        return answer.content.decode("latin-1")


@dataclass(frozen=True)
class Question:
    """One benchmark: the yardstick first (or what stands for it), then the parts, the router."""

    name: str
    targets: Sequence[Target]

    def check(self, client: httpx.Client) -> None:
        """Learn every answer; yardstick and router must agree. Raises LocalServiceError."""
        for target in self.targets:
            target.answers[:] = [target.text(client, i) for i in range(len(target.bodies))]
        pairs = zip(self.targets[0].answers, self.targets[-1].answers, strict=True)
        if any(orjson.loads(first) != orjson.loads(last) for first, last in pairs):
            raise LocalServiceError(f"{self.name}: the yardstick gives another answer.")


@dataclass(frozen=True)
class Faces:
    """Where the platform and the yardstick listen."""

    handwritten: int
    api: int
    router: int
    secret: bytes

    def by_hand(self, path: str, bodies: Sequence[Body], name: str = "hand-written") -> Target:
        """The hand-written endpoint."""
        return Target(name, self.handwritten, path, bodies)

    def subgraph(self, subgraph: str, part: str, bodies: Sequence[Body]) -> Target:
        """What the router asks one subgraph."""
        path = f"/{subgraph}/graphql"
        return Target(f"{subgraph}: {part}", self.api, path, bodies, self.secret, is_part=True)

    def through_router(self, bodies: Sequence[Body]) -> Target:
        """The whole question."""
        return Target("router", self.router, "/graphql", bodies)


def _graphql(text: str, token: str | None = None, /, **variables: Any) -> Body:
    return Body({"query": text, "variables": variables}, token)


def _entities(text: str, ids: Sequence[str], token: str | None = None) -> Body:
    unique = list(dict.fromkeys(ids))
    return _graphql(
        text, token, representations=[{"__typename": "User", "id": id_} for id_ in unique]
    )


def about_me(faces: Faces, tokens: Sequence[str]) -> Question:
    """The signed-in user, asked by many users in turn."""
    asked = [_graphql(ME, token) for token in tokens]
    return Question(
        "me",
        [
            faces.by_hand("/me", [Body({}, token) for token in tokens]),
            faces.subgraph("identity", "me", asked),
            faces.through_router(asked),
        ],
    )


def names_of_users(faces: Faces, ids: Sequence[str]) -> Question:
    """What the router asks identity most, without a token: one statement, twenty rows.

    By hand once with the statement that the subgraph sends, and once with what would be enough.
    """
    groups = [ids[at : at + PAGE] for at in range(0, len(ids) - PAGE + 1, PAGE)]
    bodies = [Body({"ids": group}) for group in groups]
    return Question(
        f"names of {PAGE} users",
        [
            faces.by_hand("/names-same-sql", bodies, "hand-written, same SQL"),
            faces.by_hand("/names", bodies, "hand-written, three columns"),
            faces.subgraph(
                "identity", "_entities", [_entities(NAMES_IN_IDENTITY, group) for group in groups]
            ),
        ],
    )


def course_search(faces: Faces, client: httpx.Client) -> Question:
    """A page of ten found courses with their tutors' names, without a token."""
    texts = [*SUBJECTS, *(f"{subject} part" for subject in SUBJECTS)]
    router = faces.through_router([_graphql(SEARCH, text=text) for text in texts])
    pages = [
        router.ask(client, index)["searchCourses"]["nodes"] for index in range(len(router.bodies))
    ]
    return Question(
        "course search, 10 with tutor",
        [
            faces.by_hand("/search", [Body({"text": text}) for text in texts]),
            faces.subgraph(
                "learning", "page", [_graphql(SEARCH_IN_LEARNING, text=text) for text in texts]
            ),
            faces.subgraph(
                "identity",
                "_entities",
                [
                    _entities(NAMES_IN_IDENTITY, [course["tutor"]["id"] for course in page])
                    for page in pages
                ],
            ),
            router,
        ],
    )


def tutor_search(faces: Faces, market: Market) -> Question:
    """A page of twenty tutors of a skill with rating, price and next free slot, without a token."""
    asked = [_graphql(TUTORS, skill=str(skill)) for skill in market.skills]
    return Question(
        "tutor search, 20 with rating, price, next slot",
        [
            faces.by_hand("/tutors", [Body({"skill": str(skill)}) for skill in market.skills]),
            faces.subgraph("matching", "page", asked),
            faces.through_router(asked),
        ],
    )


def slots_of_busy_tutor(faces: Faces, market: Market) -> Question:
    """Four weeks of a tutor with 200 lessons, without a token; the subgraph is the yardstick."""
    asked = [
        _graphql(
            SLOTS,
            tutor=str(market.busy_tutor),
            **{"from": market.start.isoformat(), "to": market.end.isoformat()},
        )
    ]
    return Question(
        "slots of four weeks around 200 lessons",
        [faces.subgraph("matching", "availableSlots", asked), faces.through_router(asked)],
    )


def user_pages(faces: Faces, client: httpx.Client, token: str, *, pages: int) -> Question:
    """Twenty users with five courses each and their tutors' names, another page each time."""
    cursors = list(islice(_cursors(faces, client, token), pages))
    router = faces.through_router(
        [_graphql(USERS, token, first=PAGE, after=cursor) for cursor, _ in cursors]
    )
    answers = [router.ask(client, index)["users"]["nodes"] for index in range(len(cursors))]
    courses = faces.subgraph(
        "learning",
        f"_entities of {PAGE}",
        [_entities(COURSES_IN_LEARNING, [user["id"] for user in page], token) for page in answers],
    )
    tutors = [_tutors(courses.ask(client, index)) for index in range(len(cursors))]
    return Question(
        f"{PAGE} users, 5 courses each, their tutors",
        [
            faces.by_hand("/users", [Body({"before": id_}, token) for _, id_ in cursors]),
            faces.subgraph(
                "identity",
                "page",
                [
                    _graphql(USERS_IN_IDENTITY, token, first=PAGE, after=cursor)
                    for cursor, _ in cursors
                ],
            ),
            courses,
            faces.subgraph(
                "identity",
                "_entities of tutors",
                [_entities(NAMES_IN_IDENTITY, ids, token) for ids in tutors],
            ),
            router,
        ],
    )


def _tutors(data: Mapping[str, Any]) -> list[str]:
    return [
        course["tutor"]["id"]
        for user in data["_entities"]
        for course in user["enrolledCourses"]["nodes"]
    ]


def _cursors(faces: Faces, client: httpx.Client, token: str) -> "list[tuple[str, str]]":
    """Cursors with their users' ids, those that a whole page follows."""
    found: list[tuple[str, str]] = []
    while True:
        after = found[-1][0] if found else None
        body = _graphql(CURSORS, token, after=after)
        edges = faces.through_router([body]).ask(client, 0)["users"]["edges"]
        found += [(edge["cursor"], edge["node"]["id"]) for edge in edges]
        if len(edges) < 100:
            return found[:-PAGE]
