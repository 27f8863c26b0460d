"""Python functions and their like from the configuration to the lead's page."""

import pytest

from tests.integration.cli.installation import Installation

CODE = """
import os
from pathlib import Path

def take(lead):
    Path("taken").mkdir(exist_ok=True)
    (Path("taken") / lead.idempotency_key).write_bytes(lead.body)
    return {"lead_id": lead.lead_number, "process": os.getpid()}

def fail(lead):
    raise ValueError("no room for " + lead.payload()["name"])
"""


@pytest.fixture
def crm(installation: Installation) -> Installation:
    (installation.folder / "crm.py").write_text(CODE)
    return installation


def configured(installation: Installation, toml: str) -> None:
    (installation.folder / "leadkeep.toml").write_text(f"[destinations.crm]\n{toml}\n")


def test_a_lead_is_delivered_to_a_python_function(crm: Installation) -> None:
    configured(crm, 'url = "python:crm:take"')
    body = b'{"name": "Ada",\r\n\t"caf\xc3\xa9": 1}'
    _, lead_id = crm.ok("push", "-", stdin=body).split()
    assert crm.json("process-queue")["completed"] == 1
    assert (crm.folder / "taken" / lead_id).read_bytes() == body


def test_a_traceback_is_shown_where_the_payload_is_shown(crm: Installation) -> None:
    configured(crm, 'url = "python:crm:fail"')
    _, lead_id = crm.ok("push", "-", stdin=b'{"name": "Ada"}').split()
    assert crm.run("process-queue").exit_code == 3
    page = crm.ok("leads", "show", lead_id, "--reveal")
    assert "crm raised ValueError" in page
    assert "ValueError: no room for Ada" in page
    assert 'crm.py", line' in page
    assert "no room" not in crm.ok("leads", "list")


def test_check_says_what_is_wrong_with_a_python_destination(crm: Installation) -> None:
    configured(crm, 'url = "python:crm:take"')
    assert "python:crm:take" in crm.ok("check")
    for url, words in (
        ("python:crm:tkae", "has no `tkae`"),
        ("python:cmr:take", "cannot be imported"),
        ("python:crm:__name__", "cannot be called"),
        ("python:crm", "python:package.module:function"),
        ("pyhton:crm:take", "destinations.crm.url"),
    ):
        configured(crm, f'url = "{url}"')
        result = crm.run("check")
        assert result.exit_code == 1
        assert words in result.stderr
        assert "destinations.crm.url" in result.stderr


def test_check_says_what_is_wrong_with_tls(crm: Installation) -> None:
    configured(crm, 'url = "https://app.example/"\ntls.ca_file = "ca.pem"')
    (crm.folder / "ca.pem").write_text("no certificate")
    result = crm.run("check")
    assert result.exit_code == 1
    assert "destinations.crm.tls.ca_file" in result.stderr


def test_check_and_show_tell_no_secret(crm: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_TOKEN", "canary-secret")
    configured(crm, 'url = "https://app.example/"\nauth.bearer = { env = "CRM_TOKEN" }')
    for command in (["check"], ["check", "--json"], ["config", "show"], ["status"]):
        result = crm.run(*command)
        assert "canary-secret" not in result.output
    configured(crm, 'url = "https://app.example/"\nsign.secrets = ["canary-secret"]')
    result = crm.run("check")
    assert result.exit_code == 1
    assert "destinations.crm.sign.secrets" in result.stderr
    assert "canary-secret" not in result.output
