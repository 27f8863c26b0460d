"""Handing mails to a real mail server."""

import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import trustme

from leadkeep.alerts.mail import MailServer
from leadkeep.errors import AlertsUndelivered
from leadkeep.settings.alerts import AlertSettings
from leadkeep.settings.secret import Secret
from tests.integration.alerts.mailbox import Mailbox, a_mailbox
from tests.integration.waiting import free_port

OWNER, NIGHT = "owner@example.test", "night@example.test"


def settings(port: int, **changes: Any) -> AlertSettings:
    values: dict[str, Any] = {
        "mail_to": (OWNER, NIGHT),
        "mail_from": "leadkeep@example.test",
        "smtp_port": port,
        "smtp_security": "none",
    }
    return AlertSettings(**(values | changes))


def a_mail(subject: str = "hello") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "leadkeep@example.test", OWNER, subject
    message.set_content("text")
    return message


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with a_mailbox() as box:
        yield box


async def test_everybody_who_is_told_gets_it(mailbox: Mailbox) -> None:
    await MailServer(settings(mailbox.port)).send([a_mail("one"), a_mail("two")])
    assert mailbox.subjects == ["one", "two"]
    assert mailbox.recipients == [[OWNER, NIGHT]] * 2


async def test_one_who_is_unknown_does_not_keep_it_from_the_others(mailbox: Mailbox) -> None:
    mailbox.refuses = {NIGHT}
    await MailServer(settings(mailbox.port)).send([a_mail()])
    assert mailbox.recipients == [[OWNER]]


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ({"refuses_data": True}, "it answered 451"),
        ({"refuses": {OWNER, NIGHT}}, r"refuses everybody who shall be told \(550\)"),
    ],
)
async def test_a_server_that_does_not_take_it_is_an_error_without_addresses(
    mailbox: Mailbox, behaviour: dict[str, Any], words: str
) -> None:
    for name, value in behaviour.items():
        setattr(mailbox, name, value)
    with pytest.raises(AlertsUndelivered, match=words) as caught:
        await MailServer(settings(mailbox.port)).send([a_mail()])
    assert "@" not in str(caught.value)
    assert f"127.0.0.1:{mailbox.port}" in str(caught.value)
    assert "alerts test" in caught.value.hint


async def test_a_server_that_is_not_there_is_an_error() -> None:
    with pytest.raises(AlertsUndelivered, match="Connection refused"):
        await MailServer(settings(free_port())).send([a_mail()])


async def test_what_is_wanted_and_not_offered_is_an_error(mailbox: Mailbox) -> None:
    with pytest.raises(AlertsUndelivered, match="does not offer"):
        await MailServer(settings(mailbox.port, smtp_security="starttls")).send([a_mail()])
    assert mailbox.mails == []


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def guarded(authority: trustme.CA) -> Iterator[Mailbox]:
    """A mail server that wants STARTTLS and a login."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with a_mailbox(starttls=context) as box:
        yield box


def with_login(guarded: Mailbox, tmp_path: Path, authority: trustme.CA, **more: Any) -> MailServer:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    chosen: dict[str, Any] = {
        "smtp_security": "starttls",
        "smtp_ca_file": file,
        "smtp_user": "leadkeep",
        "smtp_password": "secret",
    }
    return MailServer(settings(guarded.port, **(chosen | more)))


async def test_it_logs_in_behind_tls(
    guarded: Mailbox, tmp_path: Path, authority: trustme.CA
) -> None:
    await with_login(guarded, tmp_path, authority).send([a_mail()])
    assert guarded.logins == [("leadkeep", "secret")]
    assert guarded.subjects == ["hello"]


async def test_a_password_in_a_file_is_read_when_it_is_used(
    guarded: Mailbox, tmp_path: Path, authority: trustme.CA
) -> None:
    file = tmp_path / "password"
    file.write_text("old\n")
    server = with_login(guarded, tmp_path, authority, smtp_password=Secret.read(file))
    with pytest.raises(AlertsUndelivered, match=r"refuses the login \(535\)"):
        await server.send([a_mail()])
    file.write_text("secret\n")
    await server.send([a_mail()])
    assert guarded.subjects == ["hello"]


async def test_a_stranger_s_certificate_gets_no_password(guarded: Mailbox, tmp_path: Path) -> None:
    with pytest.raises(AlertsUndelivered, match="TLS failed"):
        await with_login(guarded, tmp_path, trustme.CA()).send([a_mail()])
    assert guarded.logins == []
