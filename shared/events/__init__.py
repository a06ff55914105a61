"""The envelope that every event travels in, and the events that each topic may hold.

One module per publisher; what stands in it is public contract, exported to `schema/events/`. The
envelope follows CloudEvents 1.0 (binary mode: attributes as Kafka headers). See
docs/architecture.md, "Events".
"""

from functools import cache
from importlib import import_module
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Event(BaseModel):
    """One thing that happened; a subclass names its type, its topic and its subject's field."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True
    )

    type: ClassVar[str]
    topic: ClassVar[str]
    subject_field: ClassVar[str]
    # A tombstone carries no payload: it removes the key from a compacted topic.
    tombstone: ClassVar[bool] = False

    version: int

    @property
    def subject(self) -> UUID:
        """The aggregate's id, which is the Kafka key."""
        value = getattr(self, self.subject_field)
        if not isinstance(value, UUID):
            raise TypeError(f"{type(self).__name__}.{self.subject_field} is not a UUID")
        return value

    def payload(self) -> str:
        """The JSON that travels, with camelCase names."""
        return self.model_dump_json(by_alias=True)


def publisher_of(topic: str) -> str:
    """The subgraph that publishes a topic: `edtech.<subgraph>.<aggregate>[.log].v1`."""
    return topic.split(".")[1]


def is_compacted(topic: str) -> bool:
    """Whether the latest record of a key is its whole state; occurrences are in `.log.` topics."""
    return ".log." not in topic


@cache
def events_of(publisher: str) -> dict[str, type[Event]]:
    """The events of one publisher by their type."""
    module = import_module(f"shared.events.{publisher}")
    found = [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, Event)]
    return {event.type: event for event in found if "type" in vars(event)}
