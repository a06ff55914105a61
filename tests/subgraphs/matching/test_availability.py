"""Tutors' hours: rules, overrides and preferences, and what search knows of them."""

import asyncio
from typing import Any

import pytest

from shared.ids import new_id
from subgraphs.matching.models import TutorProfile
from tests.subgraphs.matching import factories
from tests.subgraphs.matching import operations as op
from tests.subgraphs.matching.factories import iso, next_day
from tests.subgraphs.matching.operations import refusal, run
from tests.support.graph import GraphClient, published

HOURS = f"query($id: ID!) {{ tutorProfile(id: $id) {{ {op.HOURS} }} }}"
NEXT = "query($id: ID!) { tutorProfile(id: $id) { nextFreeSlot } }"


def rule(weekday: int, start: str = "09:00", end: str = "12:00", **validity: str) -> dict[str, Any]:
    return {"weekday": weekday, "startLocal": start, "endLocal": end, **validity}


async def hours_of(client: GraphClient, profile: TutorProfile) -> Any:
    return (await client.ask(HOURS, id=profile.id)).data["tutorProfile"]["availability"]


async def test_rules_are_replaced_as_a_whole(tutor: GraphClient, profile: TutorProfile) -> None:
    given = [rule(7, "22:00", "02:00"), rule(1, "09:00", "24:00", validFrom="2026-01-01")]
    found = await run(tutor, op.SET_AVAILABILITY, profileId=profile.id, rules=given)
    empty = {"validFrom": None, "validTo": None}
    assert found["availability"]["rules"] == [
        {**empty, **rule(1, "09:00", "00:00"), "validFrom": "2026-01-01"},
        {**empty, **rule(7, "22:00", "02:00")},
    ]
    events = await published(tutor.runtime)
    assert [(kind, event["version"]) for kind, event in events] == [
        ("edtech.matching.tutor.updated.v1", 2),
        ("edtech.matching.tutor.availability_changed.v1", 2),
    ]
    found = await run(tutor, op.SET_AVAILABILITY, profileId=profile.id, rules=[])
    assert found["availability"]["rules"] == []


@pytest.mark.parametrize(
    ("rules", "code", "field"),
    [
        ([rule(0)], "INVALID_INPUT", "rules.0.weekday"),
        ([rule(1), rule(8)], "INVALID_INPUT", "rules.1.weekday"),
        ([rule(1, "9:00")], "INVALID_INPUT", "rules.0.startLocal"),
        ([rule(1, "24:00")], "INVALID_INPUT", "rules.0.startLocal"),
        ([rule(1, "09:00", "12:60")], "INVALID_INPUT", "rules.0.endLocal"),
        ([rule(1, "09:00", "12:00\n")], "INVALID_INPUT", "rules.0.endLocal"),
        ([rule(1, validFrom="2026-02-30")], "INVALID_INPUT", "rules.0.validFrom"),
        ([rule(1, validTo="20260228")], "INVALID_INPUT", "rules.0.validTo"),
        (
            [rule(1, validFrom="2026-02-02", validTo="2026-02-01")],
            "INVALID_INPUT",
            "rules.0.validFrom",
        ),
        ([rule(1), rule(1, "11:59", "13:00")], "RULES_OVERLAP", "rules.1"),
        # Monday's night reaches into Tuesday, and Sunday's into Monday.
        ([rule(1, "22:00", "02:00"), rule(2, "01:00", "03:00")], "RULES_OVERLAP", "rules.1"),
        ([rule(7, "22:00", "02:00"), rule(1, "01:00", "03:00")], "RULES_OVERLAP", "rules.1"),
        (
            [rule(1, validTo="2026-02-01"), rule(1, validFrom="2026-02-01")],
            "RULES_OVERLAP",
            "rules.1",
        ),
        ([rule(1, f"{n // 60:02}:{n % 60:02}", "00:00") for n in range(101)],) * 1
        + ("INVALID_INPUT", "rules"),
    ],
)
async def test_malformed_rules_are_refused_and_the_old_ones_stay(
    tutor: GraphClient, profile: TutorProfile, rules: list[Any], code: str, field: str
) -> None:
    found = await refusal(tutor, op.SET_AVAILABILITY, profileId=profile.id, rules=rules)
    assert found == (code, field)


async def test_rules_that_touch_or_hold_at_other_times_are_accepted(
    tutor: GraphClient, profile: TutorProfile
) -> None:
    given = [
        rule(1, "22:00", "00:00"),
        rule(2, "00:00", "02:00", validTo="2026-02-01"),
        rule(2, "00:00", "03:00", validFrom="2026-02-02"),
        rule(2, "03:00", "04:00"),
    ]
    found = await run(tutor, op.SET_AVAILABILITY, profileId=profile.id, rules=given)
    assert len(found["availability"]["rules"]) == 4


async def test_two_changes_at_once_leave_one_complete_set(
    tutor: GraphClient, profile: TutorProfile
) -> None:
    sets = [
        [rule(day, f"{hour:02}:00", f"{hour + 1:02}:00") for day in range(1, 8)]
        for hour in range(6)
    ]
    await asyncio.gather(
        *(run(tutor, op.SET_AVAILABILITY, profileId=profile.id, rules=each) for each in sets)
    )
    found = (await hours_of(tutor, profile))["rules"]
    assert [each["weekday"] for each in found] == list(range(1, 8))
    assert len({each["startLocal"] for each in found}) == 1
    versions = [event["version"] for _, event in await published(tutor.runtime)]
    assert versions == sorted([*range(2, 8)] * 2)


async def test_hours_are_for_the_tutor_and_admins(
    matching: GraphClient, student: GraphClient, admin: GraphClient, profile: TutorProfile
) -> None:
    assert await hours_of(student, profile) is None
    assert await hours_of(matching, profile) is None
    assert len((await hours_of(admin, profile))["rules"]) == 7
    given = {"profileId": profile.id, "rules": []}
    assert await refusal(student, op.SET_AVAILABILITY, **given) == ("FORBIDDEN", None)
    code = await refusal(student, op.UPDATE_PREFERENCES, profileId=profile.id, input={})
    assert code == ("FORBIDDEN", None)


async def test_overrides_come_and_go(tutor: GraphClient, profile: TutorProfile) -> None:
    closed = {"profileId": profile.id, "kind": "CLOSED", "firstDate": "2026-12-24"}
    hours = {
        "profileId": profile.id,
        "kind": "HOURS",
        "firstDate": "2026-12-25",
        "lastDate": "2026-12-26",
        "hours": [
            {"startLocal": "10:00", "endLocal": "11:00"},
            {"startLocal": "23:00", "endLocal": "01:00"},
        ],
        "timeZone": "Asia/Tokyo",
    }
    travel = {
        "profileId": profile.id,
        "kind": "TRAVEL",
        "firstDate": "2027-01-01",
        "lastDate": "2027-01-31",
        "timeZone": "Asia/Tokyo",
    }
    made = [await run(tutor, op.ADD_OVERRIDE, input=each) for each in (travel, closed, hours)]
    found = (await hours_of(tutor, profile))["overrides"]
    for each in made:
        del each["__typename"]
    assert found == [made[1], made[2], made[0]]
    assert found[1] == {
        "id": made[2]["id"],
        **{name: hours[name] for name in ("kind", "firstDate", "lastDate", "hours", "timeZone")},
    }
    assert (found[0]["lastDate"], found[0]["hours"]) == ("2026-12-24", [])
    left = await run(tutor, op.REMOVE_OVERRIDE, id=made[1]["id"])
    assert [each["id"] for each in left["availability"]["overrides"]] == [
        made[2]["id"],
        made[0]["id"],
    ]
    assert await refusal(tutor, op.REMOVE_OVERRIDE, id=made[1]["id"]) == ("NOT_FOUND", None)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"firstDate": "2026-13-01"}, "firstDate"),
        ({"lastDate": "2026-12-23"}, "lastDate"),
        ({"lastDate": "2027-12-25"}, "lastDate"),
        ({"timeZone": "Asia/Tokyo"}, "timeZone"),
        ({"kind": "TRAVEL"}, "timeZone"),
        ({"kind": "TRAVEL", "timeZone": "Nowhere"}, "timeZone"),
        ({"kind": "HOURS"}, "hours"),
        ({"hours": [{"startLocal": "10:00", "endLocal": "11:00"}]}, "hours"),
        (
            {"kind": "HOURS", "hours": [{"startLocal": "1000", "endLocal": "11:00"}]},
            "hours.0.startLocal",
        ),
        (
            {"kind": "HOURS", "hours": [{"startLocal": "10:00", "endLocal": "11"}]},
            "hours.0.endLocal",
        ),
        ({"kind": "HOURS", "hours": [{"startLocal": "10:00", "endLocal": "11:00"}] * 11}, "hours"),
    ],
)
async def test_malformed_override_is_refused_by_field(
    tutor: GraphClient, profile: TutorProfile, change: dict[str, Any], field: str
) -> None:
    given = {"profileId": profile.id, "kind": "CLOSED", "firstDate": "2026-12-24"}
    code = await refusal(tutor, op.ADD_OVERRIDE, input=given | change)
    assert code == ("INVALID_INPUT", field)


async def test_overlapping_hours_of_an_override_are_refused(
    tutor: GraphClient, profile: TutorProfile
) -> None:
    given = {
        "profileId": profile.id,
        "kind": "HOURS",
        "firstDate": "2026-12-24",
        "hours": [{"startLocal": "10:00", "endLocal": "12:00"}] * 2,
    }
    assert (await refusal(tutor, op.ADD_OVERRIDE, input=given))[0] == "RULES_OVERLAP"


async def test_of_overlapping_overrides_one_is_made(
    tutor: GraphClient, student: GraphClient, profile: TutorProfile
) -> None:
    def given(first: int, last: int) -> dict[str, Any]:
        dates = {"firstDate": f"2026-12-{first}", "lastDate": f"2026-12-{last}"}
        return {"profileId": profile.id, "kind": "CLOSED", **dates}

    results = await asyncio.gather(
        *(run(tutor, op.ADD_OVERRIDE, input=given(10 + n, 20 + n)) for n in range(4))
    )
    codes = sorted(result.get("code", "made") for result in results)
    assert codes == ["OVERRIDE_OVERLAPS"] * 3 + ["made"]
    assert len((await hours_of(tutor, profile))["overrides"]) == 1
    code = await refusal(tutor, op.ADD_OVERRIDE, input=given(15, 15))
    assert code == ("OVERRIDE_OVERLAPS", "firstDate")
    [made] = [result for result in results if "id" in result]
    assert await refusal(student, op.REMOVE_OVERRIDE, id=made["id"]) == ("FORBIDDEN", None)
    assert await refusal(student, op.REMOVE_OVERRIDE, id=new_id()) == ("NOT_FOUND", None)


async def test_same_key_adds_one_override(tutor: GraphClient, profile: TutorProfile) -> None:
    given = {"profileId": profile.id, "kind": "CLOSED", "firstDate": "2026-12-24"}
    results = [
        await run(tutor, op.ADD_OVERRIDE, input=given, idempotencyKey="holiday-1") for _ in range(2)
    ]
    assert results[0]["id"] == results[1]["id"]


async def test_preferences_change_as_given(tutor: GraphClient, profile: TutorProfile) -> None:
    given = {
        "bufferBeforeMinutes": 5,
        "bufferAfterMinutes": 10,
        "minimumNoticeMinutes": 60,
        "bookingWindowDays": 30,
        "mostPerDay": 4,
        "slotIntervalMinutes": 15,
        "durations": [90, 30, 90],
    }
    found = await run(tutor, op.UPDATE_PREFERENCES, profileId=profile.id, input=given)
    assert found["availability"]["preferences"] == given | {"durations": [30, 90]}
    found = await run(tutor, op.UPDATE_PREFERENCES, profileId=profile.id, input={"mostPerDay": 0})
    assert found["availability"]["preferences"]["mostPerDay"] is None
    assert found["availability"]["preferences"]["slotIntervalMinutes"] == 15


@pytest.mark.parametrize(
    "change",
    [
        {"bufferBeforeMinutes": -1},
        {"bufferAfterMinutes": 241},
        {"minimumNoticeMinutes": 43_201},
        {"bookingWindowDays": 0},
        {"bookingWindowDays": 366},
        {"mostPerDay": 51},
        {"slotIntervalMinutes": 7},
        {"durations": []},
        {"durations": [14]},
        {"durations": [485]},
        {"durations": [31]},
        {"durations": [30] * 11},
    ],
)
async def test_malformed_preferences_are_refused_by_field(
    tutor: GraphClient, profile: TutorProfile, change: dict[str, Any]
) -> None:
    code = await refusal(tutor, op.UPDATE_PREFERENCES, profileId=profile.id, input=change)
    assert code == ("INVALID_INPUT", next(iter(change)))


async def test_next_free_slot_follows_every_change(
    matching: GraphClient, tutor: GraphClient, profile: TutorProfile
) -> None:
    async def next_slot() -> str | None:
        found: str | None = (await matching.ask(NEXT, id=profile.id)).data["tutorProfile"][
            "nextFreeSlot"
        ]
        return found

    day = next_day(3, least=3)
    one = [rule(3, "10:00", "12:00", validFrom=f"{day:%Y-%m-%d}")]
    await run(tutor, op.SET_AVAILABILITY, profileId=profile.id, rules=one)
    assert await next_slot() == iso(day.replace(hour=10))
    closed = {"profileId": profile.id, "kind": "CLOSED", "firstDate": f"{day:%Y-%m-%d}"}
    made = await run(tutor, op.ADD_OVERRIDE, input=closed)
    assert await next_slot() == iso(day.replace(hour=10) + 7 * factories.DAY)
    await run(tutor, op.REMOVE_OVERRIDE, id=made["id"])
    await run(tutor, op.UPDATE_PROFILE, id=profile.id, input={"timeZone": "Asia/Kathmandu"})
    assert await next_slot() == iso(day.replace(hour=4, minute=15))
    # The notice counts from now, whenever that is.
    notice = {"minimumNoticeMinutes": 30 * 24 * 60}
    await run(tutor, op.UPDATE_PREFERENCES, profileId=profile.id, input=notice)
    assert await next_slot() is None
    await run(tutor, op.UPDATE_PREFERENCES, profileId=profile.id, input={"minimumNoticeMinutes": 0})
    await run(tutor, op.PAUSE, id=profile.id)
    assert await next_slot() is None
