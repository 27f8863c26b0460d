"""What is damaged is named, what is refused is quarantined, what is away is waited for."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from structlog.testing import capture_logs

from leadkeep.absorber.absorber import Absorber
from leadkeep.absorber.archivist import Archivist
from leadkeep.clock import SystemClock
from leadkeep.errors import AlreadyRunning, JournalUnavailable, RecordRefused, StoreUnavailable
from leadkeep.journal.base import Damage, Group, SegmentInfo, TornTail
from leadkeep.journal.doorbell import Doorbell
from leadkeep.models import NO_FACTS, AbsorbBatch, AbsorbReport, Contact, Facts, Record
from leadkeep.settings.model import JournalSettings
from leadkeep.sources.contact import ContactReader
from leadkeep.states import Disposition, Status
from tests.fakes.clock import FakeClock
from tests.integration.absorber.absorbing_bench import Bench, Reading, Storing, write
from tests.store.builders import a_probe, a_record

CANARY = "Canary Birdsong"


def sealed_segment(bench: Bench, groups: int) -> tuple[SegmentInfo, list[Record]]:
    """A segment with one lead in each group."""
    journal = bench.journal()
    records = write(journal, *[[a_record()] for _ in range(groups)])
    journal.close()
    [info] = bench.reader().segments()
    return info, records


def flip(info: SegmentInfo, offset: int) -> None:
    with info.path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0xFF]))


# ---------------------------------------------------------------- damage


async def test_a_damaged_group_is_named_and_the_rest_absorbed(bench: Bench) -> None:
    info, records = sealed_segment(bench, 5)
    groups = [found for found in bench.reader().read(info, 0) if isinstance(found, Group)]
    flip(info, groups[2].offset + 100)

    with capture_logs() as logs:
        absorber = bench.absorber()
        done = await absorber.absorb_available()

    damaged = [log for log in logs if log["log_level"] == "error"]
    assert (done.leads, done.damage, done.finished) == (4, 1, 1)
    assert len(damaged) == 1
    assert damaged[0]["segment"] == str(info.segment)
    assert damaged[0]["offset"] == groups[2].offset
    assert str(info.segment) in str(absorber.details()["damaged"])
    stored = await bench.rows("SELECT lead_number FROM leads ORDER BY id")
    assert [number for (number,) in stored] == [
        record.lead_number for place, record in enumerate(records) if place != 2
    ]


async def test_a_passing_fault_of_the_disk_is_not_taken_for_damage(bench: Bench) -> None:
    class Flickering(Reading):
        faults = 2

        def read(self, info: SegmentInfo, offset: int) -> Iterator[Group | Damage | TornTail]:
            for found in self.inner.read(info, offset):
                if isinstance(found, Group) and found.sequence == 2 and self.faults:
                    self.faults -= 1
                    yield Damage(found.offset, found.end, "it cannot be read: injected")
                else:
                    yield found

    sealed_segment(bench, 3)

    done = await bench.absorber(Flickering(bench.reader())).absorb_available()

    assert (done.leads, done.damage, done.failed, done.finished) == (3, 0, 0, 1)


async def test_damage_in_a_live_segment_does_not_keep_later_leads_waiting(bench: Bench) -> None:
    journal = bench.journal()
    write(journal, [a_record()], [a_record()], [a_record()])
    [info, *_] = [one for one in bench.reader().segments() if one.durable != 4096]
    groups = [found for found in bench.reader().read(info, 0) if isinstance(found, Group)]
    flip(info, groups[1].offset + 70)
    clock = FakeClock()
    absorber = bench.absorber(clock=clock)

    leads = 0
    for _ in range(4):
        leads += (await absorber.absorb_news()).leads
        clock.advance(0.3)
    write(journal, [a_record()])

    assert leads == 2
    assert (await absorber.absorb_news()).leads == 1
    journal.close()


async def test_a_segment_that_cannot_be_opened_is_tried_again_and_stops_no_other(
    bench: Bench,
) -> None:
    class Stuck(Reading):
        stuck = True

        def read(self, info: SegmentInfo, offset: int) -> Iterator[Group | Damage | TornTail]:
            if self.stuck:
                raise JournalUnavailable("injected")
            return self.inner.read(info, offset)

    stuck = Stuck(bench.reader())
    first, second = bench.journal(), bench.journal("second")
    write(first, [a_record()])
    write(second, [a_record()])
    clock = FakeClock()
    absorber = bench.absorber(stuck, bench.reader("second"), clock=clock)

    done = await absorber.absorb_news()
    stuck.stuck = False
    clock.advance(1)
    later = await absorber.absorb_news()

    assert (done.leads, done.failed > 0) == (1, True)
    assert later.leads == 1
    first.close()
    second.close()


async def test_a_journal_that_is_not_mounted_is_missed_aloud(bench: Bench) -> None:
    journal = bench.journal()
    write(journal, [a_record()])
    await bench.absorber().absorb_available()
    journal.close()

    with capture_logs() as logs:
        absorber = bench.absorber(bench.reader("elsewhere"))
        await absorber.absorb_available()
        await absorber.absorb_available()

    assert [log["event"] for log in logs if log["log_level"] == "error"] == [
        "a journal segment is not there, and not all of it was absorbed"
    ]


# ---------------------------------------------------------------- refusals


async def test_a_refused_lead_is_found_quarantined_and_costs_no_other(bench: Bench) -> None:
    journal = bench.journal()
    # Lead numbers have 13 digits; the store's schema insists.
    bad = [a_record(lead_number=7), a_record(lead_number=77)]
    good = [a_record() for _ in range(9)]
    write(journal, [*good[:4], bad[0], *good[4:8], bad[1], good[8], a_probe()])

    done = await bench.absorber().absorb_available()

    assert (done.leads, done.refused, done.notices) == (11, 2, 1)
    for record in good:
        lead = await bench.store.lead(str(record.lead_number))
        assert lead.disposition is Disposition.ROUTED
    for record in bad:
        lead = await bench.store.lead(_text(record))
        assert lead.disposition is Disposition.QUARANTINED
        assert (lead.body, lead.headers, lead.target) == (
            record.body,
            record.headers,
            record.target,
        )
        assert [delivery.status for delivery in lead.deliveries] == [Status.HELD]
    reasons = await bench.rows("SELECT DISTINCT error_message FROM lead_queue WHERE status='held'")
    assert all(reason.startswith("the store refused it: ") for (reason,) in reasons)
    [progress] = [one for one in (await bench.store.progress()).values() if one.leads]
    assert progress.leads == 11
    assert (await bench.absorber().absorb_available()).leads == 0
    journal.close()


async def test_what_was_read_from_a_lead_can_be_refused_without_holding_back_its_bytes(
    bench: Bench,
) -> None:
    class Careless(ContactReader):
        def read_all(self, content_type: str, target: bytes, body: bytes) -> tuple[Contact, Facts]:
            return Contact(name=CANARY + "\ud800" if b"bad" in body else ""), NO_FACTS

    journal = bench.journal()
    bad = a_record(body=b"bad")
    write(journal, [a_record(), bad, a_record()])

    with capture_logs() as logs:
        done = await bench.absorber(contacts=Careless("US")).absorb_available()

    lead = await bench.store.lead(str(bad.lead_number))
    assert (done.leads, done.refused) == (3, 1)
    assert lead.body == b"bad"
    assert [(delivery.status, delivery.destination) for delivery in lead.deliveries] == [
        (Status.HELD, "default")
    ]
    assert CANARY not in str(logs)
    journal.close()


async def test_a_lead_that_is_refused_in_every_form_keeps_its_segment(bench: Bench) -> None:
    bad = a_record(body=b"bad")

    class Stubborn(Storing):
        async def absorb(self, batch: AbsorbBatch) -> AbsorbReport:
            if any(lead.record.body == b"bad" for lead in batch.leads):
                raise RecordRefused("injected")
            return await self.inner.absorb(batch)

    journal = bench.journal()
    write(journal, [a_record(), bad, a_record()], [a_record()])
    journal.close()
    absorber = bench.absorber(store=Stubborn(bench.store))

    done = await absorber.absorb_available()

    [segment] = await bench.store.progress()
    assert (done.leads, done.finished) == (3, 1)
    assert absorber.troubles.is_damaged(segment)
    with capture_logs() as logs:
        tidied = await Archivist(
            readers=[bench.reader()],
            archive=bench.archive,
            store=bench.store,
            settings=JournalSettings(),
            clock=SystemClock(),
            troubles=absorber.troubles,
        ).tidy()
    assert (tidied.archived, tidied.kept_damaged, len(logs)) == (0, 1, 1)


async def test_refused_notices_do_not_stop_the_leads_beside_them(bench: Bench) -> None:
    class Stubborn(Storing):
        async def absorb(self, batch: AbsorbBatch) -> AbsorbReport:
            if batch.notices:
                raise RecordRefused("injected")
            return await self.inner.absorb(batch)

    journal = bench.journal()
    write(journal, [a_probe(), a_record()], [a_record()])

    done = await bench.absorber(store=Stubborn(bench.store)).absorb_available()

    assert done.leads == 2
    assert len(await bench.lead_ids()) == 2
    journal.close()


# ---------------------------------------------------------------- running


class Failing(Storing):
    """A store that is away as long as `error` is set."""

    error: Exception | None = None
    asked = 0

    async def absorb(self, batch: AbsorbBatch) -> AbsorbReport:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return await self.inner.absorb(batch)


@pytest.fixture
async def running(bench: Bench) -> AsyncIterator["Running"]:
    running = Running(bench)
    yield running
    await running.stop_all()


class Running:
    """Absorbers at work in the background."""

    def __init__(self, bench: Bench) -> None:
        self._stop = asyncio.Event()
        self._bench = bench
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, absorber: Absorber, doorbell: Doorbell | None = None) -> asyncio.Task[None]:
        task = asyncio.create_task(absorber.run(self._stop, doorbell))
        self._tasks.append(task)
        return task

    async def stop_all(self) -> None:
        self._stop.set()
        await asyncio.gather(*self._tasks)

    async def until(self, leads: int) -> None:
        async with asyncio.timeout(20):
            while len(await self._bench.lead_ids()) < leads:
                await asyncio.sleep(0.005)


async def test_each_ring_brings_the_lead_that_rang(
    bench: Bench, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that nothing but the bell can be the reason.
    monkeypatch.setattr("leadkeep.absorber.watch.LOOK_EVERY_SECONDS", 3_600)
    doorbell = Doorbell(bench.folder / "run" / "doorbell")
    journal = bench.journal()
    running.start(bench.absorber(), doorbell)
    write(journal, [a_record()])
    await running.until(1)

    for count in range(2, 6):
        write(journal, [a_record()])
        doorbell.ring()
        await running.until(count)
    doorbell.close()
    journal.close()


async def test_leads_are_found_without_any_ring(bench: Bench, running: Running) -> None:
    journal = bench.journal()
    running.start(bench.absorber(), None)
    for count in (1, 2):
        write(journal, [a_record()])
        await running.until(count)
    journal.close()


@pytest.mark.parametrize(
    "error", [StoreUnavailable("injected"), RuntimeError("injected"), OSError("injected")]
)
async def test_absorbing_goes_on_when_the_store_is_back(
    bench: Bench, running: Running, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leadkeep.absorber.watch._LONGEST_PAUSE_SECONDS", 0.1)
    store = Failing(bench.store)
    store.error = error
    journal = bench.journal()
    with capture_logs() as logs:
        running.start(bench.absorber(store=store))
        for _ in range(3):
            write(journal, [a_record()])
        async with asyncio.timeout(20):
            while store.asked < 3:
                await asyncio.sleep(0.005)
        assert await bench.lead_ids() == []
        store.error = None
        await running.until(3)
    assert all(log["log_level"] in ("warning", "error") for log in logs)
    journal.close()


async def test_one_pass_says_that_the_store_is_away(bench: Bench) -> None:
    store = Failing(bench.store)
    store.error = StoreUnavailable("injected")
    journal = bench.journal()
    write(journal, [a_record()])
    absorber = bench.absorber(store=store)

    with pytest.raises(StoreUnavailable):
        await absorber.absorb_available()
    store.error = None

    assert (await absorber.absorb_available()).leads == 1
    journal.close()


async def test_it_stops_when_told(bench: Bench, running: Running) -> None:
    task = running.start(bench.absorber(), Doorbell(bench.folder / "run" / "doorbell"))
    await asyncio.sleep(0)

    async with asyncio.timeout(10):
        await running.stop_all()

    assert task.done()


# ---------------------------------------------------------------- turns


async def test_absorbers_take_turns(bench: Bench) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    class Slow(Storing):
        async def absorb(self, batch: AbsorbBatch) -> AbsorbReport:
            entered.set()
            await leave.wait()
            return await self.inner.absorb(batch)

    journal = bench.journal()
    write(journal, [a_record()])
    first = asyncio.create_task(bench.absorber(store=Slow(bench.store)).absorb_available())
    await entered.wait()
    second = bench.absorber()

    assert (await second.absorb_news()).busy
    with pytest.raises(AlreadyRunning):
        await second.absorb_available(wait_seconds=0.02)
    waiting = asyncio.create_task(second.absorb_available(wait_seconds=20))
    leave.set()

    assert (await first).leads == 1
    assert (await waiting).leads == 0
    journal.close()


def _text(record: Record) -> str:
    from leadkeep.journal.identity import text

    return text(record.lead_id)
