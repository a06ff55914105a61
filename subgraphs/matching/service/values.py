"""Checks of single values as matching takes them; each refusal names the field."""

import re
from collections.abc import Sequence
from datetime import date, time
from urllib.parse import urlsplit

from shared.errors import InvalidInput
from shared.validation import between, text

# In minor units per hour: what follows from it stays within what a client can read.
MOST_RATE = 1_000_000_000
MOST_LANGUAGES = 10
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def language(value: str, *, field: str) -> str:
    """A BCP 47 tag. Raises InvalidInput."""
    if len(value) > 35 or not _LANGUAGE.fullmatch(value):
        raise InvalidInput(f"{field} is not a BCP 47 tag such as en or pt-BR.", field=field)
    return value


def languages(values: Sequence[str], *, field: str = "languages") -> list[str]:
    """BCP 47 tags, each once. Raises InvalidInput."""
    if len(values) > MOST_LANGUAGES:
        raise InvalidInput(f"{field} may have at most {MOST_LANGUAGES} entries.", field=field)
    return list(dict.fromkeys(language(value, field=field) for value in values))


def rate(amount: int, *, field: str) -> int:
    """An amount of money that something costs. Raises InvalidInput."""
    return between(amount, field=field, least=0, most=MOST_RATE)


def local_time(value: str, *, field: str) -> time:
    """A wall time in whole minutes, such as 09:30; 24:00 is the next midnight."""
    if value == "24:00":
        return time(0)
    found = _TIME.fullmatch(value)
    if found is None:
        raise InvalidInput(f"{field} is not a time such as 09:30.", field=field)
    return time(int(found[1]), int(found[2]))


def local_date(value: str, *, field: str) -> date:
    """A date such as 2026-03-29. Raises InvalidInput."""
    try:
        if _DATE.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise InvalidInput(f"{field} is not a date such as 2026-03-29.", field=field)


def https_url(value: str, *, field: str) -> str:
    """An address of the web that is safe to link to; empty text stays empty."""
    value = text(value, field=field, most=500)
    if not value:
        return value
    try:
        parts = urlsplit(value)
        good = parts.scheme == "https" and parts.hostname and not parts.username
    except ValueError:
        good = False
    if not good or re.search(r"[\s<>\"\\]", value):
        raise InvalidInput(f"{field} is not an https address.", field=field)
    return value


def minute(value: time) -> int:
    """The minute of the day."""
    return value.hour * 60 + value.minute
