"""The GraphQL endpoint of a subgraph: proof, token, limits, context, metrics, trace.

Every subgraph is served by this one class, so that it can be replaced beneath all of them.
"""

import json
import time
from collections.abc import Mapping
from typing import Any

import orjson
import structlog
from opentelemetry import propagate, trace
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.unset import UnsetType

from shared import over_http
from shared.auth import SIGNATURE_HEADER, WEBSOCKET_SKEW_SECONDS, Authenticator, verify_proof
from shared.errors import DomainError, Unauthenticated
from shared.graph import BaseContext
from shared.ids import new_id
from shared.runtime import Runtime, Subgraph
from shared.telemetry import REQUESTS, current_correlation, log, story, tracer
from shared.viewer import Viewer

MOST_BODY_BYTES = 2 * 1024 * 1024
_STATUS = {"UNAUTHENTICATED": 401, "UNAVAILABLE": 503, "INVALID_INPUT": 413}


class BodyTooLarge(DomainError):
    """The request's body is larger than any honest one."""

    code = "INVALID_INPUT"


def refusal(error: DomainError) -> Response:
    """A refusal of the whole request: one GraphQL error with its code."""
    code = error.general_code() if not isinstance(error, BodyTooLarge) else "INVALID_INPUT"
    headers = {"www-authenticate": "Bearer"} if code == "UNAUTHENTICATED" else None
    return _one_error(code, error.message, _STATUS.get(code, 500), headers, over_http.JSON)


def bad_request(error: over_http.BadRequest, kind: str) -> Response:
    """What is no GraphQL request: one error, with the status that HTTP has for it."""
    return _one_error("INVALID_INPUT", error.message, error.status, error.headers, kind)


def _one_error(
    code: str, message: str, status: int, headers: Mapping[str, str] | None, kind: str
) -> Response:
    extensions = {"code": code, "requestId": current_correlation()}
    body = {"errors": [{"message": message, "extensions": extensions}]}
    return Response(orjson.dumps(body), status, headers, kind)


async def read_body(receive: Receive) -> bytes:
    """The request's whole body. Raises BodyTooLarge."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(chunks)
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > MOST_BODY_BYTES:
            raise BodyTooLarge(f"The body exceeds the limit of {MOST_BODY_BYTES} bytes.")
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)


def again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once more, then whatever follows."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def signed_bytes(scope: Scope, body: bytes) -> bytes:
    """What the router's signature covers: the body; for a GraphQL query over GET, its text."""
    if scope["method"] == "GET" and scope["path"].endswith("/graphql"):
        return bytes(scope["query_string"])
    return body


class Gate:
    """ASGI middleware: lets in what the router signed, and names the request for logs."""

    def __init__(self, app: Any, secrets: list[bytes], *, open_paths: tuple[str, ...] = ()) -> None:
        self._app, self._secrets, self._open = app, secrets, open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 to what the router did not sign; WebSockets prove themselves."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        request_id = headers.get("x-request-id") or str(new_id())
        with story(correlation=request_id):
            try:
                body = await read_body(receive)
                signature = headers.get(SIGNATURE_HEADER, "")
                proof = verify_proof(self._secrets, signature, signed_bytes(scope, body))
                if proof is None and not scope["path"].startswith(self._open or ("\0",)):
                    raise Unauthenticated("Only the router may ask.")
            except DomainError as error:
                await refusal(error)(scope, receive, send)
                return
            scope.setdefault("state", {}).update(
                ip=proof.ip if proof else None, headers=headers, body=body
            )
            with tracer.start_as_current_span(
                f"{scope['method']} {scope['path']}",
                context=propagate.extract(headers),
                kind=trace.SpanKind.SERVER,
            ):
                await self._app(scope, again(body, receive), send)


class Endpoint(GraphQL[BaseContext, None]):
    """GraphQL over HTTP and graphql-transport-ws for one subgraph."""

    def __init__(self, subgraph: Subgraph, runtime: Runtime, authenticator: Authenticator) -> None:
        super().__init__(
            subgraph.schema,
            graphql_ide=None,
            allow_queries_via_get=False,
            # The router puts all subscriptions with equal identity on one socket.
            max_subscriptions_per_connection=None,
        )
        self._subgraph, self._runtime, self._authenticator = subgraph, runtime, authenticator
        subgraph.schema.configure(runtime.settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Authenticate, then execute; the outcome and the time go to the metrics."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        started = time.perf_counter()
        outcome = "refused"
        state = scope["state"]
        headers: Mapping[str, str] = state["headers"]
        try:
            viewer = await self._viewer(
                headers.get("authorization"),
                ip=state["ip"],
                user_agent=headers.get("user-agent"),
            )
            outcome = "answered"
            with structlog.contextvars.bound_contextvars(
                user_id=viewer.user_id and str(viewer.user_id)
            ):
                response = await self._answer(scope, headers, state["body"], viewer)
        except DomainError as error:
            response = refusal(error)
        except Exception:
            outcome = "failed"
            log.exception("request failed", subgraph=self._subgraph.name)
            response = refusal(DomainError("Unexpected error."))
        finally:
            elapsed = time.perf_counter() - started
            REQUESTS.labels(self._subgraph.name, outcome).observe(elapsed)
        await response(scope, receive, send)

    async def _answer(
        self, scope: Scope, headers: Mapping[str, str], body: bytes, viewer: Viewer
    ) -> Response:
        """Execute what is asked; what is no GraphQL request is refused with the fitting status."""
        method: str = scope["method"]
        kind = over_http.JSON
        try:
            kind = over_http.media_type(headers.get("accept"))
            asked = over_http.read(method, headers.get("content-type"), scope["query_string"], body)
            context = self._subgraph.context(
                viewer=viewer, runtime=self._runtime, language=headers.get("accept-language")
            )
            result = await self.schema.execute(
                asked.query,
                asked.variables,
                context,
                operation_name=asked.operation_name,
                allowed_operation_types=asked.allowed,
                operation_extensions=asked.extensions,
            )
        except over_http.BadRequest as error:
            return bad_request(error, kind)
        except CannotGetOperationTypeError as error:
            return bad_request(over_http.BadRequest(f"{error.as_http_error_reason()}."), kind)
        except InvalidOperationTypeError as error:
            reason = f"{error.as_http_error_reason(method).capitalize()}."
            return bad_request(over_http.BadRequest(reason, 405, allow="POST"), kind)
        status, content = over_http.answer(result, kind)
        return Response(content, status, media_type=kind)

    async def _viewer(
        self, authorization: str | None, *, ip: str | None, user_agent: str | None
    ) -> Viewer:
        viewer = await self._authenticator.viewer(authorization, ip=ip, user_agent=user_agent)
        if viewer.user_id is None:
            return viewer
        async with self._runtime.database.read() as session:
            return await self._subgraph.authorize(session, viewer)

    async def get_context(
        self, request: Request | WebSocket, response: Response | WebSocket
    ) -> BaseContext:
        """The context of one socket before its connection init."""
        return self._subgraph.context(
            viewer=Viewer(),
            runtime=self._runtime,
            language=request.headers.get("accept-language"),
        )

    async def on_ws_connect(self, context: BaseContext) -> UnsetType | dict[str, object] | None:
        """Accept a socket that the router signed, with the viewer of its connection init."""
        params = context.connection_params or {}
        authorization = str(params.get("authorization") or "")
        proof = verify_proof(
            self._runtime.settings.gateway_secrets,
            str(params.get(SIGNATURE_HEADER) or ""),
            authorization.encode(),
            skew=WEBSOCKET_SKEW_SECONDS,
        )
        if proof is None:
            raise ConnectionRejectionError({"reason": "Only the router may ask."})
        try:
            context.viewer = await self._viewer(authorization, ip=proof.ip, user_agent=None)
        except DomainError as error:
            raise ConnectionRejectionError({"reason": error.message}) from error
        return await super().on_ws_connect(context)

    def decode_json(self, data: str | bytes) -> object:
        """A JSON object; anything else is a bad request and no accident."""
        try:
            value = json.loads(data)
        except RecursionError:
            value = None
        if not isinstance(value, dict):
            raise json.JSONDecodeError("a JSON object is wanted", "", 0)
        return value

    def encode_json(self, data: object) -> str:
        """JSON by orjson, as text: WebSocket clients expect text frames."""
        return orjson.dumps(data).decode()
