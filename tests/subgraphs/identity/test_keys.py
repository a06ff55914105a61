"""Signing keys: made once, published ahead, kept until their last token is dead."""

import asyncio
import socket
from datetime import timedelta
from typing import Any

import pytest
import uvicorn
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from pydantic import SecretStr

from shared.app import create_process_app
from shared.auth import Authenticator, Jwks
from shared.config import SettingsError, load
from shared.db import utc_now
from subgraphs.identity.config import Rate, Settings
from subgraphs.identity.runtime import IdentityRuntime
from subgraphs.identity.service.keys import Keyring, Signer, published
from subgraphs.identity.service.secrets import Vault
from subgraphs.identity.timers import rotate_keys
from tests.subgraphs.identity.people import execute, http, person, rows, runtime_of, value
from tests.support.graph import GraphClient
from tests.support.services import ISSUER


def ring(runtime: IdentityRuntime) -> Keyring:
    """A key ring that remembers nothing, as another process has it."""
    return Keyring(
        runtime.settings, runtime.vault, read=runtime.database.read, write=runtime.database.write
    )


async def public(identity: GraphClient) -> list[dict[str, Any]]:
    """What is published."""
    async with identity.runtime.database.read() as session:
        return await published(session)


async def test_first_key_is_made_once_by_many_processes(identity: GraphClient) -> None:
    await execute(identity, "DELETE FROM signing_keys")
    runtime = runtime_of(identity)
    signers = await asyncio.gather(*(ring(runtime).signer() for _ in range(5)))
    assert len({signer.kid for signer in signers}) == 1
    assert await value(identity, "SELECT count(*) FROM signing_keys") == 1


async def test_private_part_is_encrypted_and_never_published(identity: GraphClient) -> None:
    ((private,),) = await rows(identity, "SELECT private_key FROM signing_keys")
    assert b'"d"' not in bytes(private)
    ((row,),) = await rows(identity, "SELECT s::text FROM signing_keys s")
    signer = await ring(runtime_of(identity)).signer()
    assert str(signer.key.as_dict(private=True)["d"]) not in row
    (key,) = await public(identity)
    assert key.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert (key["alg"], key["use"], key["crv"]) == ("ES256", "sig", "P-256")


async def test_keys_and_discovery_are_public_and_cacheable(identity: GraphClient) -> None:
    answer = await http(identity, "GET", "/.well-known/jwks.json")
    assert answer.json() == {"keys": await public(identity)}
    assert answer.headers["cache-control"] == "public, max-age=300"
    answer = await http(identity, "GET", "/.well-known/openid-configuration")
    body = answer.json()
    assert (body["issuer"], body["jwks_uri"]) == (ISSUER, f"{ISSUER}/.well-known/jwks.json")
    assert body["token_endpoint"] == f"{ISSUER}/oauth/token"
    assert answer.headers["cache-control"] == "public, max-age=3600"


async def test_token_is_verified_with_the_keys_that_identity_serves(identity: GraphClient) -> None:
    who = await person(identity)
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/identity/.well-known/jwks.json"
    app = create_process_app([(identity.subgraph, identity.runtime)])
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        authenticator = Authenticator(Jwks(url), issuer=ISSUER, audiences=["graph"])
        viewer = await authenticator.viewer(f"Bearer {who.access_token}", ip=None)
    finally:
        server.should_exit = True
        await running
    assert (viewer.user_id, viewer.roles, viewer.version) == (
        who.id,
        frozenset({"student"}),
        1,
    )


async def test_next_key_is_published_before_its_first_use(identity: GraphClient) -> None:
    runtime = runtime_of(identity)
    old = await ring(runtime).signer()
    await rotate_keys(runtime)
    assert len(await public(identity)) == 1
    await execute(identity, "UPDATE signing_keys SET active_until = now() + interval '90 minutes'")
    await asyncio.gather(*(rotate_keys(runtime) for _ in range(4)))
    assert len(await public(identity)) == 2
    assert (await ring(runtime).signer()).kid == old.kid
    ((first, second),) = await rows(
        identity, "SELECT min(active_until), max(active_from) FROM signing_keys"
    )
    assert first == second
    # Time passes: the old key signs no more, but what it signed can still be verified.
    await execute(identity, "UPDATE signing_keys SET active_from = active_from - interval '2 h',"
                            " active_until = active_until - interval '2 h'")  # fmt: skip
    new = await ring(runtime).signer()
    assert new.kid != old.kid
    keys = KeySet.import_key_set({"keys": await public(identity)})
    for signer in (old, new):
        assert jwt.decode(signer.sign({"n": 1}), keys, algorithms=["ES256"]).claims == {"n": 1}


async def test_late_timer_leaves_no_moment_without_a_key(identity: GraphClient) -> None:
    runtime = runtime_of(identity)
    await execute(identity, "UPDATE signing_keys SET active_until = now() + interval '20 s'")
    await rotate_keys(runtime)
    ((old_end, new_start, published_until),) = await rows(
        identity,
        "SELECT min(active_until), max(active_from), min(published_until) FROM signing_keys",
    )
    assert old_end == new_start
    assert new_start - utc_now() > timedelta(minutes=59)
    assert published_until - old_end > timedelta(seconds=600)


async def test_expired_key_is_replaced_at_once_and_dead_ones_go(identity: GraphClient) -> None:
    runtime = runtime_of(identity)
    await execute(
        identity,
        "UPDATE signing_keys SET active_until = now() - interval '1 h',"
        " published_until = now() - interval '1 s'",
    )
    signer = await ring(runtime).signer()
    (key,) = await public(identity)
    assert key["kid"] == signer.kid
    assert await value(identity, "SELECT count(*) FROM signing_keys") == 1


def test_master_key_can_be_replaced() -> None:
    old, new = "MDEy" * 10 + "MDE=", "eHl6" * 10 + "eHk="
    sealed = Vault(old).seal(b"secret")
    both = Vault(f"{new}, {old}")
    assert both.open(sealed) == b"secret"
    assert Vault(new).open(both.seal(b"again")) == b"again"
    with pytest.raises(RuntimeError, match="IDENTITY_MASTER_KEY"):
        Vault(new).open(sealed)


def test_signature_names_its_key() -> None:
    key = ECKey.generate_key("P-256", private=True)
    token = Signer(key, "the-key", utc_now()).sign({"a": 1})
    assert jwt.decode(token, key, algorithms=["ES256"]).header == {
        "typ": "JWT",
        "alg": "ES256",
        "kid": "the-key",
    }


def test_bad_settings_are_named_without_their_value(
    environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_MASTER_KEY", "too-short")
    monkeypatch.setenv("IDENTITY_LIMIT_LOGIN_IP", "many")
    monkeypatch.setenv("IDENTITY_ACCESS_TOKEN_SECONDS", "3600")
    monkeypatch.delenv("SMTP_HOST")
    with pytest.raises(SettingsError) as refused:
        load(Settings)
    named = [line.split(":")[0] for line in refused.value.lines]
    assert named == [
        "IDENTITY_ACCESS_TOKEN_SECONDS",
        "IDENTITY_LIMIT_LOGIN_IP",
        "IDENTITY_MASTER_KEY",
        "SMTP_HOST",
    ]
    assert "too-short" not in str(refused.value)


def test_limits_and_lists_are_read_from_the_environment(
    environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_LIMIT_LOGIN_IP", "5/60")
    monkeypatch.setenv("IDENTITY_REDIRECT_URIS", "https://a.example/x, https://b.example/y")
    settings = load(Settings)
    assert settings.limit_login_ip == Rate(5, 60)
    assert settings.allowed_redirects == ("https://a.example/x", "https://b.example/y")
    assert isinstance(settings.master_key, SecretStr)
