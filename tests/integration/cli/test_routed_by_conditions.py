"""From the push to the queue: a lead goes where its source's routes say."""

import pytest

from tests.integration.cli.installation import Installation

CONFIG = """\
[destinations.ohio]
url = "http://127.0.0.1:9/ohio"
[destinations.crm]
url = "http://127.0.0.1:9/crm"
[sources.auto]
paths = ["/auto"]
routing = "all"
[[sources.auto.routes]]
when = "payload.state == 'OH'"
to = ["ohio", "crm"]
[[sources.auto.routes]]
when = "contains(payload.tags, 'vip')"
to = ["crm"]
"""


@pytest.mark.parametrize(
    ("body", "standings"),
    [
        (
            b'{"state": "OH", "tags": ["vip"]}',
            {("ohio", "pending"), ("crm", "pending")},
        ),
        (b'{"state": "KY", "tags": ["vip"]}', {("crm", "pending")}),
        (b'{"state": "KY", "tags": []}', {(None, "held")}),
        (b'{"state": "OH"}', {(None, "held")}),
        (b'{"state": "OH", ', {(None, "held")}),
        (b"", {(None, "held")}),
    ],
)
def test_a_lead_goes_where_its_routes_say(
    installation: Installation,
    monkeypatch: pytest.MonkeyPatch,
    body: bytes,
    standings: set[tuple[str | None, str]],
) -> None:
    monkeypatch.chdir(installation.folder)
    (installation.folder / "leadkeep.toml").write_text(CONFIG)
    installation.ok("push", "-", "--source", "auto", stdin=body)
    installation.run("process-queue")
    views = installation.json("leads", "list")
    assert {(view["destination"], view["status"]) for view in views} == standings
    if (None, "held") in standings:
        reason = views[0]["error_message"]
        assert reason == "no route takes it" or reason.startswith("route ")
        ref = views[0]["lead_id"]
        installation.ok("leads", "release", ref, "--to", "crm")
        shown = installation.json("leads", "show", ref, "--reveal")
        assert shown["deliveries"][0]["destination"] == "crm"
