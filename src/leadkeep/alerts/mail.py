"""Handing mails to a mail server. The only module that speaks SMTP."""

import asyncio
import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage

import structlog

from leadkeep.errors import AlertsUndelivered
from leadkeep.settings.alerts import AlertSettings
from leadkeep.settings.secret import Secret

TIMEOUT_SECONDS = 10.0
"""For connecting, and for each answer of the server."""

_log = structlog.get_logger("leadkeep.alerts")


class MailServer:
    """Takes mails for the people who are told.

    Args:
        settings: where it is, how to log in, and whom it sends to.
    """

    def __init__(self, settings: AlertSettings) -> None:
        self._settings = settings
        self._where = f"{settings.smtp_host}:{settings.port}"

    async def send(self, messages: Sequence[EmailMessage]) -> None:
        """Hand mails over, in one connection; the server has each once this returns.

        Raises:
            AlertsUndelivered: it did not take them, or not all; send all again later.
        """
        await asyncio.to_thread(self.send_now, messages)

    def send_now(self, messages: Sequence[EmailMessage]) -> None:
        """The same, in this thread; see `send`."""
        try:
            with self._connected() as server:
                for message in messages:
                    refused = server.send_message(
                        message,
                        from_addr=self._settings.sender,
                        to_addrs=list(self._settings.mail_to),
                    )
                    if refused:
                        # The others have it. Codes only: an answer may quote the address.
                        codes = sorted({code for code, _ in refused.values()})
                        _log.warning(
                            "the mail server refused some who shall be told",
                            server=self._where,
                            refused=len(refused),
                            codes=codes,
                        )
        except (smtplib.SMTPException, OSError) as error:
            raise AlertsUndelivered(
                f"the mail server {self._where} did not take an alert: {_why(error)}",
                hint="Check alerts.smtp_… in the settings with `leadkeep alerts test`.",
            ) from error

    def _connected(self) -> smtplib.SMTP:
        """A connection that is logged in where that is wanted."""
        chosen = self._settings
        if chosen.smtp_security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                chosen.smtp_host, chosen.port, timeout=TIMEOUT_SECONDS, context=self._trusted()
            )
        else:
            server = smtplib.SMTP(chosen.smtp_host, chosen.port, timeout=TIMEOUT_SECONDS)
        try:
            if chosen.smtp_security == "starttls":
                server.starttls(context=self._trusted())
            if chosen.smtp_user:
                server.login(chosen.smtp_user, _password(chosen))
        except BaseException:
            server.close()
            raise
        return server

    def _trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._settings.smtp_ca_file)


def _password(settings: AlertSettings) -> str:
    """As its file has it now, if it stands in one."""
    kept = settings.smtp_password
    return Secret.read(kept.file) if isinstance(kept, Secret) else kept


def _why(error: Exception) -> str:
    """In words, without anything that the server may have quoted."""
    match error:
        case smtplib.SMTPRecipientsRefused():
            codes = sorted({code for code, _ in error.recipients.values()})
            why = f"it refuses everybody who shall be told ({', '.join(map(str, codes))})"
        case smtplib.SMTPAuthenticationError():
            why = f"it refuses the login ({error.smtp_code})"
        case smtplib.SMTPNotSupportedError():
            why = "it does not offer what smtp_security or smtp_user need"
        case smtplib.SMTPResponseException():
            why = f"it answered {error.smtp_code}"
        case smtplib.SMTPServerDisconnected():
            why = "it closed the connection or did not answer in time"
        case ssl.SSLError():
            why = f"TLS failed ({error.reason or 'unknown reason'})"
        case OSError():
            why = error.strerror or str(error) or type(error).__name__
        case _:
            why = type(error).__name__
    return why
