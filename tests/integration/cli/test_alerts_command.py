"""`leadkeep alerts`: what was told, and what people say to it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from leadkeep.app import open_store
from leadkeep.app.alerting import make_alert_watch
from leadkeep.states import Status
from tests.integration.alerts.mailbox import a_mailbox
from tests.integration.cli.installation import Installation
from tests.store.builders import a_lead

REFUSED: dict[str, Any] = {"needs_mending": True, "error_class": "http_422"}


def look(installation: Installation) -> None:
    """As the worker does every few seconds."""

    async def once() -> None:
        async with open_store(installation.settings) as store:
            watch = make_alert_watch(installation.settings, store, damaged=dict, beside_door=False)
            await watch.once()

    asyncio.run(once())


def listed_refusal(installation: Installation) -> Any:
    """The incident of refused leads: the lead is old, and so it is late, too."""
    (one,) = (one for one in installation.json("alerts", "list") if one["kind"] == "refused")
    return one


@pytest.fixture
def refused(installation: Installation) -> Installation:
    """One lead is refused, and it was noticed."""
    installation.absorb(a_lead())
    installation.attempt("default", Status.PENDING, **REFUSED)
    look(installation)
    return installation


def test_nothing_is_wrong_at_first(installation: Installation) -> None:
    result = installation.run("alerts", "list")
    assert result.exit_code == 0
    assert "Nothing is wrong" in result.stderr
    assert "Nobody is told by mail: set alerts.mail_to" in result.stderr


def test_what_is_wrong_is_listed_and_shown(refused: Installation) -> None:
    listed = refused.ok("alerts", "list")
    assert "firing" in listed
    assert "default refuses 1 lead" in listed
    one = listed_refusal(refused)
    assert (one["number"], one["state"]) == (1, "firing")
    shown = refused.ok("alerts", "show", 1)
    assert "Are leads safe? Yes" in shown
    assert "Newest error: http_422" in shown
    assert "next: leadkeep leads list --destination default --status pending" in shown


def test_status_names_refused_leads_as_at_risk(refused: Installation) -> None:
    result = refused.run("status")
    assert result.exit_code == 3
    assert "default refuses 1 lead (http_422)" in result.stdout
    assert json.loads(refused.run("status", "--json").stdout)["refused"][0]["deliveries"] == 1


def test_an_acknowledged_incident_says_by_whom(refused: Installation) -> None:
    assert "no more reminders" in refused.ok("alerts", "acknowledge", 1)
    look(refused)
    one = listed_refusal(refused)
    assert one["state"] == "acknowledged"
    assert one["acknowledged_by"].startswith("command line")


def test_a_silenced_incident_speaks_again_later(refused: Installation) -> None:
    assert "until" in refused.ok("alerts", "silence", 1, "--for", "4h")
    one = listed_refusal(refused)
    assert one["state"] == "silenced"


def test_an_incident_that_is_not_there_is_not_found(installation: Installation) -> None:
    installation.absorb(a_lead())
    result = installation.run("alerts", "acknowledge", 7)
    assert result.exit_code == 5
    assert "there is no incident 7" in result.stderr


def test_a_test_mail_arrives_or_the_error_says_what_to_do(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert installation.run("alerts", "test").exit_code == 2
    monkeypatch.setenv("LEADKEEP_ALERTS__MAIL_TO", "owner@example.test")
    monkeypatch.setenv("LEADKEEP_ALERTS__SMTP_SECURITY", "none")
    with a_mailbox() as box:
        monkeypatch.setenv("LEADKEEP_ALERTS__SMTP_PORT", str(box.port))
        assert "took a mail to 1 address" in installation.ok("alerts", "test")
        assert "TEST: alerts arrive here" in box.subjects[0]
    result = installation.run("alerts", "test")
    assert result.exit_code == 1
    assert "did not take an alert" in result.stderr


def test_unsent_alerts_are_seen_in_status(
    refused: Installation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with a_mailbox() as box:
        port = box.port
    monkeypatch.setenv("LEADKEEP_ALERTS__MAIL_TO", "owner@example.test")
    monkeypatch.setenv("LEADKEEP_ALERTS__SMTP_SECURITY", "none")
    monkeypatch.setenv("LEADKEEP_ALERTS__SMTP_PORT", str(port))
    look(refused)
    status = refused.run("status").stdout
    assert "2 alerts wait to be mailed" in status
    assert "next: leadkeep alerts test" in status
    assert "2 notices wait to be mailed" in refused.run("alerts", "list").stderr
