"""Serves the composed supergraphs by URL, as a registry or an object store does in production."""

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from deploy.local.ports import HOST

PATH = "/supergraph.graphql"
CONTRACT = re.compile(r"/contracts/([a-z][a-z0-9-]*)\.graphql")


class SupergraphServer:
    """The supergraph and those of contracts over HTTP with an ETag, each as it is written now."""

    def __init__(self, file: Path, port: int) -> None:
        self.file = file
        self.url = f"http://{HOST}:{port}{PATH}"
        self._port = port
        self._server: ThreadingHTTPServer | None = None

    def url_of(self, contract: str) -> str:
        """Where the supergraph of a contract is."""
        return self.url.removesuffix(PATH) + f"/contracts/{contract}.graphql"

    def file_of(self, contract: str) -> Path:
        """The file that is served as the supergraph of a contract."""
        return self.file.parent / "contracts" / f"{contract}.graphql"

    def start(self) -> None:
        """Listen; requests are answered in threads of their own."""
        file, file_of = self.file, self.file_of

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                contract = CONTRACT.fullmatch(self.path)
                wanted = file_of(contract[1]) if contract else file if self.path == PATH else None
                try:
                    body = wanted.read_bytes() if wanted else None
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
