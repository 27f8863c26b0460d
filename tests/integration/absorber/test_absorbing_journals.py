"""What is in the journals comes into the store: whole, exact, once."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from leadkeep.journal.base import Damage, Group, SegmentInfo, TornTail
from leadkeep.models import Contact, RecordFlag, RecordKind
from leadkeep.states import Disposition, Status
from tests.integration.absorber.absorbing_bench import Bench, Reading, SyncFails, write
from tests.store.builders import a_probe, a_record

SAMPLES = Path(__file__).parents[2] / "samples"


async def test_a_lead_comes_into_the_store_as_it_was_accepted(bench: Bench) -> None:
    body = (SAMPLES / "01_lqf_auto_nested.json").read_bytes()
    headers = b"Host: a\r\nX: 1\r\nx: 2\r\nContent-Type: text/plain\r\n"
    record = a_record(body=body, headers=headers, target=b"/webhook/auto?a=%20b")
    journal = bench.journal()
    write(journal, [record])

    done = await bench.absorber().absorb_available()

    lead = await bench.store.lead(str(record.lead_number))
    assert done.leads == 1
    assert bench.woken == 1
    assert (lead.body, lead.headers, lead.target) == (body, headers, b"/webhook/auto?a=%20b")
    assert (lead.method, lead.peer, lead.received_at_ms) == (
        "POST",
        "127.0.0.1",
        record.received_at_us // 1_000,
    )
    assert lead.acknowledged
    assert lead.disposition is Disposition.ROUTED
    assert lead.contact == Contact(
        "Marisol Testerman", "+16145550142", "marisol.testerman@example.com", "90000001"
    )
    assert [delivery.status for delivery in lead.deliveries] == [Status.PENDING]
    assert lead.deliveries[0].destination == "default"
    journal.close()


async def test_a_growing_journal_is_followed_and_nothing_comes_twice(bench: Bench) -> None:
    journal = bench.journal()
    absorber = bench.absorber()
    expected = []
    for _ in range(5):
        expected += write(journal, [a_record(), a_record()], [a_record()])
        assert (await absorber.absorb_news()).leads == 3
        assert (await absorber.absorb_news()).leads == 0

    assert await bench.lead_ids() == [_text(record.lead_id) for record in expected]
    journal.close()


async def test_segments_are_followed_as_they_roll_and_finished_with_their_counts(
    bench: Bench,
) -> None:
    journal = bench.journal()
    absorber = bench.absorber()
    expected = []
    for _ in range(10):
        # A third of a segment each.
        expected += write(journal, [a_record(body=b"x" * 80_000), a_probe()])
        await absorber.absorb_news()
    rejection = a_record(kind=RecordKind.REJECTION, body=b"", detail="too large")
    handshake = a_record(kind=RecordKind.HANDSHAKE, method="GET", body=b"")
    write(journal, [rejection, handshake])
    journal.close()

    done = await absorber.absorb_available()

    progress = await bench.store.progress()
    assert done.finished > 0
    assert len(progress) > 2
    assert all(one.finished for one in progress.values())
    assert sum(one.leads for one in progress.values()) == 10
    assert sum(one.probes for one in progress.values()) == 10
    assert sum(one.rejections for one in progress.values()) == 1
    assert sum(one.handshakes for one in progress.values()) == 1
    assert await bench.store.notice_counts() == {"probe": 10, "rejection": 1, "handshake": 1}
    leads = [record for record in expected if record.kind is RecordKind.LEAD]
    assert await bench.lead_ids() == [_text(record.lead_id) for record in leads]


async def test_what_is_finished_is_not_read_again(bench: Bench) -> None:
    class Counting(Reading):
        reads = 0

        def read(self, info: SegmentInfo, offset: int) -> Iterator[Group | Damage | TornTail]:
            self.reads += 1
            return self.inner.read(info, offset)

    journal = bench.journal()
    write(journal, [a_record()])
    journal.close()
    reader = Counting(bench.reader())
    absorber = bench.absorber(reader)
    for _ in range(3):
        await absorber.absorb_available()
    await bench.absorber(reader).absorb_available()

    assert reader.reads == 1


async def test_two_writers_of_a_journal_are_both_followed(bench: Bench) -> None:
    first, second = bench.journal(), bench.journal()
    absorber = bench.absorber()
    await absorber.absorb_news()

    for _ in range(3):
        write(first, [a_record()])
        write(second, [a_record()])
        assert (await absorber.absorb_available()).leads == 2
    third = bench.journal()
    write(third, [a_record()])

    # No known segment has news, so the folders are looked at.
    assert (await absorber.absorb_news()).leads == 1
    for journal in (first, second, third):
        journal.close()


async def test_one_record_in_two_journals_is_one_lead(bench: Bench) -> None:
    calls = SyncFails()
    failing, sound = bench.journal(calls=calls), bench.journal("second")
    record = a_record()
    write(failing, [a_record()])
    calls.failing = True
    with pytest.raises(Exception, match="failed twice"):
        write(failing, [record])
    write(sound, [record])

    done = await bench.absorber(bench.reader(), bench.reader("second")).absorb_available()

    lead = await bench.store.lead(str(record.lead_number))
    assert done.leads == 2
    assert done.already_known >= 1
    assert lead.acknowledged
    assert len(lead.deliveries) == 1
    failing.close()
    sound.close()


async def test_a_lead_that_nobody_acknowledged_is_delivered_and_marked(bench: Bench) -> None:
    calls = SyncFails()
    journal = bench.journal(calls=calls)
    told, untold = a_record(), a_record()
    write(journal, [told])
    calls.failing = True
    with pytest.raises(Exception, match="failed twice"):
        write(journal, [untold])

    done = await bench.absorber().absorb_available()

    lead = await bench.store.lead(str(untold.lead_number))
    assert done.leads == 2
    assert done.unacknowledged >= 1
    assert not lead.acknowledged
    assert lead.disposition is Disposition.ROUTED
    assert [delivery.status for delivery in lead.deliveries] == [Status.PENDING]
    assert (await bench.store.lead(str(told.lead_number))).acknowledged
    journal.close()


async def test_what_no_source_claims_is_held_with_its_path(bench: Bench) -> None:
    journal = bench.journal()
    record = a_record(source="", flags=RecordFlag.NO_ROUTE, target=b"/typo?phone=614")
    write(journal, [record])

    await bench.absorber().absorb_available()

    lead = await bench.store.lead(str(record.lead_number))
    assert lead.disposition is Disposition.QUARANTINED
    assert [delivery.status for delivery in lead.deliveries] == [Status.HELD]
    assert await bench.rows("SELECT error_message FROM lead_queue") == [
        ("no source claims the path /typo",)
    ]
    journal.close()


HOSTILE_BODIES = [
    b"",
    b"\x00\xff\xfe\x80",
    b'{"name":"\\ud800","phone":NaN}',
    b"[" * 50_000,
    b'{"name":"A","name":"B"}',
    bytes(range(256)) * 40,
    b"\x1f\x8b" + b"\x00" * 100,
    b"--b\r\nnothing",
]


async def test_payloads_that_cannot_be_read_are_absorbed_byte_for_byte(bench: Bench) -> None:
    journal = bench.journal()
    records = write(journal, [a_record(body=body, target=b"/?\xff") for body in HOSTILE_BODIES])

    done = await bench.absorber().absorb_available()

    assert done.leads == len(HOSTILE_BODIES)
    assert done.refused == 0
    for record in records:
        lead = await bench.store.lead(str(record.lead_number))
        assert lead.body == record.body
        assert [delivery.status for delivery in lead.deliveries] == [Status.PENDING]
    journal.close()


async def test_a_dead_writers_torn_last_write_ends_its_segment(bench: Bench) -> None:
    journal = bench.journal()
    write(journal, [a_record()], [a_record()])
    journal.close()
    [info] = bench.reader().segments()
    # Its writer died in the middle of a third group, and its mark did not outlive the boot.
    info.path.with_name(f"{info.segment}.mark").unlink()
    with info.path.open("r+b") as file:
        end = max(group.end for group in bench.reader().read(info, 0) if hasattr(group, "end"))
        file.seek(end)
        file.write(b"LKGP" + b"\x40" * 3_000)

    done = await bench.absorber().absorb_available()

    assert (done.leads, done.finished, done.damage) == (2, 1, 0)


async def test_a_limit_stops_at_the_end_of_a_group(bench: Bench) -> None:
    journal = bench.journal()
    write(journal, *[[a_record(), a_record()] for _ in range(10)])
    absorber = bench.absorber()

    done = await absorber.absorb_available(5)
    rest = await absorber.absorb_available()

    assert (done.leads, done.more) == (6, True)
    assert (rest.leads, rest.more) == (14, False)
    journal.close()


async def test_the_loop_goes_on_while_a_segment_is_read(bench: Bench) -> None:
    reading, loop_went_on = threading.Event(), threading.Event()

    class Waiting(Reading):
        def read(self, info: SegmentInfo, offset: int) -> Iterator[Group | Damage | TornTail]:
            reading.set()
            assert loop_went_on.wait(5), "the loop stood still"
            return self.inner.read(info, offset)

    journal = bench.journal()
    write(journal, [a_record()])
    absorbing = asyncio.create_task(bench.absorber(Waiting(bench.reader())).absorb_available())
    async with asyncio.timeout(20):
        while not reading.is_set():
            await asyncio.sleep(0.001)

    loop_went_on.set()

    assert (await absorbing).leads == 1
    journal.close()


def _text(lead_id: bytes) -> str:
    from leadkeep.journal.identity import text

    return text(lead_id)
