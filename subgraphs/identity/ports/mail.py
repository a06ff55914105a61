"""The mail server."""

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from functools import cached_property
from typing import Any

from subgraphs.identity.config import Settings


class MailRefused(Exception):
    """The mail server will never take this mail."""


class MailServer:
    """SMTP, in a thread: the standard library's client blocks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def send(self, mail: EmailMessage) -> None:
        """Hand one mail over. Raises MailRefused, or OSError when a later try may succeed."""
        await asyncio.to_thread(self._send, mail)

    @cached_property
    def _trusted(self) -> ssl.SSLContext:
        # smtplib's own default verifies no certificate. Made once: it reads every known authority.
        return ssl.create_default_context()

    def _send(self, mail: EmailMessage) -> None:
        s = self._settings
        where: dict[str, Any] = {
            "host": s.smtp_host,
            "port": s.smtp_port,
            "timeout": s.mail_timeout_seconds,
        }
        try:
            with (
                smtplib.SMTP_SSL(**where, context=self._trusted)
                if s.smtp_security == "tls"
                else smtplib.SMTP(**where)
            ) as server:
                if s.smtp_security == "starttls":
                    server.starttls(context=self._trusted)
                if s.smtp_user is not None and s.smtp_password is not None:
                    server.login(s.smtp_user, s.smtp_password.get_secret_value())
                server.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            if all(code >= 500 for code in codes):
                raise MailRefused(f"recipient refused ({codes[0]})") from None
            raise OSError(f"recipient put off ({codes[0]})") from None
        except smtplib.SMTPResponseException as error:
            # The server's text may quote the address, so only its code is kept.
            raise OSError(f"{type(error).__name__} ({error.smtp_code})") from None
