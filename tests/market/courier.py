"""What Kafka would do: events in order per key, keys in any order, late, and more than once."""

from dataclasses import dataclass, field
from uuid import UUID

import sqlalchemy as sa

from shared.events import events_of
from shared.inbox import Delivery, deliver
from tests.support.graph import GraphClient

_NEWS = sa.text(
    "SELECT seq, event_id, topic, key, type, payload FROM outbox WHERE seq > :seq ORDER BY seq"
)
Key = tuple[str, str]


@dataclass
class Route:
    """The events of one subgraph on their way to another."""

    source: GraphClient
    target: GraphClient
    waiting: dict[Key, list[Delivery]] = field(default_factory=dict)
    delivered: list[Delivery] = field(default_factory=list)
    _seq: int = 0

    async def collect(self) -> None:
        """Take what was published since; nobody writes meanwhile, so no number is missed."""
        known = events_of(self.source.subgraph.name)
        async with self.source.runtime.database.read() as session:
            rows = (await session.execute(_NEWS, {"seq": self._seq})).all()
        for row in rows:
            self._seq = row.seq
            event_type = known[row.type]
            if not self.target.subgraph.handlers.wants(event_type):
                continue
            delivery = Delivery(
                id=UUID(str(row.event_id)), event=event_type.model_validate_json(row.payload)
            )
            self.waiting.setdefault((row.topic, row.key), []).append(delivery)

    async def send(self, keys: list[Key], *, most: int, repeat: int | None = None) -> int:
        """One micro-batch: the first events of these keys, and one that came before."""
        batch = [delivery for key in keys for delivery in self.waiting[key][:most]]
        if repeat is not None and self.delivered:
            batch.append(self.delivered[repeat % len(self.delivered)])
        if not batch:
            return 0
        target = self.target
        async with target.runtime.database.write() as session:
            await deliver(session, target.subgraph.handlers, batch)
        # Only then are the offsets committed; a death before this brings all of it again.
        for key in keys:
            self.delivered += self.waiting[key][:most]
            del self.waiting[key][:most]
            if not self.waiting[key]:
                del self.waiting[key]
        return len(batch)


@dataclass
class Courier:
    """Both directions."""

    routes: tuple[Route, Route]

    @classmethod
    def between(cls, one: GraphClient, other: GraphClient) -> "Courier":
        """Nothing is on its way yet."""
        return cls((Route(one, other), Route(other, one)))

    async def some(self, *, first: int, keys: int, most: int, repeat: int | None) -> int:
        """Deliver a few keys, from any of them on; the others wait."""
        sent = 0
        for route in self.routes:
            await route.collect()
            known = list(route.waiting)
            start = first % len(known) if known else 0
            sent += await route.send(known[start : start + keys], most=most, repeat=repeat)
        return sent

    async def all(self) -> int:
        """Deliver everything, also what that brings about."""
        sent = 0
        for _ in range(20):
            now = 0
            for route in self.routes:
                await route.collect()
                now += await route.send(list(route.waiting), most=1_000)
            if not now:
                return sent
            sent += now
        raise AssertionError("events go round in circles")
