"""The mail catcher: every mail is kept, listed newest first, and shown."""

import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest

from deploy.local.mail import KEPT, Mail, Mailbox


@pytest.fixture
def mail(tmp_path: Path) -> Iterator[Mail]:
    service = Mail(tmp_path)
    service.start()
    yield service
    service.stop()


def send(service: Mail, *, to: list[str], subject: str, html: str | None = None) -> None:
    message = EmailMessage()
    message["From"] = "EdTech <noreply@example.org>"
    message["To"] = "undisclosed"
    message["Subject"] = subject
    message.set_content("Open https://example.org/verify\n")
    if html is not None:
        message.add_alternative(html, subtype="html")
    env = service.env()
    with smtplib.SMTP(env["SMTP_HOST"], int(env["SMTP_PORT"]), timeout=10) as smtp:
        smtp.send_message(message, to_addrs=to)


def listed(service: Mail, query: str = "") -> list[dict[str, object]]:
    answer = httpx.get(f"{service.env()['MAIL_CATCHER_URL']}/api/messages{query}")
    assert answer.status_code == 200
    found: list[dict[str, object]] = answer.json()
    return found


def test_mail_is_listed_newest_first_with_its_envelope_recipients(mail: Mail) -> None:
    send(mail, to=["a@example.org"], subject="Grüße", html="<b>Hello</b>\n")
    send(mail, to=["b@example.org", "c@example.org"], subject="Second")
    assert [(entry["subject"], entry["to"]) for entry in listed(mail)] == [
        ("Second", ["b@example.org", "c@example.org"]),
        ("Grüße", ["a@example.org"]),
    ]
    (first,) = listed(mail, "?to=A@Example.org")
    assert first["text"] == "Open https://example.org/verify\n"
    assert first["html"] == "<b>Hello</b>\n"
    assert set(first) == {"id", "to", "sender", "subject", "text", "html", "at"}
    assert listed(mail, "?to=nobody@example.org") == []


def test_mails_survive_a_restart_and_are_gone_after_delete(mail: Mail) -> None:
    send(mail, to=["a@example.org"], subject="Kept")
    before = listed(mail)
    mail.restart()
    assert listed(mail) == before
    assert len(list(mail.directory.glob("*.eml"))) == 1
    url = f"{mail.env()['MAIL_CATCHER_URL']}/api/messages"
    assert httpx.delete(url).status_code == 204
    assert listed(mail) == []
    assert list(mail.directory.glob("*.eml")) == []


def test_page_needs_nothing_from_elsewhere(mail: Mail) -> None:
    page = httpx.get(mail.env()["MAIL_CATCHER_URL"])
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<title>Mail catcher</title>" in page.text
    assert "src=" not in page.text
    assert "<link" not in page.text


def test_oldest_mail_is_dropped_beyond_the_limit(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path)
    for number in range(KEPT + 1):
        mailbox.add(f"Subject: {number}\r\n\r\nx".encode(), ["a@example.org"])
    subjects = [message.subject for message in mailbox.list_messages()]
    assert (len(subjects), subjects[0], subjects[-1]) == (KEPT, str(KEPT), "1")
    assert len(list(tmp_path.glob("*.eml"))) == KEPT


def test_mail_of_an_unknown_character_set_is_still_shown(tmp_path: Path) -> None:
    raw = b"Subject: x\r\nContent-Type: text/plain; charset=klingon\r\n\r\nnuqneH"
    assert Mailbox(tmp_path).add(raw, ["a@example.org"]).text == "nuqneH"
