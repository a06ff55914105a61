"""A token's signature is verified once, and never outlives its key or its time."""

import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from shared import auth
from shared.auth import Authenticator, Jwks
from shared.errors import Unauthenticated
from shared.ids import new_id
from tests.support import tokens
from tests.support.services import ISSUER
from tests.support.tokens import JwksServer


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens whose signature was looked at."""
    seen: list[str] = []
    decode = jwt.decode

    def note(token: str, *arguments: Any, **options: Any) -> Any:
        seen.append(token)
        return decode(token, *arguments, **options)

    monkeypatch.setattr(jwt, "decode", note)
    return seen


def authenticator(jwks: Jwks) -> Authenticator:
    return Authenticator(jwks, issuer=ISSUER, audiences=["graph"])


async def test_signature_is_verified_once_and_each_token_gives_its_own_viewer(
    jwks: JwksServer, decoded: list[str]
) -> None:
    checked = authenticator(Jwks(jwks.url))
    ids = [new_id(), new_id()]
    given = [tokens.token(user_id) for user_id in ids]
    for _ in range(3):
        viewers = [await checked.viewer(f"Bearer {token}", ip=None) for token in given]
        assert [viewer.user_id for viewer in viewers] == ids
    assert decoded == given


async def test_known_token_ends_with_its_time(
    jwks: JwksServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = authenticator(Jwks(jwks.url))
    token = tokens.token(new_id())
    await checked.viewer(f"Bearer {token}", ip=None)
    later = time.time() + 700
    monkeypatch.setattr(time, "time", lambda: later)
    with pytest.raises(Unauthenticated):
        await checked.viewer(f"Bearer {token}", ip=None)


async def test_known_token_ends_with_its_key() -> None:
    server = JwksServer()
    try:
        checked = authenticator(Jwks(server.url, lifetime=0, cooldown=0))
        token = tokens.token(new_id())
        await checked.viewer(f"Bearer {token}", ip=None)
        other = ECKey.generate_key("P-256", parameters={"kid": "other"}, private=True)
        server.keys = [dict(other.as_dict(private=False))]
        with pytest.raises(Unauthenticated):
            await checked.viewer(f"Bearer {token}", ip=None)
    finally:
        server.close()


async def test_refused_token_is_not_remembered_and_their_number_is_bounded(
    jwks: JwksServer, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "MOST_KNOWN_TOKENS", 2)
    checked = authenticator(Jwks(jwks.url))
    expired = tokens.token(new_id(), exp=int(time.time()) - 60)
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await checked.viewer(f"Bearer {expired}", ip=None)
    given = [tokens.token(new_id()) for _ in range(3)]
    for token in [*given, given[2], given[0]]:
        await checked.viewer(f"Bearer {token}", ip=None)
    assert decoded == [expired, expired, *given, given[0]]
