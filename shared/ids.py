"""Identifiers: UUIDv7 (RFC 9562), made by the application, so that they sort by time."""

from uuid import UUID

from uuid_utils.compat import uuid7

from shared.errors import InvalidInput

__all__ = ["new_id", "parse_id", "parse_id_or_none"]


def new_id() -> UUID:
    """A new time-ordered identifier."""
    return uuid7()


def parse_id_or_none(value: object) -> UUID | None:
    """The identifier in canonical form, or None: an unknown id is answered with null.

    A representation is checked by nobody before it is here: its id may be any JSON.
    """
    if not isinstance(value, str):
        return None
    try:
        parsed = UUID(value)
    except ValueError:
        return None
    return parsed if str(parsed) == value.lower() else None


def parse_id(value: str, *, field: str) -> UUID:
    """The identifier that a mutation was given. Raises InvalidInput that names the argument."""
    parsed = parse_id_or_none(value)
    if parsed is None:
        raise InvalidInput(f"{field} is not an id.", field=field)
    return parsed
