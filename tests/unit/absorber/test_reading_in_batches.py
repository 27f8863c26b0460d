"""Every record is in exactly one batch, batches end where groups end, and counts add up."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadkeep.absorber.making import LeadMaker
from leadkeep.absorber.reading import Chunk, SegmentReading, nothing_yet
from leadkeep.journal.base import Damage, Group, SegmentInfo, SegmentState, TornTail
from leadkeep.models import Record, RecordKind
from leadkeep.settings.model import Settings
from leadkeep.sources.contact import ContactReader
from leadkeep.sources.routes import SourceTable
from tests.store.builders import a_record

MAKER = LeadMaker(SourceTable.of(Settings()), ContactReader("US"))
BLOCK = 4096


class Written:
    """A journal reader over entries that are simply given."""

    def __init__(self, *entries: Group | Damage | TornTail) -> None:
        self.entries = entries

    def segments(self) -> list[SegmentInfo]:
        return []

    def read(self, info: SegmentInfo, offset: int) -> Iterator[Group | Damage | TornTail]:
        return (one for one in self.entries if one.offset >= offset)

    def refresh(self, info: SegmentInfo) -> SegmentInfo | None:
        return info


def a_segment(state: SegmentState = SegmentState.SEALED) -> SegmentInfo:
    return SegmentInfo(UUID(int=1), Path("segment"), "journal", state, None, 0)


def a_group(number: int, *records: Record) -> Group:
    return Group(number * BLOCK, (number + 1) * BLOCK, number, records, acknowledged=True)


def all_chunks(reading: SegmentReading, most_leads: int = 500) -> list[Chunk]:
    return list(iter(lambda: reading.next_chunk(most_leads), None))


@given(
    st.lists(st.lists(st.sampled_from(RecordKind), max_size=6), max_size=20),
    st.integers(1, 10),
    st.sampled_from(SegmentState),
)
def test_every_record_is_in_exactly_one_batch(
    groups: list[list[RecordKind]], most_leads: int, state: SegmentState
) -> None:
    written = [
        a_group(number, *(a_record(kind=kind) for kind in kinds))
        for number, kinds in enumerate(groups, 1)
    ]
    info = a_segment(state)

    chunks = all_chunks(
        SegmentReading(Written(*written), info, nothing_yet(info), MAKER), most_leads
    )

    leads = [lead.record for chunk in chunks for lead in chunk.batch.leads]
    notices = [notice for chunk in chunks for notice in chunk.batch.notices]
    records = [record for group in written for record in group.records]
    assert leads == [record for record in records if record.kind is RecordKind.LEAD]
    assert notices == [record for record in records if record.kind is not RecordKind.LEAD]
    offset = 0
    for chunk in chunks:
        assert chunk.batch.expected_offset == offset
        offset = chunk.batch.progress.offset
        assert offset in {0, *(group.end for group in written)}
        # A batch is full with the group that fills it.
        assert len(chunk.batch.leads) < most_leads + 6
    if chunks:
        last = chunks[-1].batch.progress
        kinds = [record.kind for record in records]
        assert (last.leads, last.probes, last.rejections, last.handshakes) == tuple(
            kinds.count(kind)
            for kind in (
                RecordKind.LEAD,
                RecordKind.PROBE,
                RecordKind.REJECTION,
                RecordKind.HANDSHAKE,
            )
        )
    assert sum(chunk.batch.progress.finished for chunk in chunks) == (
        0 if state is SegmentState.LIVE else 1
    )


def test_reading_goes_on_where_the_store_is() -> None:
    groups = [a_group(number, a_record()) for number in range(1, 5)]
    info = a_segment()
    [first, *_] = all_chunks(SegmentReading(Written(*groups), info, nothing_yet(info), MAKER), 2)

    [rest] = all_chunks(SegmentReading(Written(*groups), info, first.batch.progress, MAKER))

    assert rest.batch.expected_offset == 3 * BLOCK
    assert [lead.record for lead in rest.batch.leads] == [
        record for group in groups[2:] for record in group.records
    ]
    assert rest.batch.progress.leads == 4


def test_each_lead_knows_its_group_and_whether_it_was_acknowledged() -> None:
    told, untold = a_record(), a_record()
    groups = (a_group(1, told), Group(2 * BLOCK, 3 * BLOCK, 2, (untold,), acknowledged=False))
    info = a_segment(SegmentState.POISONED)

    [chunk] = all_chunks(SegmentReading(Written(*groups), info, nothing_yet(info), MAKER))

    assert [(lead.position.offset, lead.acknowledged) for lead in chunk.batch.leads] == [
        (BLOCK, True),
        (2 * BLOCK, False),
    ]


def test_reading_stops_before_damage_until_it_is_believed() -> None:
    damage = Damage(2 * BLOCK, 4 * BLOCK, "injected")
    entries = (a_group(1, a_record()), damage, a_group(4, a_record()))
    info = a_segment()

    [doubting] = all_chunks(SegmentReading(Written(*entries), info, nothing_yet(info), MAKER))
    [believing] = all_chunks(
        SegmentReading(Written(*entries), info, nothing_yet(info), MAKER, believed={2 * BLOCK})
    )

    assert doubting.doubt == damage
    assert doubting.batch.progress.offset == 2 * BLOCK
    assert not doubting.batch.progress.finished
    assert believing.damage == (damage,)
    assert believing.batch.progress.finished
    assert len(believing.batch.leads) == 2


def test_one_unreadable_record_does_not_hide_the_group_it_is_in() -> None:
    entries = (Damage(BLOCK, BLOCK, "record 1 of 2"), a_group(1, a_record()))
    info = a_segment()

    [chunk] = all_chunks(SegmentReading(Written(*entries), info, nothing_yet(info), MAKER))

    assert len(chunk.damage) == 1
    assert len(chunk.batch.leads) == 1


@pytest.mark.parametrize("state", [SegmentState.DEAD, SegmentState.LIVE])
def test_a_torn_tail_moves_nothing(state: SegmentState) -> None:
    entries = (a_group(1, a_record()), TornTail(2 * BLOCK))
    info = a_segment(state)

    [chunk] = all_chunks(SegmentReading(Written(*entries), info, nothing_yet(info), MAKER))

    assert chunk.torn
    assert chunk.batch.progress.offset == 2 * BLOCK
    assert chunk.batch.progress.finished is (state is SegmentState.DEAD)


def test_large_leads_make_small_batches() -> None:
    groups = [
        Group(number * 1024**2, (number + 1) * 1024**2, number, (a_record(),), acknowledged=True)
        for number in range(1, 10)
    ]
    info = a_segment()

    chunks = all_chunks(SegmentReading(Written(*groups), info, nothing_yet(info), MAKER))

    assert max(len(chunk.batch.leads) for chunk in chunks) == 4
