"""Mails to users: a row in the transaction that causes them, sent by the worker, tried again.

The values for a mail's text hold links with live tokens, so they lie encrypted in the row and are
wiped once the mail is sent or given up. Only hashes of the tokens are kept elsewhere.
"""

from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from shared.db import WriteSession, utc_now
from shared.ids import new_id
from subgraphs.identity.config import Settings
from subgraphs.identity.models import MailJob, User
from subgraphs.identity.service.secrets import Vault, digest, new_secret

LANGUAGES = ("en", "de")
LEASE = timedelta(minutes=5)
BATCH = 20
FIRST_DELAY_SECONDS = 15
LONGEST_DELAY_SECONDS = 3600
# Where in the web app the link of each purpose leads.
PAGES = {
    "verify_email": "verify-email",
    "reset_password": "reset-password",
    "change_email": "confirm-email",
    "undo_email": "undo-email",
}

# One statement for an account and for none, so that the answer's time does not tell them apart.
_LINK = sa.text(
    """
    WITH replaced AS (
        DELETE FROM auth_tokens
        WHERE user_id = CAST(:user_id AS uuid) AND purpose = :purpose AND used_at IS NULL
    ), link AS (
        INSERT INTO auth_tokens (id, user_id, purpose, token_hash, email, expires_at)
        SELECT :link_id, CAST(:user_id AS uuid), :purpose, :token_hash, :about, :expires_at
        WHERE CAST(:user_id AS uuid) IS NOT NULL
    )
    INSERT INTO mail_jobs (id, template, locale, recipient, context)
    SELECT :job_id, :purpose, :locale, :recipient, :context
    WHERE CAST(:user_id AS uuid) IS NOT NULL
    """
)

_texts = Environment(
    loader=FileSystemLoader(Path(__file__).parents[1] / "templates"),
    undefined=StrictUndefined,
    autoescape=select_autoescape(enabled_extensions=("html",)),
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class Mail:
    """A claimed mail; its values are still encrypted."""

    job_id: UUID
    attempt: int
    template: str
    language: str
    recipient: str
    sealed: bytes


def language_of(locale: str) -> str:
    """The language that mails are written in for a locale; English when there is no other."""
    language = locale.split("-")[0].lower()
    return language if language in LANGUAGES else "en"


def values_of(mail: Mail, *, vault: Vault) -> dict[str, str]:
    """The values for a mail's text, in the clear. Raises RuntimeError when no master key fits."""
    values: dict[str, str] = orjson.loads(vault.open(mail.sealed))
    return values


def compose(mail: Mail, values: dict[str, str], *, sender: str) -> EmailMessage:
    """The mail as text and HTML; the template's first line is the subject."""
    text = _texts.get_template(f"{mail.template}.{mail.language}.txt").render(values)
    subject, _, body = text.partition("\n")
    message = EmailMessage()
    message["Subject"] = subject.strip()
    message["From"] = sender
    message["To"] = mail.recipient
    message["Date"] = formatdate()
    # The job's id, so that a mail that was sent twice after a crash is recognised as one.
    message["Message-ID"] = make_msgid(idstring=str(mail.job_id), domain="edtech")
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(body.strip() + "\n")
    paragraphs = [part.strip() for part in body.split("\n\n") if part.strip()]
    page = _texts.get_template("layout.html").render(
        subject=subject, language=mail.language, paragraphs=paragraphs
    )
    message.add_alternative(page, subtype="html")
    return message


class Post:
    """Queues mails; with a link where the reader has to act."""

    def __init__(self, settings: Settings, vault: Vault) -> None:
        self._vault = vault
        self._public_url = settings.public_url.rstrip("/")
        self._lifetimes = {
            "verify_email": timedelta(hours=settings.verify_email_hours),
            "reset_password": timedelta(minutes=settings.reset_password_minutes),
            "change_email": timedelta(hours=settings.verify_email_hours),
            "undo_email": timedelta(days=settings.undo_email_days),
        }

    def lifetime(self, purpose: str) -> timedelta:
        """How long a link works."""
        return self._lifetimes[purpose]

    def link(self, purpose: str, token: str) -> str:
        """The page of the web app that uses a token."""
        return f"{self._public_url}/{PAGES[purpose]}?token={token}"

    def queue(
        self, session: WriteSession, template: str, *, to: str, locale: str, **values: str
    ) -> None:
        """Send a mail with this transaction."""
        content = orjson.dumps({"home": self._public_url, **values})
        session.add(
            MailJob(
                template=template,
                locale=language_of(locale),
                recipient=to,
                context=self._vault.seal(content),
            )
        )

    async def queue_link(
        self,
        session: WriteSession,
        purpose: str,
        user: User | None,
        *,
        to: str | None = None,
        about: str | None = None,
    ) -> None:
        """Send a link of a purpose, whose template has the same name; older ones stop working.

        `about` is the address that the link acts on, when it is not the one it is sent to. Without
        a user the same work is done and nothing is sent: callers do not tell who has an account.
        """
        token = new_secret()
        name, address = (user.first_name, user.email) if user is not None else ("", "")
        content = {"home": self._public_url, "name": name, "link": self.link(purpose, token)}
        await session.execute(
            _LINK,
            {
                "user_id": user.id if user is not None else None,
                "purpose": purpose,
                "link_id": new_id(),
                "token_hash": digest(token),
                "about": about or to or address,
                "expires_at": utc_now() + self.lifetime(purpose),
                "job_id": new_id(),
                "locale": language_of(user.locale if user is not None else "en"),
                "recipient": to or address,
                "context": self._vault.seal(orjson.dumps(content)),
            },
        )


async def claim_due(session: WriteSession) -> list[Mail]:
    """Take mails that are due, for five minutes; whoever dies meanwhile leaves them to be retried.

    The attempt is counted before the mail is sent, so that one that kills the worker ends, too.
    """
    due = (
        sa.select(MailJob.id)
        .where(MailJob.status == "pending", MailJob.next_attempt_at <= sa.func.clock_timestamp())
        .order_by(MailJob.next_attempt_at)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    jobs = await session.scalars(
        sa.update(MailJob)
        .where(MailJob.id.in_(due.scalar_subquery()))
        .values(attempts=MailJob.attempts + 1, next_attempt_at=sa.func.clock_timestamp() + LEASE)
        .returning(MailJob)
    )
    return [
        Mail(
            job_id=job.id,
            attempt=job.attempts,
            template=job.template,
            language=job.locale,
            recipient=job.recipient,
            sealed=job.context or b"",
        )
        for job in jobs
    ]


async def settle_sent(session: WriteSession, job_id: UUID) -> None:
    """The mail is out; its values are wiped."""
    await session.execute(
        sa.update(MailJob)
        .where(MailJob.id == job_id, MailJob.status == "pending")
        .values(status="sent", sent_at=sa.func.clock_timestamp(), context=None, error=None)
    )


def delay_after(attempt: int) -> timedelta:
    """How long a mail waits after its n-th try: twice as long each time, an hour at most."""
    return timedelta(seconds=min(FIRST_DELAY_SECONDS * 2 ** (attempt - 1), LONGEST_DELAY_SECONDS))


async def settle_failed(
    session: WriteSession, mail: Mail, *, error: str, most_attempts: int, final: bool = False
) -> None:
    """The mail is tried again later, or given up."""
    values: dict[str, Any] = {
        "error": error,
        "next_attempt_at": sa.func.clock_timestamp() + delay_after(mail.attempt),
    }
    if final or mail.attempt >= most_attempts:
        values |= {"status": "failed", "context": None}
    await session.execute(
        sa.update(MailJob)
        .where(MailJob.id == mail.job_id, MailJob.status == "pending")
        .values(values)
    )
