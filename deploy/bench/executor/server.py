"""One Python executor behind uvicorn: `python -m deploy.bench.executor.server KIND PORT`."""

import sys
from collections.abc import Callable
from typing import Any

import strawberry
from starlette.types import Receive, Scope, Send
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache

from deploy.bench.executor.graph import Query, context
from deploy.bench.serving import serve
from shared import over_http
from shared.endpoint import read_body
from shared.executor import CompiledSchema


def plain_schema(*, caches: bool = False) -> strawberry.federation.Schema:
    """Strawberry as it comes, or with its extensions that remember documents."""
    memories = (lambda: ParserCache(maxsize=100), lambda: ValidationCache(maxsize=100))
    extensions = memories if caches else ()
    return strawberry.federation.Schema(Query, extensions=extensions, federation_version="2.9")


def compiled_schema() -> CompiledSchema:
    """The same schema, compiled."""
    return CompiledSchema(Query, federation_version="2.9")


class _Strawberry(GraphQL[dict[str, Any], None]):
    async def get_context(self, request: Any, response: Any) -> dict[str, Any]:
        """A loader of its own for each request."""
        return context()


def compiled_app() -> Any:
    """The platform's way over HTTP, without the router's proof and the caller's token."""
    schema = compiled_schema()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        kind = over_http.media_type(headers.get(b"accept"))
        asked = over_http.read(
            scope["method"],
            headers.get(b"content-type"),
            scope["query_string"],
            await read_body(receive),
        )
        result = await schema.execute(
            asked.query,
            asked.variables,
            context(),
            operation_name=asked.operation_name,
            allowed_operation_types=asked.allowed,
        )
        status, body = over_http.answer(result, kind)
        sent = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": sent})
        await send({"type": "http.response.body", "body": body})

    return app


APPS: dict[str, Callable[[], Any]] = {
    "plain": lambda: _Strawberry(plain_schema()),
    "caches": lambda: _Strawberry(plain_schema(caches=True)),
    "compiled": compiled_app,
}


def main(kind: str, port: int) -> None:
    """Serve on the loopback until SIGTERM, as the subgraphs are served."""
    serve(APPS[kind](), port)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
