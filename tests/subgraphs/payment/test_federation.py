"""What payment adds to others' entities: to whom, and in how many statements."""

from typing import Any

import pytest
from graphql import GraphQLObjectType, build_ast_schema, is_nullable_type, parse

from shared.ids import new_id
from tests.subgraphs.payment.world import World
from tests.support.graph import counted

PRIVATE = """payments { nodes { id } } invoices { nodes { id } } payouts { nodes { id } }
  payoutAccount { status } balance { held { amount } }"""
FIELDS = ("payments", "invoices", "payouts", "payoutAccount", "balance")


async def entity(client: Any, typename: str, id_: object, fields: str) -> dict[str, Any]:
    found: dict[str, Any] = (await client.entities(typename, [id_], fields)).data["_entities"][0]
    return found


async def test_users_money_is_for_the_user_and_admins(world: World) -> None:
    await world.onboard()
    await world.paid_lesson()
    for client in (world.student, world.admin):
        found = await entity(client, "User", world.student_id, PRIVATE)
        assert len(found["payments"]["nodes"]) == len(found["invoices"]["nodes"]) == 1
        assert found["balance"] == []
    own = await entity(world.tutor, "User", world.tutor_id, PRIVATE)
    assert own["payoutAccount"] == {"status": "ENABLED"}
    assert own["balance"] == [{"held": {"amount": 8_000}}]
    for client in (world.graph, world.tutor, world.graph.as_user(new_id())):
        found = await entity(client, "User", world.student_id, PRIVATE)
        assert [found[name] for name in FIELDS] == [None] * 5


async def test_lessons_payment_is_for_its_parties(world: World) -> None:
    lesson, payment = await world.paid_lesson()
    fields = (
        "payment { id platformFee { amount } transfer { status } clientSecret auditLog { action } }"
    )
    stranger = world.graph.as_user(new_id())
    for client in (world.graph, stranger):
        assert (await entity(client, "Lesson", lesson.lesson_id, fields))["payment"] is None
        direct = await client.ask("query($id: ID!) { payment(id: $id) { id } }", id=payment.id)
        assert direct.data["payment"] is None
        assert (await client.entities("Payment", [payment.id], "id")).data["_entities"] == [None]
    seen = (await entity(world.student, "Lesson", lesson.lesson_id, fields))["payment"]
    assert seen == {
        "id": str(payment.id),
        "platformFee": None,
        "transfer": None,
        "clientSecret": None,
        "auditLog": None,
    }
    seen = (await entity(world.tutor, "Lesson", lesson.lesson_id, fields))["payment"]
    assert seen["platformFee"] == {"amount": 2_000}
    seen = (await entity(world.admin, "Lesson", lesson.lesson_id, fields))["payment"]
    assert [entry["action"] for entry in seen["auditLog"]] == [
        "INITIATED",
        "INTENT_CREATED",
        "SUCCEEDED",
    ]


async def test_client_secret_is_the_payers_alone(world: World) -> None:
    lesson = await world.reserve()
    made = await world.create(lesson.lesson_id)
    assert made["clientSecret"]
    for client in (world.tutor, world.admin):
        found = await entity(client, "Payment", made["id"], "clientSecret")
        assert found["clientSecret"] is None
    assert made["clientSecret"] not in str(
        await world.rows(
            "SELECT payload FROM outbox UNION ALL SELECT data::text FROM payment_events"
            " UNION ALL SELECT new_value::text FROM payment_audit_log"
        )
    )


async def test_audit_log_names_who_did_it(world: World) -> None:
    _, payment = await world.paid_lesson()
    await world.refund(payment, 100)
    log = await world.rows(
        "SELECT action, changed_by FROM payment_audit_log WHERE subject_type = 'payment'"
        " ORDER BY id"
    )
    assert [action for action, _ in log] == [
        "INITIATED",
        "INTENT_CREATED",
        "SUCCEEDED",
        "REFUND_REQUESTED",
    ]
    assert log[0][1] == log[1][1] == f"user:{world.student_id}"
    assert log[2][1].startswith("system:webhook:evt_")
    assert log[3][1] == f"user:{world.admin_id}"


@pytest.mark.parametrize("lessons", [1, 8])
async def test_any_number_of_lessons_takes_the_same_statements(world: World, lessons: int) -> None:
    ids = []
    for _ in range(lessons):
        lesson, payment = await world.paid_lesson()
        await world.refund(payment, 100)
        ids.append(lesson.lesson_id)
    await world.work()
    fields = """payment { amount { amount } refunds { amount { amount } } transfer { status }
      disputes { id } invoices { number } auditLog { action } } invoice { number }"""
    with counted(world.runtime.database) as statements:
        found = (await world.admin.entities("Lesson", ids, fields)).data["_entities"]
    assert all(len(one["payment"]["refunds"]) == 1 for one in found)
    # Viewer; payments, invoices of lessons; refunds, transfers, disputes, invoices, audit log.
    assert len(statements) == 8


@pytest.mark.parametrize("users", [1, 6])
async def test_any_number_of_users_takes_the_same_statements(world: World, users: int) -> None:
    await world.paid_lesson()
    ids = [world.student_id, world.tutor_id, *(new_id() for _ in range(users))]
    with counted(world.runtime.database) as statements:
        await world.admin.entities("User", ids, PRIVATE)
    assert len(statements) == 6


async def test_pages_of_payments_go_on(world: World) -> None:
    for _ in range(3):
        await world.create((await world.reserve()).lesson_id)
    query = """query($after: String) { myPayments(first: 2, after: $after) {
      nodes { id } pageInfo { hasNextPage endCursor } } }"""
    first = (await world.student.ask(query)).data["myPayments"]
    cursor = first["pageInfo"]["endCursor"]
    second = (await world.student.ask(query, after=cursor)).data["myPayments"]
    assert (len(first["nodes"]), len(second["nodes"])) == (2, 1)
    assert second["pageInfo"]["hasNextPage"] is False
    assert (await world.graph.ask(query)).codes == ["UNAUTHENTICATED"]


def test_fields_that_lead_to_or_come_from_others_are_nullable(world: World) -> None:
    schema = build_ast_schema(parse(world.graph.subgraph.schema.as_str()), assume_valid_sdl=True)
    for name in ("User", "Lesson", "Course"):
        kind = schema.type_map[name]
        assert isinstance(kind, GraphQLObjectType)
        assert all(is_nullable_type(f.type) for n, f in kind.fields.items() if n != "id")
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("_"):
            for name, field in kind.fields.items():
                assert field.description or name[0] == "_", f"{kind.name}.{name}"
                if str(field.type).rstrip("!") in ("User", "Lesson", "Course"):
                    assert is_nullable_type(field.type), f"{kind.name}.{name}"
