"""Routes beside GraphQL: keys, discovery, OAuth for partners, the way back from providers."""

import base64
import binascii
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import wraps
from urllib.parse import parse_qsl, unquote_plus, urlencode

import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from shared.auth import ALGORITHM
from shared.errors import DomainError, NotFound, RateLimited
from shared.ids import parse_id_or_none
from shared.viewer import Viewer, ViewerKind
from subgraphs.identity.config import Rate
from subgraphs.identity.runtime import IdentityRuntime
from subgraphs.identity.service import keys, partners, sessions, social

JWKS_SECONDS = 300
AUDIT_SECONDS = 60
NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}
_STATUS = {"RATE_LIMITED": 429, "UNAVAILABLE": 503, "TIMEOUT": 503}

Handler = Callable[[Request], Awaitable[Response]]


class OauthError(Exception):
    """A refusal in the words of RFC 6749, section 5.2."""

    def __init__(self, error: str, description: str, *, status: int = 400) -> None:
        super().__init__(error)
        self.error, self.description, self.status = error, description, status


def _json(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status, headers, "application/json")


def answering(handler: Handler) -> Handler:
    """Turn refusals into answers that OAuth clients understand."""

    @wraps(handler)
    async def guarded(request: Request) -> Response:
        try:
            return await handler(request)
        except OauthError as error:
            headers = dict(NO_STORE)
            if error.status == 401:
                headers["www-authenticate"] = 'Basic realm="oauth"'
            body = {"error": error.error, "error_description": error.description}
            return _json(body, error.status, headers)
        except DomainError as error:
            headers = dict(NO_STORE)
            if isinstance(error, RateLimited):
                headers["retry-after"] = str(error.retry_after)
            status = _STATUS.get(error.general_code(), 400)
            name = "temporarily_unavailable" if status in (429, 503) else "invalid_request"
            return _json({"error": name, "error_description": error.message}, status, headers)

    return guarded


def _runtime(request: Request) -> IdentityRuntime:
    runtime: IdentityRuntime = request.app.state.runtime
    return runtime


def _viewer(request: Request) -> Viewer:
    return Viewer(ip=request.state.ip, user_agent=request.headers.get("user-agent"))


async def _limit(request: Request, name: str, rate: Rate) -> None:
    cache = _runtime(request).cache
    who = _viewer(request).key
    await cache.limit(name, who, hits=rate.hits, seconds=rate.seconds)


async def _form(request: Request) -> dict[str, str]:
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise OauthError("invalid_request", "The body must be form-encoded.")
    try:
        pairs = parse_qsl(
            (await request.body()).decode(), keep_blank_values=True, max_num_fields=20
        )
    except ValueError:
        raise OauthError("invalid_request", "The body is malformed.") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise OauthError("invalid_request", "A parameter is repeated.")
    return form


async def jwks(request: Request) -> Response:
    """The public keys of access tokens."""
    runtime = _runtime(request)
    await runtime.keyring.signer()
    async with runtime.database.read() as session:
        found = await keys.published(session)
    # A key is published for longer than this before it signs anything.
    age = min(JWKS_SECONDS, runtime.settings.signing_key_lead_seconds)
    return _json({"keys": found}, headers={"cache-control": f"public, max-age={age}"})


async def discovery(request: Request) -> Response:
    """OpenID Connect discovery and RFC 8414 metadata."""
    issuer = _runtime(request).settings.jwt_issuer.rstrip("/")
    body = {
        "issuer": _runtime(request).settings.jwt_issuer,
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "token_endpoint": f"{issuer}/oauth/token",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "revocation_endpoint_auth_methods_supported": ["none"],
    }
    return _json(body, headers={"cache-control": "public, max-age=3600"})


def _client_credentials(request: Request, form: dict[str, str]) -> tuple[str, str]:
    """Id and secret from the header or the form, never both (RFC 6749, section 2.3.1)."""
    header = request.headers.get("authorization")
    if header is None:
        if not form.get("client_id") or not form.get("client_secret"):
            raise OauthError("invalid_client", "Client authentication is missing.", status=401)
        return form["client_id"], form["client_secret"]
    if "client_secret" in form:
        raise OauthError("invalid_request", "Authenticate in one way only.")
    scheme, _, encoded = header.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError(scheme)
        plain = base64.b64decode(encoded.strip(), validate=True).decode()
        client_id, colon, secret = plain.partition(":")
        if not colon:
            raise ValueError(encoded)
    except (ValueError, binascii.Error):
        raise OauthError("invalid_client", "The header is malformed.", status=401) from None
    client_id, secret = unquote_plus(client_id), unquote_plus(secret)
    if form.get("client_id", client_id) != client_id:
        raise OauthError("invalid_request", "The client ids differ.")
    return client_id, secret


def _require_client_credentials(form: dict[str, str]) -> None:
    if "grant_type" not in form:
        raise OauthError("invalid_request", "grant_type is missing.")
    if form["grant_type"] != "client_credentials":
        raise OauthError("unsupported_grant_type", "Only client_credentials is supported.")


async def _note(request: Request, refused: partners.TokenRefused) -> None:
    """Audit a refusal of a known client, each reason at most once a minute."""
    runtime = _runtime(request)
    if refused.client_id is None:
        return
    key = f"refused:{refused.client_id}:{refused.reason}"
    if await runtime.cache.get(key) is not None:
        return
    await runtime.cache.set(key, b"1", seconds=AUDIT_SECONDS)
    async with runtime.database.write() as session:
        partners.record_refusal(session, refused, viewer=_viewer(request))


@answering
async def token(request: Request) -> Response:
    """Client credentials for an access token (RFC 6749, section 4.4)."""
    runtime = _runtime(request)
    await _limit(request, "oauth", runtime.settings.limit_oauth_ip)
    form = await _form(request)
    client_id, secret = _client_credentials(request, form)
    try:
        async with runtime.database.read() as session:
            client = await partners.authenticate(
                session, settings=runtime.settings, client_id=client_id, secret=secret
            )
        _require_client_credentials(form)
        scopes = partners.grant_scopes(client, runtime.settings, form.get("scope"))
    except partners.TokenRefused as refused:
        await _note(request, refused)
        status = 401 if refused.error == "invalid_client" else 400
        raise OauthError(refused.error, refused.message, status=status) from None
    signer = await runtime.keyring.signer()
    access, lasts = partners.access_token(signer, runtime.settings, client, scopes)
    return _json(
        {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": lasts,
            "scope": " ".join(scopes),
        },
        headers=NO_STORE,
    )


@answering
async def revoke(request: Request) -> Response:
    """End the session of a refresh or access token; holding it is enough (RFC 7009).

    Partners' tokens belong to no session and end by themselves within a minute. A token that means
    nothing is answered like one that did.
    """
    runtime = _runtime(request)
    await _limit(request, "oauth-revoke", runtime.settings.limit_oauth_ip)
    form = await _form(request)
    given = form.get("token")
    if not given:
        raise OauthError("invalid_request", "token is missing.")
    viewer = _viewer(request)
    if given.count(".") != 2:
        async with runtime.database.write() as session:
            await sessions.revoke_by_refresh_token(session, viewer=viewer, token=given)
        return Response(status_code=200, headers=NO_STORE)
    async with runtime.database.read() as session:
        found = await keys.published(session)
    try:
        claims = jwt.decode(
            given, KeySet.import_key_set({"keys": found}), algorithms=[ALGORITHM]
        ).claims
    except (JoseError, ValueError):
        return Response(status_code=200, headers=NO_STORE)
    user_id, session_id = (parse_id_or_none(str(claims.get(name))) for name in ("sub", "sid"))
    if "client_id" in claims or user_id is None or session_id is None:
        raise OauthError("unsupported_token_type", "A partner's token ends by itself.")
    owner = Viewer(kind=ViewerKind.USER, user_id=user_id, ip=viewer.ip)
    with suppress(NotFound):
        async with runtime.database.write() as session:
            await sessions.revoke(
                session, viewer=owner, session_id=session_id, reason="token revoked"
            )
    return Response(status_code=200, headers=NO_STORE)


@answering
async def callback(request: Request) -> Response:
    """Back from a provider's page: on to the web app with a one-time code or an error."""
    runtime = _runtime(request)
    await _limit(request, "callback", runtime.settings.limit_token_ip)
    answer = dict(request.query_params) if request.method == "GET" else await _form(request)
    name = request.path_params["provider"]
    async with runtime.database.write() as session:
        returned = await social.take_state(
            session, vault=runtime.vault, provider=name, state=answer.get("state", "")
        )
    if returned is None:
        raise OauthError("invalid_request", "This login is not valid any more. Start again.")
    if not answer.get("code"):
        denied = answer.get("error") in ("access_denied", "user_cancelled_authorize")
        return _back(returned, error="access_denied" if denied else "provider_refused")
    try:
        identity = await runtime.providers.identify(
            name,
            code=answer["code"],
            verifier=returned.verifier,
            nonce_hash=returned.login.nonce_hash,
        )
    except DomainError as error:
        return _back(returned, error=error.code.lower())
    async with runtime.database.write() as session:
        code = await social.finish(
            session, vault=runtime.vault, returned=returned, identity=identity
        )
    return _back(returned, code=code)


def _back(returned: social.Returned, **answer: str) -> Response:
    target = returned.login.redirect_uri
    query = urlencode({"provider": returned.login.provider, **answer})
    return RedirectResponse(
        f"{target}{'&' if '?' in target else '?'}{query}",
        303,
        {**NO_STORE, "referrer-policy": "no-referrer"},
    )


routes = [
    Route("/.well-known/jwks.json", answering(jwks), methods=["GET"]),
    Route("/.well-known/openid-configuration", answering(discovery), methods=["GET"]),
    Route("/oauth/token", token, methods=["POST"]),
    Route("/oauth/revoke", revoke, methods=["POST"]),
    Route("/oauth/callback/{provider}", callback, methods=["GET", "POST"]),
]
