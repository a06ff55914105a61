"""Page arguments and cursors: what a caller may send, and garbage."""

import base64
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidInput
from shared.pages import Order, PageRequest, decode_cursor, encode_cursor, from_cursor

TABLE = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("at", sa.TIMESTAMP(timezone=True)),
    sa.Column("size", sa.Integer),
    sa.Column("id", sa.Uuid),
)
ORDER = Order.by(TABLE.c.at.desc(), TABLE.c.size, TABLE.c.id)


def page(**arguments: Any) -> PageRequest:
    return PageRequest.of(
        **({"first": None, "after": None, "last": None, "before": None} | arguments)
    )


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ({}, PageRequest(20)),
        ({"default": 7}, PageRequest(7)),
        ({"first": 0}, PageRequest(0)),
        ({"first": 100, "after": "c"}, PageRequest(100, cursor="c")),
        ({"after": "c"}, PageRequest(20, cursor="c")),
        ({"last": 5}, PageRequest(5, backward=True)),
        ({"last": 5, "before": "c"}, PageRequest(5, backward=True, cursor="c")),
        ({"before": "c"}, PageRequest(20, backward=True, cursor="c")),
    ],
)
def test_page_request_takes_one_direction(arguments: dict[str, Any], wanted: PageRequest) -> None:
    assert page(**arguments) == wanted


@pytest.mark.parametrize(
    ("arguments", "message", "field"),
    [
        ({"first": 1, "last": 1}, "Give first or last, not both.", "last"),
        ({"first": 1, "before": "c"}, "Give first/after or last/before, not a mix.", "before"),
        ({"after": "c", "last": 1}, "Give first/after or last/before, not a mix.", "before"),
        ({"after": "c", "before": "c"}, "Give first/after or last/before, not a mix.", "before"),
        ({"first": 101}, "first must be between 0 and 100.", "first"),
        ({"first": -1}, "first must be between 0 and 100.", "first"),
        ({"last": 101}, "last must be between 0 and 100.", "last"),
        ({"last": -(2**31)}, "last must be between 0 and 100.", "last"),
    ],
)
def test_page_request_refusal_names_argument_and_limit(
    arguments: dict[str, Any], message: str, field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        page(**arguments)
    assert (caught.value.message, caught.value.field) == (message, field)


@given(
    at=st.datetimes(timezones=st.just(UTC)),
    size=st.integers(-(2**31), 2**31 - 1),
    id_=st.uuids(),
)
def test_cursor_gives_back_the_sort_key(at: datetime, size: int, id_: UUID) -> None:
    cursor = encode_cursor(ORDER, [at, size, id_])
    assert cursor.isascii()
    assert not set(cursor) & set("+/=")
    assert decode_cursor(cursor, ORDER, argument="after") == [at, size, id_]


def refused(cursor: str) -> bool:
    try:
        decode_cursor(cursor, ORDER, argument="after")
    except InvalidInput as error:
        return (error.message, error.field) == ("after is not a cursor of this list.", "after")
    return False


@given(st.text())
def test_text_is_no_cursor(text: str) -> None:
    assert refused(text)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(alphabet="tu2026-:TZ"),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from("tux"), inner),
    max_leaves=6,
)


@given(JSON)
def test_json_that_nobody_was_given_is_no_cursor(content: Any) -> None:
    assert refused(base64.urlsafe_b64encode(orjson.dumps(content)).decode())


@given(st.lists(JSON, min_size=3, max_size=3))
def test_values_of_another_type_are_no_cursor(values: list[Any]) -> None:
    content = orjson.dumps([ORDER.mark, *values])
    assert refused(base64.urlsafe_b64encode(content).decode())


def test_cursor_of_another_order_is_refused() -> None:
    values = [datetime(2026, 1, 1, tzinfo=UTC), 1, UUID(int=1)]
    for other in (
        Order.by(TABLE.c.at, TABLE.c.size, TABLE.c.id),
        Order.by(TABLE.c.at.desc(), TABLE.c.id, TABLE.c.size),
        Order.by(TABLE.c.at.desc(), TABLE.c.size + 1, TABLE.c.id),
    ):
        assert refused(encode_cursor(other, values))
    assert not refused(encode_cursor(ORDER, values))


def test_true_is_no_number() -> None:
    assert refused(encode_cursor(ORDER, [datetime(2026, 1, 1, tzinfo=UTC), True, UUID(int=1)]))


def conditions(order: Order, *, backward: bool = False) -> str:
    values = {"at": datetime(2026, 1, 1, tzinfo=UTC), "size": 1, "id": UUID(int=1)}
    key = [values[column.name] for column, _ in order.columns]
    request = PageRequest(10, backward=backward, cursor=encode_cursor(order, key))
    text = str(from_cursor(sa.select(TABLE.c.id), order, request))
    return " ".join(text.partition("WHERE ")[2].split())


def test_key_of_one_direction_is_compared_as_a_whole() -> None:
    falling, rising = Order.by(TABLE.c.at.desc(), TABLE.c.id.desc()), Order.by(TABLE.c.at)
    assert conditions(falling) == (
        "(things.at, things.id) < (:param_1, :param_2) ORDER BY things.at DESC, things.id DESC"
    )
    assert conditions(falling, backward=True) == (
        "(things.at, things.id) > (:param_1, :param_2) ORDER BY things.at ASC, things.id ASC"
    )
    assert conditions(rising) == "(things.at) > (:param_1) ORDER BY things.at ASC"


def test_key_of_mixed_directions_is_compared_column_by_column() -> None:
    assert conditions(Order.by(TABLE.c.at.desc(), TABLE.c.id)) == (
        "things.at < :at_1 OR things.at = :at_2 AND things.id > :id_1"
        " ORDER BY things.at DESC, things.id ASC"
    )
