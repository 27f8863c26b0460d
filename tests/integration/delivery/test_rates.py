"""Rates hold over all workers, and nobody waits for another's."""

from leadkeep.delivery.once import DeliveryRun
from leadkeep.states import Status
from tests.integration.delivery.raw_server import OK, raw_server, replies
from tests.integration.delivery.test_circuits import several_workers
from tests.integration.delivery.workbench import Workbench, eventually


async def test_several_workers_together_keep_to_a_rate(bench: Workbench) -> None:
    async with raw_server(replies(OK)) as server:
        await bench.add_leads(60)
        rates = {"brain": {"per_hour": 25}}
        async with several_workers(bench, {"brain": server.url}, 3, rates=rates) as workers:
            await eventually(lambda: len(server.requests) == 25)
            for _ in range(5):
                for worker in workers:
                    worker.wake()
            await eventually(lambda: _waits(bench, 35))
        assert len(server.requests) == 25
    assert {one.attempts for one in await bench.deliveries()} == {0, 1}


async def _waits(bench: Workbench, count: int) -> bool:
    return await bench.count(Status.PENDING) == count


async def test_a_rate_that_goes_on_lets_all_leads_through(bench: Workbench) -> None:
    async with raw_server(replies(OK)) as server:
        ids = await bench.add_leads(30)
        rates = {"brain": {"per_second": 20, "per_minute": 1_000}}
        async with several_workers(bench, {"brain": server.url}, 2, rates=rates):
            await eventually(bench.all_completed)
    assert len(server.requests) == len(ids)


async def test_a_run_waits_a_moment_for_a_rate_and_goes_on(bench: Workbench) -> None:
    async with raw_server(replies(OK)) as server:
        await bench.add_leads(9)
        rates = {"brain": {"per_second": 4}}
        async with bench.worker({"brain": server.url}, rates=rates) as worker:
            assert await worker.deliver_due_once() == DeliveryRun(completed=9)


async def test_a_run_ends_where_a_rate_leaves_nothing_for_long(bench: Workbench) -> None:
    async with raw_server(replies(OK)) as server:
        await bench.add_leads(30, "brain", "other")
        urls = {"brain": server.url, "other": server.url}
        async with bench.worker(urls, rates={"brain": {"per_hour": 7}}) as worker:
            assert await worker.deliver_due_once(limit=50) == DeliveryRun(completed=37)
            assert await worker.deliver_due_once() == DeliveryRun()
