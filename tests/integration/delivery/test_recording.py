"""From finished attempts to the store, and from there to the log of outcomes."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from leadkeep.delivery import scribe as scribe_module
from leadkeep.delivery.announce import Announcer
from leadkeep.delivery.attempt import Finished
from leadkeep.delivery.leases import Leases
from leadkeep.delivery.recorder import Recorder
from leadkeep.delivery.scribe import Scribe
from leadkeep.errors import StoreUnavailable
from leadkeep.journal.outcomes import OutcomeLine, OutcomeLog
from leadkeep.models import Claim, Outcome, Recorded, Selection
from leadkeep.states import Status
from tests.integration.delivery.leads import a_claim
from tests.integration.delivery.workbench import Workbench, eventually
from tests.store.builders import an_outcome


@asynccontextmanager
async def recording(bench: Workbench, leases: Leases) -> AsyncIterator[Recorder]:
    recorder = Recorder(bench.store, leases, Announcer(Scribe(None)))
    run = asyncio.create_task(recorder.run())
    try:
        yield recorder
    finally:
        run.cancel()
        with suppress(asyncio.CancelledError):
            await run


async def claims_of(bench: Workbench, count: int) -> list[Claim]:
    await bench.add_leads(count)
    return await bench.store.claim(
        "brain", limit=count, lease_ms=60_000, longest_wait_ms=900_000, worker="one"
    )


async def test_more_than_one_group_is_recorded_in_order_and_let_go(bench: Workbench) -> None:
    leases = Leases(bench.store, lease_ms=60_000)
    claims = await claims_of(bench, 1_200)
    leases.hold(claims)
    order: list[int] = []
    async with recording(bench, leases) as recorder:
        recorder.listeners.append(lambda finished, recorded: order.append(recorded.delivery_id))
        for claim in claims:
            recorder.take(Finished(claim, an_outcome(claim)))
        await recorder.all_recorded()
        assert (recorder.unrecorded, len(leases)) == (0, 0)
    assert order == [claim.delivery_id for claim in claims]
    assert await bench.count(Status.COMPLETED) == 1_200


async def test_an_outcome_that_the_store_refuses_keeps_no_other_from_being_recorded(
    bench: Workbench,
) -> None:
    claims = await claims_of(bench, 6)
    claims.insert(3, msgspec.structs.replace(a_claim(), delivery_id=999_999))
    with capture_logs() as logs:
        async with recording(bench, Leases(bench.store, lease_ms=60_000)) as recorder:
            for claim in claims:
                recorder.take(Finished(claim, an_outcome(claim)))
            await recorder.all_recorded()
    assert await bench.count(Status.COMPLETED) == 6
    (refusal,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert refusal["delivery_id"] == 999_999


async def test_a_store_that_comes_back_and_refuses_all_it_is_told_is_used_again(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a failover to a standby that knows nothing of these deliveries."""
    stranger = msgspec.structs.replace(a_claim(), delivery_id=999_999)
    record, down = bench.store.record, [StoreUnavailable("it fails over")]

    async def away_at_first(outcomes: Sequence[Outcome]) -> list[Recorded]:
        if down:
            raise down.pop()
        return await record(outcomes)

    monkeypatch.setattr(bench.store, "record", away_at_first)
    async with recording(bench, Leases(bench.store, lease_ms=60_000)) as recorder:
        recorder.take(Finished(stranger, an_outcome(stranger)))
        await recorder.all_recorded()
        assert recorder.store_ready.is_set()


async def test_an_outcome_whose_lease_was_lost_is_recorded_and_said(bench: Workbench) -> None:
    (stale,) = await claims_of(bench, 1)
    await bench.store.release([stale])
    (latest,) = await bench.store.claim(
        "brain", limit=1, lease_ms=60_000, longest_wait_ms=1, worker="two"
    )
    with capture_logs() as logs:
        async with recording(bench, Leases(bench.store, lease_ms=60_000)) as recorder:
            recorder.take(Finished(stale, an_outcome(stale)))
            await recorder.all_recorded()
    assert latest.fence > stale.fence
    assert await bench.count(Status.PROCESSING) == 1
    assert any("lease was lost" in entry["event"] for entry in logs)


# ---------------------------------------------------------------- the log of outcomes


def a_line(number: int) -> OutcomeLine:
    return OutcomeLine(
        delivery_id=number,
        lead_id="id",
        destination="brain",
        status="completed",
        attempt=1,
        at_ms=1_786_802_449_123,
    )


def lines_in(folder: Path) -> list[int]:
    return [one.delivery_id for one in OutcomeLog(folder).read() if isinstance(one, OutcomeLine)]


async def test_a_line_tells_the_moment_that_the_store_has_noted(
    bench: Workbench, tmp_path: Path
) -> None:
    (claim,) = await claims_of(bench, 1)
    # Its try ended long ago by the clock of who tried, as after a jump.
    outcome = msgspec.structs.replace(an_outcome(claim), started_at_ms=1_000)
    recorded = await bench.store.record([outcome])
    log = OutcomeLog(tmp_path / "outcomes")
    scribe = Scribe(log)
    Announcer(scribe).announce([(Finished(claim, outcome), recorded[0])], unrecorded=0)
    writing = asyncio.create_task(scribe.run())
    await eventually(lambda: lines_in(tmp_path / "outcomes") == [claim.delivery_id])
    writing.cancel()
    with suppress(asyncio.CancelledError):
        await writing
    log.close()
    (line,) = log.read()
    (delivery,) = await bench.store.find(Selection(everything=True), limit=2)
    assert isinstance(line, OutcomeLine)
    assert line.at_ms == delivery.processed_at_ms


async def test_lines_are_written_soon_and_the_last_ones_on_stopping(tmp_path: Path) -> None:
    log = OutcomeLog(tmp_path / "outcomes")
    scribe = Scribe(log)
    writing = asyncio.create_task(scribe.run())
    scribe.write([a_line(1), a_line(2)])
    await eventually(lambda: lines_in(tmp_path / "outcomes") == [1, 2])
    scribe.write([a_line(3)])
    writing.cancel()
    with suppress(asyncio.CancelledError):
        await writing
    log.close()
    assert lines_in(tmp_path / "outcomes") == [1, 2, 3]


async def test_lines_whose_write_has_not_begun_on_stopping_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begins = threading.Event()

    class Late(ThreadPoolExecutor):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.submit(begins.wait)

    monkeypatch.setattr(scribe_module, "ThreadPoolExecutor", Late)
    log = OutcomeLog(tmp_path / "outcomes")
    scribe = Scribe(log)
    writing = asyncio.create_task(scribe.run())
    scribe.write([a_line(1)])
    await eventually(lambda: not scribe._waiting)  # Taken, and queued behind what blocks.
    writing.cancel()
    threading.Timer(0.05, begins.set).start()
    with suppress(asyncio.CancelledError):
        await writing
    log.close()
    assert lines_in(tmp_path / "outcomes") == [1]


async def test_lines_are_synced_also_when_nothing_follows_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scribe_module, "SYNC_SECONDS", 0.05)
    log = OutcomeLog(tmp_path / "outcomes")
    synced: list[int] = []
    monkeypatch.setattr(log, "sync", lambda: synced.append(1))
    scribe = Scribe(log)
    writing = asyncio.create_task(scribe.run())
    scribe.write([a_line(1)])
    await eventually(lambda: synced)
    writing.cancel()
    with suppress(asyncio.CancelledError):
        await writing
    log.close()


async def test_lines_wait_while_their_file_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scribe_module, "SYNC_SECONDS", 0.02)
    folder = tmp_path / "outcomes"
    folder.write_text("in the way")
    log = OutcomeLog(folder)
    scribe = Scribe(log)
    with capture_logs() as logs:
        writing = asyncio.create_task(scribe.run())
        scribe.write([a_line(1)])
        await eventually(lambda: logs)
        scribe.write([a_line(2)])
        folder.unlink()
        await eventually(lambda: lines_in(folder) == [1, 2])
    assert [entry["event"] for entry in logs] == ["the log of outcomes cannot be written"]
    writing.cancel()
    with suppress(asyncio.CancelledError):
        await writing
    log.close()
