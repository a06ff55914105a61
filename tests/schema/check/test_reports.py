"""Reports: places at the SDL and the Python line, six formats, the same bytes every time."""

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from schema.check import codes
from schema.check.findings import Place, Report
from schema.check.formats import Format, write
from tests.schema.check.registry import APPROVALS, CATALOG, GRAPH, TODAY, Registry, found, line_of


@pytest.fixture
def report(registry: Registry) -> Report:
    """A report with a finding of every severity, an approval and hostile text."""
    registry.edit(
        CATALOG,
        ("  title: String! @tag", "  title: String @tag"),
        ('  "The name."\n  title: String!', '  "The name."\n  title: String'),
        ("  price: Int!\n", "  price: Int\n"),
        ("subtitle: String\n", 'subtitle("<b>|`x`::,%\\n" year: Int): String\n'),
        ("  ADVANCED\n", "  ADVANCED\n  expert_level\n"),
        ("  stars: Int!\n", '  stars: Int!\n  "When."\n  year: Int\n'),
    )
    registry.write(
        APPROVALS,
        "approvals:\n  - change: FIELD_TYPE_CHANGED Course.price\n    scope: public\n"
        "    reason: Agreed <script> with | web.\n    approved_by: team\n    expires: 2026-12-31\n"
        "    clients: [web]\n",
    )
    return registry.check()


def test_places_are_the_sdl_line_and_the_python_line(report: Report, registry: Registry) -> None:
    change = found(report, "FIELD_TYPE_CHANGED Course.title")
    sdl = registry.read(CATALOG)
    assert change.place == Place(CATALOG, line_of(sdl, "  title: String @tag"))
    python = registry.read(GRAPH)
    assert change.python == Place(GRAPH, line_of(python, "    def title"))
    # Not in the sources, so the class has to do.
    price = found(report, "FIELD_TYPE_CHANGED Course.price")
    assert price.python == Place(GRAPH, line_of(python, "class Course"))


def test_json_is_the_same_in_another_folder_and_on_another_day(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.edit(CATALOG, ("  price: Int!\n", "  price: Int\n"))
    first = write(registry.check(), Format.JSON)
    assert write(registry.check(), Format.JSON) == first
    copy = tmp_path / "elsewhere" / "else"
    shutil.copytree(registry.root, copy)
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    monkeypatch.chdir(copy)
    monkeypatch.setattr("time.time", lambda: 4_000_000_000.0)
    assert write(Registry(copy).check(), Format.JSON) == first
    assert write(Registry(copy).check(baseline="HEAD", today=TODAY), Format.JSON) == first


def test_json_has_everything(report: Report) -> None:
    data = json.loads(write(report, Format.JSON))
    assert data["json_version"] == 1
    assert data["verdict"] == "FAILED"
    assert data["today"] == "2026-06-01"
    assert [task["name"] for task in data["tasks"]] == [
        "parse",
        "composition",
        "contracts",
        "changes",
        "operations",
        "usage",
        "lint",
        "plans",
        "events",
        "approvals",
    ]
    changes = {each["id"]: each for each in data["tasks"][3]["findings"]}
    title = changes["FIELD_TYPE_CHANGED Course.title"]
    assert title["scopes"] == {
        "contract:partner": "breaking",
        "public": "breaking",
        "subgraph:catalog": "dangerous",
    }
    assert title["contracts"] == ["partner"]
    operations = [(each["client"], each["operation"]) for each in title["operations"]]
    assert operations == [("partner", "PartnerList"), ("web", "CoursesPage")]
    assert changes["FIELD_TYPE_CHANGED Course.price"]["approved"]


def test_sarif_has_the_shape_of_2_1_0(report: Report) -> None:
    data = json.loads(write(report, Format.SARIF))
    assert data["version"] == "2.1.0"
    [run] = data["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == sorted(set(rules))
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"]
        for location in (*result["locations"], *result["relatedLocations"]):
            physical = location["physicalLocation"]
            assert not physical["artifactLocation"]["uri"].startswith("/")
            assert physical["region"]["startLine"] >= 1
    title = next(each for each in run["results"] if "Course.title" in each["message"]["text"])
    files = [each["physicalLocation"]["artifactLocation"]["uri"] for each in title["locations"]]
    assert files == [CATALOG, GRAPH]
    assert [each["suppressions"] for each in run["results"] if "suppressions" in each]


def test_junit_counts_its_cases(report: Report) -> None:
    root = Xml.fromstring(write(report, Format.JUNIT))  # noqa: S314 - our own text
    suites = root.findall("testsuite")
    assert len(suites) == 10
    for suite in suites:
        assert int(suite.get("tests", "")) == len(suite.findall("testcase"))
        assert int(suite.get("failures", "")) == len(suite.findall("testcase/failure"))
        assert int(suite.get("skipped", "")) == len(suite.findall("testcase/skipped"))
    failures = sum(int(suite.get("failures", "")) for suite in suites)
    assert failures == sum(each.fails for each in report.findings)


def test_github_commands_point_at_both_lines(report: Report) -> None:
    lines = write(report, Format.GITHUB).splitlines()
    commands = [line for line in lines if line.startswith("::")]
    assert lines[-1] == "Schema check failed."
    assert len(commands) == len(lines) - 1
    title = [line for line in commands if ": Course.title" in line or " Course.title:" in line]
    assert any(line.startswith(f"::error file={CATALOG},line=") for line in title)
    assert any(line.startswith(f"::error file={GRAPH},line=") for line in title)
    assert any(line.startswith("::notice file=") for line in commands)


def test_markdown_is_a_comment_that_says_how_to_approve(report: Report) -> None:
    text = write(report, Format.MARKDOWN)
    assert text.startswith("## Schema check failed\n")
    assert "| changes | FAILED |" in text
    assert "**FIELD\\_TYPE" not in text
    assert "- **FIELD_TYPE_CHANGED** `Course.title`" in text
    assert "contracts: `partner`" in text
    assert "`web 1.0 CoursesPage`" in text
    assert "schema/approvals.yaml" in text
    assert "<script>" not in text


def test_text_ends_with_the_verdict(report: Report) -> None:
    text = write(report, Format.TEXT)
    assert text.splitlines()[-1].startswith("FAILED: ")
    assert "used by web 1.0 CoursesPage" in text


def test_every_code_that_is_found_is_explained(report: Report) -> None:
    known = codes.all_codes()
    assert {each.code for each in report.findings} <= known.keys()
    assert all(each.meaning.endswith(".") and each.remedy for each in known.values())
