"""`edtech schema …`: data on stdout, one line on stderr, exit codes, and what CI calls."""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from deploy.schema_cli import schema_app
from schema.registry import ROOT
from tests.schema.check.registry import CATALOG, PEOPLE, Registry

_OLD_NAME = (
    '  "Its old name."\n'
    '  oldName: String @deprecated(reason: "Use title. Removed after 2026-01-31.")\n'
)


def edtech(registry: Registry, *arguments: str) -> Result:
    return CliRunner().invoke(schema_app, [*arguments, "--root", str(registry.root)])


def refused(result: Result, code: int) -> str:
    """One line on stderr and nothing on stdout."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    [line] = result.stderr.strip().splitlines()
    return line


def test_exit_codes(registry: Registry) -> None:
    assert edtech(registry, "check").exit_code == 0
    registry.edit(CATALOG, ("  price: Int!\n", "  price: Int\n"))
    failed = edtech(registry, "check", "--format", "json")
    assert failed.exit_code == 1
    assert json.loads(failed.stdout)["verdict"] == "FAILED"
    assert failed.stderr == ""
    lenient = edtech(registry, "check", "--format", "json", "--warn-only")
    assert lenient.exit_code == 0
    assert json.loads(lenient.stdout)["verdict"] == "FAILED"
    assert "--subgraph and --sdl" in refused(edtech(registry, "check", "--sdl", "x"), 2)
    assert "'v9'" in refused(edtech(registry, "check", "--baseline", "v9"), 3)
    assert "did not end" in refused(edtech(registry, "check", "--timeout", "0.01"), 4)
    assert edtech(registry, "check", "--format", "poem").exit_code == 2
    assert edtech(registry, "check", "--today", "someday").exit_code == 2


def test_report_goes_to_a_file(registry: Registry, tmp_path: Path) -> None:
    file = tmp_path / "report.sarif"
    done = edtech(registry, "check", "--format", "sarif", "--output", str(file))
    assert (done.exit_code, done.stdout) == (0, "")
    assert json.loads(file.read_text())["version"] == "2.1.0"
    missing = edtech(registry, "check", "--output", str(tmp_path / "no" / "x"))
    assert "cannot be written" in refused(missing, 3)


def test_proposal_from_outside_is_checked_alone(registry: Registry, tmp_path: Path) -> None:
    proposal = tmp_path / "catalog.graphql"
    proposal.write_text(registry.read(CATALOG).replace("  price: Int!\n", "  price: Int\n"))
    arguments = ["check", "--subgraph", "catalog", "--sdl", str(proposal), "--format", "json"]
    done = edtech(registry, *arguments)
    assert done.exit_code == 1
    findings = [each for task in json.loads(done.stdout)["tasks"] for each in task["findings"]]
    assert "FIELD_TYPE_CHANGED Course.price" in {each["id"] for each in findings}
    assert {each["python"] for each in findings} == {None}
    assert "price: Int!" in registry.read(CATALOG)


def test_baselines(registry: Registry, tmp_path: Path) -> None:
    registry.edit(CATALOG, (_OLD_NAME, ""))
    second = registry.commit()
    # On the default branch, the last commit is the baseline.
    assert "FIELD_REMOVED" not in edtech(registry, "check").stdout
    assert "FIELD_REMOVED" in edtech(registry, "check", "--baseline", "HEAD~1").stdout
    subprocess.run(["git", "-C", registry.root, "checkout", "-qb", "work"], check=True)
    registry.edit(CATALOG, ("  price: Int!\n", "  price: Int\n"))
    registry.commit()
    # Elsewhere, it is where the branch left the default one.
    answer = json.loads(edtech(registry, "check", "--format", "json").stdout)
    assert answer["baseline"]["revision"] == second
    assert answer["verdict"] == "FAILED"
    folder = tmp_path / "copy"
    subprocess.run(["git", "clone", "-q", registry.root, folder], check=True)
    assert edtech(registry, "check", "--baseline", str(folder)).exit_code == 0


def test_published_versions(registry: Registry, tmp_path: Path) -> None:
    place = str(tmp_path / "versions")
    assert edtech(registry, "publish", "--to", place).stdout == "version 1\n"
    assert "holds the same files" in edtech(registry, "publish", "--to", place).stdout
    registry.edit(CATALOG, ("  price: Int!\n", "  price: Int\n"))
    assert edtech(registry, "check", "--baseline", place).exit_code == 1
    second = edtech(registry, "publish", "--to", place)
    assert second.stdout.splitlines()[0].startswith("breaking  FIELD_TYPE_CHANGED Course.price: ")
    assert second.stdout.splitlines()[-1] == "version 2"
    assert edtech(registry, "check", "--baseline", place).exit_code == 0
    assert edtech(registry, "check", "--baseline", f"{place}@1").exit_code == 1
    assert "no such" in refused(edtech(registry, "check", "--baseline", f"{place}@9"), 3)
    versions = sorted((tmp_path / "versions" / "versions").iterdir())
    assert [file.name for file in versions] == ["000001.json", "000002.json"]
    manifest = json.loads(versions[1].read_text())
    assert manifest["changelog"][0]["change"] == "FIELD_TYPE_CHANGED Course.price"
    content = tmp_path / "versions" / "files" / manifest["files"][CATALOG]
    content.write_text("changed behind its back")
    assert "damaged" in refused(edtech(registry, "check", "--baseline", place), 3)


def test_diff_shows_changes_worst_first(registry: Registry) -> None:
    registry.edit(CATALOG, (_OLD_NAME, ""))
    registry.edit(PEOPLE, ("  fans: Int\n", '  fans: Int\n  "More."\n  readers: Int\n'))
    registry.commit()
    done = edtech(registry, "diff", "HEAD~1", "HEAD")
    assert done.exit_code == 0
    shown = [line.split()[:2] for line in done.stdout.splitlines() if line.startswith("  ")]
    assert ["breaking", "FIELD_REMOVED"] in shown
    assert ["safe", "FIELD_ADDED"] in shown
    assert done.stdout.splitlines()[-1] == "2 changes"
    assert "does not exist" in refused(edtech(registry, "diff", "v1", "HEAD"), 3)


def test_explain() -> None:
    known = CliRunner().invoke(schema_app, ["explain", "field_removed"])
    assert known.stdout.splitlines()[0] == "FIELD_REMOVED (changes)"
    assert "What to do: " in known.stdout
    unknown = CliRunner().invoke(schema_app, ["explain", "NO_SUCH_CODE"])
    assert "NO_SUCH_CODE" in refused(unknown, 2)
    assert len(CliRunner().invoke(schema_app, ["explain"]).stdout.splitlines()) > 150


def test_command_itself_keeps_stdout_for_data(registry: Registry) -> None:
    command = [sys.executable, "-m", "deploy", "schema", "check", "--format", "json"]
    done = subprocess.run(
        [*command, "--root", str(registry.root)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["verdict"] == "PASSED"


def _commands(steps: list[Any]) -> list[str]:
    lines = [line for step in steps for line in str(step).splitlines()]
    return [line.strip() for line in lines if line.strip()]


@pytest.mark.parametrize("name", ["github.yml", "gitlab.yml"])
def test_ci_snippets_call_the_command_alone(name: str) -> None:
    data = yaml.safe_load((ROOT / "deploy" / "ci" / name).read_text())
    if name == "github.yml":
        jobs = data["jobs"].values()
        commands = _commands([step.get("run", "") for job in jobs for step in job["steps"]])
    else:
        commands = _commands([*data["schema-check"]["script"]])
    checks = [line for line in commands if "edtech schema check" in line]
    assert len(checks) >= 2
    for line in commands:
        words = shlex.split(line)
        assert words[0] in ("make", ".venv/bin/edtech"), line
    known = CliRunner().invoke(schema_app, ["check", "--help"], env={"COLUMNS": "200"}).output
    for line in checks:
        options = [word.partition("=")[0] for word in shlex.split(line) if word.startswith("--")]
        assert options
        assert all(option in known for option in options)


def test_make_target_runs_the_check() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("\nschema-check:")[2].partition("\n\n")[0]
    assert "edtech schema check" in recipe
    assert "edtech schema drift" in (ROOT / "Makefile").read_text()
