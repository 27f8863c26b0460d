"""A worker at work: what is due is delivered, whatever happens on the way."""

import asyncio
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import apsw
import pytest
from structlog.testing import capture_logs

from leadkeep.delivery import lane as lane_module
from leadkeep.errors import StoreUnsafe
from leadkeep.journal.outcomes import OutcomeLine, OutcomeLog
from leadkeep.models import Selection
from leadkeep.settings.model import RetrySettings
from leadkeep.states import Status, Verb
from leadkeep.store.sqlite.opening import open_sqlite
from tests.integration.delivery.raw_server import OK, Answer, RawServer, Visit, raw_server, replies
from tests.integration.delivery.workbench import (
    Workbench,
    eventually,
    keys_of,
    workbench,
)

BUSY = b"HTTP/1.1 503 X\r\nContent-Length: 4\r\n\r\nbusy"


async def test_what_is_due_is_delivered_and_completed(bench: Workbench) -> None:
    async with raw_server(replies(OK)) as server:
        ids = await bench.add_leads(3, body=b"\x00exact\xff", payload_text="exact")
        async with bench.running({"brain": server.url}):
            await eventually(bench.all_completed)
    assert sorted(keys_of(server.requests)) == ids
    assert all(request.endswith(b"\r\n\r\n\x00exact\xff") for request in server.requests)
    lead = await bench.store.lead(ids[0])
    (attempt,) = lead.attempts[lead.deliveries[0].delivery_id]
    assert (attempt.outcome, attempt.response_status, attempt.response_body) == (
        "completed",
        200,
        b"ok",
    )


async def test_a_wake_is_enough_to_be_delivered(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane_module, "LONGEST_REST_SECONDS", 3600.0)
    async with raw_server(replies(OK)) as server, bench.running({"brain": server.url}) as worker:
        for count in range(1, 6):
            await bench.add_leads(1)
            worker.wake()
            await eventually(lambda n=count: len(server.requests) == n)


async def test_what_nobody_wakes_for_is_found_by_itself(bench: Workbench) -> None:
    async with raw_server(replies(OK)) as server, bench.running({"brain": server.url}):
        await bench.add_leads(1)
        await eventually(bench.all_completed)


async def test_a_destination_that_is_down_gets_everything_once_it_is_up(bench: Workbench) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ids = await bench.add_leads(60)
    async with bench.running({"brain": f"http://127.0.0.1:{port}/"}):
        await eventually(lambda: _all_tried(bench, at_least=2))
        async with raw_server(replies(OK), port=port) as server:
            await eventually(bench.all_completed)
    assert Counter(keys_of(server.requests)) == Counter(ids)
    lead = await bench.store.lead(ids[0])
    attempts = lead.attempts[lead.deliveries[0].delivery_id]
    assert [one.attempt for one in attempts] == list(range(1, len(attempts) + 1))
    assert {one.error_class for one in attempts[:-1]} == {"connect"}


async def _all_tried(bench: Workbench, *, at_least: int) -> bool:
    return all(one.attempts >= at_least for one in await bench.deliveries())


async def test_all_tries_of_a_lead_carry_the_same_key(bench: Workbench) -> None:
    async def third_time(visit: Visit) -> None:
        while request := await visit.request():
            await visit.send(OK if b"Leadkeep-Attempt: 3\r\n" in request else BUSY)

    async with raw_server(third_time) as server:
        ids = await bench.add_leads(5)
        async with bench.running({"brain": server.url}):
            await eventually(bench.all_completed)
    assert Counter(keys_of(server.requests)) == dict.fromkeys(ids, 3)


async def test_two_workers_deliver_each_lead_once(bench: Workbench) -> None:
    second = await open_sqlite(bench.path, clock=bench.clock, busy_timeout_ms=5_000)
    async with raw_server(replies(OK)) as server:
        ids = await bench.add_leads(300)
        async with (
            bench.running({"brain": server.url}, concurrency=4),
            bench.running({"brain": server.url}, concurrency=4, store=second, name="two"),
        ):
            await eventually(bench.all_completed)
    await second.close()
    assert Counter(keys_of(server.requests)) == dict.fromkeys(ids, 1)
    assert {one.attempts for one in await bench.deliveries()} == {1}


async def hang(visit: Visit) -> None:
    await visit.request()
    await asyncio.Event().wait()


async def test_a_slow_destination_delays_no_other(bench: Workbench) -> None:
    async with raw_server(hang) as slow, raw_server(replies(OK)) as fast:
        ids = await bench.add_leads(50, "slow", "fast")
        urls = {"slow": slow.url, "fast": fast.url}
        async with bench.running(urls, concurrency=2, drain_seconds=0.0):
            await eventually(lambda: len(fast.requests) == 50)
            assert len(slow.requests) <= 2
    assert sorted(keys_of(fast.requests)) == ids


async def test_no_more_than_the_allowed_number_is_under_way(bench: Workbench) -> None:
    under_way = peak = 0

    async def counting(visit: Visit) -> None:
        nonlocal under_way, peak
        while await visit.request():
            under_way += 1
            peak = max(peak, under_way)
            await asyncio.sleep(0.01)
            under_way -= 1
            await visit.send(OK)

    async with raw_server(counting) as server:
        await bench.add_leads(60)
        async with bench.running({"brain": server.url}, concurrency=3):
            await eventually(bench.all_completed)
    assert peak == 3


async def test_a_lead_that_reached_its_age_fails_and_is_tried_no_more(bench: Workbench) -> None:
    async with raw_server(replies(BUSY)) as server:
        await bench.add_leads(1)
        policy = RetrySettings(first_seconds=0.02, longest_seconds=0.1, age_seconds=0.3)
        async with bench.running({"brain": server.url}, retry=policy):
            await eventually(lambda: _is(bench, Status.FAILED))
            tries = len(server.requests)
    (delivery,) = await bench.deliveries()
    assert tries == delivery.attempts > 1
    assert "brain answered 503" in delivery.error_message
    assert "not confirmed within" in delivery.error_message


async def _is(bench: Workbench, status: Status) -> bool:
    return bool(await bench.count(status))


async def test_nothing_goes_to_a_held_destination_until_it_is_resumed(bench: Workbench) -> None:
    async with raw_server(replies(OK)) as server:
        await bench.store.hold_destination("brain", reason="deployment", actor="test")
        await bench.add_leads(3)
        async with bench.running({"brain": server.url}) as worker:
            for _ in range(20):
                worker.wake()
                await asyncio.sleep(0.005)
            assert server.requests == []
            await bench.store.resume_destination("brain", actor="test")
            await eventually(bench.all_completed)


async def test_a_person_s_retry_is_delivered(bench: Workbench) -> None:
    policy = RetrySettings(age_seconds=0)
    async with raw_server(replies(BUSY)) as server:
        (lead_id,) = await bench.add_leads(1)
        async with bench.running({"brain": server.url}, retry=policy):
            await eventually(lambda: _is(bench, Status.FAILED))
            await bench.store.apply(
                Verb.RETRY, Selection(refs=(lead_id,)), reason="mended", actor="test"
            )
            await eventually(lambda: len(server.requests) == 2)


# ---------------------------------------------------------------- stopping


async def test_stopping_finishes_what_is_under_way_and_returns_the_rest_untried(
    bench: Workbench,
) -> None:
    gate = asyncio.Event()

    async def gated(visit: Visit) -> None:
        while await visit.request():
            await gate.wait()
            await visit.send(OK)

    async with raw_server(gated) as server, bench.worker({"brain": server.url}) as worker:
        await bench.add_leads(100)
        stop = asyncio.Event()
        run = asyncio.create_task(worker.run(stop))
        await eventually(lambda: len(server.requests) == 16)
        stop.set()
        worker.wake()
        await asyncio.sleep(0.05)
        gate.set()
        await run
    counts = await bench.store.counts()
    assert len(server.requests) == counts[Status.COMPLETED] == 16
    assert counts[Status.PENDING] == 84
    assert {one.attempts for one in await bench.deliveries() if one.status is Status.PENDING} == {0}


async def test_claims_whose_try_has_not_begun_are_returned_on_stopping(bench: Workbench) -> None:
    gate = asyncio.Event()
    gate.set()

    async def fast_then_slow(visit: Visit) -> None:
        while await visit.request():
            await gate.wait()
            await visit.send(OK)

    async with raw_server(fast_then_slow) as server, bench.worker({"brain": server.url}) as worker:
        stop = asyncio.Event()
        run = asyncio.create_task(worker.run(stop))
        # Fast at first, so that the lane begins to claim ahead.
        await bench.add_leads(400)
        await eventually(lambda: len(server.requests) > 300)
        gate.clear()
        await bench.add_leads(400)
        worker.wake()
        await eventually(lambda: _more_are_claimed_than_under_way(bench))
        stop.set()
        worker.wake()
        await eventually(lambda: _no_more_are_claimed_than_under_way(bench))
        gate.set()
        await run
    counts = await bench.store.counts()
    assert counts[Status.PROCESSING] == 0
    assert counts[Status.COMPLETED] == len(server.requests)
    assert counts[Status.PENDING] > 0


async def _no_more_are_claimed_than_under_way(bench: Workbench) -> bool:
    return await bench.count(Status.PROCESSING) <= 16


async def _more_are_claimed_than_under_way(bench: Workbench) -> bool:
    return await bench.count(Status.PROCESSING) > 40


async def test_what_does_not_end_in_time_on_stopping_is_recorded_as_interrupted(
    bench: Workbench,
) -> None:
    async with raw_server(hang) as server:
        (lead_id,) = await bench.add_leads(1)
        async with bench.running({"brain": server.url}, drain_seconds=0.05):
            await eventually(lambda: server.requests)
    lead = await bench.store.lead(lead_id)
    (delivery,) = lead.deliveries
    (attempt,) = lead.attempts[delivery.delivery_id]
    assert (delivery.status, delivery.attempts) == (Status.PENDING, 1)
    assert attempt.error_class == "interrupted"


# ---------------------------------------------------------------- the store in trouble


async def test_outcomes_wait_while_the_store_cannot_be_written_and_nothing_is_claimed(
    tmp_path: Path,
) -> None:
    async with (
        workbench(tmp_path, busy_timeout_ms=20) as bench,
        raw_server(_answer_when_locked(tmp_path)) as server,
    ):
        ids = await bench.add_leads(40)
        with capture_logs() as logs:
            async with bench.running({"brain": server.url}, concurrency=4):
                await eventually(lambda: _said(logs, "outcomes cannot be recorded now"))
                claimed = len(server.requests)
                await asyncio.sleep(0.2)
                assert len(server.requests) == claimed < 40
                _unlock(server)
                await eventually(bench.all_completed)
    assert Counter(keys_of(server.requests)) == dict.fromkeys(ids, 1)
    assert _said(logs, "outcomes are recorded again")


def _said(logs: Sequence[Mapping[str, object]], words: str) -> bool:
    return any(words in str(entry["event"]) for entry in logs)


_locks: list[apsw.Connection] = []


def _answer_when_locked(folder: Path) -> Answer:
    """Lock the store as soon as the first lead arrives, and only then answer."""
    turn = asyncio.Lock()
    locked = False

    async def answer(visit: Visit) -> None:
        nonlocal locked
        while await visit.request():
            async with turn:  # The others wait too: no answer before the store is locked.
                if not locked:
                    locked = True
                    lock = apsw.Connection(str(folder / "leadkeep.db"))
                    lock.set_busy_timeout(5_000)
                    await asyncio.to_thread(lock.execute, "BEGIN IMMEDIATE")
                    _locks.append(lock)
            await visit.send(OK)

    return answer


def _unlock(server: RawServer) -> None:
    lock = _locks.pop()
    lock.execute("ROLLBACK")
    lock.close()


async def test_a_store_that_is_not_safe_ends_the_worker_aloud(bench: Workbench) -> None:
    async with raw_server(replies(OK)) as server, bench.worker({"brain": server.url}) as worker:
        bench.path.with_name("leadkeep.db.poisoned").touch()
        with pytest.raises(StoreUnsafe):
            await worker.run(asyncio.Event())
    assert server.requests == []
    bench.path.with_name("leadkeep.db.poisoned").unlink()


async def test_a_bug_in_a_lane_ends_the_worker_aloud(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("leadkeep.delivery.attempt.decide", broken)
    async with raw_server(replies(OK)) as server, bench.worker({"brain": server.url}) as worker:
        await bench.add_leads(1)
        with pytest.raises(BaseExceptionGroup) as caught:
            await worker.run(asyncio.Event())
    assert caught.group_contains(ZeroDivisionError)


# ---------------------------------------------------------------- leases


async def test_the_heartbeat_keeps_a_long_delivery_from_being_taken_by_another(
    bench: Workbench,
) -> None:
    gate = asyncio.Event()

    async def slow(visit: Visit) -> None:
        while await visit.request():
            await gate.wait()
            await visit.send(OK)

    async with raw_server(slow) as server:
        (lead_id,) = await bench.add_leads(1)
        async with bench.running({"brain": server.url}, lease_ms=600):
            await eventually(lambda: server.requests)
            async with bench.running({"brain": server.url}, lease_ms=600, name="two"):
                await asyncio.sleep(1.8)  # three leases long
            gate.set()
            await eventually(bench.all_completed)
    assert keys_of(server.requests) == [lead_id]


async def test_outcomes_are_logged_after_the_store_has_them(
    bench: Workbench, tmp_path: Path
) -> None:
    bench.outcome_log = OutcomeLog(tmp_path / "outcomes")

    async def second_time(visit: Visit) -> None:
        while request := await visit.request():
            await visit.send(OK if b"Leadkeep-Attempt: 2\r\n" in request else BUSY)

    async with raw_server(second_time) as server:
        (lead_id,) = await bench.add_leads(1)
        async with bench.running({"brain": server.url}):
            await eventually(bench.all_completed)
    bench.outcome_log.close()
    lines = [line for line in bench.outcome_log.read() if isinstance(line, OutcomeLine)]
    assert [(line.lead_id, line.destination, line.attempt, line.status) for line in lines] == [
        (lead_id, "brain", 1, "pending"),
        (lead_id, "brain", 2, "completed"),
    ]


async def test_a_failed_attempt_is_one_log_line_with_ids_and_nothing_of_the_lead(
    bench: Workbench,
) -> None:
    canary = "canary-personal"
    async with raw_server(replies(BUSY + canary.encode())) as server:
        (lead_id,) = await bench.add_leads(
            1,
            body=canary.encode(),
            headers=f"X-Name: {canary}\r\n".encode(),
            target=f"/in?name={canary}".encode(),
        )
        with capture_logs() as logs:
            async with bench.running(
                {"brain": f"{server.url}/?secret={canary}"}, retry=RetrySettings(first_seconds=600)
            ):
                await eventually(lambda: _said(logs, "attempt failed"))
    (line,) = [entry for entry in logs if entry["event"] == "attempt failed"]
    assert (line["lead_id"], line["destination"], line["attempt"]) == (lead_id, "brain", 1)
    assert line["log_level"] == "info"
    assert canary not in str(logs)
