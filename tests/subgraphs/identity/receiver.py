"""A partner's server that takes webhooks, and misbehaves when it is told to."""

import base64
import hashlib
import hmac
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson


@dataclass(frozen=True)
class Received:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """What tells a message from others."""
        return self.headers["webhook-id"]

    @property
    def content(self) -> dict[str, Any]:
        """The message."""
        found: dict[str, Any] = orjson.loads(self.body)
        return found

    def signed_with(self, secret: str) -> bool:
        """Check as Standard Webhooks tells receivers to."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        wanted = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        return f"v1,{wanted}" in self.headers["webhook-signature"].split(" ")


@dataclass
class Receiver:
    """`status` and `answer` are what it says; `hangs` keeps everybody waiting."""

    status: int = 204
    answer: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False
    drips: bool = False
    requests: list[Received] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Listen on a free port."""
        self.released = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.requests.append(Received(self.path, headers, self.rfile.read(length)))
                if receiver.hangs:
                    receiver.released.wait(30)
                    return
                self.send_response(receiver.status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(receiver.answer)))
                self.end_headers()
                self.wfile.write(receiver.answer[:10] if receiver.drips else receiver.answer)
                if receiver.drips:
                    receiver.released.wait(30)

            def log_message(self, format: str, *args: Any) -> None:
                return

            def handle(self) -> None:
                # The sender stops reading where it likes.
                try:
                    super().handle()
                except ConnectionError:
                    return

        class Server(ThreadingHTTPServer):
            # With its usual five, connections that come at once to a busy machine are reset.
            request_queue_size = 128

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}/hooks"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Let everybody go and stop."""
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
