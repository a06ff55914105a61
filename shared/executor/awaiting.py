"""Awaiting: what was queued is awaited together.

Like in graphql-core, a single awaitable is awaited by the task that found it, so that what it sets
in context variables stays; several get a task each, with a copy of the context. On Python 3.12 and
newer these tasks start eagerly. A future, such as a data loader's, needs no task: it wakes the
request itself, which settles all that have arrived, each in its copy of the context.
"""

from asyncio import CancelledError, Future, Task, current_task, get_running_loop, wait
from contextvars import Context, copy_context
from typing import Any

from .errors import Job
from .guard import (
    cancelled_by_others,
    error_of,
    give_up,
    guarded,
    is_future,
    release,
    start_task,
)
from .queueing import Queueing
from .slots import Await, delegate

# Tasks of requests that ended without them; the event loop itself holds tasks only weakly.
_unheard: set[Task[None]] = set()


class Waiting(Queueing):
    """The part of a run that awaits."""

    __slots__ = ("arrived", "broken", "idle", "tasks")

    arrived: list[tuple[Job, Context]]  # futures that are done
    broken: BaseException | None  # what ended a task, other than an error of a field
    idle: Future[None] | None  # done when something arrived, or nothing is active any more
    tasks: dict[Task[None], Job]  # by the job that each began with

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

    async def drain(self) -> None:
        """Await everything that is queued, and what is found by that."""
        await self._follow(self.take())
        while self.broken is None and (self.arrived or self.active):
            if self.arrived:
                arrived, self.arrived = self.arrived, []
                for job, context in arrived:
                    context.run(self._receive, job)
            else:
                self.idle = get_running_loop().create_future()
                await self.idle
        if self.broken is not None:
            raise self.broken

    async def end(self, error: BaseException) -> None:
        """Leave all futures, cancel and await all tasks: the request ends with this error."""
        for job in self.active:
            if job.wake is not None:
                release(job.value, job.wake)
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

    def _start(self, jobs: list[Job]) -> None:
        loop = get_running_loop()
        # All of them first: one that starts eagerly may be done before the next is started.
        self.active.update(job for job in jobs if not job.dropped)
        for job in jobs:
            if is_future(job.value, loop):
                self._listen(job)
                continue
            task = start_task(loop, self._follow([job]))
            self.tasks[task] = job
            if task.done():
                self._ended(task)
            else:
                task.add_done_callback(self._ended)

    def _listen(self, job: Job) -> None:
        context = copy_context()

        def wake(future: Future[Any]) -> None:
            if not job.dropped:
                self.arrived.append((job, context))
                self.check_idle()
            else:
                error_of(future)

        job.wake = wake
        job.value.add_done_callback(wake, context=context)

    def _receive(self, job: Job) -> None:
        """Settle a future that is done."""
        future: Future[Any] = job.value
        job.wake = None
        error = error_of(future)
        if error is not None and not isinstance(error, Exception):
            self._break_off(job, error)
        elif jobs := self._settle(job, None if error else future.result(), error):
            self._start(jobs)

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
                jobs = self._settle(job, None, cancelled_by_others())
            except Exception as error:
                jobs = self._settle(job, None, error)
            except BaseException as error:
                self._break_off(job, error)
                raise
            else:
                jobs = self._settle(job, value)
        if jobs:
            self._start(jobs)
        self.check_idle()

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
            except BaseException as raised:
                self._break_off(job, raised)
                raise
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
            self.check_idle()

    def _ended(self, task: Task[None]) -> None:
        job = self.tasks.pop(task)
        if task.cancelled():
            give_up(job.value)  # it may not even have begun
        else:
            task.exception()  # it was dealt with where it came up

    def check_idle(self) -> None:
        """Wake the request if it has something to do, or nothing to wait for any more."""
        if self.idle is None or self.idle.done():
            return
        if self.broken or self.arrived or not self.active:
            self.idle.set_result(None)
