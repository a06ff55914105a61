"""A small registry in a git repository of its own: two subgraphs, a contract, documents, events."""

import json
import os
import subprocess
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from schema.check.findings import Finding, Report
from schema.check.run import Proposal, check

CATALOG = "schema/subgraphs/catalog.graphql"
PEOPLE = "schema/subgraphs/people.graphql"
CONTRACTS = "schema/contracts.yaml"
APPROVALS = "schema/approvals.yaml"
LINT = "schema/lint.yaml"
REFERENCES = "schema/references.yaml"
COURSES_PAGE = "schema/operations/web/1.0/CoursesPage.graphql"
PARTNER_LIST = "schema/operations/partner/1/PartnerList.graphql"
EVENT = "schema/events/edtech.catalog.course.updated.v1.json"
GRAPH = "subgraphs/catalog/graph.py"

_LINK = (
    "extend schema @link("
    'url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@shareable", "@tag",'
    ' "@requiresScopes", "@override", "@external", "@inaccessible", "@authenticated"])'
)

FILES = {
    "gateway/supergraph.yaml": """\
subgraphs:
  catalog: { url: http://catalog/graphql, schema: schema/subgraphs/catalog.graphql, owner: a }
  people: { url: http://people/graphql, schema: schema/subgraphs/people.graphql, owner: b }
""",
    CATALOG: f"""\
{_LINK}

type Query {{
  "Courses by page."
  courses(
    "How many."
    first: Int = 10 @tag(name: "partner")
    "Of which level."
    level: Level
  ): CourseConnection! @tag(name: "partner")
  "One course."
  course("Which one." id: ID!): Course
  "What fits."
  search("Words." text: String! = "all"): [Hit!]!
}}

type Mutation {{
  "Rate a course."
  rateCourse("What is said." input: RateCourseInput!): RateCourseResult!
}}

"A page of courses."
type CourseConnection @tag(name: "partner") {{
  "The courses."
  nodes: [Course!]!
  "Where the page stands."
  pageInfo: PageInfo!
}}

"Where a page stands."
type PageInfo @shareable @tag(name: "partner") {{
  "Whether more follow."
  hasNextPage: Boolean!
}}

"Something that has a name."
interface Named {{
  "The name."
  title: String!
}}

"A course."
type Course implements Named @key(fields: "id") @key(fields: "slug") {{
  "Identifies it."
  id: ID! @tag(name: "partner")
  "Identifies it in addresses."
  slug: String!
  "What it is called."
  title: String! @tag(name: "partner")
  "What it was called. Nobody asks for it."
  subtitle: String
  "Its old name."
  oldName: String @deprecated(reason: "Use title. Removed after 2026-01-31.")
  "What it expects."
  level: Level @tag(name: "partner")
  "What it costs, in cents."
  price: Int!
  "Who teaches it."
  teacher: Person
}}

"A book."
type Book implements Named @key(fields: "id") {{
  "Identifies it."
  id: ID!
  "What it is called."
  title: String!
}}

"What a search finds."
union Hit = Course | Book

"What a course expects."
enum Level @tag(name: "partner") {{
  "Nothing."
  BEGINNER
  "The basics."
  ADVANCED
}}

"What is said of a course."
input RateCourseInput {{
  "Which one."
  courseId: ID!
  "1 to 5."
  stars: Int!
  "In words."
  text: String
}}

"The course, or why not."
union RateCourseResult = Course | Problem

"Why not."
type Problem {{
  "In words."
  message: String!
}}

"A person, of another subgraph."
type Person @key(fields: "id", resolvable: false) {{
  "Identifies it."
  id: ID!
}}
""",
    PEOPLE: f"""\
{_LINK}

type Query {{
  "Who asks."
  me: Person
}}

"A person."
type Person @key(fields: "id") {{
  "Identifies it."
  id: ID!
  "What it is called."
  name: String!
  "Where to write."
  email: String @requiresScopes(scopes: [["email:read"]])
}}

"A course, of another subgraph."
type Course @key(fields: "id") {{
  "Identifies it."
  id: ID!
  "Who likes it."
  fans: Int
}}

"Where a page stands."
type PageInfo @shareable {{
  "Whether more follow."
  hasNextPage: Boolean!
}}
""",
    CONTRACTS: """\
contracts:
  partner:
    title: Partner
    owner: team
    include: [partner]
    exclude: []
    events: [edtech.catalog.course.updated.v1]
""",
    COURSES_PAGE: """\
query CoursesPage($level: Level, $first: Int) {
  courses(first: $first, level: $level) {
    nodes {
      ...Card
    }
  }
}

fragment Card on Course {
  id
  title
  price
  teacher {
    name
  }
}
""",
    "schema/operations/web/1.0/Rate.graphql": """\
mutation Rate($input: RateCourseInput!) {
  rateCourse(input: $input) {
    ... on Course {
      id
    }
    ... on Problem {
      message
    }
  }
}
""",
    "schema/operations/web/1.0/Search.graphql": """\
query Search {
  search(text: "x") {
    ... on Named {
      title
    }
    ... on Book {
      id
    }
  }
}
""",
    PARTNER_LIST: """\
query PartnerList {
  courses(first: 3) {
    nodes {
      title
      level
    }
  }
}
""",
    EVENT: json.dumps(
        {
            "x-topic": "edtech.catalog.course.v1",
            "x-type": "edtech.catalog.course.updated.v1",
            "type": "object",
            "properties": {
                "courseId": {"type": "string", "format": "uuid"},
                "title": {"type": "string"},
                "status": {"type": "string", "enum": ["DRAFT", "OPEN"]},
                "note": {"type": "string", "default": ""},
            },
            "required": ["courseId", "title", "status"],
        },
        indent=2,
    ),
    REFERENCES: """\
references:
  - subgraph: people
    table: course_refs
    topic: edtech.catalog.course.v1
    columns: { course_id: courseId, title: title }
""",
    LINT: "owners: { Course: catalog, Person: people }\n",
    APPROVALS: """\
rules:
  - name: unused-after-deprecation
    reason: Its day has come and nobody uses it.
    codes: [FIELD_REMOVED]
    scopes: [public, "contract:*"]
approvals: []
""",
    GRAPH: '''\
"""The graph of catalog."""

import strawberry


@strawberry.federation.type(keys=["id"])
class Course:
    id: strawberry.ID

    @strawberry.field(description="What it is called.")
    def title(self) -> str:
        return "x"


Hit = strawberry.union("Hit", types=(Course,))
''',
}

_WHO = {
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
    "GIT_AUTHOR_DATE": "2026-06-01T12:00:00+00:00",
    "GIT_COMMITTER_DATE": "2026-06-01T12:00:00+00:00",
    "GIT_CONFIG_GLOBAL": os.devnull,
}


def git(folder: Path, *arguments: str) -> str:
    """Run git as somebody, on the first of June 2026."""
    done = subprocess.run(
        ["git", "-C", folder, *arguments],
        env=os.environ | _WHO,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout.strip()


@dataclass
class Registry:
    """The registry in a folder; what is written is the proposal, the commit the baseline."""

    root: Path

    @classmethod
    def make(cls, root: Path) -> "Registry":
        """Write and commit the registry."""
        found = cls(root)
        for path, text in FILES.items():
            found.write(path, text)
        git(root, "init", "--quiet", "--template=", "--initial-branch=main")
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--message=first")
        return found

    def write(self, path: str, text: str) -> None:
        """Write one file."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def read(self, path: str) -> str:
        """Read one file."""
        return (self.root / path).read_text(encoding="utf-8")

    def edit(self, path: str, *steps: tuple[str, str]) -> None:
        """Replace texts, each of which must be there once."""
        text = self.read(path)
        for before, after in steps:
            assert text.count(before) == 1, (path, before, text.count(before))
            text = text.replace(before, after)
        self.write(path, text)

    def remove(self, path: str) -> None:
        """Remove one file."""
        (self.root / path).unlink()

    def commit(self) -> str:
        """Commit the proposal; the revision."""
        git(self.root, "add", "--all")
        git(self.root, "commit", "--quiet", "--message=next")
        return git(self.root, "rev-parse", "HEAD")

    def restore(self) -> None:
        """Go back to the first commit."""
        git(self.root, "checkout", "--quiet", "--force", "HEAD", "--", ".")
        git(self.root, "clean", "--quiet", "--force", "-d")

    def check(self, **settings: Any) -> Report:
        """Check the proposal against the last commit."""
        return check(Proposal(root=self.root, **settings))


def line_of(text: str, part: str) -> int:
    """The line on which a part of a text stands first."""
    return text[: text.index(part)].count("\n") + 1


def found(report: Report, finding_id: str) -> Finding:
    """The one finding of that id."""
    [finding] = [each for each in report.findings if each.id == finding_id]
    return finding


def failing(report: Report) -> list[str]:
    """Ids of what fails, once each."""
    return sorted({each.id for each in report.findings if each.fails})


TODAY = date(2026, 6, 1)
