"""The slot calculation: wall times over changes of the clock, and everything that takes slots."""

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from subgraphs.matching.service.slots import (
    Override,
    Preferences,
    Rule,
    Schedule,
    calculate_slots,
)
from tests.subgraphs.matching.slot_oracle import expected_slots

ZONES = (
    "America/New_York",
    "Europe/London",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Chatham",
    "America/St_Johns",
    "Africa/Casablanca",
    "America/Sao_Paulo",
    "Pacific/Apia",
    "Asia/Kolkata",
    "Europe/Lisbon",
    "America/Havana",
)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLAIN = Preferences(notice=0, window_days=365, interval=60)


def rule(weekday: int, start: str, end: str, **validity: date) -> Rule:
    def minute(value: str) -> int:
        hour, minutes = value.split(":")
        return int(hour) * 60 + int(minutes)

    first, last = minute(start), minute(end)
    return Rule(weekday, first, last if last > first else last + 1440, **validity)


def day_of(schedule: Schedule, day: date, minutes: int = 60, **more: object) -> list[str]:
    """The starts of a local day's slots, as UTC."""
    zone = ZoneInfo(schedule.zone)
    start = datetime.combine(day, datetime.min.time(), zone)
    end = datetime.combine(day + DAY, datetime.min.time(), zone)
    found = calculate_slots(
        schedule,
        more.get("busy", ()),  # type: ignore[arg-type]
        start=start,
        end=end,
        minutes=minutes,
        now=more.get("now", NOW),  # type: ignore[arg-type]
    )
    assert all(b - a == timedelta(minutes=minutes) for a, b in found)
    return [f"{a:%H:%M}" for a, _ in found]


@pytest.mark.parametrize(
    ("zone", "day", "hours", "expected"),
    [
        # New York, 8 March 2026: 02:00 becomes 03:00. Three hours of wall time are two.
        ("America/New_York", date(2026, 3, 8), ("01:00", "04:00"), ["06:00", "07:00"]),
        # Hours that begin within the gap begin where the clock goes on.
        ("America/New_York", date(2026, 3, 8), ("02:30", "05:00"), ["07:00", "08:00"]),
        # Hours that end within it end there.
        ("America/New_York", date(2026, 3, 8), ("00:00", "02:30"), ["05:00", "06:00"]),
        # Hours within it do not exist.
        ("America/New_York", date(2026, 3, 8), ("02:00", "03:00"), []),
        # 1 November 2026: 02:00 becomes 01:00. Hours over the fold have both.
        ("America/New_York", date(2026, 11, 1), ("00:00", "02:00"), ["04:00", "05:00", "06:00"]),
        ("America/New_York", date(2026, 11, 1), ("01:00", "02:00"), ["05:00", "06:00"]),
        # Half past one comes twice, and between the two the clock shows less.
        ("America/New_York", date(2026, 11, 1), ("01:30", "03:00"), ["06:30"]),
        ("Europe/London", date(2026, 3, 29), ("00:00", "03:00"), ["00:00", "01:00"]),
        ("Europe/London", date(2026, 10, 25), ("00:00", "02:00"), ["23:00", "00:00", "01:00"]),
        # Lord Howe moves by half an hour: 02:00 becomes 02:30 on 4 October 2026.
        ("Australia/Lord_Howe", date(2026, 10, 4), ("01:00", "04:00"), ["14:30", "15:30"]),
        # And 02:00 becomes 01:30 on 5 April 2026.
        ("Australia/Lord_Howe", date(2026, 4, 5), ("01:00", "03:30"), ["14:00", "15:00", "16:00"]),
        ("Asia/Kathmandu", date(2026, 3, 29), ("09:00", "12:00"), ["03:15", "04:15", "05:15"]),
    ],
)  # fmt: skip
def test_wall_times_become_utc_over_changes_of_the_clock(
    zone: str, day: date, hours: tuple[str, str], expected: list[str]
) -> None:
    schedule = Schedule(zone, [rule(day.isoweekday(), *hours)], (), PLAIN)
    assert day_of(schedule, day) == expected


def test_rule_over_midnight_belongs_to_the_day_on_which_it_began() -> None:
    schedule = Schedule("Asia/Kolkata", [rule(5, "22:00", "02:00")], (), PLAIN)
    friday, saturday = date(2026, 5, 1), date(2026, 5, 2)
    assert day_of(schedule, friday) == ["16:30", "17:30"]
    assert day_of(schedule, saturday) == ["18:30", "19:30"]
    # The night that began on Friday is not Saturday's to close …
    closed = replace(schedule, overrides=[Override(saturday, saturday)])
    assert day_of(closed, saturday) == ["18:30", "19:30"]
    # … and goes with Friday.
    closed = replace(schedule, overrides=[Override(friday, friday)])
    assert day_of(closed, friday) == day_of(closed, saturday) == []


def test_night_over_the_spring_change_is_an_hour_shorter() -> None:
    schedule = Schedule("America/New_York", [rule(6, "22:00", "04:00")], (), PLAIN)
    found = calculate_slots(
        schedule,
        (),
        start=datetime(2026, 3, 7, 12, tzinfo=UTC),
        end=datetime(2026, 3, 9, tzinfo=UTC),
        minutes=60,
        now=NOW,
    )
    assert [f"{a:%d %H}" for a, _ in found] == ["08 03", "08 04", "08 05", "08 06", "08 07"]


def test_whole_day_has_23_24_or_25_hours() -> None:
    rules = [rule(weekday, "00:00", "00:00") for weekday in range(1, 8)]
    schedule = Schedule("Europe/London", rules, (), PLAIN)
    days = (date(2026, 3, 29), date(2026, 3, 30), date(2026, 10, 25))
    assert [len(day_of(schedule, day)) for day in days] == [23, 24, 25]


def test_new_zone_moves_free_time_and_leaves_lessons() -> None:
    day = date(2026, 6, 1)
    rules = [rule(1, "09:00", "12:00")]
    # Booked at 09:00 in London, which is 10:00 in Berlin.
    lesson = (datetime(2026, 6, 1, 8, tzinfo=UTC), datetime(2026, 6, 1, 9, tzinfo=UTC))
    before = Schedule("Europe/London", rules, (), PLAIN)
    after = replace(before, zone="Europe/Berlin")
    assert day_of(before, day, busy=[lesson]) == ["09:00", "10:00"]
    assert day_of(after, day, busy=[lesson]) == ["07:00", "09:00"]


def test_travel_reads_the_rules_in_the_other_zone() -> None:
    rules = [rule(weekday, "09:00", "11:00") for weekday in range(1, 8)]
    travel = Override(date(2026, 6, 2), date(2026, 6, 3), None, "Asia/Tokyo")
    schedule = Schedule("Europe/London", rules, [travel], PLAIN)
    found = calculate_slots(
        schedule,
        (),
        start=datetime(2026, 6, 1, tzinfo=UTC),
        end=datetime(2026, 6, 5, tzinfo=UTC),
        minutes=60,
        now=NOW,
    )
    # 08:00 is London's nine o'clock, 00:00 Tokyo's.
    assert [f"{a:%d %H}" for a, _ in found] == [
        "01 08",
        "01 09",
        "02 00",
        "02 01",
        "03 00",
        "03 01",
        "04 08",
        "04 09",
    ]


def test_override_replaces_the_hours_of_its_days() -> None:
    day = date(2026, 6, 1)
    special = Override(day, day, ((14 * 60, 15 * 60), (18 * 60, 20 * 60)))
    schedule = Schedule("UTC", [rule(1, "09:00", "12:00")], [special], PLAIN)
    assert day_of(schedule, day) == ["14:00", "18:00", "19:00"]
    assert day_of(schedule, day + 7 * DAY) == ["09:00", "10:00", "11:00"]


def test_rule_holds_from_its_first_to_its_last_date() -> None:
    first, last = date(2026, 6, 8), date(2026, 6, 15)
    schedule = Schedule(
        "UTC", [rule(1, "09:00", "10:00", valid_from=first, valid_to=last)], (), PLAIN
    )
    mondays = [date(2026, 6, 1) + week * 7 * DAY for week in range(4)]
    assert [len(day_of(schedule, monday)) for monday in mondays] == [0, 1, 1, 0]


def test_between_two_lessons_lie_both_buffers() -> None:
    day = date(2026, 6, 1)
    preferences = Preferences(5, 10, 0, 365, None, 15)
    schedule = Schedule("UTC", [rule(1, "09:00", "13:00")], (), preferences)
    lesson = (datetime(2026, 6, 1, 10, 30, tzinfo=UTC), datetime(2026, 6, 1, 11, tzinfo=UTC))
    assert day_of(schedule, day, busy=[lesson]) == [
        "09:00",
        "09:15",
        "11:15",
        "11:30",
        "11:45",
        "12:00",
    ]


def test_notice_is_kept_to_the_minute() -> None:
    day = date(2026, 6, 1)
    schedule = Schedule("UTC", [rule(1, "09:00", "13:00")], (), replace(PLAIN, notice=120))
    at = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
    assert day_of(schedule, day, now=at) == ["10:00", "11:00", "12:00"]
    late = at + timedelta(microseconds=1)
    assert day_of(schedule, day, now=late) == ["11:00", "12:00"]


def test_booking_window_ends_after_so_many_days() -> None:
    schedule = Schedule("UTC", [rule(1, "09:00", "13:00")], (), replace(PLAIN, window_days=7))
    at = datetime(2026, 5, 25, 10, 30, tzinfo=UTC)
    assert day_of(schedule, date(2026, 6, 1), now=at) == ["09:00", "10:00"]


def test_most_per_day_counts_lessons_of_the_local_date() -> None:
    rules = [rule(weekday, "00:00", "03:00") for weekday in range(1, 8)]
    schedule = Schedule("Asia/Kathmandu", rules, (), replace(PLAIN, most_per_day=1))
    # 20:00 on the 1st in UTC is 01:45 on the 2nd in Kathmandu.
    lesson = (datetime(2026, 6, 1, 20, tzinfo=UTC), datetime(2026, 6, 1, 21, tzinfo=UTC))
    days = [date(2026, 6, 1), date(2026, 6, 2), date(2026, 6, 3)]
    assert [len(day_of(schedule, day, busy=[lesson])) for day in days] == [3, 0, 3]


def test_slots_do_not_depend_on_where_the_question_begins() -> None:
    rules = [rule(weekday, "00:10", "23:55") for weekday in range(1, 8)]
    schedule = Schedule("Australia/Lord_Howe", rules, (), Preferences(notice=0, interval=20))
    start = datetime(2026, 4, 1, tzinfo=UTC)
    ask = {"end": start + 9 * DAY, "minutes": 30, "now": datetime(2026, 3, 31, tzinfo=UTC)}
    whole = calculate_slots(schedule, (), start=start, **ask)  # type: ignore[arg-type]
    for offset in (7, 60, 1111, 5000):
        begin = start + timedelta(minutes=offset)
        part = calculate_slots(schedule, (), start=begin, **ask)  # type: ignore[arg-type]
        assert part == [slot for slot in whole if slot[0] >= begin]


def random_schedule(chance: random.Random, zone: str, around: date) -> Schedule:
    def minute() -> int:
        return chance.randrange(0, 1440, chance.choice((1, 5, 15, 30)))

    def hours() -> tuple[int, int]:
        # Often in the small hours, where clocks change.
        start = chance.choice((minute(), chance.randrange(0, 240, 15)))
        length = chance.choice((45, 60, 90, 240, 480, 1440, chance.randrange(15, 1440)))
        return start, start + length

    rules = []
    for _ in range(chance.randrange(1, 9)):
        start, end = hours()
        weekday = chance.choice((around.isoweekday(), chance.randrange(1, 8)))
        # Dates on which the rule would hold, so that it matters whether they are included.
        first = around + (weekday - around.isoweekday() + 7 * chance.randrange(-2, 2)) * DAY
        rules.append(
            Rule(
                weekday,
                start,
                end,
                first if chance.random() < 0.3 else None,
                first + 7 * chance.randrange(0, 3) * DAY if chance.random() < 0.3 else None,
            )
        )
    overrides, day = [], around - 8 * DAY
    while chance.random() < 0.7:
        day += chance.randrange(1, 6) * DAY
        last = day + chance.randrange(0, 4) * DAY
        kind = chance.choice(("closed", "hours", "travel"))
        elsewhere = chance.choice(ZONES)
        overrides.append(
            Override(
                day,
                last,
                {"closed": (), "travel": None}.get(kind, (hours(),)),
                elsewhere if kind == "travel" or chance.random() < 0.3 else None,
            )
        )
        day = last
    preferences = Preferences(
        buffer_before=chance.choice((0, 0, 5, 15)),
        buffer_after=chance.choice((0, 0, 10)),
        notice=chance.choice((0, 120, 1440)),
        window_days=chance.choice((3, 10, 60)),
        most_per_day=chance.choice((None, None, 1, 3)),
        interval=chance.choice((5, 10, 15, 20, 30, 60)),
    )
    return Schedule(zone, rules, overrides, preferences)


def clock_changes(zone: str) -> list[date]:
    """The last dates of the zone's changes of the clock, if there were any."""
    clock = ZoneInfo(zone)
    for year in (2026, 2020, 2018):
        noons = [datetime(year, 1, 1, 12, tzinfo=UTC) + number * DAY for number in range(365)]
        changes = [
            after.date()
            for before, after in pairwise(noons)
            if before.astimezone(clock).utcoffset() != after.astimezone(clock).utcoffset()
        ]
        if changes:
            return changes
    return []


def compare(chance: random.Random, zone: str, start: date, days: int) -> int:
    """Both calculators agree about some tutor in the zone; how many slots they found."""
    schedule = random_schedule(chance, zone, start + timedelta(days=days // 2))
    begin = datetime.combine(start, datetime.min.time(), UTC) + timedelta(
        minutes=chance.randrange(1440)
    )
    end = begin + days * DAY
    busy = []
    for _ in range(chance.randrange(0, 3 * days)):
        lesson = begin + timedelta(minutes=5 * chance.randrange(-288, days * 288))
        busy.append((lesson, lesson + timedelta(minutes=chance.choice((30, 45, 60, 90)))))
    question = {
        "start": begin,
        "end": end,
        "minutes": chance.choice((15, 30, 45, 60, 90, 180)),
        "now": begin + timedelta(minutes=chance.randrange(-2000, 2000)),
    }
    found = calculate_slots(schedule, busy, **question)  # type: ignore[arg-type]
    assert found == expected_slots(schedule, busy, **question)  # type: ignore[arg-type]
    return len(found)


@pytest.mark.parametrize("zone", ZONES)
def test_slots_are_those_of_the_oracle(zone: str) -> None:
    chance = random.Random(f"oracle {zone}")
    changes = clock_changes(zone)
    found = 0
    for number in range(5):
        if changes:
            change = changes[number % len(changes)]
            found += compare(chance, zone, change - 7 * DAY, days=14)
        anywhen = date(2026, 1, 15) + chance.randrange(330) * DAY
        found += compare(chance, zone, anywhen, days=14)
    assert found > 0


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seed", range(500))
def test_slots_of_a_whole_year_are_those_of_the_oracle(seed: int) -> None:
    chance = random.Random(seed)
    zone = ZONES[seed % len(ZONES)]
    compare(chance, zone, date(2026, 1, 1), days=365)
