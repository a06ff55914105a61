"""Routes beside GraphQL: the provider's notifications, and documents as PDF."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shared.errors import Unavailable
from shared.telemetry import log
from subgraphs.payment.ports import BadNotification
from subgraphs.payment.runtime import PaymentRuntime
from subgraphs.payment.service import documents, webhooks

NO_STORE = {"cache-control": "no-store"}


def _runtime(request: Request) -> PaymentRuntime:
    runtime: PaymentRuntime = request.app.state.runtime
    return runtime


async def stripe(request: Request) -> Response:
    """Take a notification: 400 for what the provider did not sign, 200 for all else it sends."""
    runtime = _runtime(request)
    try:
        notification = runtime.provider.verify(
            await request.body(), request.headers.get("stripe-signature")
        )
    except BadNotification:
        return Response(status_code=400)
    try:
        async with runtime.database.write() as session:
            status = await webhooks.receive(session, notification)
    except Unavailable:
        # The provider sends it again.
        return Response(status_code=503)
    log.info("notification", type=notification.type, id=notification.id, status=status)
    return Response(status_code=200)


async def document(request: Request) -> Response:
    """A PDF for whoever has its link, while the link is valid."""
    runtime = _runtime(request)
    token = request.query_params.get("token", "")
    async with runtime.database.read() as session:
        found = await documents.open_document(
            session, runtime.settings, token, name=request.path_params["name"]
        )
    if found is None:
        return Response(status_code=404, headers=NO_STORE)
    headers = {**NO_STORE, "content-disposition": f'inline; filename="{found.name}"'}
    return Response(found.content, 200, headers, "application/pdf")


routes = [
    Route("/webhooks/stripe", stripe, methods=["POST"]),
    Route("/documents/{name}", document, methods=["GET"]),
]
