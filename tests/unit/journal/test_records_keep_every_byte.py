"""Records: what goes in comes out, and nothing else does."""

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadkeep.errors import JournalDamaged, UsageError
from leadkeep.journal.records import Head, decode, encode, encode_lead, read_head
from leadkeep.models import Record, RecordFlag, RecordKind
from tests.unit.journal.journal_parts import lead

texts = st.text(max_size=60).filter(lambda text: not any(0xD800 <= ord(c) <= 0xDFFF for c in text))
records = st.builds(
    Record,
    kind=st.sampled_from(RecordKind),
    lead_id=st.binary(min_size=16, max_size=16),
    lead_number=st.integers(0, 10**13 - 1),
    received_at_us=st.integers(-(2**63), 2**63 - 1),
    flags=st.integers(0, 0xFFFF).map(RecordFlag),
    source=texts,
    peer=texts,
    method=texts,
    target=st.binary(max_size=200),
    headers=st.binary(max_size=200),
    body=st.binary(max_size=500),
    answer_status=st.integers(0, 0xFFFF),
    detail=texts,
)


@given(st.lists(records, max_size=4))
def test_records_in_a_row_come_back_equal(written: list[Record]) -> None:
    data = memoryview(b"".join(map(encode, written)))
    found = []
    offset = 0
    while offset < len(data):
        record, offset = decode(data, offset)
        found.append(record)
    assert found == written


@given(records.filter(lambda record: not record.detail))
def test_the_doors_fast_path_writes_the_same_bytes(record: Record) -> None:
    fast = encode_lead(
        record.lead_id,
        record.lead_number,
        record.received_at_us,
        int(record.flags),
        record.source.encode(),
        record.peer.encode(),
        record.method.encode(),
        record.target,
        record.headers,
        record.body,
        record.answer_status,
    )
    slow = bytearray(encode(record))
    slow[5] = RecordKind.LEAD  # The fast path is for leads alone.
    assert fast == bytes(slow)


@given(st.binary(max_size=400), st.integers(0, 400))
def test_decoding_arbitrary_bytes_refuses_them_and_nothing_worse(data: bytes, offset: int) -> None:
    try:
        record, end = decode(memoryview(data), offset)
    except JournalDamaged:
        return
    assert end <= len(data)
    assert isinstance(record, Record)


@given(records, records)
def test_a_head_is_that_of_the_record_and_ends_where_it_ends(one: Record, next_: Record) -> None:
    data = memoryview(encode(one) + encode(next_))
    head, end = read_head(data)
    assert end == decode(data)[1]
    for record, found in ((one, head), (next_, read_head(data, end)[0])):
        source = record.source.encode()
        assert found == Head(
            record.kind, record.lead_id, record.received_at_us, record.answer_status, source
        )


@given(records, st.data())
def test_a_head_is_refused_where_the_record_is_and_with_the_same_words(
    record: Record, data: st.DataObject
) -> None:
    changed = bytearray(encode(record) + bytes(data.draw(st.integers(0, 8))))
    for _ in range(data.draw(st.integers(0, 3))):
        changed[data.draw(st.integers(0, 63))] = data.draw(st.integers(0, 255))
    offset = data.draw(st.integers(-1, 2))

    def said(read: Callable[[bytes, int], tuple[object, int]]) -> int | str:
        try:
            return read(bytes(changed), offset)[1]
        except JournalDamaged as error:
            return str(error)

    assert said(read_head) == said(decode)


@given(records, st.data())
def test_a_record_cut_short_is_refused(record: Record, data: st.DataObject) -> None:
    whole = encode(record)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(JournalDamaged):
        decode(cut, 0)


@pytest.mark.parametrize(("at", "value"), [(4, 2), (5, 0), (5, 99)])
def test_an_unknown_version_or_kind_is_refused_by_name(at: int, value: int) -> None:
    data = bytearray(encode(lead(1)))
    data[at] = value
    with pytest.raises(JournalDamaged, match=r"version 2|kind \d+"):
        decode(bytes(data), 0)


def test_lengths_that_promise_gigabytes_are_refused_without_allocating() -> None:
    data = bytearray(encode(lead(1)))
    struct.pack_into("<I", data, 60, 0xFFFF_FFF0)
    struct.pack_into("<I", data, 0, 0xFFFF_FFFF)
    with pytest.raises(JournalDamaged, match="add up"):
        decode(bytes(data), 0)


def test_a_name_longer_than_the_format_holds_is_refused_before_it_is_written() -> None:
    with pytest.raises(UsageError):
        encode_lead(b"i" * 16, 1, 2, 0, b"s" * 70_000, b"", b"POST", b"/", b"", b"", 200)


def test_an_overlong_note_of_ours_is_cut_and_the_request_stays_whole() -> None:
    rejected = Record(
        kind=RecordKind.REJECTION,
        lead_id=bytes(16),
        lead_number=0,
        received_at_us=0,
        flags=RecordFlag.NONE,
        source="",
        peer="",
        method="POST",
        target=b"/x",
        headers=b"A: b\r\n",
        body=b"",
        answer_status=413,
        detail="d" * 100_000,
    )
    found, _ = decode(encode(rejected), 0)
    assert found.detail == "d" * 65_535
    assert found.target == b"/x"
