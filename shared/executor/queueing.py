"""Queueing: what is found to need awaiting while the response is built."""

from typing import Any

from .errors import Failing, Job
from .slots import Await, Path, Slot


class Queueing(Failing):
    """The part of a run that notes what to await."""

    __slots__ = ()

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

    def take(self) -> list[Job]:
        """What is queued; the queue is empty then."""
        jobs, self.queue = self.queue, []
        return jobs
