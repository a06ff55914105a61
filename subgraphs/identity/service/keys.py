"""Signing keys: made ahead, published before their first use and until their last token is dead."""

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
import sqlalchemy as sa
from joserfc import jwt
from joserfc.jwk import ECKey

from shared.auth import ALGORITHM, CLOCK_LEEWAY_SECONDS
from shared.db import ReadSession, WriteSession, utc_now
from shared.ids import new_id
from subgraphs.identity.config import Settings
from subgraphs.identity.models import SigningKey
from subgraphs.identity.service.secrets import Vault

# One process at a time decides whether a key is missing.
_LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtext('identity:signing-keys'))")
REMEMBERED_SECONDS = 30

Write = Callable[[], AbstractAsyncContextManager[WriteSession]]
Read = Callable[[], AbstractAsyncContextManager[ReadSession]]


@dataclass(frozen=True)
class Signer:
    """The private key of the moment."""

    key: ECKey
    kid: str
    active_until: datetime

    def sign(self, claims: dict[str, Any]) -> str:
        """A signed token with these claims."""
        return jwt.encode({"alg": ALGORITHM, "kid": self.kid}, claims, self.key)


class Keyring:
    """Gives the key to sign with, and makes the next one in time."""

    def __init__(self, settings: Settings, vault: Vault, *, read: Read, write: Write) -> None:
        self._vault, self._read, self._write = vault, read, write
        self._active = timedelta(days=settings.signing_key_days)
        self._lead = timedelta(seconds=settings.signing_key_lead_seconds)
        self._outlive = timedelta(seconds=settings.access_token_seconds + CLOCK_LEEWAY_SECONDS + 60)
        self._signer: Signer | None = None
        self._read_at = float("-inf")

    async def signer(self) -> Signer:
        """The key to sign with now; the first call ever makes one. Raises Unavailable."""
        known = self._signer
        fresh = time.monotonic() - self._read_at < REMEMBERED_SECONDS
        if known is not None and fresh and known.active_until > utc_now():
            return known
        async with self._read() as session:
            row = await self._current(session)
        if row is None:
            async with self._write() as session:
                await self.rotate(session)
                row = await self._current(session)
        if row is None:
            raise RuntimeError("A signing key was made and is not there.")
        key = ECKey.import_key(orjson.loads(self._vault.open(row.private_key)))
        self._signer = Signer(key, str(row.id), row.active_until)
        self._read_at = time.monotonic()
        return self._signer

    @staticmethod
    async def _current(session: ReadSession) -> SigningKey | None:
        now = utc_now()
        # A key that was made in a hurry overlaps with another; the younger one is used.
        return await session.scalar(
            sa.select(SigningKey)
            .where(SigningKey.active_from <= now, SigningKey.active_until > now)
            .order_by(SigningKey.active_from.desc(), SigningKey.id.desc())
            .limit(1)
        )

    async def rotate(self, session: WriteSession) -> bool:
        """Make the next key when the newest is about to end; drop dead ones. Whether one is new."""
        await session.execute(_LOCK)
        now = utc_now()
        await session.execute(sa.delete(SigningKey).where(SigningKey.published_until < now))
        last = await session.scalar(
            sa.select(SigningKey).order_by(SigningKey.active_until.desc()).limit(1)
        )
        if last is not None and last.active_until > now + 2 * self._lead:
            return False
        if last is None or last.active_until <= now:
            # There is no key to go on with, so the new one starts without having been published.
            starts = now
        else:
            starts = max(last.active_until, now + self._lead)
            # The timer was late: the old key signs until the new one is known everywhere.
            last.active_until = starts
            last.published_until = starts + self._outlive
        ends = starts + self._active
        id_ = new_id()
        key = ECKey.generate_key(
            "P-256",
            parameters={"kid": str(id_), "use": "sig", "alg": ALGORITHM},
            private=True,
        )
        session.add(
            SigningKey(
                id=id_,
                public_key=dict(key.as_dict(private=False)),
                private_key=self._vault.seal(orjson.dumps(key.as_dict(private=True))),
                active_from=starts,
                active_until=ends,
                published_until=ends + self._outlive,
            )
        )
        await session.flush()
        return True


async def published(session: ReadSession) -> list[dict[str, Any]]:
    """The public keys that tokens may be signed with, those of the near future included."""
    rows = await session.scalars(
        sa.select(SigningKey.public_key)
        .where(SigningKey.published_until > utc_now())
        .order_by(SigningKey.id)
    )
    return list(rows)
