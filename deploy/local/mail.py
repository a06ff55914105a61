"""Mail catcher: accepts every mail by SMTP, delivers none, and shows them on a web page.

Run as `python -m deploy.local.mail SMTP_PORT HTTP_PORT FOLDER`; the mails lie there as .eml files.
"""

import asyncio
import itertools
import sys
from collections import deque
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from pathlib import Path

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from deploy.local import tools
from deploy.local.ports import HOST, free_port
from deploy.local.process import ChildProcess, Progress, silent
from deploy.local.service import Service, accepts, http_status

KEPT = 1000
"""How many mails are kept; the oldest go first, file and all."""

PAGE = Path(__file__).with_name("mail.html")


class Mail(Service):
    """One mail catcher: an SMTP port for the subgraphs, an HTTP port for people and tests."""

    key = "mail"
    title = "Mail catcher"

    def __init__(
        self,
        directory: Path,
        *,
        port: int | None = None,
        http_port: int | None = None,
        progress: Progress = silent,
    ) -> None:
        """`port` is SMTP's."""
        super().__init__(directory, port=port, progress=progress)
        self.http_port = http_port or free_port()

    @property
    def ports(self) -> dict[str, tuple[str, int]]:
        """The SMTP port and the port of the page."""
        return {**super().ports, "EDTECH_MAIL_HTTP_PORT": (self.title, self.http_port)}

    def env(self) -> dict[str, str]:
        """Where to send mail and where to read it."""
        return {
            "SMTP_HOST": HOST,
            "SMTP_PORT": str(self.port),
            "MAIL_CATCHER_URL": f"http://{HOST}:{self.http_port}",
        }

    def command(self) -> list[str | Path]:
        """This module as a program."""
        return [
            *(sys.executable, "-m", "deploy.local.mail"),
            *(str(self.port), str(self.http_port), self.directory),
        ]

    def is_ready(self) -> bool:
        """Say whether both ports answer."""
        return accepts(self.port) and http_status(self.http_port, "/api/messages?to=-") == 200

    def _child(self) -> ChildProcess:
        return ChildProcess(
            self.title, self.command(), log=self.log, cwd=tools.ROOT, keep_open=self.keep_open
        )


@dataclass(frozen=True)
class Message:
    """One mail as the page and the tests read it."""

    id: str
    to: list[str]
    sender: str
    subject: str
    text: str
    html: str
    at: str

    @classmethod
    def parse(cls, id: str, raw: bytes, recipients: list[str] | None = None) -> "Message":
        """Read a mail; without envelope recipients those of its headers are taken."""
        mail = message_from_bytes(raw, policy=default_policy)
        named = mail.get("X-Envelope-To", "") or mail.get("To", "")
        return cls(
            id=id,
            to=recipients or [address.strip() for address in str(named).split(",")],
            sender=str(mail.get("From", "")),
            subject=str(mail.get("Subject", "")),
            text=_body(mail, "plain"),
            html=_body(mail, "html"),
            at=datetime.fromtimestamp(int(id.split("-")[0]) / 1e6, UTC).isoformat(),
        )


class Mailbox:
    """The mails in memory, newest first, each also a file in `folder`."""

    def __init__(self, folder: Path) -> None:
        """Read the mails that an earlier run left in the folder."""
        self.folder = folder
        self._numbers = itertools.count()
        files = sorted(folder.glob("*.eml"))
        for old in files[:-KEPT]:
            old.unlink(missing_ok=True)
        self._messages = deque(
            Message.parse(file.stem, file.read_bytes()) for file in reversed(files[-KEPT:])
        )

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - the name is aiosmtpd's
        """Keep one mail."""
        content = envelope.content or b""
        raw = content if isinstance(content, bytes) else content.encode()
        self.add(raw, list(envelope.rcpt_tos))
        return "250 Kept"

    def add(self, raw: bytes, recipients: list[str]) -> Message:
        """Keep one mail, and drop the oldest beyond KEPT."""
        now = int(datetime.now(UTC).timestamp() * 1e6)
        message = Message.parse(f"{now:016d}-{next(self._numbers):04d}", raw, recipients)
        header = f"X-Envelope-To: {', '.join(recipients)}\r\n".encode()
        (self.folder / f"{message.id}.eml").write_bytes(header + raw)
        self._messages.appendleft(message)
        while len(self._messages) > KEPT:
            self._forget(self._messages.pop())
        return message

    def list_messages(self, to: str | None = None) -> list[Message]:
        """The mails to this address, or all, newest first."""
        wanted = to.casefold() if to is not None else None
        return [
            message
            for message in self._messages
            if wanted is None or wanted in (address.casefold() for address in message.to)
        ]

    def clear(self) -> None:
        """Forget every mail."""
        while self._messages:
            self._forget(self._messages.pop())

    def _forget(self, message: Message) -> None:
        (self.folder / f"{message.id}.eml").unlink(missing_ok=True)


def make_app(mailbox: Mailbox) -> Starlette:
    """The page at `/` and the list at `/api/messages` (GET, also `?to=`; DELETE)."""

    async def page(request: Request) -> Response:
        return FileResponse(PAGE, headers={"Cache-Control": "no-store"})

    async def messages(request: Request) -> Response:
        if request.method == "DELETE":
            mailbox.clear()
            return Response(status_code=204)
        found = mailbox.list_messages(request.query_params.get("to"))
        return JSONResponse([asdict(message) for message in found])

    return Starlette(
        routes=[
            Route("/", page),
            Route("/api/messages", messages, methods=["GET", "DELETE"]),
        ]
    )


async def serve(smtp_port: int, http_port: int, folder: Path) -> None:
    """Serve SMTP and HTTP until SIGTERM."""
    mailbox = Mailbox(folder)
    smtp = await asyncio.get_running_loop().create_server(
        lambda: SMTP(mailbox, enable_SMTPUTF8=True, hostname="localhost"), HOST, smtp_port
    )
    web = uvicorn.Server(
        uvicorn.Config(
            make_app(mailbox), host=HOST, port=http_port, log_level="warning", lifespan="off"
        )
    )
    async with smtp:
        await web.serve()


def _body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    if part is None:
        return ""
    try:
        return str(part.get_content()).replace("\r\n", "\n")
    except (LookupError, ValueError):  # An unknown character set.
        payload = part.get_payload(decode=True)
        return payload.decode(errors="replace") if isinstance(payload, bytes) else ""


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
