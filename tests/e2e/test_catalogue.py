"""From registration to a completed unit, and one federated answer over all of it."""

import io

from rich.console import Console

from deploy.demo import Journey, backstage_of, course, lesson
from deploy.dev import first_query
from deploy.local.platform import Platform
from tests.e2e.client import Client


def test_tutor_publishes_and_student_studies(platform: Platform) -> None:
    journey = Journey(
        platform.router_url, platform.env["MAIL_CATCHER_URL"], Console(file=io.StringIO())
    )
    try:
        overview = course.walk(journey)
    finally:
        journey.close()
    [taught] = overview["taughtCourses"]["nodes"]
    assert overview["name"] == "Ines Duarte"
    assert taught["currentStudents"] == 1
    assert taught["enrollments"]["nodes"] == [
        {
            "student": {"name": "Tomas Reis", "timeZone": "Atlantic/Azores"},
            "progress": {"percent": 50},
        }
    ]


def test_demo_of_a_lesson_ends_with_the_tutors_statement(platform: Platform) -> None:
    shown = io.StringIO()
    journey = Journey(platform.router_url, platform.env["MAIL_CATCHER_URL"], Console(file=shown))
    try:
        statement = lesson.walk(journey, backstage_of(platform.env))
    finally:
        journey.close()
    [earned] = statement["tutorStatement"]["earnings"]
    assert (earned["payments"], earned["transferred"]["amount"]) == (2, 3200)
    # Terminals are recorded: no secret stands there whole.
    assert "_secret_" not in shown.getvalue()


def test_printed_query_answers_for_guests(client: Client) -> None:
    found = client.act(first_query())
    assert set(found) == {"totalCount", "nodes"}


def test_private_fields_of_others_are_null_and_one_s_own_are_not(client: Client) -> None:
    ana, ben = client.join(), client.join()
    query = (
        "query($id: ID!) { user(id: $id) { name email phone enrolledCourses { nodes { id } } } }"
    )
    own = ana.act(query, id=ana.user_id)
    assert own["email"].startswith("student-")
    assert own["enrolledCourses"] == {"nodes": []}
    seen_by_ben = ben.act(query, id=ana.user_id)
    assert seen_by_ben == {
        "name": "Rui Costa",
        "email": None,
        "phone": None,
        "enrolledCourses": None,
    }
    assert client.act(query, id=ana.user_id) == seen_by_ben


def test_unknown_and_malformed_ids_are_null(client: Client) -> None:
    unknown = "0190163d-8694-739b-aea5-966c26f8ad91"
    for id_ in (unknown, "nonsense", "", "../../etc/passwd", "0" * 1000):
        assert client.ask(
            "query($id: ID!) { user(id: $id) { id } course(id: $id) { id } }", id=id_
        ) == {"user": None, "course": None}
