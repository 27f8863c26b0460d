"""Settings of alerts: who is told what is wrong, how, and how often."""

from dataclasses import dataclass
from pathlib import Path

from leadkeep.settings.row import setting


@dataclass(frozen=True, kw_only=True)
class AlertSettings:
    """Alerts: mail to people when leads do not arrive, and when they do again."""

    mail_to: tuple[str, ...] = setting(
        (),
        "Who is told by mail. Empty: nobody.",
        kind="mail_addresses",
        example='["owner@example.com"]',
    )
    mail_from: str = setting(
        "",
        "The sender of these mails. Not set: the first of mail_to.",
        kind="mail_address",
        example='"leadkeep@example.com"',
    )
    smtp_host: str = setting(
        "127.0.0.1",
        "The mail server that takes them.",
        kind="text",
        example='"smtp.example.com"',
    )
    smtp_port: int = setting(
        0,
        "Its port. 0: 587 with starttls, 465 with tls, 25 with none.",
        kind="count",
        minimum=0,
        maximum=65_535,
    )
    smtp_security: str = setting(
        "starttls",
        "How the connection is protected; `none` only for a server on this machine or network.",
        kind="choice",
        choices=("starttls", "tls", "none"),
    )
    smtp_user: str = setting(
        "", "The name to log in with. Empty: without.", kind="text", example='"leadkeep"'
    )
    smtp_password: str = setting(
        "",
        "Its password.",
        kind="secret",
        secret=True,
        example='{ env = "SMTP_PASSWORD" }',
    )
    smtp_ca_file: Path | None = setting(
        None,
        "PEM file of certificates to trust instead of the system's.",
        kind="optional_path",
        example='"/etc/leadkeep/internal-ca.pem"',
    )
    name: str = setting(
        "",
        "What this installation is called in every subject. Empty: the name of the machine.",
        kind="text",
        example='"leads, production"',
    )
    late_minutes: int = setting(
        15,
        "A lead has waited so long for a destination that nobody holds.",
        kind="count",
        minimum=1,
        maximum=10_080,
    )
    down_minutes: int = setting(
        5,
        "A destination has not worked for so long.",
        kind="count",
        minimum=0,
        maximum=10_080,
    )
    remind_hours: int = setting(
        4,
        "What is urgent is told again so often until it is acknowledged or over; the rest once a "
        "day. 0: never.",
        kind="count",
        minimum=0,
        maximum=168,
    )
    mails_per_hour: int = setting(
        20,
        "More wait and come together in one mail.",
        kind="count",
        minimum=1,
        maximum=1_000,
    )
    heartbeat_url: str | None = setting(
        None,
        "Asked once a minute while alerts work: who watches it hears when this machine dies.",
        kind="optional_url",
        example='"https://heartbeat.example/leadkeep"',
    )

    @property
    def port(self) -> int:
        """The mail server's port."""
        return self.smtp_port or {"starttls": 587, "tls": 465}.get(self.smtp_security, 25)

    @property
    def sender(self) -> str:
        """Whom mails come from; empty: none are sent."""
        return self.mail_from or next(iter(self.mail_to), "")
