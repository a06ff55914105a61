"""A tutor publishes a course; a student finds it, enrols and completes a unit."""

from typing import Any

from deploy.demo.journey import Journey

CREATE_COURSE = """\
mutation CreateCourse($input: CreateCourseInput!) {
  createCourse(input: $input) {
    __typename
    ... on Course { id title status seatsLeft }
    ... on Problem { code message field }
  }
}"""
ADD_UNIT = """\
mutation AddUnit($input: AddCourseUnitInput!) {
  addCourseUnit(input: $input) {
    __typename
    ... on CourseUnit { id position title }
    ... on Problem { code message field }
  }
}"""
PUBLISH = """\
mutation PublishCourse($id: ID!) {
  publishCourse(id: $id) {
    __typename
    ... on Course { id status publishedAt }
    ... on Problem { code message }
  }
}"""
SEARCH = """\
query Find($text: String!) {
  searchCourses(filter: { text: $text, hasSeats: true }, first: 3) {
    totalCount
    facets { levels { value count } }
    nodes { id title seatsLeft price { amount currency } tutor { name } }
  }
}"""
ENROLL = """\
mutation Enroll($courseId: ID!, $key: String!) {
  enrollFree(courseId: $courseId, idempotencyKey: $key) {
    __typename
    ... on Enrollment { id status course { title } student { name } }
    ... on Problem { code message }
  }
}"""
COMPLETE = """\
mutation CompleteUnit($unitId: ID!) {
  completeUnit(unitId: $unitId) {
    __typename
    ... on Enrollment { status progress { completedUnits totalUnits percent } }
    ... on Problem { code message }
  }
}"""
OVERVIEW = """\
query Overview {
  me {
    name
    email
    taughtCourses(first: 1) {
      nodes {
        title
        currentStudents
        enrollments(first: 5) {
          nodes {
            student { name timeZone }
            progress { percent }
          }
        }
      }
    }
  }
}"""


def walk(journey: Journey) -> dict[str, Any]:
    """The journey; the last answer. Raises Refused."""
    journey.say("A tutor registers, confirms the address and signs in")
    tutor = journey.join("Ines", "Duarte", "TUTOR", "Europe/Lisbon").token
    journey.say("She begins a course, adds two units and publishes it")
    title = f"Fado guitar {journey.mark}"
    course = journey.ask(
        CREATE_COURSE,
        {"input": {"title": title, "category": "guitar", "durationMinutes": 90, "maxStudents": 5}},
        token=tutor,
    )
    units = [
        journey.ask(ADD_UNIT, {"input": {"courseId": course["id"], "title": name}}, token=tutor)
        for name in ("The guitarra and its tuning", "A first fado")
    ]
    journey.insist(PUBLISH, {"id": course["id"]}, token=tutor)
    journey.say("A student registers, confirms the address and signs in")
    student = journey.join("Tomas", "Reis", "STUDENT", "Atlantic/Azores").token
    journey.say("He finds the course, enrols and completes a unit")
    found = journey.ask(SEARCH, {"text": f'"{title}"'})
    wanted = found["nodes"][0]["id"]
    journey.ask(ENROLL, {"courseId": wanted, "key": f"demo-{journey.mark}-enroll"}, token=student)
    journey.ask(COMPLETE, {"unitId": units[0]["id"]}, token=student)
    journey.say("The tutor sees it all in one federated query")
    overview: dict[str, Any] = journey.ask(OVERVIEW, token=tutor)
    return overview
