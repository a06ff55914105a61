"""Sealed tokens: what one subgraph promises, another checks without asking it.

The content is readable by whoever holds it, and cannot be changed: an HMAC (RFC 2104, SHA-256)
covers content, purpose and end of validity. Nothing secret belongs into it.
"""

import base64
import hashlib
import hmac
import time
from typing import TypeVar

import orjson
from pydantic import BaseModel, ValidationError

M = TypeVar("M", bound=BaseModel)


class BadSeal(Exception):
    """The token is not one of ours, was changed, or is of another purpose."""


class SealExpired(Exception):
    """The token was one of ours and is too old."""


def _mac(secret: bytes, purpose: str, body: str) -> str:
    covered = f"{purpose}.{body}".encode("utf-8", "replace")
    return _text(hmac.new(secret, covered, hashlib.sha256).digest())


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def seal(secrets: list[bytes], purpose: str, content: BaseModel, *, seconds: int) -> str:
    """A URL-safe token that opens for so many seconds; sealed with the first of the secrets."""
    values = content.model_dump(mode="json", exclude_none=True)
    body = _text(orjson.dumps([int(time.time()) + seconds, values]))
    return f"{body}.{_mac(secrets[0], purpose, body)}"


def unseal(secrets: list[bytes], purpose: str, token: str, model: type[M]) -> M:
    """The content of a token, if any of the secrets has sealed it. Raises BadSeal, SealExpired."""
    body, _, mac = token.partition(".")
    known = any(
        hmac.compare_digest(_mac(secret, purpose, body).encode(), mac.encode("utf-8", "replace"))
        for secret in secrets
    )
    if not known:
        raise BadSeal
    try:
        end, values = orjson.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        content = model.model_validate(values)
    except (ValueError, ValidationError):
        raise BadSeal from None
    if time.time() >= end:
        raise SealExpired
    return content
