"""Usage records: one JSON object per line, counted by coordinate.

`{"date": "2026-11-01", "client": "web", "operation": "Me", "count": 120, "coordinates":
["Query.me", "User.name"]}`
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schema.check.findings import InputError
from schema.check.settings import UsageSettings


class Record(BaseModel):
    """How often an operation ran on a day."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    date: date
    client: str = Field(min_length=1)
    operation: str = ""
    count: int = Field(ge=1)
    coordinates: tuple[str, ...]


@dataclass(frozen=True)
class Usage:
    """Uses of each coordinate by client, within the period, and all operations in it."""

    by_coordinate: dict[str, dict[str, int]]
    total: int
    settings: UsageSettings

    def of(self, coordinates: Iterable[str]) -> dict[str, int]:
        """Uses by client of any of these coordinates; none when they are too few to count."""
        found: Counter[str] = Counter()
        for coordinate in coordinates:
            found.update(self.by_coordinate.get(coordinate, {}))
        count = sum(found.values())
        share = 100 * count / self.total if self.total else 0.0
        enough = count >= self.settings.minimum_count and share >= self.settings.minimum_percentage
        return dict(found) if enough else {}


def read(path: Path, settings: UsageSettings, today: date) -> Usage:
    """Count a file's records of the period that ends today. Raises InputError with the line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise InputError(f"The usage file {path.name} cannot be read: {reason}.") from None
    first = today - timedelta(days=settings.days)
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    total = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        record = _record(path.name, number, line)
        if record.client in settings.excluded_clients or not first <= record.date <= today:
            continue
        total += record.count
        for coordinate in {*record.coordinates, *_types(record.coordinates)}:
            found[coordinate][record.client] += record.count
    return Usage({name: dict(each) for name, each in found.items()}, total, settings)


def _record(name: str, number: int, line: str) -> Record:
    try:
        return Record.model_validate(json.loads(line))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the record"
        reason = f"{where}: {first['msg']}"
    except ValueError:
        reason = "it is no JSON"
    raise InputError(f"{name}:{number}: {reason}.")


def _types(coordinates: Iterable[str]) -> set[str]:
    return {coordinate.partition(".")[0] for coordinate in coordinates}
