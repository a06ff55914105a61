"""What users tell about themselves."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson
from sqlalchemy.exc import IntegrityError

from shared import validation
from shared.db import WriteSession, violated_constraint
from shared.errors import InvalidInput
from shared.events.identity import UserUpdated
from shared.viewer import Viewer
from subgraphs.identity.models import User
from subgraphs.identity.service import accounts, audit
from subgraphs.identity.service.registration import (
    UsernameTaken,
    checked_locale,
    checked_username,
    person_name,
)

PHONE = re.compile(r"\+[1-9]\d{6,14}")  # E.164
MOST_PREFERENCE_BYTES = 8192


class Unchanged:
    """The value of a field that is not to change."""


UNCHANGED = Unchanged()


@dataclass(frozen=True, slots=True)
class Changes:
    """New values; None clears what may be empty."""

    first_name: str | Unchanged = UNCHANGED
    last_name: str | Unchanged = UNCHANGED
    username: str | Unchanged | None = UNCHANGED
    bio: str | Unchanged | None = UNCHANGED
    avatar_url: str | Unchanged | None = UNCHANGED
    phone: str | Unchanged | None = UNCHANGED
    time_zone: str | Unchanged = UNCHANGED
    locale: str | Unchanged = UNCHANGED
    preferences: Any = UNCHANGED


def checked(changes: Changes) -> dict[str, Any]:
    """The values that change, checked, by column. Raises InvalidInput."""
    found: dict[str, Any] = {}
    if isinstance(changes.first_name, str):
        found["first_name"] = person_name(changes.first_name, field="firstName")
    if isinstance(changes.last_name, str):
        found["last_name"] = person_name(changes.last_name, field="lastName")
    if not isinstance(changes.username, Unchanged):
        found["username"] = changes.username and checked_username(changes.username)
    if not isinstance(changes.bio, Unchanged):
        found["bio"] = validation.optional_text(changes.bio, field="bio", most=5000, lines=True)
    if not isinstance(changes.avatar_url, Unchanged):
        found["avatar_url"] = _https(changes.avatar_url, field="avatarUrl")
    if not isinstance(changes.phone, Unchanged):
        found["phone"] = _phone(changes.phone)
    if isinstance(changes.time_zone, str):
        found["time_zone"] = validation.time_zone(changes.time_zone)
    if isinstance(changes.locale, str):
        found["locale"] = checked_locale(changes.locale)
    if not isinstance(changes.preferences, Unchanged):
        found["preferences"] = _preferences(changes.preferences)
    return found


def _https(value: str | None, *, field: str) -> str | None:
    value = validation.optional_text(value, field=field, most=500)
    if value is not None:
        try:
            parts = urlsplit(value)
            usable = parts.scheme == "https" and bool(parts.hostname) and parts.username is None
        except ValueError:
            usable = False
        if not usable or any(character.isspace() for character in value):
            raise InvalidInput(f"{field} must be an https address.", field=field)
    return value


def _phone(value: str | None) -> str | None:
    if value is None:
        return None
    value = re.sub(r"[ ()/-]", "", value)
    if not PHONE.fullmatch(value):
        raise InvalidInput("phone is written as +4930123456.", field="phone")
    return value


def _preferences(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise InvalidInput("preferences must be a JSON object.", field="preferences")
    encoded = orjson.dumps(value)
    if len(encoded) > MOST_PREFERENCE_BYTES or b"\\u0000" in encoded:
        raise InvalidInput(
            f"preferences may have at most {MOST_PREFERENCE_BYTES} bytes, without NUL.",
            field="preferences",
        )
    return value


async def update(session: WriteSession, *, viewer: Viewer, changes: Changes) -> User:
    """Change the viewer's own profile. Raises InvalidInput or UsernameTaken."""
    values = checked(changes)
    user = await accounts.lock(session, viewer.require_user())
    changed = []
    for name, value in values.items():
        holder = user.profile if name in ("bio", "avatar_url", "preferences") else user
        if getattr(holder, name) != value:
            setattr(holder, name, value)
            changed.append(name)
    if not changed:
        return user
    try:
        await session.flush()
    except IntegrityError as error:
        if violated_constraint(error) == "uq_users_username":
            raise UsernameTaken("This username is taken.", field="username") from error
        raise
    # Others keep names, zone and locale; what they do not keep is no news.
    if {"first_name", "last_name", "time_zone", "locale"} & set(changed):
        await accounts.announce(session, UserUpdated, user)
    audit.record(session, "profile.updated", viewer=viewer, subject_id=user.id, fields=changed)
    return user
