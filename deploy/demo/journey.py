"""A web app that shows what it does: each operation with its answer, through the router."""

import json
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
from rich.console import Console
from rich.syntax import Syntax

PATIENCE = 30.0
# Refusals that end by themselves when the events of another subgraph arrive.
NOT_YET = ("UNAVAILABLE", "EMAIL_NOT_VERIFIED", "PAYABLE_NOT_READY", "TUTOR_NOT_BOOKABLE")

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


class Refused(Exception):
    """The platform answered with errors or a Problem where the journey cannot go on."""


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in."""

    id: str
    email: str
    password: str
    token: str


class Journey:
    """Asks the router and shows each operation with its answer."""

    def __init__(self, router: str, mail: str, console: Console) -> None:
        # Tells the people of this run from those of others.
        self.mark = secrets.token_hex(3)
        self._http = httpx.Client(timeout=15, trust_env=False)
        self._router, self._mail, self._console = router, mail, console
        self._silent = False

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def say(self, text: str) -> None:
        """A heading between the operations."""
        self._console.rule(f"[bold]{text}")

    def ask(
        self, query: str, variables: dict[str, Any] | None = None, *, token: str | None = None
    ) -> Any:
        """The answer: its root field, if there is one only. Raises Refused for errors, Problems."""
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
        data = body["data"]
        return data if len(data) > 1 else next(iter(data.values()))

    def insist(self, query: str, variables: dict[str, Any], *, token: str) -> Any:
        """Ask until another subgraph has heard the news: events take a moment."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self.ask(query, variables, token=token)
            except Refused as refusal:
                retryable = str(refusal).startswith(NOT_YET)
                if not retryable or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def await_(self, ask: Callable[[], Any], done: Callable[[Any], bool]) -> Any:
        """Look again until the news has spread, and show the last answer. Raises Refused."""
        deadline = time.monotonic() + PATIENCE
        self._silent = True
        try:
            while not done(ask()):
                if time.monotonic() > deadline:
                    raise Refused("The news did not spread in time.")
                time.sleep(0.2)
        finally:
            self._silent = False
        return ask()

    def note(self, text: str) -> None:
        """What happens outside the web app."""
        self._console.print(f"[dim]({text})[/]")

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

    def join(self, first: str, last: str, role: str, zone: str) -> Person:
        """Register, confirm the address by the mail's link, sign in."""
        email = f"{first.lower()}-{self.mark}@edtech.example"
        password = secrets.token_urlsafe(18)
        person = {
            "email": email,
            "password": password,
            "firstName": first,
            "lastName": last,
            "role": role,
            "timeZone": zone,
            "acceptTerms": "2026-11",
        }
        self.ask(REGISTER, {"input": person})
        self.ask(VERIFY, {"token": self.link_token(email)})
        return self.sign_in(email, password)

    def sign_in(self, email: str, password: str) -> Person:
        """A session."""
        tokens = self.ask(LOGIN, {"input": {"email": email, "password": password}})
        return Person(str(tokens["user"]["id"]), email, password, str(tokens["accessToken"]))

    def _show(self, query: str, variables: dict[str, Any] | None, body: Any) -> None:
        if self._silent:
            return
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
                if key
                in (
                    "accessToken",
                    "refreshToken",
                    "password",
                    "token",
                    "clientSecret",
                    "offerToken",
                    "offer",
                )
                else cut(text)
                for key, text in item.items()
            }
        return [cut(each) for each in item] if isinstance(item, list) else item

    return json.dumps(cut(value), indent=2, ensure_ascii=False)
