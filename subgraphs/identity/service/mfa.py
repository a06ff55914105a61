"""The second factor: authenticator codes (RFC 6238) and recovery codes, each accepted once."""

import secrets
import time
from uuid import UUID

import pyotp
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared.db import WriteSession, utc_now
from shared.errors import Conflict, InvalidInput
from shared.viewer import Viewer
from subgraphs.identity.models import RecoveryCode, TotpFactor, User
from subgraphs.identity.service import accounts, audit
from subgraphs.identity.service.mails import Post
from subgraphs.identity.service.passwords import InvalidCredentials
from subgraphs.identity.service.secrets import Vault, digest

ISSUER = "EdTech"
STEP_SECONDS = 30
RECOVERY_CODES = 10
# Neither 0/O nor 1/I/L, since people copy these from paper. 16 of them are 79 bits.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"


class MfaRequired(Conflict):
    """The password is right; a code of the second factor is missing."""

    code = "MFA_REQUIRED"


class MfaCodeInvalid(Conflict):
    """The code is wrong, too old, or was used before."""

    code = "MFA_CODE_INVALID"


class MfaAlreadyOn(Conflict):
    """The second factor is on; turn it off first."""

    code = "MFA_ALREADY_ON"


class MfaNotOn(Conflict):
    """There is no second factor to confirm or turn off."""

    code = "MFA_NOT_ON"


async def require(
    session: WriteSession,
    *,
    vault: Vault,
    user_id: UUID,
    totp_code: str | None,
    recovery_code: str | None,
) -> None:
    """Ask for the second factor where there is one. Raises MfaRequired or MfaCodeInvalid."""
    factor = await session.get(TotpFactor, user_id)
    if factor is None or factor.confirmed_at is None:
        return
    if totp_code is not None:
        await _accept_totp(session, vault, factor, totp_code)
    elif recovery_code is not None:
        await _accept_recovery(session, user_id, recovery_code)
    else:
        raise MfaRequired("A code from your authenticator app is needed.", field="totpCode")


async def _accept_totp(session: WriteSession, vault: Vault, factor: TotpFactor, code: str) -> None:
    totp = pyotp.TOTP(vault.open(factor.secret).decode())
    step = int(time.time()) // STEP_SECONDS
    # One step to either side, for clocks that are a little off.
    matching = [
        candidate
        for candidate in (step - 1, step, step + 1)
        if secrets.compare_digest(
            totp.generate_otp(candidate).encode(), code.replace(" ", "").encode()
        )
    ]
    # The update decides between two requests with one code: the step may only go up.
    accepted = matching and await session.scalar(
        sa.update(TotpFactor)
        .where(TotpFactor.user_id == factor.user_id, TotpFactor.last_step < matching[-1])
        .values(last_step=matching[-1])
        .returning(TotpFactor.user_id)
    )
    if not accepted:
        raise MfaCodeInvalid("The code is wrong or was used before.", field="totpCode")


async def _accept_recovery(session: WriteSession, user_id: UUID, code: str) -> None:
    plain = code.replace("-", "").replace(" ", "").upper()
    accepted = await session.scalar(
        sa.update(RecoveryCode)
        .where(
            RecoveryCode.user_id == user_id,
            RecoveryCode.code_hash == digest(plain),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=sa.func.clock_timestamp())
        .returning(RecoveryCode.user_id)
    )
    if accepted is None:
        raise MfaCodeInvalid("The code is wrong or was used before.", field="recoveryCode")


async def enable(session: WriteSession, *, viewer: Viewer, vault: Vault) -> tuple[str, str]:
    """A new secret and its otpauth address; it counts once a code confirmed it."""
    user = await accounts.lock(session, viewer.require_user())
    secret = pyotp.random_base32()
    statement = insert(TotpFactor).values(user_id=user.id, secret=vault.seal(secret.encode()))
    stored = await session.scalar(
        statement.on_conflict_do_update(
            index_elements=["user_id"],
            set_={"secret": statement.excluded.secret, "last_step": 0},
            where=TotpFactor.confirmed_at.is_(None),
        ).returning(TotpFactor.user_id)
    )
    if stored is None:
        raise MfaAlreadyOn("Two-step sign-in is on already.")
    audit.record(session, "mfa.started", viewer=viewer, subject_id=user.id)
    uri = pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name=ISSUER)
    return secret, uri


async def confirm(
    session: WriteSession, *, viewer: Viewer, vault: Vault, post: Post, code: str
) -> list[str]:
    """Turn the second factor on with a first code; the recovery codes are shown this once."""
    user = await accounts.lock(session, viewer.require_user())
    factor = await session.get(TotpFactor, user.id)
    if factor is None:
        raise MfaNotOn("Ask for a secret first.")
    if factor.confirmed_at is not None:
        raise MfaAlreadyOn("Two-step sign-in is on already.")
    try:
        await _accept_totp(session, vault, factor, code)
    except MfaCodeInvalid as error:
        raise InvalidInput(error.message, field="code") from None
    factor.confirmed_at = utc_now()
    codes = ["".join(secrets.choice(ALPHABET) for _ in range(16)) for _ in range(RECOVERY_CODES)]
    await session.execute(sa.delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    session.add_all(RecoveryCode(user_id=user.id, code_hash=digest(plain)) for plain in codes)
    _tell(session, post, user, "second_factor_on")
    audit.record(session, "mfa.enabled", viewer=viewer, subject_id=user.id)
    return ["-".join(plain[i : i + 4] for i in range(0, 16, 4)) for plain in codes]


async def disable(
    session: WriteSession,
    *,
    viewer: Viewer,
    vault: Vault,
    post: Post,
    verified_hash: str,
    code: str,
) -> User:
    """Turn the second factor off, with the password and a code of either kind."""
    user = await accounts.lock(session, viewer.require_user())
    if user.password_hash != verified_hash:
        raise InvalidCredentials("The password is wrong.", field="password")
    factor = await session.get(TotpFactor, user.id)
    if factor is None or factor.confirmed_at is None:
        raise MfaNotOn("Two-step sign-in is not on.")
    if code.replace(" ", "").isdigit() and len(code.replace(" ", "")) == 6:
        await _accept_totp(session, vault, factor, code)
    else:
        await _accept_recovery(session, user.id, code)
    for table in (TotpFactor, RecoveryCode):
        await session.execute(sa.delete(table).where(table.user_id == user.id))
    _tell(session, post, user, "second_factor_off")
    audit.record(session, "mfa.disabled", viewer=viewer, subject_id=user.id)
    return user


def _tell(session: WriteSession, post: Post, user: User, template: str) -> None:
    post.queue(session, template, to=user.email, locale=user.locale, name=user.first_name)
