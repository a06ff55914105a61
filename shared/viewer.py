"""Who asks. Free of web and GraphQL imports, since services take it."""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self
from uuid import UUID

from shared.errors import Forbidden, Unauthenticated


class ViewerKind(StrEnum):
    """What sort of caller a viewer is."""

    ANONYMOUS = "anonymous"
    USER = "user"
    PARTNER = "partner"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Viewer:
    """The verified caller of one request, or the system itself in handlers and timers."""

    kind: ViewerKind = ViewerKind.ANONYMOUS
    user_id: UUID | None = None
    roles: frozenset[str] = field(default_factory=frozenset)
    scopes: frozenset[str] = field(default_factory=frozenset)
    session_id: UUID | None = None
    version: int = 0
    client_id: str | None = None
    # Whose own things a partner's program may read, as far as its scopes go.
    acts_for: UUID | None = None
    ip: str | None = None
    user_agent: str | None = None

    def __hash__(self) -> int:
        """Of what tells most viewers apart: loaders ask for it once per entity."""
        return hash((self.user_id, self.session_id, self.client_id))

    @classmethod
    def system(cls) -> Self:
        """The platform itself: handlers, timers and operators' commands."""
        return cls(kind=ViewerKind.SYSTEM)

    @property
    def is_admin(self) -> bool:
        """Whether every private field is open to the viewer."""
        return self.kind is ViewerKind.SYSTEM or "admin" in self.roles

    @property
    def key(self) -> str:
        """What tells this viewer from others in idempotency keys and rate limits."""
        if self.user_id is not None:
            return f"user:{self.user_id}"
        if self.client_id is not None:
            return f"partner:{self.client_id}"
        if self.kind is ViewerKind.SYSTEM:
            return "system"
        return f"ip:{self.ip or 'unknown'}"

    def has_role(self, *roles: str) -> bool:
        """Whether the viewer has one of the roles; an admin has every role."""
        return self.is_admin or not self.roles.isdisjoint(roles)

    def is_user(self, user_id: UUID) -> bool:
        """Whether the viewer is that very user."""
        return self.user_id is not None and self.user_id == user_id

    def may_see_private(self, user_id: UUID) -> bool:
        """Private fields of a user are visible to that user and to admins alone."""
        return self.is_admin or self.is_user(user_id)

    def may_read_for(self, user_id: UUID, scope: str) -> bool:
        """Whether the viewer may read what is that user's own: as may_see_private, or a partner.

        A partner's program has to act for that very user. Raises Forbidden when only the scope is
        missing.
        """
        if self.kind is not ViewerKind.PARTNER:
            return self.may_see_private(user_id)
        self.require_scope(scope)
        return self.acts_for == user_id

    def require_scope(self, scope: str) -> None:
        """Refuse a partner without a scope; people are not bound by scopes. Raises Forbidden."""
        if self.kind is ViewerKind.PARTNER and scope not in self.scopes:
            raise Forbidden(f"This needs the scope {scope}.")

    def require_user(self) -> UUID:
        """The signed-in user's id. Raises Unauthenticated for everybody else."""
        if self.user_id is None:
            raise Unauthenticated("Sign in first.")
        return self.user_id

    def require_role(self, *roles: str) -> None:
        """Refuse a viewer who has none of the roles. Raises Unauthenticated or Forbidden."""
        if self.kind is ViewerKind.ANONYMOUS:
            raise Unauthenticated("Sign in first.")
        if not self.has_role(*roles):
            raise Forbidden(f"This needs the role {' or '.join(sorted(roles))}.")

    def with_state(self, *, roles: frozenset[str], version: int) -> Self:
        """The same viewer with the roles that the user has now, which a token may be older than."""
        return replace(self, roles=roles, version=version)


ANONYMOUS = Viewer()
