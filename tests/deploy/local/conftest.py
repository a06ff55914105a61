"""A folder for services that another system user (PostgreSQL's) may enter."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """One folder per module, outside pytest's own, whose permissions every run resets."""
    path = Path(tempfile.mkdtemp(prefix="edtech-service-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)
