"""A mail server on loopback that keeps what it takes."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.integration.waiting import free_port, wait_until


class Mailbox:
    """What a mail server got, and how it behaves."""

    def __init__(self) -> None:
        self.port = free_port()
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.refuses_data = False
        self.refuses: set[str] = set()
        """Recipients that it does not know."""
        self.logins: list[tuple[str, str]] = []
        self._lock = threading.Lock()

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuses:
            return f"550 there is no {address} here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802  aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.refuses_data:
            return "451 come back later"
        content = envelope.content
        assert isinstance(content, bytes)
        mail = message_from_bytes(content, policy=policy.default)
        with self._lock:
            self.mails.append(mail)
            self.recipients.append(list(envelope.rcpt_tos))
        return "250 OK"

    @property
    def subjects(self) -> list[str]:
        """Of the mails, in the order in which they came."""
        return [str(mail["Subject"]) for mail in self.mails]

    def wait_for(self, number: int) -> list[EmailMessage]:
        """Wait until so many mails have come."""
        wait_until(f"{number} mails have come", lambda: len(self.mails) >= number)
        return self.mails

    def login(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        """Take `leadkeep` with the password `secret`."""
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=self.logins[-1] == ("leadkeep", "secret"), handled=False)


@contextmanager
def a_mailbox(
    *, starttls: ssl.SSLContext | None = None, box: Mailbox | None = None
) -> Iterator[Mailbox]:
    """A running mail server.

    Args:
        starttls: it offers STARTTLS with this certificate and wants it, and a login.
        box: one that was made before, whose port somebody knows already.
    """
    box = box or Mailbox()
    more: dict[str, Any] = {}
    if starttls is not None:
        more = {
            "tls_context": starttls,
            "require_starttls": True,
            "auth_required": True,
            "authenticator": box.login,
        }
    controller = Controller(box, hostname="127.0.0.1", port=box.port, **more)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()
