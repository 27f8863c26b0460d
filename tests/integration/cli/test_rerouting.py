"""`leadkeep leads reroute`: today's routes for leads of yesterday, when a person asks."""

import pytest

from leadkeep.app.adopting import adopt_unrouted
from leadkeep.models import RecordFlag
from leadkeep.states import Status
from leadkeep.store.base import Store
from tests.integration.cli.installation import Installation
from tests.store.builders import a_lead, a_quarantined_lead, an_unrouted_lead

CONFIG = """\
[destinations.ohio]
url = "http://127.0.0.1:9/ohio"
[destinations.rest]
url = "http://127.0.0.1:9/rest"
[sources.auto]
paths = ["/auto"]
[[sources.auto.routes]]
when = "payload.state == 'OH'"
to = ["ohio"]
[[sources.auto.routes]]
when = "payload.state == 'KY'"
to = ["rest"]
"""
OHIO, KENTUCKY, TEXAS = b'{"state": "OH"}', b'{"state": "KY"}', b'{"state": "TX"}'


@pytest.fixture
def routed(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Installation:
    monkeypatch.chdir(installation.folder)
    (installation.folder / "leadkeep.toml").write_text(CONFIG)
    return installation


def standings(of: Installation) -> list[tuple[str | None, str]]:
    views = of.json("leads", "list")[::-1]
    return [(view["destination"], view["status"]) for view in views]


def test_leads_go_where_the_changed_configuration_sends_them(routed: Installation) -> None:
    routed.absorb(
        a_lead(source="auto", body=OHIO, destinations=("rest",)),
        a_lead(source="auto", body=KENTUCKY, destinations=("rest",)),
        a_lead(source="auto", body=TEXAS, destinations=("rest",)),
    )
    before = standings(routed)
    told = routed.ok("leads", "reroute", "--everything", "--dry-run")
    assert told.splitlines() == [
        "2 leads would be rerouted",
        "  1 delivery to other destinations",
        "  1 delivery cancelled",
        "  1 delivery held: no route takes them",
    ]
    assert standings(routed) == before
    assert routed.run("leads", "reroute", "--everything").exit_code == 2
    assert standings(routed) == before
    assert routed.json("leads", "reroute", "--everything", "--yes") == {
        "verb": "reroute",
        "leads": 2,
        "sent": 1,
        "cancelled": 1,
        "held": 1,
        "dry_run": False,
    }
    assert standings(routed) == [
        ("rest", "cancelled"),
        ("ohio", "pending"),
        ("rest", "pending"),
        ("rest", "held"),
    ]


def test_a_lead_that_no_route_took_goes_once_there_is_one(routed: Installation) -> None:
    lead = a_quarantined_lead(source="auto", body=OHIO, hold_reason="no route takes it")
    routed.absorb(lead)
    told = routed.ok("leads", "reroute", "--held-because", "no route", "--yes")
    assert told.startswith("1 lead rerouted\n")
    assert standings(routed) == [("ohio", "pending")]


def test_a_path_that_nobody_claimed_belongs_to_whoever_claims_it_now(
    routed: Installation,
) -> None:
    routed.absorb(
        a_quarantined_lead(source="", flags=RecordFlag.NO_ROUTE, target=b"/auto?x", body=KENTUCKY),
        a_quarantined_lead(source="", flags=RecordFlag.NO_ROUTE, target=b"/else", body=KENTUCKY),
    )
    routed.ok("leads", "reroute", "--status", "held", "--yes")
    assert standings(routed) == [("rest", "pending"), (None, "held")]


def test_a_lead_that_cannot_be_judged_stays_held(routed: Installation) -> None:
    lead = a_quarantined_lead(source="auto", body=b'{"state": "O', hold_reason="route 1 cannot be")
    routed.absorb(lead)
    ref = routed.json("leads", "list")[0]["lead_id"]
    assert routed.ok("leads", "reroute", ref) == "0 leads rerouted\n"
    assert routed.ok("leads", "release", ref, "--to", "rest") == "1 lead released\n"
    assert standings(routed) == [("rest", "pending")]


def test_nothing_is_rerouted_without_being_asked_for(routed: Installation) -> None:
    assert routed.run("leads", "reroute").exit_code == 2
    assert routed.json("leads", "reroute", "--everything", "--yes")["leads"] == 0


def test_leads_that_came_before_any_destination_follow_the_routes_too(
    routed: Installation,
) -> None:
    routed.absorb(
        an_unrouted_lead(source="auto", body=OHIO), an_unrouted_lead(source="auto", body=TEXAS)
    )

    async def adopt(store: Store) -> None:
        await adopt_unrouted(routed.settings, store)

    config = routed.folder / "leadkeep.toml"
    assert config.exists()
    routed.in_store(adopt)
    assert standings(routed) == [("ohio", "pending"), (None, "held")]


def test_many_leads_are_rerouted_page_by_page(
    routed: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    from leadkeep.delivery import rerouting

    monkeypatch.setattr(rerouting, "PAGE", 7)
    leads = [a_lead(source="auto", body=OHIO, destinations=("rest", "old")) for _ in range(20)]
    routed.absorb(*leads)
    found = routed.json("leads", "reroute", "--everything", "--yes")
    assert (found["leads"], found["sent"], found["cancelled"]) == (20, 20, 40)

    async def counts(store: Store) -> dict[Status, int]:
        return await store.counts()

    after = routed.in_store(counts)
    assert (after[Status.PENDING], after[Status.CANCELLED]) == (20, 40)
