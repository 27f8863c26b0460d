"""Several leads in one POST, from the vendor to the application: together, or each by itself."""

import base64
import hashlib
import hmac
import json
import time
import urllib.request

import pytest

from leadkeep.supervisor.presence import read_state
from tests.integration.cli.installation import Installation
from tests.integration.cli.sink import Sink, a_sink
from tests.integration.cli.test_serve_command import Serving, serving, wait_for

CONFIG = """\
[destinations.brain]
url = "{url}"
[sources.meta]
preset = "meta"
paths = ["/meta"]
secrets = "app"
handshake.token = "word"
several = "{several}"
[sources.hubspot]
preset = "hubspot"
paths = ["/hubspot"]
secrets = "client"
verify.public_url = "https://leads.example.test"
several = "{several}"
"""
META = (
    b'{"object":"page","entry":[{"id":"1","changes":[{"field":"leadgen","value":'
    b'{"leadgen_id":444,"created_time":1.50}}]},{"id":"2","changes":[{"field":"leadgen","value":'
    b'{"leadgen_id":445}}]}]}'
)
EVENTS = [b'{"eventId":%d,"subscriptionType":"contact.creation","objectId":7}' % n for n in (1, 2)]
HUBSPOT = b"[" + b",".join(EVENTS) + b"]"


def post(running: Serving, path: str, body: bytes, headers: dict[str, str]) -> None:
    state = read_state(running.folder)
    assert state is not None
    request = urllib.request.Request(f"http://{state['listen'][0]}{path}", data=body)
    for name, value in {"Content-Type": "application/json", **headers}.items():
        request.add_header(name, value)
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def post_both(running: Serving) -> None:
    signature = hmac.new(b"app", META, hashlib.sha256).hexdigest()
    post(running, "/meta", META, {"X-Hub-Signature-256": f"sha256={signature}"})
    now = str(int(time.time() * 1_000))
    signed = b"POSThttps://leads.example.test/hubspot" + HUBSPOT + now.encode()
    made = base64.b64encode(hmac.new(b"client", signed, hashlib.sha256).digest()).decode()
    hubspot = {"X-HubSpot-Signature-v3": made, "X-HubSpot-Request-Timestamp": now}
    post(running, "/hubspot", HUBSPOT, hubspot)


@pytest.mark.parametrize("several", ["together", "split"])
def test_leads_of_one_request_reach_the_application(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, several: str
) -> None:
    monkeypatch.chdir(installation.folder)
    with a_sink() as sink:
        config = CONFIG.format(url=sink.url, several=several)
        (installation.folder / "leadkeep.toml").write_text(config)
        expected = (
            [META, HUBSPOT]
            if several == "together"
            else [b'{"leadgen_id":444,"created_time":1.50}', b'{"leadgen_id":445}', *EVENTS]
        )
        with serving(installation) as running:
            post_both(running)
            wait_for(lambda: len(sink.bodies) == len(expected), "the deliveries")
            wait_for(
                lambda: installation.statuses() == ["completed"] * len(expected), "their record"
            )
        assert sorted(sink.bodies) == sorted(expected)
        _check_headers(installation, sink, several)
        assert installation.json("ledger")["balanced"] is True
        installation.ok("verify")


def _check_headers(installation: Installation, sink: Sink, several: str) -> None:
    leads = {view["lead_id"] for view in installation.json("leads", "list")}
    keys = {headers["Idempotency-Key"] for headers in sink.headers}
    assert {headers["Content-Type"] for headers in sink.headers} == {"application/json"}
    if several == "together":
        assert keys == leads
        assert all("Leadkeep-Part" not in headers for headers in sink.headers)
    else:
        assert keys == {f"{lead}-{part}" for lead in leads for part in (1, 2)}
        assert sorted(one["Leadkeep-Part"] for one in sink.headers) == ["1/2", "1/2", "2/2", "2/2"]
    for lead in leads:
        page = installation.ok("leads", "show", lead)
        assert "Leads in this request: 2" in page
        assert "the payload holds no contact" in page
        assert ("brain, lead 2 of 2" in page) is (several == "split")


def test_the_page_of_a_request_hides_who_its_leads_are(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(installation.folder)
    config = CONFIG.format(url="http://127.0.0.1:9/", several="split")
    (installation.folder / "leadkeep.toml").write_text(config + '[sources.any]\npaths = ["/any"]\n')
    body = [
        {"name": "Ada", "phone": "614-555-0142", "address": "742 Sample Ave"},
        {"name": "Bo", "email": "bo.example@x.test", "ip": "203.0.113.24"},
    ]
    installation.ok("push", "-", "--source", "any", stdin=json.dumps(body).encode())
    installation.run("process-queue")
    ref = installation.json("leads", "list")[0]["lead_id"]
    masked = installation.ok("leads", "show", ref)
    masked += installation.ok("leads", "show", ref, "--json")
    for secret in ("614555", "bo.example@"):
        assert secret not in masked.replace(ref, ""), secret
    for part in installation.json("leads", "show", ref)["parts"]:
        assert set(part) == {"part", "contact", "facts"}
        assert (part["facts"].get("address", "•••"), part["facts"].get("ip_address", "")) == (
            "•••",
            "",
        )
    told = installation.json("leads", "show", ref, "--reveal")
    assert [base64.b64decode(part["body_base64"]) for part in told["parts"]] == [
        json.dumps(part).encode() for part in body
    ]
    assert [part["contact"]["name"] for part in told["parts"]] == ["Ada", "Bo"]


def test_a_person_decides_about_one_lead_of_a_request(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(installation.folder)
    config = CONFIG.format(url="http://127.0.0.1:9/", several="split")
    config += '[sources.any]\npaths = ["/any"]\nseveral = "split"\n'
    (installation.folder / "leadkeep.toml").write_text(config)
    body = json.dumps([{"name": name} for name in ("Ada", "Bo", "Cy")]).encode()
    number = installation.ok("push", "-", "--source", "any", stdin=body).split()[0]
    installation.run("process-queue")

    assert "1 delivery cancelled" in installation.ok("leads", "cancel", f"{number}/2")
    assert "1 delivery held" in installation.ok("leads", "hold", f"{number}/3")
    shown = {
        view["part"]: view["status"]
        for view in installation.json("leads", "show", number)["deliveries"]
    }
    assert shown == {1: "pending", 2: "cancelled", 3: "held"}
    assert "1 delivery due at once" in installation.ok("leads", "retry", f"{number}/2")
    page = installation.ok("leads", "show", f"{number}/3")
    assert "name        Cy" in page
    assert "Leads in this request: 1" in page
    missing = installation.run("leads", "retry", f"{number}/4")
    assert missing.exit_code == 5
    assert f"the request {number} holds no lead 4" in missing.stderr
