"""What identity publishes. Personal data is in `edtech.identity.user.v1` alone."""

from typing import ClassVar, Literal
from uuid import UUID

from shared.events import Event

TOPIC = "edtech.identity.user.v1"
LOG = "edtech.identity.user.log.v1"

Role = Literal["student", "tutor", "moderator", "admin"]
Status = Literal["UNVERIFIED", "ACTIVE", "SUSPENDED", "DEACTIVATED", "ERASED"]


class UserState(Event):
    """The whole reference of a user: the latest record of a key is enough to rebuild a row."""

    topic: ClassVar[str] = TOPIC
    subject_field: ClassVar[str] = "user_id"

    user_id: UUID
    email: str
    first_name: str
    last_name: str
    role: Role
    roles: tuple[Role, ...]
    status: Status
    # Rises with every change that access tokens are older than: roles, suspension, password.
    ver: int
    time_zone: str
    locale: str


class UserCreated(UserState):
    """Somebody registered."""

    type: ClassVar[str] = "edtech.identity.user.created.v1"


class UserUpdated(UserState):
    """Name, address, zone or locale changed, or the address was verified."""

    type: ClassVar[str] = "edtech.identity.user.updated.v1"


class UserRoleChanged(UserState):
    """Roles were granted or withdrawn."""

    type: ClassVar[str] = "edtech.identity.user.role_changed.v1"


class UserSuspended(UserState):
    """An admin closed the account for now."""

    type: ClassVar[str] = "edtech.identity.user.suspended.v1"


class UserRestored(UserState):
    """A suspended account is open again."""

    type: ClassVar[str] = "edtech.identity.user.restored.v1"


USER_STATES = (UserCreated, UserUpdated, UserRoleChanged, UserSuspended, UserRestored)


class UserLoggedIn(Event):
    """A session began."""

    topic: ClassVar[str] = LOG
    type: ClassVar[str] = "edtech.identity.user.logged_in.v1"
    subject_field: ClassVar[str] = "user_id"

    user_id: UUID
    session_id: UUID
