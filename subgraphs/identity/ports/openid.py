"""The OpenID providers that people sign in with."""

import base64
import hashlib
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from shared.errors import Conflict, Unavailable
from subgraphs.identity.config import Provider, Settings

SIGNATURES = ["RS256", "ES256"]
CLOCK_LEEWAY_SECONDS = 60
DISCOVERY_SECONDS = 3600
TIMEOUT_SECONDS = 5


class ProviderRefused(Conflict):
    """The provider did not confirm who it is."""

    code = "PROVIDER_REFUSED"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a provider says somebody is."""

    provider: str
    subject: str
    email: str | None
    is_email_verified: bool
    first_name: str
    last_name: str


class OpenIdProviders:
    """The authorization code flow with PKCE and nonce (OpenID Connect Core 1.0, RFC 7636)."""

    def __init__(self, settings: Settings) -> None:
        self._providers = settings.providers
        self._base = settings.jwt_issuer.rstrip("/")
        self._client = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False)
        self._discovered: dict[str, tuple[float, dict[str, Any]]] = {}
        self._keys: dict[str, KeySet] = {}

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    @property
    def names(self) -> list[str]:
        """The configured providers."""
        return sorted(self._providers)

    def callback(self, name: str) -> str:
        """Where the provider sends people back to; registered there."""
        return f"{self._base}/oauth/callback/{name}"

    async def prepare(self, name: str) -> None:
        """Read the provider's discovery document, unless it is known. Raises Unavailable."""
        await self._discover(name)

    async def authorization_url(self, name: str, *, state: str, nonce: str, verifier: str) -> str:
        """The page of the provider that asks the person. Raises Unavailable."""
        provider = self._providers[name]
        challenge = hashlib.sha256(verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": provider.client_id,
            "redirect_uri": self.callback(name),
            "scope": provider.scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": base64.urlsafe_b64encode(challenge).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        if provider.response_mode != "query":
            query["response_mode"] = provider.response_mode
        endpoint = str((await self._discover(name))["authorization_endpoint"])
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    async def identify(self, name: str, *, code: str, verifier: str, nonce_hash: bytes) -> Identity:
        """Redeem an authorization code. Raises ProviderRefused or Unavailable."""
        provider = self._providers[name]
        known = await self._discover(name)
        answer = await self._json(
            "POST",
            provider.token_endpoint or str(known["token_endpoint"]),
            data={
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self.callback(name),
                "code_verifier": verifier,
                "client_id": provider.client_id,
                "client_secret": provider.client_secret.get_secret_value(),
            },
        )
        claims = await self._verified(name, provider, known, answer.get("id_token"))
        if hashlib.sha256(str(claims.get("nonce", "")).encode()).digest() != nonce_hash:
            raise ProviderRefused("The provider's answer belongs to another login.")
        email = claims.get("email")
        return Identity(
            provider=name,
            subject=str(claims["sub"]),
            email=email if isinstance(email, str) and email else None,
            # Apple writes the truth value as text.
            is_email_verified=claims.get("email_verified") in (True, "true"),
            first_name=str(claims.get("given_name") or ""),
            last_name=str(claims.get("family_name") or ""),
        )

    async def _verified(
        self, name: str, provider: Provider, known: dict[str, Any], token: object
    ) -> dict[str, Any]:
        if not isinstance(token, str):
            raise ProviderRefused("The provider sent no identity.")
        registry = jwt.JWTClaimsRegistry(
            leeway=CLOCK_LEEWAY_SECONDS,
            iss={"essential": True, "value": str(known["issuer"])},
            aud={"essential": True, "value": provider.client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
        )
        for fresh in (False, True):
            try:
                keys = await self._key_set(name, str(known["jwks_uri"]), fresh=fresh)
                claims = jwt.decode(token, keys, algorithms=SIGNATURES).claims
                registry.validate(claims)
            except (JoseError, ValueError):
                # The provider may have changed its keys since they were read.
                continue
            if claims.get("azp", provider.client_id) != provider.client_id:
                break
            return dict(claims)
        raise ProviderRefused("The provider's answer cannot be verified.")

    async def _discover(self, name: str) -> dict[str, Any]:
        read_at, known = self._discovered.get(name, (float("-inf"), {}))
        if time.monotonic() - read_at > DISCOVERY_SECONDS:
            issuer = self._providers[name].issuer.rstrip("/")
            known = await self._json("GET", f"{issuer}/.well-known/openid-configuration")
            wanted = {"issuer", "authorization_endpoint", "jwks_uri"}
            if not wanted <= known.keys() or str(known["issuer"]).rstrip("/") != issuer:
                raise Unavailable(f"{name} does not describe itself correctly.")
            self._discovered[name] = (time.monotonic(), known)
        return known

    async def _key_set(self, name: str, url: str, *, fresh: bool) -> KeySet:
        if fresh or name not in self._keys:
            found: Any = await self._json("GET", url)
            self._keys[name] = KeySet.import_key_set(found)
        return self._keys[name]

    async def _json(self, method: str, url: str, **request: Any) -> dict[str, Any]:
        try:
            answer = await self._client.request(
                method, url, headers={"accept": "application/json"}, **request
            )
            body = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise Unavailable("The provider does not answer.") from error
        if answer.status_code >= 500:
            raise Unavailable("The provider does not answer.")
        if answer.status_code != 200 or not isinstance(body, dict):
            raise ProviderRefused("The provider refused the login.")
        return body
