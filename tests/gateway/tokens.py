"""Access tokens for the tests: right ones, and every kind of wrong one."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.jwk import ECKey, KeyParameters

ISSUER = "https://identity.test/"
AUDIENCE = "graph"


def new_key(kid: str) -> ECKey:
    """A signing key as identity makes them."""
    parameters: KeyParameters = {"kid": kid, "use": "sig", "alg": "ES256"}
    return ECKey.generate_key("P-256", parameters=parameters, private=True)


KEY = new_key("key-1")
ROGUE_KEY = new_key("key-1")
UNPUBLISHED_KEY = new_key("key-9")


def public_keys() -> dict[str, Any]:
    """The JWKS document of identity."""
    return {"keys": [KEY.as_dict(private=False)]}


def claims(**changes: Any) -> dict[str, Any]:
    """Valid claims; a change to None removes the claim."""
    now = int(time.time())
    everything = {"iss": ISSUER, "aud": AUDIENCE, "sub": "user-1", "iat": now, "exp": now + 600}
    return {name: v for name, v in {**everything, **changes}.items() if v is not None}


def token(key: ECKey = KEY, **changes: Any) -> str:
    """A token signed with this key."""
    return jwt.encode({"alg": "ES256", "kid": key.kid}, claims(**changes), key)


def unsigned_token() -> str:
    """`alg: none`, the oldest trick."""
    return f"{_part({'alg': 'none', 'kid': KEY.kid})}.{_part(claims())}."


def hmac_token_with_public_key() -> str:
    """HS256 keyed with the public key, which fools verifiers that trust the header."""
    public = KEY.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    text = f"{_part({'alg': 'HS256', 'kid': KEY.kid})}.{_part(claims())}"
    return f"{text}.{_b64(hmac.new(public, text.encode(), hashlib.sha256).digest())}"


def tampered_token() -> str:
    """The claims of another user under the signature of the first."""
    head, _, signature = token().split(".")
    return f"{head}.{_part(claims(sub='user-2'))}.{signature}"


def bad_authorizations() -> dict[str, str]:
    """Every authorization value that must be refused, by name."""
    past = int(time.time()) - 3600
    tokens = {
        "garbage": "garbage",
        "three-empty-parts": "..",
        "expired": token(exp=past),
        "no-expiry": token(exp=None),
        "no-subject": token(sub=None),
        "not-yet": token(nbf=int(time.time()) + 3600),
        "other-issuer": token(iss="https://evil.test/"),
        "other-audience": token(aud="partner-contract"),
        "rogue-key": token(ROGUE_KEY),
        "unknown-kid": token(UNPUBLISHED_KEY),
        "alg-none": unsigned_token(),
        "hs256-with-public-key": hmac_token_with_public_key(),
        "tampered": tampered_token(),
    }
    bearers = {name: f"Bearer {value}" for name, value in tokens.items()}
    return {**bearers, "basic": "Basic dXNlcjpwYXNz", "two-tokens": f"Bearer {token()} x"}


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _part(value: dict[str, Any]) -> str:
    return _b64(json.dumps(value).encode())
