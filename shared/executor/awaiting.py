"""Awaiting: what was queued while the response was built is awaited together.

Like in graphql-core, a single awaitable is awaited by the task that found it, so that what it sets
in context variables stays; several get a task each, with a copy of the context. On Python 3.12 and
newer these tasks start eagerly.
"""

from asyncio import CancelledError, Future, Task, current_task, get_running_loop, wait
from typing import Any

from .errors import Failing, Job
from .guard import give_up, guarded, start_task
from .slots import Await, Path, Slot, core_path, delegate

# Tasks of requests that ended without them; the event loop itself holds tasks only weakly.
_unheard: set[Task[None]] = set()


class Waiting(Failing):
    """The part of a run that awaits."""

    __slots__ = ("active", "broken", "forgetting", "idle", "tasks")

    active: set[Job]  # begun, and still wanted
    broken: BaseException | None  # what ended a task, other than an error of a field
    forgetting: bool
    idle: Future[None] | None  # done when nothing is active any more
    tasks: dict[Task[None], Job]  # by the job that each began with

    # -- while the response is built

    def defer(
        self, waiting: list[Job] | None, value: Any, slot: Slot, done: bool = False
    ) -> list[Job]:
        """Note a field's value to await, until its object is built."""
        job = Job(value, slot, done)
        if waiting is None:
            return [job]
        waiting.append(job)
        return waiting

    def attach(self, waiting: list[Job], box: dict[str, Any], path: Path) -> None:
        """Queue what an object waits for, now that it is built."""
        for job in waiting:
            slot = job.slot
            assert slot.key is not None  # noqa: S101 - it is a field's
            job.box, job.key, job.path = box, slot.key, (path, slot.key, slot.owner.name)
        self.queue += waiting

    def defer_item(self, found: Await, slot: Slot, out: list[Any], path: Path) -> None:
        """Queue an item to await; null stands in its place until then."""
        job = Job(found.value, slot, found.done)
        job.box, job.key, job.path = out, len(out), (path, len(out), None)
        out.append(None)
        self.queue.append(job)

    def abandon(self, jobs: list[Job]) -> None:
        """Let values that nobody wants any more be awaited unheard, or end them without a loop."""
        try:
            get_running_loop()
        except RuntimeError:
            for job in jobs:
                give_up(job.value)
            return
        for job in jobs:
            job.dropped = True
        self._start(jobs)

    # -- afterwards

    async def drain(self) -> None:
        """Await everything that is queued, and what is found by that."""
        await self._follow(self.take())
        if self.active and self.broken is None:
            self.idle = get_running_loop().create_future()
            await self.idle
        if self.broken is not None:
            raise self.broken

    async def end(self, error: BaseException) -> None:
        """Cancel and await all tasks, since the request ends with this error."""
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        if tasks and not isinstance(error, GeneratorExit):  # which allows no waiting
            await wait(tasks)

    def leave(self) -> None:
        """Let tasks whose outcome nobody wants run on after the request."""
        for task in self.tasks:
            _unheard.add(task)
            task.add_done_callback(_unheard.discard)

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
        self._check_idle()

    def take(self) -> list[Job]:
        """What is queued; the queue is empty then."""
        jobs, self.queue = self.queue, []
        return jobs

    def _start(self, jobs: list[Job]) -> None:
        loop = get_running_loop()
        # All of them first: one that starts eagerly may be done before the next is started.
        self.active.update(job for job in jobs if not job.dropped)
        for job in jobs:
            task = start_task(loop, self._follow([job]))
            self.tasks[task] = job
            if task.done():
                self._ended(task)
            else:
                task.add_done_callback(self._ended)

    async def _follow(self, jobs: list[Job]) -> None:
        """Await a single job here, and jobs in tasks; then what their results wait for."""
        while len(jobs) == 1:
            (job,) = jobs
            if not job.dropped:
                self.active.add(job)
            try:
                value = await guarded(job.value)
            except CancelledError as error:
                task = current_task()
                if task is None or task.cancelling():
                    self._break_off(job, error)
                    raise
                # Somebody else cancelled what was awaited; that is this place's trouble alone.
                jobs = self._settle(job, None, RuntimeError("The awaited value was cancelled."))
            except Exception as error:
                jobs = self._settle(job, None, error)
            except BaseException as error:
                self._break_off(job, error)
                raise
            else:
                jobs = self._settle(job, value)
        if jobs:
            self._start(jobs)
        self._check_idle()

    def _settle(self, job: Job, value: Any, error: Exception | None = None) -> list[Job]:
        """Put a value in its place. What the value itself waits for is returned."""
        if job.dropped:
            return []
        self.active.discard(job)
        if error is None:
            try:
                if not job.done:
                    value = self._complete(job, value)
                job.box[job.key] = value
            except Await as found:
                job.value, job.done = found.value, True
                self.queue.append(job)
            except Exception as raised:
                error = raised
        if error is not None:
            if self.queue:
                self.abandon(self.take())
            self.fail_later(error, job)
        return self.take()

    def _complete(self, job: Job, value: Any) -> Any:
        # An awaitable may give another one; for graphql-core that is a value like any.
        if self.is_awaitable(value):
            return delegate(job.slot, value, job.path, self)
        return job.slot.complete(value, job.path, self)

    def _break_off(self, job: Job, error: BaseException) -> None:
        """End the request with what ended a task of it, other than an error of a field."""
        if not job.dropped:
            self.broken = error
            self._check_idle()

    def _ended(self, task: Task[None]) -> None:
        job = self.tasks.pop(task)
        if task.cancelled():
            give_up(job.value)  # it may not even have begun
        else:
            task.exception()  # it was dealt with where it came up

    def _check_idle(self) -> None:
        if self.idle is not None and not self.idle.done() and (self.broken or not self.active):
            self.idle.set_result(None)
