"""`edtech demo`: a tutor publishes a course; a student finds it, enrols and completes a unit.

Everything goes through the router, as from a web app; links are taken from the mail catcher.
"""

import json
import re
import secrets
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.panel import Panel
from rich.syntax import Syntax

from deploy.dev import FOLDER, ProgressTable
from deploy.local.errors import LocalServiceError
from deploy.local.platform import Platform, running_environment

PATIENCE = 30.0

REGISTER = """\
mutation Register($input: RegisterInput!) {
  register(input: $input) {
    __typename
    ... on RegistrationAccepted { email }
    ... on Problem { code message field }
  }
}"""
VERIFY = """\
mutation VerifyEmail($token: String!) {
  verifyEmail(token: $token) {
    __typename
    ... on User { id status }
    ... on Problem { code message }
  }
}"""
LOGIN = """\
mutation Login($input: LoginInput!) {
  login(input: $input) {
    __typename
    ... on AuthTokens { accessToken expiresAt user { id name roles } }
    ... on Problem { code message }
  }
}"""
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


class Refused(Exception):
    """The platform answered with errors or a Problem where the journey cannot go on."""


class Journey:
    """Asks the router and shows each operation with its answer."""

    def __init__(self, router: str, mail: str, console: Console) -> None:
        self._http = httpx.Client(timeout=15, trust_env=False)
        self._router, self._mail, self._console = router, mail, console

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def say(self, text: str) -> None:
        """A heading between the operations."""
        self._console.rule(f"[bold]{text}")

    def ask(
        self, query: str, variables: dict[str, Any] | None = None, *, token: str | None = None
    ) -> Any:
        """The answer's only root field. Raises Refused for errors and Problems."""
        root = self._send(query, variables, token)
        if isinstance(root, dict) and root.get("__typename") == "Problem":
            raise Refused(f"{root['code']}: {root['message']}")
        return root

    def _send(self, query: str, variables: dict[str, Any] | None, token: str | None) -> Any:
        answer = self._http.post(
            f"{self._router}/graphql",
            json={"query": query, "variables": variables or {}},
            headers={"authorization": f"Bearer {token}"} if token else {},
        )
        body = answer.json()
        self._show(query, variables, body)
        if body.get("errors"):
            raise Refused("; ".join(error["message"] for error in body["errors"]))
        [root] = body["data"].values()
        return root

    def insist(self, query: str, variables: dict[str, Any], *, token: str) -> Any:
        """Ask until another subgraph has heard the news: events take a moment."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self.ask(query, variables, token=token)
            except Refused as refusal:
                retryable = str(refusal).startswith(("UNAVAILABLE", "EMAIL_NOT_VERIFIED"))
                if not retryable or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def link_token(self, address: str) -> str:
        """The token in the newest mail to an address. Raises Refused when none comes."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            mails = self._http.get(f"{self._mail}/api/messages", params={"to": address}).json()
            found = re.search(r"token=([\w.~-]+)", mails[0]["text"]) if mails else None
            if found:
                self._console.print(f"[dim]mail to {address}: “{mails[0]['subject']}”[/]")
                return found[1]
            time.sleep(0.2)
        raise Refused(f"No mail came to {address}.")

    def _show(self, query: str, variables: dict[str, Any] | None, body: Any) -> None:
        self._console.print(Syntax(query, "graphql", background_color="default"))
        if variables:
            self._console.print(Syntax(_json(variables), "json", background_color="default"))
        self._console.print("[bold green]→[/]")
        self._console.print(Syntax(_json(body), "json", background_color="default"))


def _json(value: Any) -> str:
    """As JSON, with tokens and passwords cut short: terminals are recorded."""

    def cut(item: Any) -> Any:
        if isinstance(item, dict):
            return {
                key: f"{str(text)[:6]}…"
                if key in ("accessToken", "refreshToken", "password", "token")
                else cut(text)
                for key, text in item.items()
            }
        return [cut(each) for each in item] if isinstance(item, list) else item

    return json.dumps(cut(value), indent=2, ensure_ascii=False)


def walk(journey: Journey) -> dict[str, Any]:
    """The journey; the last answer. Raises Refused."""
    mark = secrets.token_hex(3)

    def join(first: str, last: str, role: str, zone: str) -> str:
        email, password = f"{first.lower()}-{mark}@edtech.example", secrets.token_urlsafe(18)
        person = {
            "email": email,
            "password": password,
            "firstName": first,
            "lastName": last,
            "role": role,
            "timeZone": zone,
            "acceptTerms": "2026-11",
        }
        journey.ask(REGISTER, {"input": person})
        journey.ask(VERIFY, {"token": journey.link_token(email)})
        tokens = journey.ask(LOGIN, {"input": {"email": email, "password": password}})
        return str(tokens["accessToken"])

    journey.say("A tutor registers, confirms the address and signs in")
    tutor = join("Ines", "Duarte", "TUTOR", "Europe/Lisbon")
    journey.say("She begins a course, adds two units and publishes it")
    title = f"Fado guitar {mark}"
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
    student = join("Tomas", "Reis", "STUDENT", "Atlantic/Azores")
    journey.say("He finds the course, enrols and completes a unit")
    found = journey.ask(SEARCH, {"text": f'"{title}"'})
    wanted = found["nodes"][0]["id"]
    journey.ask(ENROLL, {"courseId": wanted, "key": f"demo-{mark}-enroll"}, token=student)
    journey.ask(COMPLETE, {"unitId": units[0]["id"]}, token=student)
    journey.say("The tutor sees it all in one federated query")
    overview: dict[str, Any] = journey.ask(OVERVIEW, token=tutor)
    return overview


def run(console: Console) -> None:
    """Walk it on the running `make dev`, else on services of its own. Raises LocalServiceError."""
    running = running_environment(FOLDER)
    if running is not None:
        _walk(running["ROUTER_URL"], running["MAIL_CATCHER_URL"], console)
        return
    console.print("`make dev` is not running: starting services of the demo's own.")
    with tempfile.TemporaryDirectory(prefix="edtech-demo-") as folder:
        with ProgressTable(console) as table:
            platform = Platform(Path(folder), progress=table.show)
            platform.start()
        try:
            _walk(platform.router_url, platform.env["MAIL_CATCHER_URL"], console)
        finally:
            platform.stop()


def _walk(router: str, mail: str, console: Console) -> None:
    journey = Journey(router, mail, console)
    try:
        walk(journey)
    except (Refused, httpx.HTTPError) as error:
        raise LocalServiceError(f"The demo stopped: {error}") from error
    finally:
        journey.close()
    console.print(Panel("The whole journey went through the router.", border_style="green"))
