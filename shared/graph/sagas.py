"""Sagas as admins see them; each subgraph that has some offers them under names of its own."""

from datetime import datetime
from typing import Self

import strawberry

from shared.graph.enums import described_enum
from shared.saga import Saga as Instance
from shared.saga import SagaState

described_enum(
    SagaState,
    "Where a saga is in its life.",
    RUNNING="It waits for an event or for its deadline.",
    COMPLETED="It ended as it was meant to.",
    COMPENSATED="It was taken back.",
    NEEDS_ATTENTION="It cannot go on by itself: a person has to look, and may retry.",
)


@strawberry.federation.type(
    shareable=True, description="Work over several steps that survives crashes (admins)."
)
class Saga:
    id: strawberry.ID = strawberry.field(description="Identifies what the saga is about.")
    kind: str = strawberry.field(description="What sort of work it is.")
    state: SagaState = strawberry.field(description="Where it is in its life.")
    step: str = strawberry.field(description="The step that it stands at.")
    attempts: int = strawberry.field(description="How often the step was tried.")
    deadline: datetime | None = strawberry.field(
        description="When the step is run; null while it waits for an event alone."
    )
    last_error: str | None = strawberry.field(description="Why the step did not succeed.")
    started_at: datetime = strawberry.field(description="When it began.")
    updated_at: datetime = strawberry.field(description="When it last moved.")

    @classmethod
    def of(cls, saga: Instance) -> Self:
        """From an instance."""
        return cls(
            id=strawberry.ID(str(saga.id)),
            kind=saga.kind,
            state=saga.state,
            step=saga.step,
            attempts=saga.attempts,
            deadline=saga.deadline,
            last_error=saga.last_error,
            started_at=saga.created_at,
            updated_at=saga.updated_at,
        )
