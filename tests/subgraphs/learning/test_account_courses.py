"""What a partner's program reads of the account that it acts for, and of nobody else's."""

from typing import Any
from uuid import UUID

from shared.ids import new_id
from subgraphs.learning.models import CourseStatus
from tests.subgraphs.learning import factories
from tests.support.graph import GraphClient, counted
from tests.support.tokens import token

COURSES = """query($first: Int) { accountCourses(first: $first) {
  nodes { title enrollments { nodes { id status student { id } progress { percent } } } } } }"""
ENROLLMENTS = "query($id: ID!) { course(id: $id) { title enrollments { nodes { id } } } }"
ENROLLMENT = "query($id: ID!) { enrollment(id: $id) { id student { id } course { title } } }"
BOTH = "catalog:read enrollments:read"


def partner(learning: GraphClient, acts_for: UUID | None = None, scope: str = BOTH) -> GraphClient:
    """A partner's program."""
    client_id = str(new_id())
    claims: dict[str, Any] = {
        "aud": "partner-lms",
        "sub": client_id,
        "client_id": client_id,
        "scope": scope,
    }
    if acts_for:
        claims["acts_for"] = str(acts_for)
    return learning.with_token(token(new_id(), **claims))


async def test_program_reads_the_courses_and_enrollments_of_its_account(
    learning: GraphClient,
) -> None:
    school = new_id()
    async with learning.runtime.database.write() as session:
        first = await factories.create_course(session, tutor_id=school, title="Algebra")
        second = await factories.create_course(session, tutor_id=school, title="Biology")
        await factories.create_course(
            session, tutor_id=school, title="Draft", status=CourseStatus.DRAFT
        )
        await factories.create_course(session, title="Somebody else's")
        seats = [await factories.create_enrollment(session, each) for each in (first, second)]
    with counted(learning.runtime.database) as statements:
        answer = await partner(learning, school).ask(COURSES)
    assert [
        (course["title"], [seat["student"]["id"] for seat in course["enrollments"]["nodes"]])
        for course in answer.data["accountCourses"]["nodes"]
    ] == [("Biology", [str(seats[1].student_id)]), ("Algebra", [str(seats[0].student_id)])]
    # Courses, their enrolments, and the progress of all of these.
    assert len(statements) <= 4

    one = await partner(learning, school).ask(ENROLLMENT, id=seats[0].id)
    assert one.data["enrollment"]["student"] == {"id": str(seats[0].student_id)}


async def test_program_reads_nothing_of_other_accounts(learning: GraphClient) -> None:
    async with learning.runtime.database.write() as session:
        course = await factories.create_course(session)
        seat = await factories.create_enrollment(session, course)
        draft = await factories.create_course(session, status=CourseStatus.DRAFT)
    for program in (partner(learning, new_id()), partner(learning)):
        seen = (await program.ask(ENROLLMENTS, id=course.id)).data["course"]
        assert seen == {"title": course.title, "enrollments": None}
        assert (await program.ask(ENROLLMENT, id=seat.id)).data["enrollment"] is None
        assert (await program.ask(ENROLLMENTS, id=draft.id)).data["course"] is None
        found = await program.entities("Enrollment", [seat.id], "id")
        assert found.data["_entities"] == [None]
    own_draft = partner(learning, draft.tutor_id)
    assert (await own_draft.ask(ENROLLMENTS, id=draft.id)).data["course"] is None


async def test_missing_scope_is_named(learning: GraphClient) -> None:
    async with learning.runtime.database.write() as session:
        course = await factories.create_course(session)
        seat = await factories.create_enrollment(session, course)
    poor = partner(learning, course.tutor_id, scope="catalog:read")
    for query, field in ((ENROLLMENTS, "course"), (ENROLLMENT, "enrollment"), (COURSES, None)):
        id_ = seat.id if field == "enrollment" else course.id
        answer = await (poor.ask(query, id=id_) if field else poor.ask(query))
        assert answer.codes == ["FORBIDDEN"]
        message = answer.body["errors"][0]["message"]
        assert message == "This needs the scope enrollments:read."
    # What needs no scope is answered beside the refusal.
    answer = await poor.ask(ENROLLMENTS, id=course.id)
    assert answer.body["data"]["course"] == {"title": course.title, "enrollments": None}


async def test_only_programs_that_act_for_an_account_have_its_courses(
    learning: GraphClient, tutor: GraphClient
) -> None:
    assert (await learning.ask(COURSES)).codes == ["UNAUTHENTICATED"]
    for caller in (tutor, partner(learning)):
        assert (await caller.ask(COURSES)).codes == ["FORBIDDEN"]


async def test_program_is_nobody_where_people_act(learning: GraphClient) -> None:
    school = new_id()
    async with learning.runtime.database.write() as session:
        course = await factories.create_course(session, tutor_id=school)
    program = partner(learning, school)
    mutation = """mutation($id: ID!) { archiveCourse(id: $id) {
      __typename ... on Problem { code } } }"""
    answer = await program.ask(mutation, id=course.id)
    assert answer.data["archiveCourse"]["code"] in ("UNAUTHENTICATED", "FORBIDDEN")
    own = "query($id: ID!) { course(id: $id) { myEnrollment { id } lessons { nodes { id } } } }"
    seen = (await program.ask(own, id=course.id)).data["course"]
    assert seen == {"myEnrollment": None, "lessons": None}
