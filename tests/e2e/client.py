"""A web app in a few lines: asks the router, reads its mail, waits for news to spread."""

import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import httpx

from deploy.local.platform import Platform
from tests.support.plain import PLAIN

T = TypeVar("T")
PASSWORD = "corvid-lantern-quilted-91"
REGISTER = """mutation($input: RegisterInput!, $key: String) {
  register(input: $input, idempotencyKey: $key) {
    __typename ... on RegistrationAccepted { email } ... on Problem { code field message }
  }
}"""
VERIFY = """mutation($token: String!) {
  verifyEmail(token: $token) { __typename ... on User { id } ... on Problem { code } }
}"""
LOGIN = """mutation($input: LoginInput!) {
  login(input: $input) {
    __typename
    ... on AuthTokens { accessToken refreshToken user { id } }
    ... on Problem { code message }
  }
}"""


def eventually(check: Callable[[], T | None], *, within: float = 30) -> T:
    """The first true result; fails the test when there is none in time."""
    deadline, pause = time.monotonic() + within, 0.05
    while not (found := check()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(pause)
        # Asking costs what is waited for its time.
        pause = min(pause * 1.5, 0.3)
    return found


@contextmanager
def web_app(platform: Platform, **options: Any) -> Iterator["Client"]:
    """A client of a platform's router, not signed in."""
    with httpx.Client(**{"timeout": 20, "trust_env": False, "verify": PLAIN, **options}) as http:
        yield Client(http, platform.router_url, platform.env["MAIL_CATCHER_URL"])


@dataclass(frozen=True)
class Client:
    """Somebody in front of the router; `token` is the access token once signed in."""

    http: httpx.Client
    router: str
    mail: str
    token: str | None = None
    refresh_token: str | None = None
    user_id: str | None = None

    def post(self, query: str, **variables: Any) -> httpx.Response:
        """Send an operation."""
        headers = {"content-type": "application/json"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        # In ASCII, so that a test can send what is no valid text.
        body = json.dumps({"query": query, "variables": variables})
        return self.http.post(f"{self.router}/graphql", content=body, headers=headers)

    def ask(self, query: str, **variables: Any) -> Any:
        """The data of an operation; errors fail the test."""
        body = self.post(query, **variables).json()
        assert not body.get("errors"), body
        return body["data"]

    def act(self, query: str, **variables: Any) -> Any:
        """The only root field of an operation."""
        [root] = self.ask(query, **variables).values()
        return root

    def mails(self, address: str) -> list[dict[str, Any]]:
        """Mails to an address, the newest first."""
        found: list[dict[str, Any]] = self.http.get(
            f"{self.mail}/api/messages", params={"to": address}
        ).json()
        return found

    def mailed_token(self, address: str) -> str:
        """The token of the newest mail that has one."""

        def newest() -> str | None:
            for mail in self.mails(address):
                if found := re.search(r"token=([\w.~-]+)", mail["text"]):
                    return found[1]
            return None

        return str(eventually(newest))

    def register(self, email: str, *, role: str = "STUDENT", **more: Any) -> Any:
        """Register; the answer."""
        person = {
            "email": email,
            "password": PASSWORD,
            "firstName": "Rui",
            "lastName": "Costa",
            "role": role,
            "acceptTerms": "2026-11",
        }
        return self.act(REGISTER, input=person | more)

    def login(self, email: str, password: str = PASSWORD) -> "Client":
        """The same client, signed in."""
        tokens = self.act(LOGIN, input={"email": email, "password": password})
        assert tokens["__typename"] == "AuthTokens", tokens
        return replace(
            self,
            token=tokens["accessToken"],
            refresh_token=tokens["refreshToken"],
            user_id=tokens["user"]["id"],
        )

    def join(self, role: str = "STUDENT", **more: Any) -> "Client":
        """Register, confirm the address, sign in."""
        email = f"{role.lower()}-{secrets.token_hex(6)}@edtech.test"
        assert self.register(email, role=role, **more)["__typename"] == "RegistrationAccepted"
        verified = self.act(VERIFY, token=self.mailed_token(email))
        assert verified["__typename"] == "User", verified
        return self.login(email)
