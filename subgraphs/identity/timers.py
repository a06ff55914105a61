"""Work that identity's worker does every so often; copies may run at the same time."""

import sqlalchemy as sa

from shared.runtime import Timer
from shared.telemetry import log
from subgraphs.identity import models
from subgraphs.identity.ports import MailRefused
from subgraphs.identity.runtime import IdentityRuntime
from subgraphs.identity.service import mails

_DAYS = "clock_timestamp() - interval '{} days'"
# Kept a while after their end, so that a late use is told what happened.
_PURGE = (
    sa.delete(models.AuthToken).where(models.AuthToken.expires_at < sa.text(_DAYS.format(30))),
    sa.delete(models.UserSession).where(models.UserSession.expires_at < sa.text(_DAYS.format(30))),
    sa.delete(models.ProviderLogin).where(
        models.ProviderLogin.expires_at < sa.text(_DAYS.format(1))
    ),
    sa.delete(models.MailJob).where(
        models.MailJob.created_at < sa.text(_DAYS.format(30)), models.MailJob.status != "pending"
    ),
)


async def send_mails(runtime: IdentityRuntime) -> None:
    """Send what is due, until nothing is; each mail is settled on its own."""
    while True:
        async with runtime.database.write() as session:
            due = await mails.claim_due(session)
        if not due:
            return
        for mail in due:
            await _send(runtime, mail)


async def _send(runtime: IdentityRuntime, mail: mails.Mail) -> None:
    settings = runtime.settings
    try:
        values = mails.values_of(mail, vault=runtime.vault)
        message = mails.compose(mail, values, sender=settings.mail_from)
        await runtime.mail_server.send(message)
    except Exception as error:
        # Whatever is wrong with this one, the others are sent.
        expected = isinstance(error, OSError | MailRefused)
        reason = f"{type(error).__name__}: {error}"[:200] if expected else type(error).__name__
        log.warning(
            "mail not sent",
            job=str(mail.job_id),
            attempt=mail.attempt,
            reason=reason,
            exc_info=not expected,
        )
        async with runtime.database.write() as session:
            await mails.settle_failed(
                session,
                mail,
                error=reason,
                most_attempts=settings.mail_attempts,
                final=isinstance(error, MailRefused),
            )
        return
    async with runtime.database.write() as session:
        await mails.settle_sent(session, mail.job_id)


async def rotate_keys(runtime: IdentityRuntime) -> None:
    """Make the next signing key in time."""
    async with runtime.database.write() as session:
        await runtime.keyring.rotate(session)


async def purge_credentials(runtime: IdentityRuntime) -> None:
    """Delete links, sessions, logins and mails that are over."""
    async with runtime.database.write() as session:
        await session.execute(sa.text("SET LOCAL statement_timeout = 0"))
        for statement in _PURGE:
            await session.execute(statement)


timers = (
    Timer("send-mails", None, send_mails),
    Timer("rotate-keys", 60, rotate_keys),
    Timer("purge-credentials", 3600, purge_credentials),
)
