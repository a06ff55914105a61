"""A fresh registry for each test, and one process that gives all of them their facts."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from schema.check import program
from schema.check.program import Program
from tests.schema.check.registry import Registry, git


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """The registry that each test has a copy of."""
    made = Registry.make(tmp_path_factory.mktemp("template") / "registry")
    # Few files instead of many: copying them took longer than a check.
    git(made.root, "repack", "-a", "-d", "--quiet")
    return made


@pytest.fixture
def registry(template: Registry, tmp_path: Path) -> Registry:
    """A registry whose proposal is its own baseline."""
    return Registry(shutil.copytree(template.root, tmp_path / "registry"))


@pytest.fixture(scope="package")
def shared_program() -> Iterator[Program]:
    """A process that outlives a check: starting it takes longer than most checks."""
    with Program() as shared:
        yield shared


@pytest.fixture(autouse=True)
def one_program(shared_program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is checked in this process is asked of the shared one."""
    monkeypatch.setattr(program, "run", shared_program.ask)
