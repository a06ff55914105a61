"""Processes die by kill -9 while people register and enrol; nothing acknowledged is lost."""

import os
import random
import secrets
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psycopg
import pytest

from deploy.local.platform import Platform
from schema.registry import names
from tests.e2e.client import PASSWORD, REGISTER, Client, eventually, web_app
from tests.e2e.conftest import GENEROUS

ENROLL = """mutation($id: ID!, $key: String!) {
  enrollFree(courseId: $id, idempotencyKey: $key) {
    __typename ... on Enrollment { id status } ... on Problem { code message }
  }
}"""
LOGIN = """mutation($input: LoginInput!) {
  login(input: $input) {
    __typename ... on AuthTokens { accessToken user { id } } ... on Problem { code message }
  }
}"""
SCARCE_SEATS = 7
STUBBORN_SECONDS = 90
TRANSIENT = {"UNAVAILABLE", "TIMEOUT", "INTERNAL", "UNAUTHENTICATED"}


class Acknowledged(NamedTuple):
    """What somebody was told: of the account, of a seat in the wide and in the scarce course."""

    email: str
    user_id: str
    wide: str
    scarce: str


def stubborn(client: Client, query: str, **variables: Any) -> Any:
    """Repeat an operation until its answer is final, as a client with an idempotency key does."""
    deadline = time.monotonic() + STUBBORN_SECONDS
    while time.monotonic() < deadline:
        try:
            body = client.post(query, **variables).json()
        except (httpx.HTTPError, ValueError):
            time.sleep(0.2)
            continue
        if not body.get("errors"):
            [root] = body["data"].values()
            if root["__typename"] != "Problem" or root["code"] not in TRANSIENT:
                return root
        time.sleep(0.2)
    raise AssertionError(f"no final answer: {body}")


def rows(platform: Platform, database: str, sql: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(
        host="127.0.0.1", port=platform.env["DB_PORT"], user="postgres", dbname=database
    ) as connection:
        return connection.execute(sql).fetchall()


def murders(platform: Platform) -> list[tuple[str, Callable[[], None]]]:
    """Ways to kill a part and bring it back."""

    def again(role: str) -> None:
        platform.processes[role].kill()
        platform.processes[role].start()

    def service(name: str) -> None:
        part = getattr(platform.stack, name)
        part.kill()
        time.sleep(1)
        part.start()

    return [
        ("api", lambda: again("serve")),
        ("worker", lambda: again("worker")),
        ("Kafka", lambda: service("kafka")),
        ("PostgreSQL", lambda: service("postgres")),
    ]


def storm(platform: Platform, people: int, times: int) -> None:
    """Let people register and enrol while every part dies so often; everything must add up.

    A part dies amid the answers of a group of people, and the next one only once the group is
    through: deaths by the clock would come faster than a slow machine starts anything.
    """
    http = httpx.Client(timeout=10, trust_env=False, limits=httpx.Limits(max_connections=20))
    client = Client(http, platform.router_url, platform.env["MAIL_CATCHER_URL"])
    tutor = client.join("TUTOR")
    wide, scarce = (course(tutor, f"Course of {seats}", seats) for seats in (people, SCARCE_SEATS))
    answered = threading.Semaphore(0)

    def ask(by: Client, query: str, **variables: Any) -> Any:
        answer = stubborn(by, query, **variables)
        answered.release()
        return answer

    def live(number: int) -> Acknowledged:
        email = f"storm-{number}-{secrets.token_hex(4)}@edtech.test"
        person = {
            "email": email,
            "password": PASSWORD,
            "firstName": "Storm",
            "lastName": str(number),
            "acceptTerms": "2026-11",
        }
        ask(client, REGISTER, input=person, key=f"register-{email}")
        tokens = ask(client, LOGIN, input={"email": email, "password": PASSWORD})
        own = replace(client, token=tokens["accessToken"])
        outcomes = [ask(own, ENROLL, id=id_, key=f"enroll-{id_}-{email}") for id_ in (wide, scarce)]
        codes = [outcome.get("code", "ENROLLED") for outcome in outcomes]
        return Acknowledged(email, tokens["user"]["id"], *codes)

    acknowledged: list[Acknowledged] = []
    parts = murders(platform) * times
    with ThreadPoolExecutor(8) as pool:
        for turn, (_, kill) in enumerate(parts):
            numbers = range(people * turn // len(parts), people * (turn + 1) // len(parts))
            living = [pool.submit(live, number) for number in numbers]
            # Of four answers to each, so that some are always still to come.
            for _ in range(random.randint(1, 3 * len(living))):
                assert answered.acquire(timeout=STUBBORN_SECONDS), "nobody is answered"
            kill()
            acknowledged += [person.result() for person in living]
            while answered.acquire(blocking=False):
                pass
    platform.wait_for_subgraphs()
    check(platform, acknowledged, wide, scarce, people)
    http.close()


def course(tutor: Client, title: str, seats: int) -> str:
    created = tutor.act(
        """mutation($input: CreateCourseInput!) {
             createCourse(input: $input) { ... on Course { id } } }""",
        input={"title": title, "durationMinutes": 30, "maxStudents": seats},
    )
    tutor.act(
        """mutation($input: AddCourseUnitInput!) {
             addCourseUnit(input: $input) { __typename } }""",
        input={"courseId": created["id"], "title": "One"},
    )
    publish = "mutation($id: ID!) { publishCourse(id: $id) { __typename } }"
    eventually(lambda: tutor.act(publish, id=created["id"])["__typename"] == "Course")
    return str(created["id"])


def check(
    platform: Platform,
    acknowledged: list[Acknowledged],
    wide: str,
    scarce: str,
    people: int,
) -> None:
    """Every acknowledged write is there, every event took effect once, seats equal rows."""
    assert len(acknowledged) == people
    assert [a.wide for a in acknowledged] == ["ENROLLED"] * people
    assert Counter(a.scarce for a in acknowledged) == {
        "ENROLLED": SCARCE_SEATS,
        "COURSE_FULL": people - SCARCE_SEATS,
    }
    users = {
        str(id_): (email, version)
        for id_, email, version in rows(
            platform, "edtech_identity_db", "SELECT id, email, version FROM users"
        )
    }
    assert {(a.email, a.user_id) for a in acknowledged} <= {(e, i) for i, (e, _) in users.items()}
    assert len({email.lower() for email, _ in users.values()}) == len(users)
    eventually(
        lambda: all(
            rows(
                platform,
                f"edtech_{name}_db",
                "SELECT count(*) FROM outbox WHERE published_at IS NULL",
            )
            == [(0,)]
            for name in names()
        ),
        within=60,
    )
    eventually(
        lambda: (
            dict(
                rows(platform, "edtech_learning_db", "SELECT user_id::text, version FROM user_refs")
            )
            == {id_: version for id_, (_, version) in users.items()}
        ),
        within=60,
    )
    seats = rows(
        platform,
        "edtech_learning_db",
        "SELECT c.id::text, c.current_students, count(e.id) FROM courses c"
        " LEFT JOIN enrollments e ON e.course_id = c.id AND e.status <> 'CANCELLED' GROUP BY 1, 2",
    )
    assert sorted(seats) == sorted([(wide, people, people), (scarce, SCARCE_SEATS, SCARCE_SEATS)])
    activated = rows(
        platform,
        "edtech_learning_db",
        "SELECT count(*), count(DISTINCT key) FROM outbox"
        " WHERE type = 'edtech.learning.enrollment.activated.v1'",
    )
    assert activated == [(people + SCARCE_SEATS, people + SCARCE_SEATS)]
    assert rows(platform, "edtech_learning_db", "SELECT count(*) FROM dead_letters") == [(0,)]


@pytest.mark.timeout(300)
def test_nothing_acknowledged_is_lost_when_parts_are_killed(split_platform: Platform) -> None:
    storm(split_platform, people=40, times=1)


def test_request_in_flight_finishes_when_the_api_is_told_to_stop(split_platform: Platform) -> None:
    with web_app(split_platform) as client:
        wanted = course(client.join("TUTOR"), "Course that is locked", 5)
        student = client.join()
        api = split_platform.processes["serve"]
        pid = api.pid
        assert pid is not None
        with (
            psycopg.connect(
                host="127.0.0.1",
                port=split_platform.env["DB_PORT"],
                user="postgres",
                dbname="edtech_learning_db",
            ) as held,
            ThreadPoolExecutor(1) as pool,
        ):
            held.execute("SELECT 1 FROM courses WHERE id = %s FOR UPDATE", (wanted,))
            answer = pool.submit(student.post, ENROLL, id=wanted, key="enrolled-while-stopping")
            eventually(
                lambda: rows(
                    split_platform,
                    "edtech_learning_db",
                    "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
                )
            )
            os.kill(pid, signal.SIGTERM)
            time.sleep(0.3)
            held.commit()
            body = answer.result(timeout=20).json()
        assert body["data"]["enrollFree"]["__typename"] == "Enrollment", body
        eventually(lambda: api.pid is None)
        assert api.kill() == 0
        api.start()
        split_platform.wait_for_subgraphs()
        eventually(lambda: student.post("{ me { id } }").json()["data"]["me"])


def test_worker_stops_in_order_while_kafka_is_away(split_platform: Platform) -> None:
    worker = split_platform.processes["worker"]
    split_platform.stack.kafka.kill()
    try:
        pid = worker.pid
        assert pid is not None
        time.sleep(1)
        os.kill(pid, signal.SIGTERM)
        eventually(lambda: worker.pid is None)
        assert worker.kill() == 0
    finally:
        split_platform.stack.kafka.start()
        worker.start()
        split_platform.wait_for_subgraphs()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nothing_is_lost_in_a_thousand_registrations_and_enrolments() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="edtech-faults-") as folder,
        Platform(Path(folder), durable=True, split=True, settings=GENEROUS) as running,
    ):
        storm(running, people=1000, times=7)
