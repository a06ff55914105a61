"""Checks of single values that a caller gave; each refusal names the field."""

import re
from functools import cache
from zoneinfo import available_timezones

from email_validator import EmailNotValidError, validate_email

from shared.errors import InvalidInput

# What PostgreSQL cannot store (NUL, lone surrogates) and what has no place in a line of text.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
# Whatever ends a line somewhere: a name stands in the headers of mails, too.
_BREAK = re.compile(r"[\t\r\n\u2028\u2029]")


def text(value: str, *, field: str, most: int, least: int = 0, lines: bool = False) -> str:
    """The trimmed text. Raises InvalidInput for control characters or a length out of bounds.

    `lines` allows tabs and line breaks; lengths count characters.
    """
    value = value.strip()
    if _CONTROL.search(value) or (not lines and _BREAK.search(value)):
        raise InvalidInput(f"{field} holds characters that are not allowed.", field=field)
    if len(value) < least:
        wanted = "must not be empty" if least == 1 else f"needs at least {least} characters"
        raise InvalidInput(f"{field} {wanted}.", field=field)
    if len(value) > most:
        raise InvalidInput(f"{field} may have at most {most} characters.", field=field)
    return value


def optional_text(
    value: str | None, *, field: str, most: int, least: int = 0, lines: bool = False
) -> str | None:
    """Like `text`; None and blank text become None."""
    if value is None or not value.strip():
        return None
    return text(value, field=field, most=most, least=least, lines=lines)


def email(value: str, *, field: str = "email") -> str:
    """The address as written but normalised (RFC 5321 lengths). Raises InvalidInput.

    No DNS is asked: that would be slow, and would fail where there is no network.
    """
    value = text(value, field=field, least=3, most=254)
    try:
        return validate_email(
            value, check_deliverability=False, test_environment=True, strict=True
        ).normalized
    except EmailNotValidError:
        raise InvalidInput(f"{field} is not an e-mail address.", field=field) from None


@cache
def _time_zones() -> frozenset[str]:
    # Once: listing them opens every file of the zone database.
    return frozenset(available_timezones())


def time_zone(value: str, *, field: str = "timeZone") -> str:
    """An IANA zone name. Raises InvalidInput."""
    if value not in _time_zones():
        raise InvalidInput(f"{field} is not an IANA time zone.", field=field)
    return value


def between(value: int, *, field: str, least: int, most: int) -> int:
    """A whole number within bounds. Raises InvalidInput that names them."""
    if not least <= value <= most:
        raise InvalidInput(f"{field} must be between {least} and {most}.", field=field)
    return value
