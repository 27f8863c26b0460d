"""A lead is rewritten on its way, kept as it came, and held when it cannot be rewritten."""

import json

from leadkeep.models import Selection
from leadkeep.settings.transform import TransformSettings
from leadkeep.states import Status, Verb
from tests.integration.delivery.raw_server import OK, Visit, raw_server, replies
from tests.integration.delivery.workbench import Workbench, eventually

TEMPLATE = TransformSettings(
    body='{"tel": {{ payload.contact.phone|tojson }}}', headers={"X-Path": "{{ path }}"}
)
BUSY = b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n"


async def test_what_is_sent_is_rewritten_and_what_is_kept_is_not(bench: Workbench) -> None:
    async with raw_server(replies(OK)) as server:
        (lead,) = await bench.add_leads(1, target=b"/in?a=1")
        async with bench.running({"brain": server.url}, transform=TEMPLATE):
            await eventually(bench.all_completed)
    (request,) = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert json.loads(body) == {"tel": "614-555-0142"}
    assert b"\r\nX-Path: /in\r\n" in head + b"\r\n"
    assert f"\r\nContent-Length: {len(body)}\r\n".encode() in head
    kept = await bench.store.lead(lead)
    assert b"first_name" in kept.body
    assert kept.headers == b"Content-Type: application/json\r\n"


async def test_each_try_sends_the_same(bench: Workbench) -> None:
    async def busy_then_ok(visit: Visit) -> None:
        while await visit.request():
            await visit.send(BUSY if len(server.requests) == 1 else OK)

    async with raw_server(busy_then_ok) as server:
        await bench.add_leads(1)
        async with bench.running({"brain": server.url}, transform=TEMPLATE):
            await eventually(bench.all_completed)
    first, second = (request.partition(b"\r\n\r\n")[2] for request in server.requests)
    assert first == second


async def test_a_template_that_fails_holds_the_lead_and_spends_no_try(bench: Workbench) -> None:
    async with raw_server(replies(OK)) as server:
        (bad,) = await bench.add_leads(1, body=b'{"contact": {}}')
        await bench.add_leads(1)
        async with bench.running({"brain": server.url}, transform=TEMPLATE):
            await eventually(lambda: _ended(bench))
        assert len(server.requests) == 1
        lead = await bench.store.lead(bad)
        (view,) = lead.deliveries
        assert (view.status, view.attempts) == (Status.HELD, 0)
        assert view.error_message == (
            "the lead cannot be sent to brain: the template of its body: line 1: "
            "the lead has no `phone`"
        )
        assert lead.attempts[view.delivery_id] == ()
        everything = Selection(statuses=(Status.HELD,))
        await bench.store.apply(Verb.RESUME, everything, reason="mended", actor="ada")
        mended = TransformSettings(body='{"tel": {{ payload.contact.phone|default("")|tojson }}}')
        async with bench.running({"brain": server.url}, transform=mended):
            await eventually(bench.all_completed)


async def _ended(bench: Workbench) -> bool:
    counts = await bench.store.counts()
    return counts[Status.HELD] == counts[Status.COMPLETED] == 1
