"""Serves the composed supergraph by URL, as a registry or an object store does in production."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from deploy.local.ports import HOST

PATH = "/supergraph.graphql"


class SupergraphServer:
    """One file over HTTP with an ETag; a new content is served as soon as it is written."""

    def __init__(self, file: Path, port: int) -> None:
        self.file = file
        self.url = f"http://{HOST}:{port}{PATH}"
        self._port = port
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Listen; requests are answered in threads of their own."""
        file = self.file

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                try:
                    body = file.read_bytes() if self.path == PATH else None
                except OSError:
                    body = None
                etag = f'"{hashlib.sha256(body or b"").hexdigest()[:32]}"'
                status = 404 if body is None else 200
                if body is not None and self.headers.get("if-none-match") == etag:
                    status, body = 304, b""
                self.send_response(status)
                self.send_header("etag", etag)
                self.send_header("content-type", "text/plain; charset=utf-8")
                self.send_header("content-length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, format: str, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer((HOST, self._port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Close the port."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
