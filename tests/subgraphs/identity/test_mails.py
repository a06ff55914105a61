"""Mails: written with their cause, sent once, tried again, given up."""

import asyncio
import os
import smtplib
import ssl
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiosmtpd.smtp import SMTP
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from jinja2 import UndefinedError

from shared.db import utc_now
from shared.ids import new_id
from subgraphs.identity.ports import MailServer
from subgraphs.identity.service.mails import LANGUAGES, Mail, compose, delay_after, language_of
from subgraphs.identity.timers import purge_credentials, send_mails
from tests.subgraphs.identity.people import (
    PASSWORD,
    REGISTER,
    TERMS,
    execute,
    rows,
    runtime_of,
    value,
)
from tests.support.graph import GraphClient

TEMPLATES = (
    "account_suspended",
    "already_registered",
    "change_email",
    "password_changed",
    "reset_password",
    "second_factor_off",
    "second_factor_on",
    "session_stolen",
    "undo_email",
    "verify_email",
    "webhook_disabled",
)


def address() -> str:
    """An address that no other test's mails go to."""
    return f"{new_id().hex}@example.org"


async def register(identity: GraphClient, email: str, locale: str = "en") -> None:
    """Cause a mail."""
    given = {
        "email": email,
        "password": PASSWORD,
        "firstName": "Ada",
        "lastName": "Lovelace",
        "acceptTerms": TERMS,
        "locale": locale,
    }
    await identity.ask(REGISTER, input=given)


async def caught(email: str) -> list[dict[str, Any]]:
    """What the mail catcher holds for an address."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(
            f"{os.environ['MAIL_CATCHER_URL']}/api/messages", params={"to": email}
        )
        found: list[dict[str, Any]] = answer.json()
        return found


async def test_mail_arrives_with_a_link_that_works(identity: GraphClient) -> None:
    email = address()
    await register(identity, email, "de-AT")
    await send_mails(runtime_of(identity))
    (mail,) = await caught(email)
    assert mail["subject"] == "Bestätigen Sie Ihre E-Mail-Adresse"
    assert mail["sender"] == "EdTech <no-reply@edtech.test>"
    link = next(line for line in mail["text"].splitlines() if line.startswith("http"))
    assert link.startswith("http://web.test/verify-email?token=")
    assert f'href="{link}"' in mail["html"]
    answer = await identity.ask(
        "mutation($t: String!) { verifyEmail(token: $t) { ... on User { email } } }",
        t=link.split("=")[1],
    )
    assert answer.data["verifyEmail"]["email"] == email


async def test_sent_mail_is_sent_once_and_its_values_are_wiped(identity: GraphClient) -> None:
    email = address()
    await register(identity, email)
    runtime = runtime_of(identity)
    await asyncio.gather(*(send_mails(runtime) for _ in range(4)))
    await send_mails(runtime)
    assert len(await caught(email)) == 1
    assert await rows(identity, "SELECT status, attempts, context FROM mail_jobs") == [
        ("sent", 1, None)
    ]


async def test_mail_of_a_dead_worker_is_sent_after_the_lease(
    identity: GraphClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    email = address()
    await register(identity, email)
    runtime = runtime_of(identity)

    async def die(mail: EmailMessage) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(runtime.mail_server, "send", die)
        with pytest.raises(asyncio.CancelledError):
            await send_mails(runtime)
    await send_mails(runtime)
    assert await caught(email) == []
    await execute(identity, "UPDATE mail_jobs SET next_attempt_at = now()")
    await send_mails(runtime)
    assert len(await caught(email)) == 1
    assert await value(identity, "SELECT attempts FROM mail_jobs") == 2


async def test_failed_mail_is_tried_again_when_it_is_due_and_given_up_in_the_end(
    identity: GraphClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(identity, address())
    runtime = runtime_of(identity)
    tries = 0

    async def fail(mail: EmailMessage) -> None:
        nonlocal tries
        tries += 1
        raise ConnectionRefusedError("nobody there")

    monkeypatch.setattr(runtime.mail_server, "send", fail)
    for _ in range(10):
        await send_mails(runtime)
        await send_mails(runtime)
        await execute(identity, "UPDATE mail_jobs SET next_attempt_at = now()")
    assert tries == runtime.settings.mail_attempts == 8
    assert await rows(identity, "SELECT status, attempts, context, error FROM mail_jobs") == [
        ("failed", 8, None, "ConnectionRefusedError: nobody there")
    ]


def test_each_wait_is_twice_as_long_up_to_an_hour() -> None:
    waits = [delay_after(attempt).total_seconds() for attempt in range(1, 11)]
    assert waits == [15, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600]


async def test_refused_recipient_is_given_up_at_once(
    identity: GraphClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    email = address()
    await register(identity, email)

    def refuse(self: smtplib.SMTP, message: EmailMessage) -> None:
        raise smtplib.SMTPRecipientsRefused({email: (550, b"no such user")})

    monkeypatch.setattr(smtplib.SMTP, "send_message", refuse)
    await send_mails(runtime_of(identity))
    ((status, error),) = await rows(identity, "SELECT status, error FROM mail_jobs")
    assert (status, error) == ("failed", "MailRefused: recipient refused (550)")


async def test_busy_mail_server_is_tried_again_without_keeping_its_text(
    identity: GraphClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    email = address()
    await register(identity, email)

    def busy(self: smtplib.SMTP, message: EmailMessage) -> None:
        raise smtplib.SMTPDataError(451, f"busy, {email}".encode())

    monkeypatch.setattr(smtplib.SMTP, "send_message", busy)
    await send_mails(runtime_of(identity))
    ((status, error),) = await rows(identity, "SELECT status, error FROM mail_jobs")
    assert (status, error) == ("pending", "OSError: SMTPDataError (451)")


async def test_mail_that_cannot_be_read_does_not_keep_the_others(identity: GraphClient) -> None:
    lost, fine = address(), address()
    await register(identity, lost)
    await execute(identity, "UPDATE mail_jobs SET context = 'sealed with a lost key'")
    await register(identity, fine)
    await send_mails(runtime_of(identity))
    assert len(await caught(fine)) == 1
    found = await rows(identity, "SELECT status, error FROM mail_jobs ORDER BY id")
    assert found == [("pending", "RuntimeError"), ("sent", None)]


async def test_mail_of_a_refused_registration_does_not_exist(identity: GraphClient) -> None:
    await identity.ask(
        REGISTER,
        input={
            "email": address(),
            "password": "weak",
            "firstName": "A",
            "lastName": "B",
            "acceptTerms": TERMS,
        },
    )
    assert await value(identity, "SELECT count(*) FROM mail_jobs") == 0


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("template", TEMPLATES)
def test_every_template_has_subject_text_and_escaped_html(template: str, language: str) -> None:
    values = {
        "name": "Ada & <b>",
        "home": "http://web.test",
        "link": "http://web.test/x?token=t",
        "reason": "none",
    }
    mail = compose(
        Mail(new_id(), 1, template, language, "ada@example.org", b""),
        values,
        sender="a@example.org",
    )
    assert 5 < len(mail["Subject"]) < 80
    assert mail["To"] == "ada@example.org"
    text = mail.get_body(("plain",))
    page = mail.get_body(("html",))
    assert text is not None
    assert page is not None
    assert "Ada & <b>" in text.get_content()
    assert "Ada &amp; &lt;b&gt;" in page.get_content()
    assert "{{" not in text.get_content()


def test_missing_value_is_an_error_and_no_half_mail() -> None:
    mail = Mail(new_id(), 1, "verify_email", "en", "a@example.org", b"")
    with pytest.raises(UndefinedError):
        compose(mail, {}, sender="b@example.org")


def test_language_falls_back_to_english() -> None:
    assert [language_of(tag) for tag in ("de", "de-AT", "en-GB", "fr")] == ["de", "de", "en", "en"]


async def test_purge_keeps_what_is_alive(identity: GraphClient) -> None:
    await register(identity, address())
    runtime = runtime_of(identity)
    await purge_credentials(runtime)
    assert await value(identity, "SELECT count(*) FROM auth_tokens") == 1
    assert await value(identity, "SELECT count(*) FROM mail_jobs") == 1
    await execute(identity, "UPDATE auth_tokens SET expires_at = now() - interval '31 days'")
    await execute(
        identity, "UPDATE mail_jobs SET created_at = now() - interval '31 days', status = 'sent'"
    )
    await purge_credentials(runtime)
    assert await value(identity, "SELECT count(*) FROM auth_tokens") == 0
    assert await value(identity, "SELECT count(*) FROM mail_jobs") == 0


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_mail_server_without_a_trusted_certificate_gets_nothing(
    identity: GraphClient, security: str, tmp_path: Path
) -> None:
    context = untrusted(tmp_path)
    received: list[Any] = []

    class Handler:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
            received.append(envelope)
            return "250 Kept"

    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(Handler(), tls_context=context if security == "starttls" else None),
        "127.0.0.1",
        0,
        ssl=context if security == "tls" else None,
    )
    port = server.sockets[0].getsockname()[1]
    settings = runtime_of(identity).settings.model_copy(
        update={"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": security}
    )
    message = compose(
        Mail(new_id(), 1, "session_stolen", "en", "a@example.org", b""),
        {"name": "A", "home": "b"},
        sender="b@example.org",
    )
    with pytest.raises(ssl.SSLCertVerificationError):
        await MailServer(settings).send(message)
    server.close()
    await server.wait_closed()
    assert received == []


def untrusted(folder: Path) -> ssl.SSLContext:
    """A server's context with a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = utc_now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context
