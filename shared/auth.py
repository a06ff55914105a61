"""Token and router proof to a verified Viewer.

A subgraph answers only the router: each HTTP request carries `x-gateway-signature`, an HMAC over
time, client address and the exact body; each WebSocket carries one over the minute and the
authorization in its connection init. The user's token is verified here again, since `_entities`
reaches any field. See docs/architecture.md, "Trust".
"""

import asyncio
import hashlib
import hmac
import ssl
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import extract_compact

from shared.errors import Unauthenticated, Unavailable
from shared.telemetry import log
from shared.viewer import Viewer, ViewerKind

SIGNATURE_HEADER = "x-gateway-signature"
HTTP_SKEW_SECONDS = 60
WEBSOCKET_SKEW_SECONDS = 180
ALGORITHM = "ES256"
CLOCK_LEEWAY_SECONDS = 5
MOST_KNOWN_TOKENS = 4096


@dataclass(frozen=True, slots=True)
class Proof:
    """A verified signature of the router; `ip` is the client's address as the router saw it."""

    ip: str | None


def sign(secret: bytes, payload: bytes, *, ip: str = "", at: int | None = None) -> str:
    """The proof that the router sends; here for tests, tools and the local stack."""
    moment = int(time.time()) if at is None else at
    text = f"{moment}.{ip}.".encode() + payload
    digest = hmac.new(secret, text, hashlib.sha256).hexdigest()
    return f"t={moment},ip={ip},v1={digest}"


def verify_proof(
    secrets: list[bytes], header: str, payload: bytes, *, skew: int = HTTP_SKEW_SECONDS
) -> Proof | None:
    """The proof, or None when the signature is missing, malformed, stale or wrong."""
    parts = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    moment, ip, given = parts.get("t", ""), parts.get("ip", ""), parts.get("v1", "")
    if not moment.isascii() or not moment.isdigit() or abs(time.time() - int(moment)) > skew:
        return None
    text = f"{moment}.{ip}.".encode() + payload
    for secret in secrets:
        wanted = hmac.new(secret, text, hashlib.sha256).hexdigest()
        if hmac.compare_digest(wanted.encode(), given.encode()):
            return Proof(ip=ip or None)
    return None


@cache
def _trusted() -> ssl.SSLContext:
    """Made once: it reads every known authority, which holds up all requests for 30 ms."""
    return httpx.create_ssl_context(trust_env=False)


class Jwks:
    """Identity's public keys, fetched when an unknown key id appears, at most once per cooldown."""

    def __init__(
        self, url: str, *, lifetime: float = 300, cooldown: float = 10, timeout: float = 2
    ) -> None:
        self._url = url
        self._lifetime, self._cooldown, self._timeout = lifetime, cooldown, timeout
        self._keys: dict[str, Any] = {}
        self._fetched = self._tried = float("-inf")
        self._lock = asyncio.Lock()

    async def key(self, kid: str) -> Any:
        """The key, or None when identity does not publish it. Raises Unavailable."""
        now = time.monotonic()
        if kid in self._keys and now - self._fetched < self._lifetime:
            return self._keys[kid]
        async with self._lock:
            if self._fetched < now and time.monotonic() - self._tried >= self._cooldown:
                await self._fetch()
        if not self._keys:
            raise Unavailable("Authentication is not available.")
        return self._keys.get(kid)

    async def _fetch(self) -> None:
        self._tried = time.monotonic()
        try:
            async with httpx.AsyncClient(
                timeout=self._timeout, trust_env=False, verify=_trusted()
            ) as client:
                answer = await client.get(self._url)
                answer.raise_for_status()
                keys = KeySet.import_key_set(answer.json())
        except (httpx.HTTPError, ValueError, JoseError) as error:
            # Keys that are known go on to serve; the next request after the cooldown tries again.
            log.warning("jwks not fetched", error=type(error).__name__)
            if not self._keys:
                self._tried = float("-inf")
            return
        self._keys = {key.kid: key for key in keys.keys if key.kid}
        self._fetched = time.monotonic()


@dataclass(frozen=True, slots=True)
class _Known:
    """A token whose signature was verified with this very key."""

    kid: str
    key: Any
    claims: dict[str, Any]


class Authenticator:
    """Turns an `Authorization` value into a Viewer.

    A signature is verified once for as long as its key stays as it was fetched; the claims, the
    expiry among them, are checked on every request.
    """

    def __init__(self, jwks: Jwks, *, issuer: str, audiences: list[str]) -> None:
        self._jwks = jwks
        self._claims = jwt.JWTClaimsRegistry(
            leeway=CLOCK_LEEWAY_SECONDS,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "values": audiences},
            exp={"essential": True},
            sub={"essential": True},
        )
        # By digest: no token is kept.
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    async def viewer(
        self, authorization: str | None, *, ip: str | None, user_agent: str | None = None
    ) -> Viewer:
        """The viewer of a request; without a token an anonymous one. Raises Unauthenticated."""
        if not authorization:
            return Viewer(ip=ip, user_agent=user_agent)
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("Invalid authentication.")
        claims = await self._verified(token.strip())
        try:
            return _viewer_of(claims, ip=ip, user_agent=user_agent)
        except (KeyError, ValueError, TypeError):
            raise Unauthenticated("Invalid or expired token.") from None

    async def _verified(self, token: str) -> Mapping[str, Any]:
        try:
            digest = hashlib.sha256(token.encode()).digest()
            known = self._known.get(digest)
            # Asked every time, so that a key that identity withdraws takes its tokens with it.
            if known is None or await self._jwks.key(known.kid) is not known.key:
                self._known.pop(digest, None)
                known = await self._verify(token)
            self._claims.validate(known.claims)
        except (JoseError, ValueError, UnicodeError):
            raise Unauthenticated("Invalid or expired token.") from None
        self._known[digest] = known
        self._known.move_to_end(digest)
        if len(self._known) > MOST_KNOWN_TOKENS:
            self._known.popitem(last=False)
        return known.claims

    async def _verify(self, token: str) -> _Known:
        header = extract_compact(token.encode()).headers()
        # The algorithm is ours to choose, never the token's.
        if header.get("alg") != ALGORITHM or not isinstance(header.get("kid"), str):
            raise Unauthenticated("Invalid or expired token.")
        key = await self._jwks.key(header["kid"])
        if key is None:
            raise Unauthenticated("Invalid or expired token.")
        decoded = jwt.decode(token, key, algorithms=[ALGORITHM])
        return _Known(header["kid"], key, decoded.claims)


def _viewer_of(claims: Mapping[str, Any], *, ip: str | None, user_agent: str | None) -> Viewer:
    scopes = frozenset(str(claims.get("scope", "")).split())
    if "client_id" in claims:
        acts_for = claims.get("acts_for")
        return Viewer(
            kind=ViewerKind.PARTNER,
            client_id=str(claims["client_id"]),
            acts_for=None if acts_for is None else UUID(acts_for),
            scopes=scopes,
            ip=ip,
            user_agent=user_agent,
        )
    return Viewer(
        kind=ViewerKind.USER,
        user_id=UUID(claims["sub"]),
        roles=frozenset(map(str, claims["roles"])),
        scopes=scopes,
        session_id=UUID(claims["sid"]),
        version=int(claims["ver"]),
        ip=ip,
        user_agent=user_agent,
    )


__all__ = ["Authenticator", "Jwks", "Proof", "sign", "verify_proof"]
