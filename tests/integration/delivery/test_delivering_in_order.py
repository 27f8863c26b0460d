"""Leads of one key reach a real destination in their order, at once when the one before is done."""

import asyncio
from typing import Any

from leadkeep.delivery.once import DeliveryRun
from leadkeep.models import LeadOrder
from leadkeep.settings.model import RetrySettings
from leadkeep.states import Status
from leadkeep.store.sqlite.opening import open_sqlite
from tests.integration.delivery.raw_server import OK, Visit, raw_server, replies
from tests.integration.delivery.workbench import Workbench, eventually, keys_of

BUSY = b"HTTP/1.1 503 X\r\nContent-Length: 4\r\n\r\nbusy"
SEVERAL: dict[str, Any] = {"concurrency": 8}


def in_line(key: str, wait_ms: int = 900_000) -> dict[str, Any]:
    return {"order": LeadOrder(key=key.ljust(16).encode(), wait_ms=wait_ms)}


class _Door:
    """A destination that notes how many leads of each key it has under way at once."""

    def __init__(self) -> None:
        self.under_way: dict[bytes, int] = {}
        self.most: dict[bytes, int] = {}

    async def answer(self, visit: Visit) -> None:
        while request := await visit.request():
            key = request.partition(b"\r\n\r\n")[2]
            self.under_way[key] = self.under_way.get(key, 0) + 1
            self.most[key] = max(self.most.get(key, 0), self.under_way[key])
            await asyncio.sleep(0.002)
            self.under_way[key] -= 1
            await visit.send(OK)


async def test_two_workers_deliver_each_key_in_order_and_several_keys_at_once(
    bench: Workbench,
) -> None:
    door = _Door()
    other_store = await open_sqlite(bench.path, clock=bench.clock, busy_timeout_ms=5_000)
    async with raw_server(door.answer) as server:
        expected: dict[bytes, list[str]] = {}
        for _ in range(30):
            for key in ("one", "two", "three"):
                ids = await bench.add_leads(1, body=key.encode(), **in_line(key))
                expected.setdefault(key.encode(), []).extend(ids)
        urls = {"brain": server.url}
        async with (
            bench.running(urls, **SEVERAL),
            bench.running(urls, store=other_store, name="two", **SEVERAL),
        ):
            await eventually(bench.all_completed)
    await other_store.close()
    for body, ids in expected.items():
        came = [one for one in server.requests if one.endswith(b"\r\n\r\n" + body)]
        assert keys_of(came) == ids
        assert door.most[body] == 1
    assert not [one for one in server.requests if b"Leadkeep-Out-Of-Order" in one]


async def test_process_queue_delivers_whole_lines(bench: Workbench) -> None:
    async with raw_server(replies(OK)) as server:
        ids = await bench.add_leads(12, **in_line("one"))
        free = await bench.add_leads(5)
        async with bench.worker({"brain": server.url}, **SEVERAL) as worker:
            run = await worker.deliver_due_once()
    assert run == DeliveryRun(completed=17)
    came = keys_of(server.requests)
    assert [one for one in came if one in ids] == ids
    assert sorted(came) == sorted(ids + free)


async def test_process_queue_ends_when_the_first_of_a_line_fails(bench: Workbench) -> None:
    async with raw_server(replies(BUSY)) as server:
        await bench.add_leads(4, **in_line("one"))
        async with bench.worker(
            {"brain": server.url}, retry=RetrySettings(first_seconds=0.0, longest_seconds=0.1)
        ) as worker:
            run = await worker.deliver_due_once()
    assert run == DeliveryRun(retry_later=1)
    assert await bench.count(Status.PENDING) == 4


async def test_one_that_overtakes_says_so_to_its_destination(bench: Workbench) -> None:
    async def refuse_the_first(visit: Visit) -> None:
        while request := await visit.request():
            await visit.send(BUSY if request.endswith(b"first") else OK)

    async with raw_server(refuse_the_first) as server:
        await bench.add_leads(1, body=b"first", **in_line("one"))
        (later,) = await bench.add_leads(1, body=b"later", **in_line("one", wait_ms=1))
        retry = RetrySettings(first_seconds=60, longest_seconds=60)
        async with bench.running({"brain": server.url}, retry=retry):
            await eventually(lambda: bench.count(Status.COMPLETED))
    (overtaking,) = (one for one in server.requests if one.endswith(b"later"))
    assert keys_of([overtaking]) == [later]
    assert b"\r\nLeadkeep-Out-Of-Order: overtook\r\n" in overtaking
    assert b"Out-Of-Order" not in server.requests[0]
    views = {view.lead_id: view.out_of_order for view in await bench.deliveries()}
    assert views[later] == "overtook"


async def test_a_follow_up_goes_as_soon_as_its_lead_is_delivered(bench: Workbench) -> None:
    async with raw_server(replies(OK)) as server:
        event_order = LeadOrder(key=b"e" * 16, wait_ms=900_000, refers_to_name=b"n" * 16)
        (event,) = await bench.add_leads(1, order=event_order)
        (lead,) = await bench.add_leads(1, order=LeadOrder(name=b"n" * 16))
        async with bench.running({"brain": server.url}):
            await eventually(bench.all_completed)
    assert keys_of(server.requests) == [lead, event]


async def test_a_line_needs_no_look_a_second_to_go_on(bench: Workbench) -> None:
    """Forty leads that each waited for the next look would take longer than `eventually` waits."""
    async with raw_server(replies(OK)) as server:
        await bench.add_leads(40, **in_line("one"))
        async with bench.running({"brain": server.url}):
            await eventually(bench.all_completed)
    assert len(server.requests) == 40
