"""References from other subgraphs, and how many statements nested fields take."""

from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from graphql import GraphQLObjectType, build_ast_schema, is_nullable_type, parse

from shared.ids import new_id
from subgraphs.learning.models import Certificate, Course, CourseUnit, Enrollment
from tests.subgraphs.learning import factories
from tests.support.graph import GraphClient, counted


async def entities(client: GraphClient, typename: str, ids: list[Any], fields: str) -> list[Any]:
    found: list[Any] = (await client.entities(typename, ids, fields)).data["_entities"]
    return found


async def test_references_resolve_in_order_and_unknown_ones_to_null(
    learning: GraphClient, admin: GraphClient
) -> None:
    async with learning.runtime.database.write() as session:
        courses = [await factories.create_course(session, units=1) for _ in range(2)]
        units = list(await session.scalars(sa.select(CourseUnit).order_by(CourseUnit.id)))
        enrollments = [await factories.create_enrollment(session, each) for each in courses]
        certificates = [Certificate(**factories.certificate_values(each)) for each in enrollments]
        session.add_all(certificates)
    for typename, rows in (
        ("Course", courses),
        ("CourseUnit", units),
        ("Enrollment", enrollments),
        ("Certificate", certificates),
    ):
        first, second = (str(row.id) for row in rows)
        wanted = [second, new_id(), "no-id", first, "", "\0", second]
        with counted(learning.runtime.database) as statements:
            found = await entities(admin, typename, wanted, "id")
        assert [entity and entity["id"] for entity in found] == [
            second,
            None,
            None,
            first,
            None,
            None,
            second,
        ], typename
        # One for the viewer, one for all representations.
        assert len(statements) == 2, typename


async def test_any_user_is_a_reference_and_malformed_ids_are_null(learning: GraphClient) -> None:
    user_id = new_id()
    fields = "id taughtCourses { nodes { id } } enrolledCourses { nodes { id } }"
    assert await entities(learning, "User", [user_id, "no-id"], fields) == [
        {
            "__typename": "User",
            "id": str(user_id),
            "taughtCourses": {"nodes": []},
            "enrolledCourses": None,
        },
        None,
    ]


async def test_unknown_types_and_keys_fail_alone(learning: GraphClient) -> None:
    async with learning.runtime.database.write() as session:
        course = await factories.create_course(session)
    query = """query($r: [_Any!]!) { _entities(representations: $r) {
      ... on Course { id } ... on User { id } } }"""
    representations = [
        {"__typename": "Course", "id": str(course.id)},
        {"__typename": "Nothing", "id": "1"},
        {"__typename": "Course", "code": "1"},
    ]
    answer = await learning.ask(query, r=representations)
    assert answer.body["data"]["_entities"] == [{"id": str(course.id)}, None, None]
    assert answer.codes == ["INVALID_INPUT", "INVALID_INPUT"]


async def test_units_of_hidden_drafts_are_null(learning: GraphClient, admin: GraphClient) -> None:
    async with learning.runtime.database.write() as session:
        course = await factories.create_course(session, units=1, status="DRAFT")
        unit_id = await session.scalar(sa.select(CourseUnit.id))
    seen = {"__typename": "CourseUnit", "id": str(unit_id)}
    assert await entities(learning, "CourseUnit", [unit_id], "id") == [None]
    assert await entities(admin, "CourseUnit", [unit_id], "id") == [seen]
    tutor = learning.as_user(course.tutor_id, "tutor")
    assert await entities(tutor, "CourseUnit", [unit_id], "id") == [seen]


async def test_private_entities_are_null_for_others(
    learning: GraphClient, student: GraphClient, admin: GraphClient
) -> None:
    async with learning.runtime.database.write() as session:
        course = await factories.create_course(session)
        enrollment = await factories.create_enrollment(session, course, status="COMPLETED")
        certificate = Certificate(**factories.certificate_values(enrollment))
        session.add(certificate)
    owner = learning.as_user(enrollment.student_id)
    for client, sees in ((owner, True), (admin, True), (student, False), (learning, False)):
        for typename, id_ in (("Enrollment", enrollment.id), ("Certificate", certificate.id)):
            [found] = await entities(client, typename, [id_], "id")
            assert found == ({"__typename": typename, "id": str(id_)} if sees else None)


async def test_drafts_among_taught_courses_are_for_their_tutor_and_admins(
    learning: GraphClient, student: GraphClient, admin: GraphClient
) -> None:
    tutor_id = new_id()
    async with learning.runtime.database.write() as session:
        for status in ("DRAFT", "PUBLISHED", "ARCHIVED"):
            await factories.create_course(session, tutor_id=tutor_id, status=status)
        await factories.create_course(session, tutor_id=tutor_id, deleted_at=sa.func.now())
    fields = "taughtCourses { nodes { status } }"
    everything = ["ARCHIVED", "PUBLISHED", "DRAFT"]
    for client, expected in (
        (learning.as_user(tutor_id, "tutor"), everything),
        (admin, everything),
        (student, everything[:2]),
        (learning, everything[:2]),
    ):
        [found] = await entities(client, "User", [tutor_id], fields)
        assert [node["status"] for node in found["taughtCourses"]["nodes"]] == expected


async def populate(learning: GraphClient, users: int, courses: int) -> list[UUID]:
    """So many students, each in so many courses and each a tutor of one."""
    user_ids = [new_id() for _ in range(users)]
    async with learning.runtime.database.write() as session:
        shared = [await factories.create_course(session, max_students=200) for _ in range(courses)]
        for user_id in user_ids:
            session.add(
                Course(
                    tutor_id=user_id,
                    title="A course",
                    level="BEGINNER",
                    price_amount=0,
                    duration_minutes=30,
                )
            )
            for course in shared:
                session.add(Enrollment(course_id=course.id, student_id=user_id, id=new_id()))
    return user_ids


NESTED = """
  enrolledCourses(first: 5) {
    nodes {
      id title seatsLeft tutor { id }
      units(first: 3) { nodes { title isCompleted course { id } } }
      myEnrollment { id progress { percent } certificate { code } }
      myWaitlistEntry { id }
    }
    pageInfo { hasNextPage endCursor }
  }
  enrollments(first: 5) { nodes { status course { id } student { id } progress { percent } } }
  taughtCourses(first: 5) { nodes { id status } }
  certificates(first: 5) { nodes { code } }
"""


@pytest.mark.parametrize("users", [1, 20, 100])
async def test_enrolled_courses_of_any_number_of_users_take_two_statements(
    learning: GraphClient, admin: GraphClient, users: int
) -> None:
    user_ids = await populate(learning, users, courses=6)
    fields = "enrolledCourses(first: 5) { nodes { id title tutor { id } } }"
    with counted(learning.runtime.database) as statements:
        found = await entities(admin, "User", user_ids, fields)
    assert [len(user["enrolledCourses"]["nodes"]) for user in found] == [5] * users
    # One for the viewer's state, one for all users' pages.
    assert len(statements) == 2


@pytest.mark.parametrize("users", [1, 20, 100])
async def test_nested_lists_of_any_number_of_users_take_eleven_statements(
    learning: GraphClient, admin: GraphClient, users: int
) -> None:
    user_ids = await populate(learning, users, courses=6)
    with counted(learning.runtime.database) as statements:
        found = await entities(admin, "User", user_ids, NESTED)
    for user in found:
        assert len(user["enrolledCourses"]["nodes"]) == 5
        assert user["enrolledCourses"]["pageInfo"]["hasNextPage"] is True
        assert [node["status"] for node in user["taughtCourses"]["nodes"]] == ["DRAFT"]
        assert len(user["enrollments"]["nodes"]) == 5
    # Viewer; four lists; courses of enrolments; units, completed units; own enrolments, progress,
    # places on waitlists.
    assert len(statements) == 11


@pytest.mark.parametrize("courses", [1, 10, 100])
async def test_page_of_courses_takes_seven_statements(learning: GraphClient, courses: int) -> None:
    [user_id] = await populate(learning, 1, courses)
    query = """{ courses(first: 100) { nodes {
      tutor { id } units(first: 5) { nodes { title isCompleted } }
      myEnrollment { id progress { percent } certificate { code } } } } }"""
    with counted(learning.runtime.database) as statements:
        nodes = (await learning.as_user(user_id).ask(query)).data["courses"]["nodes"]
    assert len(nodes) == courses
    assert all(len(node["units"]["nodes"]) == 2 and node["myEnrollment"] for node in nodes)
    # Viewer, courses, units, units completed, enrolments, progress, certificates.
    assert len(statements) == 7


async def test_pages_of_many_parents_hold_each_parents_own_rows_in_order(
    learning: GraphClient, admin: GraphClient
) -> None:
    first, second = await populate(learning, 2, courses=5)
    forward = """enrolledCourses(first: 2) { nodes { id } pageInfo { endCursor } }"""
    pages = await entities(admin, "User", [first, second, first], forward)
    assert pages[0] == pages[2]
    whole = await entities(admin, "User", [first, second], "enrolledCourses { nodes { id } }")
    for place in (0, 1):
        nodes = whole[place]["enrolledCourses"]["nodes"]
        assert len(nodes) == 5
        assert pages[place]["enrolledCourses"]["nodes"] == nodes[:2]
        cursor = pages[place]["enrolledCourses"]["pageInfo"]["endCursor"]
        user_id = (first, second)[place]
        rest = f'enrolledCourses(first: 9, after: "{cursor}") {{ nodes {{ id }} }}'
        [after] = await entities(admin, "User", [user_id], rest)
        assert after["enrolledCourses"]["nodes"] == nodes[2:]
        last = "enrolledCourses(last: 2) { nodes { id } pageInfo { hasPreviousPage } }"
        [backward] = await entities(admin, "User", [user_id], last)
        assert backward["enrolledCourses"] == {
            "nodes": nodes[3:],
            "pageInfo": {"hasPreviousPage": True},
        }


async def test_bad_cursor_in_a_nested_list_is_named(
    learning: GraphClient, admin: GraphClient
) -> None:
    answer = await admin.entities(
        "User", [new_id()], 'enrolledCourses(after: "x") { nodes { id } }'
    )
    assert answer.codes == ["INVALID_INPUT"]
    assert answer.body["errors"][0]["extensions"]["field"] == "after"
    # The field is nullable, so the user itself remains.
    assert answer.body["data"]["_entities"] == [{"__typename": "User", "enrolledCourses": None}]


async def test_only_seats_that_are_had_are_among_enrolled_courses(
    learning: GraphClient, admin: GraphClient
) -> None:
    user_id = new_id()
    async with learning.runtime.database.write() as session:
        for status in ("ACTIVE", "COMPLETED", "CANCELLED", "PENDING_PAYMENT"):
            course = await factories.create_course(session, title=f"{status} course")
            await factories.create_enrollment(session, course, student_id=user_id, status=status)
    fields = "enrolledCourses { nodes { title } } enrollments { nodes { status } }"
    [found] = await entities(admin, "User", [user_id], fields)
    assert [n["title"] for n in found["enrolledCourses"]["nodes"]] == [
        "COMPLETED course",
        "ACTIVE course",
    ]
    assert [n["status"] for n in found["enrollments"]["nodes"]] == [
        "PENDING_PAYMENT",
        "CANCELLED",
        "COMPLETED",
        "ACTIVE",
    ]


def test_fields_that_lead_to_or_come_from_others_are_nullable(learning: GraphClient) -> None:
    schema = build_ast_schema(parse(learning.subgraph.schema.as_str()), assume_valid_sdl=True)
    user = schema.type_map["User"]
    assert isinstance(user, GraphQLObjectType)
    contributed = [name for name, field in user.fields.items() if name != "id"]
    assert sorted(contributed) == [
        "certificates",
        "enrolledCourses",
        "enrollments",
        "learningPaths",
        "lessons",
        "taughtCourses",
    ]
    assert all(is_nullable_type(user.fields[name].type) for name in contributed)
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("_"):
            for name, field in kind.fields.items():
                if str(field.type).startswith("User"):
                    assert is_nullable_type(field.type), f"{kind.name}.{name}"
