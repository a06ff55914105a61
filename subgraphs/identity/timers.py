"""Work that identity's worker does every so often; copies may run at the same time."""

import asyncio
import time
from uuid import UUID

import sqlalchemy as sa

from shared.runtime import Timer
from shared.telemetry import log
from subgraphs.identity import models
from subgraphs.identity.ports import Answer, MailRefused
from subgraphs.identity.runtime import IdentityRuntime
from subgraphs.identity.service import mails, webhook_deliveries

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
    # What waits for an endpoint whose client was revoked is never sent, nor settled.
    sa.delete(models.WebhookDelivery).where(
        sa.or_(
            models.WebhookDelivery.settled_at < sa.text(_DAYS.format(30)),
            sa.and_(
                models.WebhookDelivery.status == "PENDING",
                models.WebhookDelivery.next_attempt_at < sa.text(_DAYS.format(30)),
            ),
        )
    ),
)
# How many webhooks are under way at once, and for how long a run takes on more.
_WEBHOOKS = 20
_WEBHOOK_RUN_SECONDS = 10


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


async def send_webhooks(runtime: IdentityRuntime) -> None:
    """Send what is due. An endpoint that hangs keeps no other one waiting.

    A run ends after a while even if there is more, so that the worker can stop in between.
    """
    until = time.monotonic() + _WEBHOOK_RUN_SECONDS
    running: dict[asyncio.Task[None], UUID] = {}
    failure: BaseException | None = None
    try:
        while True:
            free = _WEBHOOKS - len(running)
            if free > 0 and failure is None and time.monotonic() < until:
                async with runtime.database.write() as session:
                    claimed = await webhook_deliveries.claim_due(
                        session, most=free, busy=list(running.values())
                    )
                for message in claimed:
                    running[asyncio.create_task(_deliver(runtime, message))] = message.endpoint_id
            if not running:
                break
            done, _ = await asyncio.wait(
                running,
                timeout=runtime.settings.worker_poll_seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                del running[task]
                # What is under way is brought to its end first: it would arrive twice.
                failure = failure or _failure_of(task)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    if failure is not None:
        raise failure


def _failure_of(task: asyncio.Task[None]) -> BaseException | None:
    return asyncio.CancelledError() if task.cancelled() else task.exception()


async def _deliver(runtime: IdentityRuntime, message: webhook_deliveries.Message) -> None:
    try:
        headers = message.headers(runtime.vault)
        answer = await runtime.webhooks.post(message.url, headers=headers, body=message.body)
    except Exception as error:
        # Whatever is wrong with this one, the others are sent.
        log.warning("webhook not sent", delivery=str(message.delivery_id), exc_info=True)
        answer = Answer(status=None, error=type(error).__name__, milliseconds=0)
    async with runtime.database.write() as session:
        await webhook_deliveries.settle(
            session, message, answer, settings=runtime.settings, post=runtime.post
        )


async def rotate_keys(runtime: IdentityRuntime) -> None:
    """Make the next signing key in time."""
    async with runtime.database.write() as session:
        await runtime.keyring.rotate(session)


async def purge_credentials(runtime: IdentityRuntime) -> None:
    """Delete links, sessions, logins, mails and webhooks that are over."""
    async with runtime.database.write() as session:
        await session.execute(sa.text("SET LOCAL statement_timeout = 0"))
        for statement in _PURGE:
            await session.execute(statement)


timers = (
    Timer("send-mails", None, send_mails),
    Timer("send-webhooks", None, send_webhooks),
    Timer("rotate-keys", 60, rotate_keys),
    Timer("purge-credentials", 3600, purge_credentials),
)
