"""Deprecation before removal: the reason of `@deprecated` names the day."""

import re
from datetime import date

from schema.check.facts import Entry

# "Use `name`. Removed after 2027-03-31."
_DAY = re.compile(r"[Rr]emoved after (\d{4}-\d{2}-\d{2})")
DEFAULT_REASON = "No longer supported"


def reason_of(entry: Entry | None) -> str | None:
    """Why something is deprecated; None when it is not."""
    for directive in entry["directives"] if entry else ():
        if directive["name"] == "deprecated":
            given = directive["arguments"].get("reason", DEFAULT_REASON)
            return given.strip('"').strip()
    return None


def day_of(reason: str) -> date | None:
    """The last day on which it stays; None when the reason names no day."""
    found = _DAY.search(reason)
    if found is None:
        return None
    try:
        return date.fromisoformat(found[1])
    except ValueError:
        return None
