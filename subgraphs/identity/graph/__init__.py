"""GraphQL face of identity: types and resolvers by noun, no rules."""

import strawberry

from shared.graph import build_schema
from subgraphs.identity.graph.audit import AuditQueries
from subgraphs.identity.graph.consents import ConsentMutations, ConsentQueries
from subgraphs.identity.graph.context import Context
from subgraphs.identity.graph.emails import EmailMutations
from subgraphs.identity.graph.mfa import MfaMutations
from subgraphs.identity.graph.partners import PartnerMutations, PartnerQueries
from subgraphs.identity.graph.passwords import PasswordMutations
from subgraphs.identity.graph.registration import RegistrationMutations
from subgraphs.identity.graph.sessions import SessionMutations, SessionQueries
from subgraphs.identity.graph.social import SocialMutations, SocialQueries
from subgraphs.identity.graph.users import UserMutations, UserQueries
from subgraphs.identity.graph.webhook_operations import WebhookMutations
from subgraphs.identity.graph.webhooks import WebhookQueries


@strawberry.type(description="What can be asked.")
class Query(
    UserQueries,
    SessionQueries,
    SocialQueries,
    ConsentQueries,
    PartnerQueries,
    AuditQueries,
    WebhookQueries,
):
    pass


@strawberry.type(description="What can be done; each field is one transaction.")
class Mutation(
    RegistrationMutations,
    SessionMutations,
    PasswordMutations,
    EmailMutations,
    MfaMutations,
    SocialMutations,
    UserMutations,
    ConsentMutations,
    PartnerMutations,
    WebhookMutations,
):
    pass


schema = build_schema("identity", query=Query, mutation=Mutation)

__all__ = ["Context", "schema"]
