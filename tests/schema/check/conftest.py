"""A fresh registry for each test."""

from pathlib import Path

import pytest

from tests.schema.check.registry import Registry


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A registry whose proposal is its own baseline."""
    return Registry.make(tmp_path / "registry")
