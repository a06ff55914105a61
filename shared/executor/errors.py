"""Errors: where each is reported, and which place becomes null because of it.

While an object is built, an error travels up as an exception until a place that may be null. Once
it is built, the error of a value that was awaited goes up the slots, and the place is found again
from the root. What is below a place that became null is no longer waited for, but never cancelled:
it may share a future, such as a data loader's, with a place that is still wanted.
"""

from asyncio import get_running_loop
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError, located_error
from graphql.execution.executor import CollectedErrors

from .slots import Path, Slot, core_path, is_below, keys_of


class Job:
    """A value to await, and the place that waits for it."""

    __slots__ = ("box", "done", "dropped", "key", "path", "slot", "value", "wake")

    # Set when the object or list is built that the value goes into.
    box: Any
    key: str | int
    path: Path
    # What a future calls when it is done, as long as it is waited for.
    wake: Callable[[Any], object] | None

    def __init__(self, value: Any, slot: Slot, done: bool = False) -> None:
        self.value, self.slot, self.done, self.dropped = value, slot, done, False
        self.wake = None


class Failing:
    """The part of a run that knows what went wrong."""

    __slots__ = ("active", "collected", "data", "forgetting", "is_awaitable", "queue")

    active: set[Job]  # begun, and still wanted
    collected: CollectedErrors
    data: dict[str, Any] | None
    forgetting: bool
    is_awaitable: Callable[[Any], bool]
    queue: list[Job]

    if TYPE_CHECKING:  # see Waiting

        def abandon(self, jobs: list[Job]) -> None: ...
        def check_idle(self) -> None: ...

    def fail(
        self, error: Exception, slot: Slot, path: Path, waiting: list[Job] | None = None
    ) -> None:
        """Leave null in a place that is being built. Raises the error where null may not be.

        `waiting` are the fields of the same object that were to be awaited.
        """
        located = located_error(error, slot.nodes, keys_of(path))
        if slot.nonnull:
            if waiting:
                self.abandon(waiting)
            raise located
        self._drop_queued(path)
        self.collected.add(located, core_path(path))

    def fail_item(
        self, error: Exception, slot: Slot, path: Path, out: list[Any], items: Any
    ) -> None:
        """The same for the next item of a list that is being built."""
        try:
            self.fail(error, slot, (path, len(out), None))
            out.append(None)
        except GraphQLError:
            # Items that exist already would otherwise never be awaited; others are not made.
            if type(items) in (list, tuple):
                rest = items[len(out) + 1 :]
                self.abandon([Job(v, slot) for v in rest if self.is_awaitable(v)])
            raise

    def fail_later(self, error: Exception, job: Job) -> None:
        """Make the nearest place null that may be, after its parents have been built."""
        slot: Slot | None = job.slot
        path: Path | None = job.path
        located = located_error(error, job.slot.nodes, keys_of(path))
        while slot is not None and slot.nonnull:
            slot, path = slot.parent, path and path[0]
        self.collected.add(located, core_path(path))
        if slot is not job.slot:
            self._put_null(keys_of(path))
            self.forget_nulled()

    def fail_root(self, error: GraphQLError) -> None:
        """The whole response is null."""
        self.collected.add(error, None)
        self.data = None
        self.forget_nulled()

    def forget_nulled(self) -> None:
        """Stop waiting for what is below places that became null; soon, and once for many."""
        if self.active and not self.forgetting:
            self.forgetting = True
            get_running_loop().call_soon(self._forget)

    def _forget(self) -> None:
        self.forgetting = False
        nulled = self.collected.has_nulled_position
        for job in [job for job in self.active if nulled(core_path(job.path))]:
            job.dropped = True
            self.active.discard(job)
        self.check_idle()

    def _put_null(self, keys: list[str | int]) -> None:
        if not keys:
            self.data = None
            return
        box: Any = self.data
        for key in keys[:-1]:
            # Above it, another error may have left null already.
            if box is None:
                return
            box = box[key]
        if box is not None:
            box[keys[-1]] = None

    def _drop_queued(self, path: Path) -> None:
        """Stop waiting for what was queued while this place was built: the end of the queue."""
        queue = self.queue
        size = len(queue)
        while size and is_below(queue[size - 1].path, path):
            size -= 1
        if size < len(queue):
            dropped = queue[size:]
            del queue[size:]
            self.abandon(dropped)
