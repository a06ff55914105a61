"""Buying courses, and the purchases that need a person's look."""

from typing import Annotated
from uuid import UUID

import strawberry

from shared import saga
from shared.graph import After, Before, Connection, First, IdempotencyKey, Last, Problem, Saga
from shared.idempotency import once
from shared.ids import parse_id
from shared.saga import SagaState
from subgraphs.learning import models
from subgraphs.learning.graph.context import Info, page_of
from subgraphs.learning.graph.enrollments import Enrollment
from subgraphs.learning.service import purchases

PurchaseCourseResult = Annotated[
    Enrollment | Problem,
    strawberry.union("PurchaseCourseResult", description="The enrolment, or why it was refused."),
]
RetryLearningSagaResult = Annotated[
    Saga | Problem,
    strawberry.union("RetryLearningSagaResult", description="The saga, or why it was refused."),
]


@strawberry.type(description="What can be asked of purchases.")
class PurchaseQueries:
    @strawberry.federation.field(
        description="Purchases of lessons and courses, the newest first (admins).", tags=["admin"]
    )
    async def learning_sagas(
        self,
        info: Info,
        state: Annotated[
            SagaState | None, strawberry.argument(description="Only those in this state.")
        ] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Saga]:
        page = page_of(first, after, last, before)
        async with info.context.read() as session:
            found = await saga.list_sagas(session, info.context.viewer, page, state=state)
        return Connection.of(found.map(Saga.of))


@strawberry.type(description="What can be done with purchases.")
class PurchaseMutations:
    @strawberry.mutation(description="Hold a seat in a course while you pay for it.")
    async def purchase_course(
        self,
        info: Info,
        course_id: Annotated[strawberry.ID, strawberry.argument(description="The course.")],
        idempotency_key: IdempotencyKey = None,
    ) -> PurchaseCourseResult:
        viewer, wanted = info.context.viewer, parse_id(course_id, field="courseId")
        async with info.context.write() as session:

            async def purchase() -> UUID:
                found = await purchases.purchase_course(
                    session, viewer, wanted, settings=info.context.settings
                )
                return found.id

            request = {"courseId": wanted}
            enrollment_id = await once(
                session, viewer, "purchaseCourse", idempotency_key, request, purchase
            )
            row = await session.get_one(models.Enrollment, enrollment_id)
        return Enrollment(row=row)

    @strawberry.federation.mutation(
        description="Let a purchase that needs attention go on (admins).", tags=["admin"]
    )
    async def retry_learning_saga(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The saga.")],
    ) -> RetryLearningSagaResult:
        async with info.context.write() as session:
            found = await saga.retry(session, info.context.viewer, parse_id(id, field="id"))
        return Saga.of(found)
