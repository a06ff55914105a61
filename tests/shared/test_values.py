"""Single values: texts, addresses, zones, ids, codes of errors, and who a viewer is."""

import pytest

from shared.errors import (
    Conflict,
    DomainError,
    Forbidden,
    InvalidInput,
    RateLimited,
    Unauthenticated,
)
from shared.ids import new_id, parse_id, parse_id_or_none
from shared.validation import between, email, optional_text, text, time_zone
from shared.viewer import ANONYMOUS, Viewer, ViewerKind


@pytest.mark.parametrize(
    ("value", "lines", "wanted"),
    [
        ("  Ana \u00a0", False, "Ana"),
        ("שלום 👩‍🏫", False, "שלום 👩‍🏫"),
        ("x" * 10, False, "x" * 10),
        (" a\r\n\tb\u2028c ", True, "a\r\n\tb\u2028c"),
    ],
)
def test_text_is_trimmed(value: str, lines: bool, wanted: str) -> None:
    assert text(value, field="name", least=1, most=10, lines=lines) == wanted


@pytest.mark.parametrize("character", ["\0", "\x07", "\x1b", "\x7f", "\x85", "\x9f", "\ud800"])
@pytest.mark.parametrize("lines", [True, False])
def test_text_refuses_control_characters(character: str, lines: bool) -> None:
    with pytest.raises(InvalidInput) as caught:
        text(f"a{character}b", field="name", most=10, lines=lines)
    assert caught.value.message == "name holds characters that are not allowed."
    assert caught.value.field == "name"


@pytest.mark.parametrize("character", ["\n", "\r", "\t", "\u2028", "\u2029"])
def test_one_line_of_text_refuses_breaks(character: str) -> None:
    with pytest.raises(InvalidInput):
        text(f"a{character}b", field="name", most=10)


@pytest.mark.parametrize(
    ("value", "least", "message"),
    [
        ("   ", 1, "name must not be empty."),
        ("ab", 3, "name needs at least 3 characters."),
        ("x" * 11, 0, "name may have at most 10 characters."),
    ],
)
def test_text_out_of_bounds_names_the_bound(value: str, least: int, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        text(value, field="name", least=least, most=10)
    assert caught.value.message == message


def test_blank_optional_text_is_none() -> None:
    assert [optional_text(each, field="bio", most=3) for each in (None, " ", " a ")] == [
        None,
        None,
        "a",
    ]
    with pytest.raises(InvalidInput):
        optional_text("abcd", field="bio", most=3)


def test_email_is_normalised() -> None:
    assert email(" Ana@EXAMPLE.test ") == "Ana@example.test"


@pytest.mark.parametrize(
    "value",
    [
        *("", "ana", "ana@", "@example.test", "a b@example.test", "ana@example"),
        *(f"{'a' * 65}@x.test", f"ana@{'x' * 250}.test", "ana@example.test\nbcc:b@x.test"),
    ],
)
def test_other_text_is_no_email(value: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        email(value)
    assert caught.value.field == "email"


def test_time_zone_is_of_iana() -> None:
    assert time_zone("Europe/Lisbon") == "Europe/Lisbon"
    for value in ("", "Mars/Base", "../etc/passwd", "europe/lisbon", "+02:00"):
        with pytest.raises(InvalidInput) as caught:
            time_zone(value)
        assert caught.value.field == "timeZone"


def test_number_has_both_bounds() -> None:
    assert [between(n, field="seats", least=1, most=3) for n in (1, 3)] == [1, 3]
    for value in (0, 4):
        with pytest.raises(InvalidInput, match=r"^seats must be between 1 and 3\.$"):
            between(value, field="seats", least=1, most=3)


def test_ids_sort_by_time_and_are_of_version_7() -> None:
    ids = [new_id() for _ in range(1000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 1000
    assert {(each.version, each.variant) for each in ids} == {(7, ids[0].variant)}


def test_only_canonical_text_is_an_id() -> None:
    own = new_id()
    assert parse_id_or_none(str(own)) == own
    assert parse_id(str(own).upper(), field="id") == own
    others: list[object] = [None, 5, True, ["x"], {"id": str(own)}, own, "", "x", own.hex]
    others += [f"{{{own}}}", f"urn:uuid:{own}", f" {own}", f"{own}\n", "\ud800"]
    assert [parse_id_or_none(each) for each in others] == [None] * len(others)
    with pytest.raises(InvalidInput) as caught:
        parse_id("x", field="courseId")
    assert (caught.value.message, caught.value.field) == ("courseId is not an id.", "courseId")


class _SeatTaken(Conflict):
    """A seat is taken."""

    code = "SEAT_TAKEN"


class _LastSeatTaken(_SeatTaken):
    """The last one is."""


class _Other(DomainError):
    """Without any code."""


@pytest.mark.parametrize(
    ("error", "code", "general"),
    [
        (DomainError, "INTERNAL", "INTERNAL"),
        (_Other, "INTERNAL", "INTERNAL"),
        (Conflict, "CONFLICT", "CONFLICT"),
        (_SeatTaken, "SEAT_TAKEN", "CONFLICT"),
        (_LastSeatTaken, "SEAT_TAKEN", "CONFLICT"),
        (RateLimited, "RATE_LIMITED", "RATE_LIMITED"),
    ],
)
def test_error_has_the_code_of_the_general_one_above_it(
    error: type[DomainError], code: str, general: str
) -> None:
    assert (error.code, error.general_code()) == (code, general)


def test_private_fields_are_open_to_oneself_and_admins_alone() -> None:
    me, other = new_id(), new_id()
    viewers = {
        "anonymous": ANONYMOUS,
        "user": Viewer(kind=ViewerKind.USER, user_id=me, roles=frozenset({"student"})),
        "moderator": Viewer(kind=ViewerKind.USER, user_id=other, roles=frozenset({"moderator"})),
        "partner": Viewer(kind=ViewerKind.PARTNER, client_id=str(me)),
        "admin": Viewer(kind=ViewerKind.USER, user_id=other, roles=frozenset({"admin"})),
        "system": Viewer.system(),
    }
    assert {name for name, viewer in viewers.items() if viewer.may_see_private(me)} == {
        "user",
        "admin",
        "system",
    }
    assert len({viewer.key for viewer in viewers.values()}) == 5  # moderator and admin are one user


def test_role_is_required() -> None:
    tutor = Viewer(kind=ViewerKind.USER, user_id=new_id(), roles=frozenset({"tutor"}))
    tutor.require_role("tutor", "moderator")
    Viewer.system().require_role("tutor")
    with pytest.raises(Forbidden, match=r"^This needs the role admin or moderator\.$"):
        tutor.require_role("moderator", "admin")
    with pytest.raises(Forbidden):
        Viewer(kind=ViewerKind.PARTNER, client_id="x").require_role("tutor")
    with pytest.raises(Unauthenticated):
        ANONYMOUS.require_role("tutor")


def test_only_a_user_is_signed_in() -> None:
    user = new_id()
    assert Viewer(kind=ViewerKind.USER, user_id=user).require_user() == user
    for viewer in (ANONYMOUS, Viewer.system(), Viewer(kind=ViewerKind.PARTNER, client_id="x")):
        with pytest.raises(Unauthenticated):
            viewer.require_user()


def test_present_roles_replace_those_of_the_token() -> None:
    old = Viewer(kind=ViewerKind.USER, user_id=new_id(), roles=frozenset({"admin"}), ip="192.0.2.1")
    new = old.with_state(roles=frozenset({"student"}), version=2)
    assert (new.is_admin, new.version, new.user_id, new.ip) == (False, 2, old.user_id, old.ip)
    assert old.is_admin
