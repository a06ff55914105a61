"""When a tutor can be booked: a pure calculation over wall times, zones and lessons.

A moment is offered when the tutor's wall clock shows a time within the hours of the day. So hours
that the clock skips offer nothing, and hours that it shows twice are offered twice. Wall times
become UTC piece by piece, each with one offset; all arithmetic is on UTC seconds.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from math import ceil, floor
from typing import TypeAlias
from zoneinfo import ZoneInfo

MINUTE = 60
HOUR = 3_600
DAY = 86_400
_EPOCH = date(1970, 1, 1).toordinal()
# Offsets are looked for at this pace and remembered in pieces of this length.
_PROBE = 3 * HOUR
_PIECE = 32 * DAY

# Half-open, in seconds since 1970.
Interval: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Rule:
    """Hours of each such weekday (1 is Monday) that lies within the dates, both included.

    Minutes of the day; an end beyond 1,440 is on the next day.
    """

    weekday: int
    start: int
    end: int
    valid_from: date | None = None
    valid_to: date | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """What replaces the rules from one date to another, both included.

    No hours at all close the days; None keeps the rules and reads them in the other zone.
    """

    first: date
    last: date
    hours: tuple[tuple[int, int], ...] | None = ()
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class Preferences:
    """How a tutor wants to be booked; times in minutes."""

    buffer_before: int = 0
    buffer_after: int = 0
    notice: int = 120
    window_days: int = 60
    most_per_day: int | None = None
    interval: int = 30


@dataclass(frozen=True, slots=True)
class Schedule:
    """Everything that a tutor has said about time. Overrides do not overlap each other."""

    zone: str
    rules: Sequence[Rule] = ()
    overrides: Sequence[Override] = ()
    preferences: Preferences = field(default_factory=Preferences)


def end_minute(start: int, end: int) -> int:
    """The end as minutes since the start's midnight: one not after the start is tomorrow's."""
    return end if end > start else end + DAY // MINUTE


def calculate_slots(
    schedule: Schedule,
    busy: Iterable[tuple[datetime, datetime]],
    *,
    start: datetime,
    end: datetime,
    minutes: int,
    now: datetime,
) -> list[tuple[datetime, datetime]]:
    """The bookable slots of so many minutes that lie within [start, end), in UTC and in order.

    `busy` has the tutor's lessons; for the maximum per day it reaches two days beyond both ends.
    """
    preferences = schedule.preferences
    moment = now.timestamp()
    starts = find_starts(
        schedule,
        [seconds_of(each) for each in busy],
        earliest=ceil(max(start.timestamp(), moment + preferences.notice * MINUTE)),
        end=floor(end.timestamp()),
        latest=floor(moment + preferences.window_days * DAY),
        minutes=minutes,
    )
    length = minutes * MINUTE
    of = datetime.fromtimestamp
    return [(of(each, UTC), of(each + length, UTC)) for each in starts]


def find_starts(
    schedule: Schedule,
    busy: Sequence[Interval],
    *,
    earliest: int,
    end: int,
    latest: int,
    minutes: int,
) -> list[int]:
    """Starts of slots, from `earliest` to `latest`, that end by `end`; in seconds since 1970."""
    if end <= earliest or latest < earliest:
        return []
    length, step = minutes * MINUTE, schedule.preferences.interval * MINUTE
    pieces = open_pieces(schedule, earliest, end)
    free = _without(_merged(pieces), _merged(_with_buffers(busy, schedule.preferences)))
    ends = [interval[1] for interval in free]
    last = min(end - length, latest)
    found: set[int] = set()
    for lower, upper in pieces:
        # The grid begins where the hours begin, whatever is asked for or booked.
        first = lower if lower >= earliest else lower - (lower - earliest) // step * step
        for each in range(first, min(upper, last + 1), step):
            place = bisect_right(ends, each)
            if place < len(free) and free[place][0] <= each and each + length <= ends[place]:
                found.add(each)
    return _within_day_limit(schedule, busy, sorted(found))


def open_pieces(schedule: Schedule, start: int, end: int) -> list[Interval]:
    """The hours of each day as intervals of UTC that meet [start, end), before any lesson.

    One for each rule and day, but for a clock that is set back within: that may make two.
    """
    by_weekday: dict[int, list[Rule]] = {}
    for rule in schedule.rules:
        by_weekday.setdefault(rule.weekday, []).append(rule)
    found = []
    # A day's hours reach two days on, and zones a day to either side.
    for day in range(start // DAY - 3, end // DAY + 2):
        zone, hours = _hours_of(schedule, by_weekday, date.fromordinal(day + _EPOCH))
        for first, last in hours:
            wall = (day * DAY + first * MINUTE, day * DAY + last * MINUTE)
            found += [each for each in _to_utc(zone, wall) if each[0] < end and each[1] > start]
    return sorted(found)


def _hours_of(
    schedule: Schedule, by_weekday: dict[int, list[Rule]], day: date
) -> tuple[str, Iterable[tuple[int, int]]]:
    zone = schedule.zone
    for override in schedule.overrides:
        if override.first <= day <= override.last:
            zone = override.zone or zone
            if override.hours is not None:
                return zone, override.hours
    return zone, [
        (rule.start, rule.end)
        for rule in by_weekday.get(day.isoweekday(), ())
        if (rule.valid_from is None or rule.valid_from <= day)
        and (rule.valid_to is None or day <= rule.valid_to)
    ]


def _to_utc(zone: str, wall: Interval) -> Iterator[Interval]:
    """The moments at which the zone's clock shows a time within the wall times."""
    pending: Interval | None = None
    # No offset is larger than a day.
    for start, end, offset in _offsets(zone, wall[0] - DAY, wall[1] + DAY):
        lower, upper = max(start, wall[0] - offset), min(end, wall[1] - offset)
        if lower >= upper:
            continue
        if pending is not None and pending[1] == lower:
            pending = (pending[0], upper)
            continue
        if pending is not None:
            yield pending
        pending = (lower, upper)
    if pending is not None:
        yield pending


def _offsets(zone: str, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Intervals of UTC with the zone's offset in each, in order; they cover [start, end)."""
    for piece in range(start // _PIECE, end // _PIECE + 1):
        yield from _offsets_of_piece(zone, piece)


@lru_cache(maxsize=4096)
def _offsets_of_piece(zone: str, piece: int) -> tuple[tuple[int, int, int], ...]:
    clock = ZoneInfo(zone)
    found = []
    start, end = piece * _PIECE, (piece + 1) * _PIECE
    begun, offset = start, _offset(clock, start)
    for probe in range(start + _PROBE, end + 1, _PROBE):
        if (new := _offset(clock, min(probe, end - 1))) == offset:
            continue
        before, after = probe - _PROBE, probe
        while after - before > 1:
            middle = (before + after) // 2
            if _offset(clock, middle) == offset:
                before = middle
            else:
                after = middle
        found.append((begun, after, offset))
        begun, offset = after, new
    return (*found, (begun, end, offset))


def _offset(clock: ZoneInfo, moment: int) -> int:
    difference = datetime.fromtimestamp(moment, clock).utcoffset()
    assert difference is not None  # noqa: S101 - a zone always has one
    return int(difference.total_seconds())


def local_day(zone: str, moment: int) -> int:
    """The date that the zone's clock shows, as days since 1970."""
    for _, end, offset in _offsets_of_piece(zone, moment // _PIECE):
        if moment < end:
            return (moment + offset) // DAY
    raise AssertionError("a piece covers all of its moments")


def _with_buffers(busy: Iterable[Interval], preferences: Preferences) -> list[Interval]:
    # Between two lessons lie the time after the first and the time before the second.
    pad = (preferences.buffer_before + preferences.buffer_after) * MINUTE
    return sorted((start - pad, end + pad) for start, end in busy)


def _merged(intervals: Sequence[Interval]) -> list[Interval]:
    """Sorted intervals, with those that touch made one."""
    found: list[Interval] = []
    for start, end in intervals:
        if found and start <= found[-1][1]:
            if end > found[-1][1]:
                found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def _without(intervals: Sequence[Interval], taken: Sequence[Interval]) -> list[Interval]:
    """What is left of sorted intervals when others are taken out."""
    found = []
    place = 0
    for start, end in intervals:
        while place < len(taken) and taken[place][1] <= start:
            place += 1
        at = place
        while at < len(taken) and taken[at][0] < end:
            if taken[at][0] > start:
                found.append((start, taken[at][0]))
            start = max(start, taken[at][1])
            at += 1
        if start < end:
            found.append((start, end))
    return found


def _within_day_limit(schedule: Schedule, busy: Iterable[Interval], starts: list[int]) -> list[int]:
    most = schedule.preferences.most_per_day
    if most is None:
        return starts
    lessons = Counter(local_day(schedule.zone, start) for start, _ in busy)
    return [each for each in starts if lessons[local_day(schedule.zone, each)] < most]


def seconds_of(interval: tuple[datetime, datetime]) -> Interval:
    """An interval in whole seconds that covers one of datetimes."""
    return floor(interval[0].timestamp()), ceil(interval[1].timestamp())
