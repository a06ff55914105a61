"""A slot calculator that is slow and obviously right: it asks the wall clock about every minute.

It shares the data types with the real one and nothing else: no offsets, no conversion of wall
times to UTC, no interval arithmetic. Minutes are counted from 1970 in UTC.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from subgraphs.matching.service.slots import Schedule

DAY = timedelta(days=1)
# Hours that began before the question still have their grid; they last a day, and begin within one.
BEFORE = 3 * 1440


def expected_slots(
    schedule: Schedule,
    busy: Sequence[tuple[datetime, datetime]],
    *,
    start: datetime,
    end: datetime,
    minutes: int,
    now: datetime,
) -> list[tuple[datetime, datetime]]:
    """What `calculate_slots` has to answer; all times are whole minutes."""
    preferences = schedule.preferences
    own = ZoneInfo(schedule.zone)
    zones = [
        (zone, ZoneInfo(zone))
        for zone in {schedule.zone, *(each.zone for each in schedule.overrides if each.zone)}
    ]

    @cache
    def hours_on(day: date) -> tuple[str, list[tuple[int, int]]]:
        """The zone and the hours of a date, in minutes of that date."""
        zone = schedule.zone
        for override in schedule.overrides:
            if override.first <= day <= override.last:
                zone = override.zone or zone
                if override.hours is not None:
                    return zone, list(override.hours)
        return zone, [
            (rule.start, rule.end)
            for rule in schedule.rules
            if rule.weekday == day.isoweekday()
            and (rule.valid_from is None or rule.valid_from <= day)
            and (rule.valid_to is None or day <= rule.valid_to)
        ]

    @cache
    def hours_of(wall_date: date, zone: str) -> list[tuple[tuple[date, int], int, int]]:
        """Which hours may be shown on a date, with the minutes of that date they lie between."""
        found = []
        for back in range(3):
            day = wall_date - back * DAY
            day_zone, hours = hours_on(day)
            if day_zone == zone:
                for place, (first, last) in enumerate(hours):
                    found.append(((day, place), first - back * 1440, last - back * 1440))
        return found

    @cache
    def open_at(minute: int) -> set[tuple[date, int]]:
        """The hours (by date and place) within which the wall clock stands at this minute."""
        found = set()
        for zone, clock in zones:
            wall = datetime.fromtimestamp(minute * 60, clock)
            shown = wall.hour * 60 + wall.minute
            for hours, first, last in hours_of(wall.date(), zone):
                if first <= shown < last:
                    found.add(hours)
        return found

    pad = preferences.buffer_before + preferences.buffer_after
    taken = {
        minute
        for begin, finish in busy
        for minute in range(_minute(begin) - pad, _minute(finish) + pad)
    }
    lessons_on = Counter(lesson.astimezone(own).date() for lesson, _ in busy)

    def fits(minute: int) -> bool:
        return (
            minute >= _minute(start)
            and minute + minutes <= _minute(end)
            and _minute(now) + preferences.notice <= minute
            and minute <= _minute(now) + preferences.window_days * 1440
            and all(open_at(each) and each not in taken for each in range(minute, minute + minutes))
            and (
                preferences.most_per_day is None
                or lessons_on[datetime.fromtimestamp(minute * 60, own).date()]
                < preferences.most_per_day
            )
        )

    # Each stretch of each day's hours has a grid from its own beginning.
    begun: dict[tuple[date, int], int] = {}
    found = []
    before: set[tuple[date, int]] = set()
    for minute in range(_minute(start) - BEFORE, _minute(end)):
        opened = open_at(minute)
        for hours in opened - before:
            begun[hours] = minute
        before = opened
        on_grid = any((minute - begun[hours]) % preferences.interval == 0 for hours in opened)
        if on_grid and fits(minute):
            found.append(minute)
    return [(_time(minute), _time(minute + minutes)) for minute in found]


def _minute(moment: datetime) -> int:
    return int(moment.timestamp()) // 60


def _time(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, UTC)
