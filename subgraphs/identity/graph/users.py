"""Users: the entity, its queries, the own profile, and what admins do."""

from collections.abc import Awaitable, Sequence
from datetime import datetime
from enum import Enum
from typing import Annotated, Self, cast
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from shared.db import ReadSession
from shared.graph import After, Before, Connection, First, Last, Problem
from shared.ids import parse_id, parse_id_or_none
from shared.pages import PageRequest
from shared.viewer import Viewer
from subgraphs.identity import models
from subgraphs.identity.graph.context import Info
from subgraphs.identity.graph.results import result_of
from subgraphs.identity.service import accounts, profile, users

DELETED = "Deleted user"


@strawberry.enum(description="What a user is on the platform.")
class Role(Enum):
    STUDENT = strawberry.enum_value("STUDENT", description="Learns.")
    TUTOR = strawberry.enum_value("TUTOR", description="Teaches.")
    MODERATOR = strawberry.enum_value("MODERATOR", description="Looks after content.")
    ADMIN = strawberry.enum_value("ADMIN", description="Runs the platform.")


@strawberry.enum(description="The state of an account.")
class UserStatus(Enum):
    UNVERIFIED = strawberry.enum_value(
        "UNVERIFIED", description="The address is not confirmed; may learn, not pay or publish."
    )
    ACTIVE = strawberry.enum_value("ACTIVE", description="Everything is open.")
    SUSPENDED = strawberry.enum_value("SUSPENDED", description="Closed by an admin for now.")
    DEACTIVATED = strawberry.enum_value(
        "DEACTIVATED", description="Closed by its owner; can still be restored."
    )
    ERASED = strawberry.enum_value("ERASED", description="Gone; only the id is left.")


@strawberry.federation.type(keys=["id"], description="A person with an account.")
class User:
    id: strawberry.ID = strawberry.field(description="Never changes.")
    first_name: str = strawberry.field(description="First name; empty for a deleted user.")
    last_name: str = strawberry.field(description="Last name; may be empty.")
    name: str = strawberry.field(description="The name to show.")
    username: str | None = strawberry.field(description="A handle of their choice.")
    avatar_url: str | None = strawberry.field(description="An https picture.")
    bio: str | None = strawberry.field(description="What they tell about themselves.")
    time_zone: str = strawberry.field(description="Their IANA time zone.")
    locale: str = strawberry.field(description="Their language, such as en or pt-BR.")
    roles: list[Role] = strawberry.field(description="What they are; the primary role first.")
    status: UserStatus = strawberry.field(description="The state of the account.")
    is_active: bool = strawberry.field(description="Whether they can sign in.")
    created_at: datetime = strawberry.field(description="When they registered.")
    email: str | None = strawberry.field(description="Null unless you are that user or an admin.")
    is_email_verified: bool | None = strawberry.field(
        description="Whether the address is confirmed; null unless you are that user or an admin."
    )
    phone: str | None = strawberry.field(description="Null unless you are that user or an admin.")
    last_login_at: datetime | None = strawberry.field(
        description="Last sign-in; null unless you are that user or an admin."
    )
    has_password: bool | None = strawberry.field(
        description="Whether a password signs in; null unless you are that user or an admin."
    )
    preferences: JSON | None = strawberry.field(
        description="Settings of the web app, a JSON object; null unless you are that user."
    )

    @classmethod
    def of(cls, user: models.User, viewer: Viewer, *, own: bool = False) -> Self:
        """A user as the viewer may see them; `own` when they have just proved to be that user."""
        gone = user.is_tombstone
        mine = (own or viewer.is_user(user.id)) and not gone
        private = mine or (viewer.is_admin and not gone)
        first, last = ("", "") if gone else (user.first_name, user.last_name)
        return cls(
            id=strawberry.ID(str(user.id)),
            first_name=first,
            last_name=last,
            name=DELETED if gone else f"{first} {last}".strip(),
            username=None if gone else user.username,
            avatar_url=None if gone else user.profile.avatar_url,
            bio=None if gone else user.profile.bio,
            time_zone="UTC" if gone else user.time_zone,
            locale="en" if gone else user.locale,
            roles=[] if gone else [Role[role.upper()] for role in user.roles],
            status=UserStatus.ERASED if gone else UserStatus[user.status],
            is_active=not gone and user.status in users.OPEN,
            created_at=user.created_at,
            email=user.email if private else None,
            is_email_verified=user.is_email_verified if private else None,
            phone=user.phone if private else None,
            last_login_at=user.last_login_at if private else None,
            has_password=user.password_hash is not None if private else None,
            preferences=cast("JSON", user.profile.preferences) if mine else None,
        )

    @classmethod
    def load(cls, info: Info, user_id: UUID | None) -> "Awaitable[User | None]":
        """The user of an id, with all others of the request in one statement."""
        return info.context.loader(_load_users, viewer=info.context.viewer).load(user_id)

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Awaitable[User | None]":
        """The user that another subgraph points at."""
        return cls.load(info, parse_id_or_none(id))


async def _load_users(
    session: ReadSession, ids: Sequence[UUID], *, viewer: Viewer
) -> list[User | None]:
    rows = await accounts.get_users(session, ids)
    return [User.of(row, viewer) if row else None for row in rows]


@strawberry.input(description="Which users are wanted; what is left out does not matter.")
class UserFilter:
    text: str | None = strawberry.field(
        default=None, description="Each word is part of a name, the username or the address."
    )
    role: Role | None = strawberry.field(default=None, description="Has this role.")
    status: UserStatus | None = strawberry.field(default=None, description="Is in this state.")


@strawberry.input(description="New values; what is left out stays, null clears.")
class UpdateProfileInput:
    first_name: str | None = strawberry.field(
        default=strawberry.UNSET, description="1 to 100 characters; null changes nothing."
    )
    last_name: str | None = strawberry.field(
        default=strawberry.UNSET, description="1 to 100 characters; null changes nothing."
    )
    username: str | None = strawberry.field(
        default=strawberry.UNSET, description="3 to 50 of a-z, 0-9, _ and dot."
    )
    bio: str | None = strawberry.field(
        default=strawberry.UNSET, description="At most 5000 characters."
    )
    avatar_url: str | None = strawberry.field(
        default=strawberry.UNSET, description="An https address."
    )
    phone: str | None = strawberry.field(
        default=strawberry.UNSET, description="With country code, such as +4930123456."
    )
    time_zone: str | None = strawberry.field(
        default=strawberry.UNSET, description="An IANA time zone; null changes nothing."
    )
    locale: str | None = strawberry.field(
        default=strawberry.UNSET, description="Such as en or pt-BR; null changes nothing."
    )
    preferences: JSON | None = strawberry.field(
        default=strawberry.UNSET,
        description="A JSON object up to 8 KiB that replaces the old one; null changes nothing.",
    )

    def changes(self) -> profile.Changes:
        """What was given; null stands for no change where a value is needed."""
        needed = {"first_name", "last_name", "time_zone", "locale", "preferences"}
        given = {
            name: value
            for name, value in vars(self).items()
            if value is not strawberry.UNSET and not (value is None and name in needed)
        }
        return profile.Changes(**given)


UserId = Annotated[strawberry.ID, strawberry.argument(description="The user's id.")]


@strawberry.type
class UserQueries:
    @strawberry.field(description="The signed-in user; null without a token.")
    async def me(self, info: Info) -> User | None:
        return await User.load(info, info.context.viewer.user_id)

    @strawberry.field(description="A user by id; null when there is none.")
    async def user(self, info: Info, id: UserId) -> User | None:
        return await User.load(info, parse_id_or_none(id))

    @strawberry.federation.field(description="Users, newest first; for admins.", tags=["admin"])
    async def users(
        self,
        info: Info,
        filter: Annotated[
            UserFilter | None, strawberry.argument(description="Which users are wanted.")
        ] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[User]:
        viewer = info.context.viewer
        page = PageRequest.of(first=first, after=after, last=last, before=before)
        given = filter or UserFilter()
        wanted = users.Filter(
            text=given.text,
            role=given.role.name.lower() if given.role else None,
            status=given.status.name if given.status else None,
        )
        async with info.context.read() as session:
            rows = await users.list_users(session, viewer=viewer, page=page, wanted=wanted)
        return Connection.of(rows.map(lambda row: User.of(row, viewer)))


@strawberry.type
class UserMutations:
    @strawberry.mutation(description="Change one's own profile.")
    async def update_profile(
        self,
        info: Info,
        input: Annotated[UpdateProfileInput, strawberry.argument(description="New values.")],
    ) -> Annotated[
        User | Problem,
        result_of("updateProfile"),
    ]:
        viewer = info.context.viewer
        async with info.context.write() as session:
            row = await profile.update(session, viewer=viewer, changes=input.changes())
        return User.of(row, viewer)

    @strawberry.federation.mutation(description="Give a user a role; for admins.", tags=["admin"])
    async def set_role(
        self,
        info: Info,
        user_id: UserId,
        role: Annotated[Role, strawberry.argument(description="The role to give.")],
    ) -> Annotated[User | Problem, result_of("setRole")]:
        viewer = info.context.viewer
        async with info.context.write() as session:
            row = await users.set_role(
                session,
                viewer=viewer,
                user_id=parse_id(user_id, field="userId"),
                role=role.name.lower(),
            )
        return User.of(row, viewer)

    @strawberry.federation.mutation(
        description="Take a role from a user; for admins.", tags=["admin"]
    )
    async def remove_role(
        self,
        info: Info,
        user_id: UserId,
        role: Annotated[Role, strawberry.argument(description="The role to take.")],
    ) -> Annotated[User | Problem, result_of("removeRole")]:
        viewer = info.context.viewer
        async with info.context.write() as session:
            row = await users.remove_role(
                session,
                viewer=viewer,
                user_id=parse_id(user_id, field="userId"),
                role=role.name.lower(),
            )
        return User.of(row, viewer)

    @strawberry.federation.mutation(
        description="Close an account for now; for admins.", tags=["admin"]
    )
    async def suspend_user(
        self,
        info: Info,
        user_id: UserId,
        reason: Annotated[
            str, strawberry.argument(description="3 to 500 characters; the user is told.")
        ],
    ) -> Annotated[
        User | Problem,
        result_of("suspendUser"),
    ]:
        viewer = info.context.viewer
        async with info.context.write() as session:
            row = await users.suspend(
                session,
                viewer=viewer,
                post=info.context.runtime.post,
                user_id=parse_id(user_id, field="userId"),
                reason=reason,
            )
        return User.of(row, viewer)

    @strawberry.federation.mutation(
        description="Open a suspended account again; for admins.", tags=["admin"]
    )
    async def restore_user(
        self, info: Info, user_id: UserId
    ) -> Annotated[
        User | Problem,
        result_of("restoreUser"),
    ]:
        viewer = info.context.viewer
        async with info.context.write() as session:
            row = await users.restore(
                session, viewer=viewer, user_id=parse_id(user_id, field="userId")
            )
        return User.of(row, viewer)
