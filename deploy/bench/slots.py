"""What the calculation of slots costs in CPU time, alone in this process."""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from statistics import median
from zoneinfo import available_timezones

from deploy.bench.market import LENGTH, WEEKS, lesson_starts
from deploy.bench.meters import percentile
from shared.ids import new_id
from subgraphs.matching.service import offers
from subgraphs.matching.service.slots import Preferences, Rule, Schedule, calculate_slots

ZONE = "America/New_York"
OFFER_SECONDS = 600


@dataclass(frozen=True)
class Cost:
    """CPU time in ms of one kind of work, over so many runs."""

    name: str
    runs: int
    middle: float
    p99: float


def measure(runs: int = 300) -> tuple[int, list[Cost]]:
    """How many slots there are, and what they cost.

    The first calculation in a zone looks for its clock changes; later ones remember them.
    """
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    lessons = [(each, each + LENGTH) for each in lesson_starts(start)]

    def calculate(zone: str) -> Sequence[tuple[datetime, datetime]]:
        return calculate_slots(
            _schedule(zone),
            lessons,
            start=start,
            end=start + timedelta(weeks=WEEKS),
            minutes=30,
            now=start - timedelta(days=1),
        )

    found = calculate(ZONE)
    quote = offers.Quote(new_id(), "ONE_TO_ONE", 3_000, "USD", None, None)
    slots = [offers.Slot(first, last, quote) for first, last in found]
    secret = [secrets.token_bytes(32)]

    def seal() -> None:
        for slot in slots:
            offers.seal_offer(slot, secrets=secret, seconds=OFFER_SECONDS)

    other_zones = islice(sorted(available_timezones() - {ZONE}), 0, None, 6)
    return len(found), [
        _cost("calculation", [lambda: calculate(ZONE)] * runs),
        _cost(
            "calculation, first in its zone",
            [lambda zone=zone: calculate(zone) for zone in other_zones],  # type: ignore[misc]
        ),
        _cost("offer tokens of all slots", [seal] * max(1, runs // 10)),
    ]


def _schedule(zone: str) -> Schedule:
    hours = [Rule(weekday, 8 * 60, 20 * 60) for weekday in range(1, 8)]
    preferences = Preferences(buffer_before=5, buffer_after=10, most_per_day=12)
    return Schedule(zone, hours, preferences=preferences)


def _cost(name: str, works: Sequence[Callable[[], object]]) -> Cost:
    times = []
    for work in works:
        started = time.process_time()
        work()
        times.append(1000 * (time.process_time() - started))
    return Cost(name, len(times), median(times), percentile(times, 0.99))
