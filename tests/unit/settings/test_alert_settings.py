"""Who is told and through which mail server: what may be said, and what cannot be."""

from pathlib import Path

import pytest

from leadkeep.errors import SettingsError
from leadkeep.settings.alerts import AlertSettings
from leadkeep.settings.load import load


def loaded(folder: Path, text: str, *, check_files: bool = False) -> AlertSettings:
    (folder / "leadkeep.toml").write_text("[alerts]\n" + text)
    return load(config=None, environ={}, flags={}, cwd=folder, check_files=check_files).alerts


def test_nobody_is_told_unless_it_is_said(tmp_path: Path) -> None:
    alerts = loaded(tmp_path, "")
    assert (alerts.mail_to, alerts.sender) == ((), "")


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("", 587),
        ('smtp_security = "tls"', 465),
        ('smtp_security = "none"', 25),
        ("smtp_port = 2525", 2_525),
    ],
)
def test_the_port_is_the_usual_one_unless_it_is_said(tmp_path: Path, text: str, port: int) -> None:
    assert loaded(tmp_path, text).port == port


def test_mails_come_from_the_first_who_is_told_unless_it_is_said(tmp_path: Path) -> None:
    to = 'mail_to = "owner@example.test, night+1@example.test"\n'
    assert loaded(tmp_path, to).sender == "owner@example.test"
    assert loaded(tmp_path, to + 'mail_from = "a@example.test"').sender == "a@example.test"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('mail_to = "owner"', "alerts.mail_to"),
        ('mail_to = ["owner@example.test\\r\\nBcc: x@example.test"]', "alerts.mail_to"),
        ('mail_to = ["a@example.test", "a@example.test"]', "alerts.mail_to"),
        ('mail_from = "Owner <owner@example.test>"', "alerts.mail_from"),
        ('mail_from = "owner@example.test\\nBcc: x@example.test"', "alerts.mail_from"),
        ('smtp_security = "ssl"', "alerts.smtp_security"),
        ("smtp_port = 65536", "alerts.smtp_port"),
        ('smtp_user = "u"', "alerts.smtp_password: missing"),
        ('smtp_password = "p"', "alerts.smtp_user: missing"),
        (
            'smtp_user = "u"\nsmtp_password = "p"\nsmtp_security = "none"',
            "the password would go unprotected",
        ),
        ('mail_to = "a@example.test"\nsmtp_host = ""', "alerts.smtp_host: missing"),
        ('heartbeat_url = "example.test"', "alerts.heartbeat_url"),
    ],
)
def test_what_cannot_be_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(tmp_path, text)
    assert named in str(caught.value)


def test_certificates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r'alerts\.smtp_ca_file = ".*ca\.pem": cannot be read'):
        loaded(tmp_path, 'smtp_ca_file = "ca.pem"', check_files=True)
