"""A destination that does not work is left alone, probed once over all workers, and ramped up."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from structlog.testing import capture_logs

from leadkeep.delivery import gate, metrics
from leadkeep.delivery.once import DeliveryRun
from leadkeep.delivery.worker import DeliveryWorker
from leadkeep.destinations.health import HealthCheck
from leadkeep.errors import StoreUnavailable
from leadkeep.models import Circuit, CircuitMove, Selection
from leadkeep.settings.model import RetrySettings
from leadkeep.settings.steering import BreakerSettings
from leadkeep.states import CircuitState, Status, Verb
from leadkeep.store.sqlite.opening import open_sqlite
from tests.integration.delivery.raw_server import OK, RawServer, Visit, raw_server, replies
from tests.integration.delivery.workbench import Workbench, eventually, keys_of

BUSY = b"HTTP/1.1 503 X\r\nContent-Length: 4\r\n\r\nbusy"
REFUSED = b"HTTP/1.1 422 X\r\nContent-Length: 2\r\n\r\nno"
CLOSED, OPEN = CircuitState.CLOSED, CircuitState.OPEN
HALF_OPEN, RAMPING = CircuitState.HALF_OPEN, CircuitState.RAMPING
FAR_OFF = RetrySettings(first_seconds=900.0, longest_seconds=900.0)
"""A lead that failed waits for minutes."""
SLOW_RAMP = BreakerSettings(
    probe_first_seconds=0.1, probe_longest_seconds=0.1, ramp_seconds=3_600.0
)
"""The ramp does not leave its first step while a test looks."""


class Application:
    """A destination whose health a test decides, and what it was asked meanwhile."""

    def __init__(self) -> None:
        self.reply = OK
        self.answers: asyncio.Event = asyncio.Event()
        """While not set, requests are not answered."""
        self.answers.set()
        self.under_way = 0
        self.most_under_way = 0
        self.server: RawServer

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def requests(self) -> list[bytes]:
        return self.server.requests

    async def __call__(self, visit: Visit) -> None:
        while await visit.request():
            self.under_way += 1
            self.most_under_way = max(self.under_way, self.most_under_way)
            try:
                await self.answers.wait()
                await visit.send(self.reply)
            finally:
                self.under_way -= 1


@pytest.fixture
async def brain() -> AsyncIterator[Application]:
    application = Application()
    async with raw_server(application) as application.server:
        yield application


async def circuit(bench: Workbench) -> Circuit:
    return (await bench.store.circuits()).get("brain", Circuit())


def state_is(bench: Workbench, *states: CircuitState) -> Callable[[], Awaitable[bool]]:
    async def is_so() -> bool:
        return (await circuit(bench)).state in states

    return is_so


async def events(bench: Workbench) -> list[str]:
    return [one.event for one in reversed(await bench.store.circuit_events("brain"))]


@asynccontextmanager
async def several_workers(
    bench: Workbench, urls: dict[str, str], count: int, **options: object
) -> AsyncIterator[Sequence[DeliveryWorker]]:
    """Workers with a store connection each, as if they were processes of their own."""
    async with AsyncExitStack() as stack:
        running = []
        for number in range(count):
            store = await open_sqlite(bench.path, clock=bench.clock, busy_timeout_ms=20_000)
            stack.push_async_callback(store.close)
            worker = bench.running(urls, store=store, name=f"w{number}", **options)
            running.append(await stack.enter_async_context(worker))
        yield running


# ---------------------------------------------------------------- opening and waiting


async def test_leads_of_a_destination_that_is_down_wait_without_using_up_tries(
    bench: Workbench, brain: Application
) -> None:
    brain.reply = BUSY
    never = BreakerSettings(probe_first_seconds=60.0)
    await bench.add_leads(300)
    async with bench.running({"brain": brain.url}, breaker=never, concurrency=4):
        await eventually(state_is(bench, OPEN))
        await eventually(lambda: brain.under_way == 0)
    tried = Counter(one.attempts for one in await bench.deliveries())
    assert await bench.count(Status.PENDING) == 300
    assert len(brain.requests) <= 5 + 2 * 4, "what was under way when it opened may end"
    assert tried[0] == 300 - len(set(keys_of(brain.requests)))
    found = await circuit(bench)
    assert found.reason == "5 tries in a row failed: brain answered 503 Service Unavailable"
    assert await events(bench) == ["opened"]


async def test_a_destination_that_comes_back_gets_everything_and_its_circuit_closes(
    bench: Workbench, brain: Application
) -> None:
    brain.reply = BUSY
    ids = await bench.add_leads(200)
    async with several_workers(bench, {"brain": brain.url}, 3):
        await eventually(state_is(bench, OPEN))
        before = len(brain.requests)
        brain.reply = OK
        await eventually(bench.all_completed)
        await eventually(state_is(bench, CLOSED))
    assert set(keys_of(brain.requests)) == set(ids)
    assert len(brain.requests) <= before + 200 + 3 * 16, "nothing was delivered in vain since"
    assert (await events(bench))[0] == "opened"
    assert (await events(bench))[-1] == "closed"


async def test_one_lead_that_always_fails_stops_no_other(
    bench: Workbench, brain: Application
) -> None:
    async def choke_on_some(visit: Visit) -> None:
        while request := await visit.request():
            await visit.send(BUSY if b"poison" in request else OK)

    at_once = RetrySettings(first_seconds=0.01, longest_seconds=0.1)
    async with raw_server(choke_on_some) as server:
        await bench.add_leads(4, body=b"poison")
        async with bench.running({"brain": server.url}, retry=at_once):
            await eventually(lambda: len(server.requests) > 60)
            await bench.add_leads(50)
            await eventually(lambda: _completed(bench, 50))
    assert await events(bench) == []


async def test_one_lead_is_enough_to_find_a_destination_away_and_back(bench: Workbench) -> None:
    """With few leads the retry's waits would grow to minutes: a probe comes sooner."""
    async with raw_server(replies(OK)) as server:
        port = server.port
    await bench.add_leads(1)
    async with bench.running({"brain": f"http://127.0.0.1:{port}"}):
        await eventually(state_is(bench, OPEN))
        async with raw_server(replies(OK), port=port):
            await eventually(bench.all_completed)


async def test_refusals_of_leads_stop_no_other(bench: Workbench, brain: Application) -> None:
    brain.reply = REFUSED
    await bench.add_leads(100)
    async with bench.running({"brain": brain.url}):
        await eventually(lambda: len(set(keys_of(brain.requests))) == 100)
    assert await bench.store.circuits() == {}


async def _completed(bench: Workbench, count: int) -> bool:
    return await bench.count(Status.COMPLETED) == count


async def test_with_the_breaker_off_every_lead_is_tried(
    bench: Workbench, brain: Application
) -> None:
    brain.reply = BUSY
    await bench.add_leads(100)
    await bench.store.move_circuit("brain", 0, CircuitMove(OPEN, due_in_ms=60_000, openings=1))
    off = BreakerSettings(enabled=False)
    async with bench.running({"brain": brain.url}, breaker=off, retry=FAR_OFF):
        await eventually(lambda: len(set(keys_of(brain.requests))) == 100)
    assert (await circuit(bench)).state is CLOSED, "nobody would ever probe it"


# ---------------------------------------------------------------- probing


async def test_exactly_one_probe_is_made_over_all_workers(
    bench: Workbench, brain: Application
) -> None:
    await bench.store.move_circuit("brain", 0, CircuitMove(OPEN, openings=1))
    brain.answers.clear()
    await bench.add_leads(100)
    async with several_workers(bench, {"brain": brain.url}, 4, breaker=SLOW_RAMP):
        await eventually(lambda: brain.requests)
        for _ in range(40):
            # Every worker looks again and again, and finds nothing to do.
            await bench.add_leads(1)
            await asyncio.sleep(0.01)
        assert (await circuit(bench)).state is HALF_OPEN
        assert len(brain.requests) == 1
        assert await bench.count(Status.PROCESSING) == 1
        brain.answers.set()
        await eventually(state_is(bench, RAMPING, CLOSED))


async def test_another_worker_takes_over_from_a_prober_that_died(
    bench: Workbench, brain: Application
) -> None:
    await bench.add_leads(3)
    dead = CircuitMove(HALF_OPEN, due_in_ms=300, openings=1, owner="dead")
    await bench.store.move_circuit("brain", 0, CircuitMove(OPEN, openings=1))
    await bench.store.move_circuit("brain", 1, dead)
    with capture_logs() as logs:
        async with bench.running({"brain": brain.url}):
            await eventually(bench.all_completed)
    assert "took over a probe whose prober is not heard of" in [one["event"] for one in logs]


async def test_a_prober_that_was_given_up_changes_nothing_by_its_late_answer(
    bench: Workbench, brain: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "PROBE_LEASE_BEYOND_TIMEOUT_MS", -9_900)
    await bench.store.move_circuit("brain", 0, CircuitMove(OPEN, openings=1))
    brain.answers.clear()
    await bench.add_leads(2)
    async with bench.running({"brain": brain.url}, name="slow"):
        await eventually(lambda: len(brain.requests) == 1)
        # Another takes over, and finds that it does not work.
        other = await open_sqlite(bench.path, clock=bench.clock, busy_timeout_ms=20_000)
        version = (await circuit(bench)).version
        assert await other.move_circuit(
            "brain", version, CircuitMove(HALF_OPEN, due_in_ms=60_000, openings=1, owner="other")
        )
        brain.answers.set()
        await eventually(lambda: _completed(bench, 1))
        found = await circuit(bench)
        assert (found.state, found.owner) == (HALF_OPEN, "other")
        await other.close()


async def test_a_failed_probe_makes_the_next_one_later(
    bench: Workbench, brain: Application
) -> None:
    brain.reply = BUSY
    growing = BreakerSettings(probe_first_seconds=0.1, probe_longest_seconds=60.0)
    await bench.add_leads(20)
    async with bench.running({"brain": brain.url}, breaker=growing, retry=FAR_OFF):
        await eventually(lambda: _openings(bench, 5))
        found = await circuit(bench)
    assert found.due_in_ms <= 1_600
    assert await events(bench) == ["opened"]
    assert found.opened_at_ms is not None


async def _openings(bench: Workbench, count: int) -> bool:
    found = await circuit(bench)
    return found.openings == count and found.state is OPEN


async def test_a_destination_that_asked_for_a_pause_is_not_probed_before(
    bench: Workbench, brain: Application
) -> None:
    brain.reply = BUSY.replace(b"\r\n\r\n", b"\r\nRetry-After: 50\r\n\r\n")
    await bench.add_leads(20)
    patient = BreakerSettings(probe_first_seconds=0.1)
    async with bench.running({"brain": brain.url}, breaker=patient):
        await eventually(state_is(bench, OPEN))
        assert 30_000 < (await circuit(bench)).due_in_ms <= 50_000


async def test_a_probe_needs_no_lead_that_is_due(bench: Workbench, brain: Application) -> None:
    brain.reply = BUSY
    await bench.add_leads(5)
    async with bench.running({"brain": brain.url}, retry=FAR_OFF):
        await eventually(lambda: _openings(bench, 2))
        brain.reply = OK
        await eventually(bench.all_completed)


async def test_without_a_lead_nothing_is_probed_until_one_comes(
    bench: Workbench, brain: Application
) -> None:
    await bench.store.move_circuit("brain", 0, CircuitMove(OPEN, openings=3))
    async with bench.running({"brain": brain.url}) as worker:
        for _ in range(20):
            worker.wake()
            await asyncio.sleep(0.01)
        assert (await circuit(bench)).version == 1
        await bench.add_leads(1)
        worker.wake()
        await eventually(bench.all_completed)


async def test_a_held_destination_is_not_probed(bench: Workbench, brain: Application) -> None:
    await bench.add_leads(5)
    await bench.store.move_circuit("brain", 0, CircuitMove(OPEN, openings=3))
    await bench.store.hold_destination("brain", reason="upgrade", actor="test")
    async with bench.running({"brain": brain.url}) as worker:
        for _ in range(20):
            worker.wake()
            await asyncio.sleep(0.01)
    assert (await circuit(bench)).version == 1
    assert brain.requests == []


async def test_a_refused_probe_shows_that_the_destination_works(
    bench: Workbench, brain: Application
) -> None:
    brain.reply = REFUSED
    await bench.add_leads(1)
    await bench.store.move_circuit("brain", 0, CircuitMove(OPEN, openings=1))
    async with bench.running({"brain": brain.url}):
        await eventually(state_is(bench, RAMPING))


async def test_a_health_url_is_probed_instead_of_a_lead(
    bench: Workbench, brain: Application
) -> None:
    healthy = asyncio.Event()

    async def health(visit: Visit) -> None:
        while await visit.request():
            await visit.send(OK if healthy.is_set() else BUSY)

    await bench.store.move_circuit("brain", 0, CircuitMove(OPEN, openings=1))
    await bench.add_leads(10)
    async with raw_server(health) as server:
        check = HealthCheck("brain", f"{server.url}/health?deep=1", timeout_seconds=5)
        async with bench.running({"brain": brain.url}, health_checks={"brain": check.fault}):
            await eventually(lambda: len(server.requests) >= 3)
            assert brain.requests == []
            assert (await circuit(bench)).reason == "brain answered 503 Service Unavailable"
            healthy.set()
            await eventually(bench.all_completed)
        assert {one.split(b"\r\n")[0] for one in server.requests} == {
            b"GET /health?deep=1 HTTP/1.1"
        }
    assert {one.attempts for one in await bench.deliveries()} == {1}


async def test_a_worker_that_stops_gives_its_probe_back(
    bench: Workbench, brain: Application
) -> None:
    await bench.store.move_circuit("brain", 0, CircuitMove(OPEN, openings=4))
    brain.answers.clear()
    await bench.add_leads(2)
    async with bench.running({"brain": brain.url}, drain_seconds=0.05):
        await eventually(lambda: brain.requests)
    found = await circuit(bench)
    assert (found.state, found.openings) == (OPEN, 4)


# ---------------------------------------------------------------- ramping


async def test_a_ramp_begins_with_one_lead_at_once(bench: Workbench, brain: Application) -> None:
    brain.reply = BUSY
    await bench.add_leads(60)
    async with bench.running({"brain": brain.url}, breaker=SLOW_RAMP, concurrency=8):
        await eventually(state_is(bench, OPEN))
        await eventually(lambda: brain.under_way == 0)
        brain.most_under_way, brain.reply = 0, OK
        await eventually(bench.all_completed)
    assert brain.most_under_way == 1
    found = await circuit(bench)
    assert (found.state, found.ramp_limit) == (RAMPING, 1)


async def test_a_failure_while_ramping_opens_it_again(bench: Workbench, brain: Application) -> None:
    await bench.store.move_circuit("brain", 0, CircuitMove(RAMPING, ramp_limit=2, openings=3))
    brain.reply = BUSY
    await bench.add_leads(50)
    never = BreakerSettings(probe_first_seconds=60.0)
    async with bench.running({"brain": brain.url}, breaker=never):
        await eventually(state_is(bench, OPEN))
        await eventually(lambda: brain.under_way == 0)
    assert len(brain.requests) <= 2
    assert await events(bench) == ["reopened"]
    assert (await circuit(bench)).openings == 4


async def test_a_lead_that_itself_fails_does_not_keep_a_circuit_from_closing(
    bench: Workbench,
) -> None:
    async def choke_on_one(visit: Visit) -> None:
        while request := await visit.request():
            await visit.send(BUSY if b"poison" in request else OK)

    await bench.store.move_circuit("brain", 0, CircuitMove(OPEN, openings=1))
    async with raw_server(choke_on_one) as server:
        await bench.add_leads(2, body=b"poison")
        await bench.add_leads(50)
        async with bench.running({"brain": server.url}):
            await eventually(lambda: _completed(bench, 50))
            await eventually(state_is(bench, CLOSED))


async def test_what_failed_in_an_outage_does_not_wait_out_its_retry(
    bench: Workbench, brain: Application
) -> None:
    brain.reply = BUSY
    await bench.add_leads(30)
    async with bench.running({"brain": brain.url}, retry=FAR_OFF, concurrency=16):
        await eventually(lambda: _openings(bench, 4))
        waits = [
            one.next_attempt_at_ms or 0
            for one in await bench.deliveries()
            if one.attempts and one.next_attempt_at_ms
        ]
        assert max(waits) > bench.clock.now_us() // 1_000 + 60_000
        brain.reply = OK
        await eventually(bench.all_completed)


async def test_a_ramp_of_which_another_worker_decided_is_followed(
    bench: Workbench, brain: Application
) -> None:
    brain.reply = BUSY
    await bench.add_leads(20)
    async with bench.running({"brain": brain.url}, retry=FAR_OFF, breaker=SLOW_RAMP):
        await eventually(state_is(bench, OPEN))
        brain.reply = OK
        # A person vouches for it; whoever works for it hears of that.
        await eventually(lambda: _resumed(bench))
        await eventually(bench.all_completed)


async def _resumed(bench: Workbench) -> bool:
    await bench.store.resume_destination("brain", actor="test")
    return (await circuit(bench)).state is RAMPING


async def test_a_ramp_without_leads_ends_by_itself(bench: Workbench, brain: Application) -> None:
    await bench.store.move_circuit("brain", 0, CircuitMove(RAMPING, ramp_limit=1, openings=1))
    async with bench.running({"brain": brain.url}, timeout_seconds=0.1):
        await eventually(state_is(bench, CLOSED))


# ---------------------------------------------------------------- process-queue


async def test_a_run_ends_at_once_where_a_circuit_is_open(
    bench: Workbench, brain: Application
) -> None:
    await bench.store.move_circuit("brain", 0, CircuitMove(OPEN, due_in_ms=60_000, openings=6))
    await bench.add_leads(20)
    await bench.add_leads(20, "other")
    async with bench.worker({"brain": brain.url, "other": brain.url}) as worker:
        assert await worker.deliver_due_once() == DeliveryRun(completed=20)
    assert {one.attempts for one in await bench.deliveries() if one.destination == "brain"} == {0}


async def test_a_run_probes_what_is_due_to_be_probed_and_goes_on(
    bench: Workbench, brain: Application
) -> None:
    await bench.store.move_circuit("brain", 0, CircuitMove(OPEN, openings=6))
    await bench.add_leads(60)
    async with bench.worker({"brain": brain.url}) as worker:
        assert await worker.deliver_due_once() == DeliveryRun(completed=60)


async def test_a_run_whose_probe_fails_ends_and_leaves_the_circuit_open(
    bench: Workbench, brain: Application
) -> None:
    brain.reply = BUSY
    await bench.store.move_circuit("brain", 0, CircuitMove(OPEN, openings=6))
    await bench.add_leads(60)
    async with bench.worker({"brain": brain.url}, breaker=BreakerSettings()) as worker:
        assert await worker.deliver_due_once() == DeliveryRun(retry_later=1)
    found = await circuit(bench)
    assert (found.state, found.openings) == (OPEN, 7)


async def test_a_run_that_opens_a_circuit_ends_and_tells_the_store(
    bench: Workbench, brain: Application
) -> None:
    brain.reply = BUSY
    await bench.add_leads(300)
    async with bench.worker({"brain": brain.url}, breaker=BreakerSettings()) as worker:
        run = await worker.deliver_due_once()
    assert run.attempted == len(brain.requests) < 60
    assert (await circuit(bench)).state is OPEN
    assert await bench.count(Status.PENDING) == 300


# ---------------------------------------------------------------- telling


async def test_what_opens_and_closes_is_said_and_counted(
    bench: Workbench, brain: Application
) -> None:
    brain.reply = BUSY
    await bench.add_leads(40)
    moves = metrics.CIRCUIT_MOVES.labels("brain", "open")._value
    before = moves.get()
    with capture_logs() as logs:
        async with bench.running({"brain": brain.url}):
            await eventually(state_is(bench, OPEN))
            await eventually(lambda: metrics.CIRCUIT.labels("brain", "closed")._value.get() == 0)
            brain.reply = OK
            await eventually(bench.all_completed)
            await eventually(state_is(bench, CLOSED))
            await eventually(lambda: metrics.CIRCUIT.labels("brain", "closed")._value.get() == 1)
    said = [one["event"] for one in logs]
    opened = said.index("circuit opened: leads wait, without using up tries")
    works = said.index("a destination works again: its leads begin to go")
    assert opened < works < said.index("circuit closed")
    assert moves.get() > before


async def test_while_the_store_cannot_be_written_a_decision_stands(
    bench: Workbench, brain: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate shuts by what this worker sees, also if nobody can be told."""
    brain.reply = BUSY
    await bench.add_leads(50)
    async with bench.worker({"brain": brain.url}, concurrency=2) as worker:
        tried = asyncio.Event()

        async def cannot(*_: object) -> bool:
            tried.set()
            raise StoreUnavailable("the disk is away")

        monkeypatch.setattr(bench.store, "move_circuit", cannot)
        stop = asyncio.Event()
        run = asyncio.create_task(worker.run(stop))
        await tried.wait()
        await eventually(lambda: brain.under_way == 0)
        seen = len(brain.requests)
        for _ in range(10):
            worker.wake()
            await asyncio.sleep(0.01)
        assert len(brain.requests) == seen
        monkeypatch.undo()
        await eventually(state_is(bench, OPEN, HALF_OPEN))
        stop.set()
        await run


async def test_a_lead_retried_by_hand_waits_for_the_circuit_too(
    bench: Workbench, brain: Application
) -> None:
    await bench.store.move_circuit("brain", 0, CircuitMove(OPEN, due_in_ms=60_000, openings=1))
    await bench.add_leads(1)
    await bench.store.apply(Verb.RETRY, Selection(everything=True), reason="", actor="test")
    async with bench.running({"brain": brain.url}) as worker:
        for _ in range(10):
            worker.wake()
            await asyncio.sleep(0.01)
    assert brain.requests == []


# ---------------------------------------------------------------- each destination by itself


async def test_a_destination_that_hangs_or_is_slowed_down_delays_no_other(
    bench: Workbench, brain: Application
) -> None:
    brain.answers.clear()
    async with raw_server(replies(OK)) as fast, raw_server(replies(OK)) as slow:
        await bench.add_leads(400, "brain", "fast", "slow")
        urls = {"brain": brain.url, "fast": fast.url, "slow": slow.url}
        rates = {"slow": {"per_hour": 3}}
        async with bench.running(urls, rates=rates, drain_seconds=0.05):
            await eventually(lambda: len(fast.requests) == 400)
            await eventually(lambda: len(slow.requests) == 3)
            await eventually(lambda: brain.under_way == 16)
    assert len(slow.requests) == 3
    done = Counter(
        one.destination for one in await bench.deliveries() if one.status is Status.COMPLETED
    )
    assert done == {"fast": 400, "slow": 3}
