"""`leadkeep leads release`: leads to a path that nobody claims find their way after all."""

import pytest

from leadkeep.states import Disposition
from tests.integration.cli.installation import Installation
from tests.store.builders import a_lead

TWO = """\
[destinations.brain]
url = "http://127.0.0.1:9/in"
[destinations.archive]
url = "http://127.0.0.1:9/archive"
"""


@pytest.fixture
def quarantine(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Installation:
    monkeypatch.chdir(installation.folder)
    (installation.folder / "leadkeep.toml").write_text(TWO)
    installation.absorb(
        a_lead(destinations=("brain",)),
        *(
            a_lead(
                disposition=Disposition.QUARANTINED,
                destinations=(),
                hold_reason="no source claims the path /typo",
            )
            for _ in range(3)
        ),
    )
    return installation


def test_a_released_lead_waits_for_the_destination_that_was_named(quarantine: Installation) -> None:
    assert quarantine.statuses() == ["pending", "held", "held", "held"]
    ref = quarantine.json("leads", "list", "--status", "held")[0]["lead_id"]
    assert quarantine.ok("leads", "release", ref, "--to", "brain") == "1 lead released\n"
    shown = quarantine.json("leads", "show", ref)
    assert [(one["destination"], one["status"]) for one in shown["deliveries"]] == [
        ("brain", "pending")
    ]
    assert sorted(quarantine.statuses()) == ["held", "held", "pending", "pending"]


def test_without_a_name_it_goes_to_every_destination(quarantine: Installation) -> None:
    ref = quarantine.json("leads", "list", "--status", "held")[0]["lead_id"]
    quarantine.ok("leads", "release", ref)
    shown = quarantine.json("leads", "show", ref)
    assert {one["destination"] for one in shown["deliveries"]} == {"brain", "archive"}


def test_many_are_released_only_after_a_yes(quarantine: Installation) -> None:
    told = quarantine.ok("leads", "release", "--everything", "--dry-run")
    assert told == "3 leads would be released\n"
    assert quarantine.run("leads", "release", "--everything").exit_code == 2
    assert quarantine.statuses().count("held") == 3
    told = quarantine.ok("leads", "release", "--everything", "--to", "brain", "--yes")
    assert told == "3 leads released\n"
    assert quarantine.statuses() == ["pending"] * 4


def test_an_unknown_destination_is_named_with_those_there_are(quarantine: Installation) -> None:
    result = quarantine.run("leads", "release", "--everything", "--yes", "--to", "brian")
    assert result.exit_code == 5
    assert "'brian'" in result.stderr
    assert "brain" in result.stderr
    assert quarantine.statuses().count("held") == 3


def test_nothing_named_releases_nothing(quarantine: Installation) -> None:
    assert quarantine.run("leads", "release", "--to", "brain").exit_code == 2
    assert quarantine.statuses().count("held") == 3


def test_a_lead_that_did_not_prove_its_vendor_goes_where_its_source_sends(
    quarantine: Installation,
) -> None:
    unproved = a_lead(
        disposition=Disposition.QUARANTINED,
        destinations=("archive",),
        hold_reason="not proved to be from meta: it has no signature",
    )
    ref = quarantine.absorb(unproved)[-1].lead_id
    quarantine.ok("leads", "release", "--everything", "--to", "brain", "--yes")
    assert quarantine.statuses() == ["pending"] * 4 + ["held"]
    assert quarantine.ok("leads", "release", ref) == "1 lead released\n"
    shown = quarantine.json("leads", "show", ref)
    assert [(one["destination"], one["status"]) for one in shown["deliveries"]] == [
        ("archive", "pending")
    ]
