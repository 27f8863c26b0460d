"""`leadkeep leads preview`: the request as it would be sent, with secrets hidden, and none sent."""

import json

import pytest

from leadkeep.deployments import DeploymentResult, Ending
from leadkeep.models import Contact, LeadPart
from leadkeep.store.base import Store
from tests.integration.cli.installation import Installation
from tests.store.builders import a_lead

CONFIG = """\
[destinations.crm]
url = "http://127.0.0.1:9/in?key=url-secret"
headers = { X-Key = "header-secret" }
[destinations.crm.transform]
body = '{"tel": {{ payload.contact.phone|tojson }}}'
headers = { X-Campaign = "{{ query.campaign }}" }
[destinations.exact]
url = "http://127.0.0.1:9/exact"
"""


@pytest.fixture
def one_lead(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Installation:
    monkeypatch.chdir(installation.folder)
    (installation.folder / "leadkeep.toml").write_text(CONFIG)
    installation.absorb(a_lead(destinations=("crm",)))
    return installation


def ref(of: Installation) -> str:
    lead_id: str = of.json("leads", "list")[0]["lead_id"]
    return lead_id


def test_the_rewritten_request_is_shown_as_it_would_be_sent(one_lead: Installation) -> None:
    told = one_lead.ok("leads", "preview", ref(one_lead), "--destination", "crm", "--reveal")
    head, _, body = told.partition("\n\n")
    lines = head.splitlines()
    assert lines[:2] == ["POST /in?•••&campaign=7 HTTP/1.1", "Host: 127.0.0.1:9"]
    assert "Content-Type: application/json" in lines
    assert "X-Campaign: 7" in lines
    assert "X-Key: •••" in lines
    assert "Leadkeep-Attempt: 1" in lines
    assert body == '{"tel": "614-555-0142"}\n'


async def _switch_to_green(store: Store) -> None:
    deployment = await store.begin_deployment("crm", actor="ada", note="", at_most_ms=60_000)
    ending = Ending(
        result=DeploymentResult.COMPLETED,
        switch_to="http://127.0.0.1:9/green",
        configured_url="http://127.0.0.1:9/in",
    )
    await store.end_deployment(deployment.deployment_id, ending, actor="ada")


def test_what_is_shown_goes_where_a_deployment_has_switched_to(one_lead: Installation) -> None:
    one_lead.in_store(_switch_to_green)
    told = one_lead.ok("leads", "preview", ref(one_lead), "--destination", "crm")
    assert told.startswith("POST /green")


@pytest.mark.parametrize("options", [(), ("--reveal",), ("--json",), ("--json", "--reveal")])
def test_no_secret_is_ever_shown(one_lead: Installation, options: tuple[str, ...]) -> None:
    told = one_lead.ok("leads", "preview", ref(one_lead), "--destination", "crm", *options)
    assert "secret" not in told
    assert ("614-555-0142" in told) == ("--reveal" in options)


def test_without_transformation_it_is_the_exact_request(one_lead: Installation) -> None:
    command = ("leads", "preview", ref(one_lead), "--destination", "exact", "--reveal")
    told = one_lead.json(*command)
    assert (told["rewritten"], told["sendable"]) == (False, True)
    assert (told["method"], told["target"]) == ("POST", "/exact?campaign=7")
    assert json.loads(told["body"])["contact"]["phone"] == "614-555-0142"


def test_what_cannot_be_sent_says_why(one_lead: Installation) -> None:
    one_lead.absorb(a_lead(destinations=("crm",), body=b'{"contact": {}}'))
    bad = one_lead.json("leads", "list")[0]["lead_id"]
    result = one_lead.run("leads", "preview", bad, "--destination", "crm")
    assert result.exit_code == 1
    assert "the template of its body: line 1: the lead has no `phone`" in result.stderr
    told = one_lead.run("leads", "preview", bad, "--destination", "crm", "--json")
    assert json.loads(told.stdout)["sendable"] is False


def test_it_needs_to_know_lead_and_destination(one_lead: Installation) -> None:
    assert one_lead.run("leads", "preview", ref(one_lead)).exit_code == 2
    gone = ("leads", "preview", ref(one_lead), "--destination", "gone")
    assert one_lead.run(*gone).exit_code == 5
    assert one_lead.run("leads", "preview", "1" * 13, "--destination", "crm").exit_code == 5


def test_a_wrong_template_is_found_by_check(one_lead: Installation) -> None:
    config = one_lead.folder / "leadkeep.toml"
    config.write_text(CONFIG.replace("|tojson", "|tojsno"))
    result = one_lead.run("check")
    assert result.exit_code == 1
    assert "destinations.crm.transform.body: line 1: there is no filter `tojsno`" in result.stderr


def test_a_wrong_condition_is_found_by_check(one_lead: Installation) -> None:
    routes = """
[sources.auto]
paths = ["/auto"]
[[sources.auto.routes]]
when = "payload.state == 'OH'"
to = ["crm"]
[[sources.auto.routes]]
when = "payload.state = 'KY'"
to = ["exact"]
"""
    config = one_lead.folder / "leadkeep.toml"
    config.write_text(CONFIG + routes)
    result = one_lead.run("check")
    assert result.exit_code == 1
    assert (
        "sources.auto.routes, route 2, when = `payload.state = 'KY'`: "
        "no JMESPath from character 15 on" in result.stderr
    )
    config.write_text(CONFIG + routes.replace(" = 'KY'", " == 'KY'"))
    assert one_lead.ok("check").startswith("The configuration is right.")
    told = one_lead.ok("config", "show")
    assert 'when = "payload.state == \'OH\'", to = ["crm"]' in told


def test_of_a_request_that_is_split_it_is_that_of_its_first_lead(
    one_lead: Installation,
) -> None:
    parts = tuple(LeadPart(Contact(), b'{"n":%d}' % number) for number in (1, 2))
    one_lead.absorb(a_lead(destinations=("exact",), parts=parts, splits=True))
    command = ("leads", "preview", ref(one_lead), "--destination", "exact", "--reveal")
    told = one_lead.ok(*command)
    assert f"Idempotency-Key: {ref(one_lead)}-1" in told
    assert "Leadkeep-Part: 1/2" in told
    assert told.endswith('{"n":1}\n')
