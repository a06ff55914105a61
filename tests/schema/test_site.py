"""Contract pages: complete, safe, alone in the world, and usable in a real browser."""

import html.parser
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

from schema.contracts import contracts, schema_path
from schema.registry import ROOT
from schema.site.history import history
from schema.site.pages import page_of, render, site
from shared.contracts import Contract, ContractsError, Limits

SDL = '''
"""What can be asked."""
type Query {
  """A course by id, or `null`. <script>alert(1)</script>"""
  course("Which one. <b>" id: ID!, size: Size = SMALL): Course
  courses(first: Int): CourseConnection!
}
type Mutation { book(input: BookInput!): BookResult! }
"""A course."""
type Course implements Named {
  id: ID!
  name: String!
  price: Money!
  """The old price."""
  cost: Int @deprecated(reason: "Use `price`; goes after 2027-03-01 & later.")
  related: [Course!]!
}
interface Named { name: String! }
type CourseConnection { nodes: [Course!]! pageInfo: PageInfo! }
type PageInfo { hasNextPage: Boolean! }
type Money { amount: MinorUnits! }
input BookInput {
  courseId: ID!
  seats: Int = 1
  note: String @deprecated(reason: "Nobody reads it.")
}
union BookResult = Course | Problem
type Problem { code: String! message: String! }
enum Size { "Little." SMALL LARGE @deprecated(reason: "Too large.") }
scalar MinorUnits
scalar Moment @specifiedBy(url: "https://www.rfc-editor.org/rfc/rfc3339")
'''
PARTNERS = Contract(
    title="Courses <for> schools",
    owner="team-partners",
    audience="partner-x",
    scopes=("catalog:read", "lms:read"),
    limits=Limits(
        requests_per_minute=123, burst=7, cost=4567, cost_per_minute=89_000, depth=8, aliases=9
    ),
    events=("edtech.learning.course.published.v1",),
)
API = "https://api.example.org"


class Elements(html.parser.HTMLParser):
    """Ids, links and whatever could fetch something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.fetches: list[str] = []
        self.tags: Counter[str] = Counter()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what matters of an element."""
        self.tags[tag] += 1
        values = {name: value or "" for name, value in attrs}
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values["href"]] if tag == "a" else []
        if "src" in values or tag in ("link", "img", "iframe", "object", "embed"):
            self.fetches.append(tag)


@pytest.fixture(scope="module")
def page() -> str:
    """The page of a small contract."""
    return render(page_of("partner-x", PARTNERS, SDL, api_url=API))


def test_page_shows_everything_that_the_schema_has(page: str) -> None:
    found = Elements(page)
    for coordinate in (
        "Query.course",
        "Query.course-id",
        "Query.course-size",
        "Mutation.book",
        "Course.name",
        "Course.cost",
        "BookInput.seats",
        "BookResult",
        "Size.SMALL",
        "Named",
        "MinorUnits",
    ):
        assert coordinate in found.ids
    assert " = SMALL" in page
    assert " = 1" in page
    assert "https://www.rfc-editor.org/rfc/rfc3339" in found.links


def test_what_is_deprecated_stands_at_its_place_and_in_a_list(page: str) -> None:
    listed = page[page.index('<h2 id="deprecated">') : page.index('<h2 id="changelog">')]
    assert re.findall(r'href="#([^"]+)"', listed) == ["BookInput.note", "Course.cost", "Size.LARGE"]
    assert page.count("goes after 2027-03-01 &amp; later.") == 2


def test_text_of_the_schema_cannot_become_markup(page: str) -> None:
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "Courses &lt;for&gt; schools" in page
    assert "<code>null</code>" in page
    assert Elements(page).tags["script"] == 1


def test_page_needs_nothing_from_elsewhere_and_every_link_leads_somewhere(page: str) -> None:
    found = Elements(page)
    assert found.fetches == []
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page
    assert [id_ for id_, times in Counter(found.ids).items() if times > 1] == []
    places = {f"#{id_}" for id_ in found.ids} | {"index.html"}
    assert {link for link in found.links if not link.startswith("https://")} <= places


def test_page_tells_of_token_limits_and_events(page: str) -> None:
    text = re.sub(r"<[^>]+>", "", page)
    assert f"curl {API}/oauth/token" in text
    for shown in ("catalog:read", "lms:read", "123, at once 7", "4567", "89000", *PARTNERS.events):
        assert shown in text
    users = PARTNERS.model_copy(update={"scopes": (), "limits": None, "events": ()})
    other = render(page_of("web", users, SDL, api_url=API))
    assert "grant_type" not in other
    assert 'id="events"' not in other


@pytest.mark.parametrize("name", contracts())
def test_every_operation_of_a_contract_has_an_example_that_fits(name: str) -> None:
    sdl = (ROOT / schema_path(name)).read_text()
    schema = build_schema(sdl)
    page = page_of(name, contracts()[name], sdl, api_url=API)
    operations = [*page.queries, *page.mutations]
    assert operations
    for each in operations:
        assert each.example is not None
        assert validate(schema, parse(each.example.operation)) == []
        answer = json.loads(each.example.answer)
        assert list(answer["data"]) == [each.name]
        assert all(value is not None for value in answer["data"].values())
        assert '"Problem"' not in each.example.answer


def commit(root: Path, date: str, sdl: str) -> None:
    """A revision of the schema."""
    (root / "x.graphql").write_text(sdl)
    identity = {
        f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    dates = {"GIT_AUTHOR_DATE": f"{date}T12:00:00Z", "GIT_COMMITTER_DATE": f"{date}T12:00:00Z"}
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", date]):
        subprocess.run(["git", "-C", root, *command], check=True, env=os.environ | identity | dates)


def test_changelog_comes_from_the_revisions_of_the_schema(tmp_path: Path) -> None:
    first = "type Query { a: Int b: Int c(x: Int): Int }"
    second = 'type Query { a: Int b: Int @deprecated(reason: "Use a.") c(x: Int): Int d: Int }'
    third = "type Query { a: Int c(x: Int, y: Int): Int d: Int }"
    commit(tmp_path, "2026-09-01", first)
    commit(tmp_path, "2026-10-01", second)
    found = history(Path("x.graphql"), root=tmp_path, now=third)
    assert found.deprecated_since == {"Query.b": "2026-10-01"}
    assert [(entry.date, [(c.kind, c.text) for c in entry.changes]) for entry in found.entries] == [
        (
            "Not released",
            [
                ("breaking", "Field Query.b was removed."),
                ("dangerous", "An optional argument Query.c(y:) was added."),
            ],
        ),
        (
            "2026-10-01",
            [("deprecated", "Query.b was deprecated."), ("safe", "Field Query.d was added.")],
        ),
        ("2026-09-01", [("safe", "The first revision of this contract.")]),
    ]
    past = history(Path("x.graphql"), root=tmp_path, now=second)
    page = render(page_of("x", PARTNERS, second, api_url=API, past=past))
    assert "Deprecated since 2026-10-01: Use a." in page
    assert "Query.d was added." in page


def test_without_git_there_is_no_changelog(tmp_path: Path) -> None:
    found = history(Path("x.graphql"), root=tmp_path, now="type Query { a: Int }")
    assert (found.entries, found.deprecated_since) == ((), {})
    page = render(page_of("x", PARTNERS, "type Query { a: Int }", api_url=API, past=found))
    assert "No changes yet." in page


def test_missing_or_broken_schema_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ContractsError, match=r"schema/contracts/[\w-]+\.graphql is missing"):
        site(api_url=API, root=tmp_path)
    first = tmp_path / schema_path(next(iter(contracts())))
    first.parent.mkdir(parents=True)
    for broken in ("type Query {", "type Query { a: Unknown }", "type A { b: Int }\n" * 2):
        first.write_text(broken)
        with pytest.raises(ContractsError, match=r"cannot be shown: .+"):
            site(api_url=API, root=tmp_path)


def test_command_writes_a_page_for_each_contract(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy", "schema", "site", "--to", tmp_path / "site"],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        cwd=ROOT,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    written = {path.name for path in (tmp_path / "site").iterdir()}
    assert written == {"index.html", *(f"{name}.html" for name in contracts())}
    index = (tmp_path / "site" / "index.html").read_text()
    assert set(Elements(index).links) == written - {"index.html"}


BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
PROBE = """<script>
const search = document.getElementById('search');
search.value = 'course PRICE';
search.dispatchEvent(new Event('input'));
document.title = JSON.stringify({
  width: innerWidth,
  overflow: document.documentElement.scrollWidth - innerWidth,
  hits: Array.from(document.querySelectorAll('#hits a'), (a) => a.getAttribute('href')),
  count: document.getElementById('count').textContent,
});
</script>"""


@pytest.mark.skipif(BROWSER is None, reason="there is no chromium: apt-get install chromium")
@pytest.mark.parametrize("width", [390, 1200])
def test_browser_searches_and_nothing_sticks_out(page: str, tmp_path: Path, width: int) -> None:
    file = tmp_path / "page.html"
    file.write_text(page.replace("</body>", f"{PROBE}</body>"))
    done = subprocess.run(
        [
            *(str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
            *(f"--user-data-dir={tmp_path / 'profile'}", "--no-first-run"),
            *(f"--window-size={width},800", file.as_uri()),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    [title] = re.findall(r"<title>(.*?)</title>", done.stdout)
    seen = json.loads(title.replace("&quot;", '"'))
    assert seen["overflow"] <= 0
    assert seen["hits"][0] == "#Course.price"
    assert seen["count"] == f"{len(seen['hits'])} places"
