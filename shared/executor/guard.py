"""Awaiting with care: whoever is cancelled does not take along a future that others wait for.

When a task is cancelled, asyncio cancels the future it waits for. A data loader gives one future to
all who ask for the same key, so a cancelled request would break others. Here a task waits for such
a future through a stand-in: cancelling leaves the future alone when others wait for it, too. The
loader counts as one of them, so that it is never disturbed.
"""

import sys
from asyncio import AbstractEventLoop, Future, Task, iscoroutine
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from types import GeneratorType, coroutine
from typing import Any


def start_task(loop: AbstractEventLoop, work: Coroutine[Any, Any, None]) -> Task[None]:
    """A task; it begins at once where Python knows how to."""
    if sys.version_info >= (3, 12):
        return Task(work, loop=loop, eager_start=True)
    return loop.create_task(work)


def give_up(awaitable: Any) -> None:
    """End what nobody will await; nothing happens if it has ended already."""
    if iscoroutine(awaitable):
        awaitable.close()


def cancelled_by_others() -> RuntimeError:
    """The error of a place whose value somebody else cancelled; that is its trouble alone."""
    return RuntimeError("The awaited value was cancelled.")


def error_of(future: Future[Any]) -> BaseException | None:
    """What went wrong with a future that is done; asked for, it is not reported as unheard."""
    return cancelled_by_others() if future.cancelled() else future.exception()


def is_future(value: Any, loop: AbstractEventLoop) -> bool:
    """Whether a value is a plain future of this loop, which can be waited for without a task."""
    return type(value) is Future and value.get_loop() is loop


def release(future: Future[Any], wake: Callable[[Future[Any]], object]) -> None:
    """Stop waiting for a future; it is cancelled if nobody else waits for it."""
    if future.done():
        error_of(future)
    elif future.remove_done_callback(wake) and not future._callbacks:
        future.cancel()


@coroutine
def guarded(awaitable: Any) -> Generator[Any, None, Any]:
    """Await something; futures that it waits for are cancelled only if nobody else wants them."""
    steps = awaitable if isinstance(awaitable, GeneratorType) else awaitable.__await__()
    thrown: BaseException | None = None
    try:
        while True:
            if thrown is None:
                found = next(steps)
            elif hasattr(steps, "throw"):
                found = steps.throw(thrown)
            else:
                raise thrown
            thrown = None
            try:
                yield _StandIn(found) if _may_be_shared(found) else found
            except BaseException as error:
                thrown = error
    except StopIteration as stop:
        return stop.value


def _may_be_shared(found: Any) -> bool:
    # A task is asked to end, and may still do so in its own way; a future is simply lost.
    return isinstance(found, Future) and not isinstance(found, Task)


def _is_shared(future: Future[Any]) -> bool:
    """Whether more than one waits for a future, or for one that `asyncio.gather` put together."""
    children = getattr(future, "_children", ())
    waiting = getattr(future, "_callbacks", None) or ()
    return len(waiting) > 1 or any(_is_shared(child) for child in children)


class _StandIn:
    """A future as the task sees that waits for it."""

    __slots__ = ("_asyncio_future_blocking", "_context", "_future", "_wake")

    def __init__(self, future: Future[Any]) -> None:
        # The mark by which a task knows what can be waited for goes from one to the other.
        future._asyncio_future_blocking = False
        self._asyncio_future_blocking = True
        self._future = future
        self._wake: Callable[[Future[Any]], object] | None = None
        self._context: Context | None = None

    def get_loop(self) -> AbstractEventLoop:
        """The loop of the future."""
        return self._future.get_loop()

    def add_done_callback(
        self, wake: Callable[[Future[Any]], object], *, context: Context | None = None
    ) -> None:
        """Called once by the task: it is woken by the future itself."""
        self._wake, self._context = wake, context
        self._future.add_done_callback(wake, context=context)

    def cancel(self, msg: Any = None) -> bool:
        """Called when the task is cancelled. False if it is about to wake up anyway."""
        future, wake = self._future, self._wake
        if future.done():
            return False
        if wake is None:
            return True
        if not _is_shared(future):
            return future.cancel(msg)
        self._wake = None
        future.remove_done_callback(wake)
        gone: Future[Any] = future.get_loop().create_future()
        gone.cancel(msg)
        future.get_loop().call_soon(wake, gone, context=self._context)
        return True
