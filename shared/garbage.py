"""When Python looks for garbage that refers to itself."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# A request makes thousands of objects that are needed until its answer is sent: looking at them
# every 700 new ones, as Python 3.11 does, took up to a third of its time.
NEW_OBJECTS = 10_000


@contextmanager
def nothing_is_garbage() -> Iterator[None]:
    """Code that is being loaded is kept; looking for garbage in it took a quarter of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def collect_for_requests() -> None:
    """Look seldom, and never again at what is there: it lives as long as the process.

    Full collections of all that is imported paused requests for more than 0.1 s.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)
