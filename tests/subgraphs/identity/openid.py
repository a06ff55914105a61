"""An OpenID provider for tests: discovery, keys, a page that agrees at once, tokens; real HTTP."""

import base64
import hashlib
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT_ID = "edtech-tests"
CLIENT_SECRET = "the-secret-of-the-provider"


@dataclass
class Grant:
    """What the person agreed to, until the code is redeemed."""

    nonce: str
    challenge: str
    redirect_uri: str


@dataclass
class OpenIdProvider:
    """Its answers can be changed by a test; `reset` puts everything back."""

    issuer: str = ""
    person: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)  # replace the usual ones
    algorithm: str = "ES256"
    down: bool = False
    requests: list[str] = field(default_factory=list)
    grants: dict[str, Grant] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the keys once; RSA takes a while."""
        self.keys: dict[str, ECKey | RSAKey] = {
            "ES256": ECKey.generate_key("P-256", {"kid": "ec", "use": "sig", "alg": "ES256"}),
            "RS256": RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig", "alg": "RS256"}),
        }
        self.stranger = ECKey.generate_key("P-256", {"kid": "ec", "use": "sig", "alg": "ES256"})
        self.forged = False

    def reset(self) -> None:
        """Everybody is Ada again, and everything works."""
        self.person = {
            "sub": "ada-1",
            "email": "ada@example.org",
            "email_verified": True,
            "given_name": "Ada",
            "family_name": "Lovelace",
        }
        self.claims, self.grants, self.requests = {}, {}, []
        self.algorithm, self.down, self.forged = "ES256", False, False

    def app(self) -> Starlette:
        """The provider as an ASGI app."""
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._discovery),
                Route("/keys", self._keys),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
            ]
        )

    async def _discovery(self, request: Request) -> Response:
        self.requests.append("discovery")
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
            }
        )

    async def _keys(self, request: Request) -> Response:
        self.requests.append("keys")
        return JSONResponse({"keys": [key.as_dict(private=False) for key in self.keys.values()]})

    async def _authorize(self, request: Request) -> Response:
        asked = request.query_params
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.grants[code] = Grant(asked["nonce"], asked["code_challenge"], asked["redirect_uri"])
        query = urlencode({"code": code, "state": asked["state"]})
        return RedirectResponse(f"{asked['redirect_uri']}?{query}", 302)

    async def _token(self, request: Request) -> Response:
        self.requests.append("token")
        if self.down:
            return Response("out of order", 503)
        form = dict(parse_qsl((await request.body()).decode()))
        grant = self.grants.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            grant is None
            or form.get("client_secret") != CLIENT_SECRET
            or form.get("redirect_uri") != grant.redirect_uri
            or challenge != grant.challenge
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        usual = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": grant.nonce,
            **self.person,
        }
        key = self.stranger if self.forged else self.keys[self.algorithm]
        header = {"alg": "ES256" if self.forged else self.algorithm, "kid": key.kid}
        token = jwt.encode(header, usual | self.claims, key, algorithms=["ES256", "RS256"])
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": token})
