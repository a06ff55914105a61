"""Access tokens as identity signs them, with a key of the tests, and a JWKS server for it."""

import threading
import time
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import orjson
from joserfc import jwt
from joserfc.jwk import ECKey

from shared.ids import new_id
from tests.support.services import ISSUER

KEY = ECKey.generate_key(
    "P-256", parameters={"kid": "tests", "use": "sig", "alg": "ES256"}, private=True
)


def token(
    user_id: UUID,
    *,
    roles: Iterable[str] = ("student",),
    version: int = 1,
    session_id: UUID | None = None,
    key: ECKey = KEY,
    header: dict[str, Any] | None = None,
    **claims: Any,
) -> str:
    """An access token; further claims replace the usual ones."""
    now = int(time.time())
    usual = {
        "iss": ISSUER,
        "aud": "graph",
        "sub": str(user_id),
        "roles": list(roles),
        "scope": "",
        "sid": str(session_id or new_id()),
        "ver": version,
        "iat": now,
        "exp": now + 600,
    }
    return jwt.encode(header or {"alg": "ES256", "kid": "tests"}, usual | claims, key)


class JwksServer:
    """Publishes public keys over HTTP and counts how often it is asked."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = [dict(KEY.as_dict(private=False))]
        self.requests = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests += 1
                body = orjson.dumps({"keys": outer.keys})
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/jwks.json"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
