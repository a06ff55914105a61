"""GraphQL face of payment: types and resolvers by noun, no rules."""

import strawberry

from shared.graph import build_schema
from subgraphs.payment.graph.context import Context
from subgraphs.payment.graph.coupons import CouponMutations, CouponQueries
from subgraphs.payment.graph.invoices import InvoiceQueries
from subgraphs.payment.graph.methods import MethodMutations, MethodQueries
from subgraphs.payment.graph.operations import OperationMutations, OperationQueries
from subgraphs.payment.graph.payments import PaymentMutations, PaymentQueries
from subgraphs.payment.graph.payouts import PayoutMutations
from subgraphs.payment.graph.refunds import RefundMutations
from subgraphs.payment.graph.reports import ReportQueries
from subgraphs.payment.graph.users import Course, Lesson, User


@strawberry.type(description="What can be asked.")
class Query(
    PaymentQueries,
    InvoiceQueries,
    MethodQueries,
    CouponQueries,
    ReportQueries,
    OperationQueries,
):
    pass


@strawberry.type(description="What can be done; the ledger's part of each is one transaction.")
class Mutation(
    PaymentMutations,
    RefundMutations,
    PayoutMutations,
    MethodMutations,
    CouponMutations,
    OperationMutations,
):
    pass


schema = build_schema("payment", query=Query, mutation=Mutation, types=[User, Lesson, Course])

__all__ = ["Context", "schema"]
