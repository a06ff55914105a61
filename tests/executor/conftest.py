"""Fixtures for the tests of the executor."""

import gc
import logging
import sys
from collections.abc import Iterator
from inspect import iscoroutinefunction
from pathlib import Path

import pytest


@pytest.fixture
def quiet() -> Iterator[None]:
    """Strawberry logs each error of an operation; here there are thousands of them."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def unheard(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What goes wrong while garbage is collected is not noticed, nor what causes it kept."""
    with monkeypatch.context() as patch:
        patch.setattr(sys, "unraisablehook", lambda _: None)
        yield
        gc.collect()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each file has an event loop of its own: its tests look at all tasks of theirs."""
    here = Path(__file__).parent
    for item in items:
        if item.path.parent == here and iscoroutinefunction(getattr(item, "function", None)):
            item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)
