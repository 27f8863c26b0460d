"""The page about the format and the code say the same."""

import re
import struct
from pathlib import Path
from uuid import UUID

import pytest

from leadkeep.journal import layout
from leadkeep.journal.base import Damage
from leadkeep.journal.records import RECORD_HEAD, RECORD_VERSION
from leadkeep.models import RecordFlag, RecordKind
from leadkeep.recovery.tallies import TallyBook
from leadkeep.recovery.tally import Tally, TallyRow

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "journal-format.md").read_text()
PAGE_OF_LEDGER = (Path(__file__).parents[3] / "docs" / "reference" / "ledger.md").read_text()
TYPES = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "i64": "q"}
STRUCTS = {
    "Segment header": layout.SEGMENT_HEADER,
    "Group": layout.GROUP_HEADER,
    "Record": RECORD_HEAD,
    "Mark": layout.MARK,
}


def _table(heading: str) -> list[tuple[int, str, str]]:
    """Offset, type and field of each row below a heading."""
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \|$", section, re.M)
    return [(int(offset), type_, field) for offset, type_, field in rows]


def _code(type_: str) -> str:
    sized = re.fullmatch(r"(\d+) bytes", type_)
    return f"{sized[1]}s" if sized else TYPES[type_]


@pytest.mark.parametrize("heading", STRUCTS)
def test_every_field_stands_on_the_page_with_its_offset_and_type(heading: str) -> None:
    rows = _table(heading)
    codes = [_code(type_) for _, type_, _ in rows]
    assert "<" + "".join(codes) == STRUCTS[heading].format
    offsets = [struct.calcsize("<" + "".join(codes[:index])) for index in range(len(codes))]
    assert [offset for offset, _, _ in rows] == offsets


def test_the_values_that_the_page_names_are_the_codes() -> None:
    for magic in (layout.SEGMENT_MAGIC, layout.GROUP_MAGIC, layout.MARK_MAGIC):
        assert f"magic `{magic.decode()}`" in PAGE
    fields = {heading: {field: at for at, _, field in _table(heading)} for heading in STRUCTS}
    assert fields["Segment header"][f"format version, {layout.FORMAT_VERSION}"] == 8
    assert f"length of this header, {layout.SEGMENT_HEADER.size}" in fields["Segment header"]
    assert any(str(layout.GROUP_HEADER_SIZE) in field for field in fields["Group"])
    assert f"record format version, {RECORD_VERSION}" in fields["Record"]
    assert fields["Mark"]["durable offset: everything before it was synced"] == (
        layout.MARK_DURABLE_AT
    )
    kinds = ", ".join(f"{kind.value} {kind.name.lower()}" for kind in RecordKind)
    assert f"kind: {kinds}" in fields["Record"]
    states = ", ".join(f"{state.value} {state.name.lower()}" for state in layout.MarkState)
    assert f"state: {states}" in fields["Mark"]
    (flags,) = [field for field in fields["Record"] if field.startswith("flags: ")]
    assert [int(number) for number in re.findall(r"\d+", flags)] == [
        flag.value for flag in RecordFlag if flag
    ]


def test_every_field_of_a_tally_stands_on_the_ledgers_page() -> None:
    page = PAGE_OF_LEDGER.split("## How it outlives the archive", 1)[1].split("\n## ", 1)[0]
    named = set(re.findall(r"`(\w+)`", page))
    for form in (Tally, TallyRow, Damage):
        assert set(form.__struct_fields__) <= named, form


def test_a_tally_is_read_by_what_the_page_says(tmp_path: Path) -> None:
    import base64
    import json
    import zlib

    row = TallyRow("2026-08-15", "lqf", answers={200: 3}, copies={UUID(int=2): bytes(range(32))})
    TallyBook(tmp_path).write(Tally(UUID(int=1), "journal", (row,)))
    (path,) = (tmp_path / "tallies").glob("*.jsonl")
    (line,) = path.read_bytes().splitlines()
    told = json.loads(line)
    assert int(told["crc"], 16) == zlib.crc32(line[: line.rindex(b',"crc":')])
    assert told["rows"][0]["answers"] == {"200": 3}
    (copies,) = told["rows"][0]["copies"].values()
    assert base64.b64decode(copies) == bytes(range(32))


def test_a_reader_written_from_the_page_alone_reads_a_segment(tmp_path: Path) -> None:
    import zlib

    from leadkeep.journal.disk import DiskJournal
    from tests.fakes.clock import FakeClock
    from tests.unit.journal.journal_parts import SEGMENT_BYTES, encoded, lead

    journal = DiskJournal(tmp_path, segment_bytes=SEGMENT_BYTES, clock=FakeClock())
    position = journal.commit(encoded(1, 2))
    (path,) = tmp_path.glob(f"writer-1/*{position.segment}.segment")
    content = path.read_bytes()
    journal.close()

    assert content[:8] == b"LKSEGMNT"
    uuid = content[16:32]
    assert zlib.crc32(content[:124]) == int.from_bytes(content[124:128], "little")
    group = content[4096:]
    header_length, payload_length = struct.unpack_from("<4xH14xI", group)
    end = header_length + payload_length
    seed = zlib.crc32(uuid + (4096).to_bytes(8, "little"))
    assert zlib.crc32(group[:56], seed) == int.from_bytes(group[56:60], "little")
    crc = zlib.crc32(group[:60] + group[64:end], seed)
    assert crc == int.from_bytes(group[60:64], "little")
    record = group[header_length:end]
    bodies = []
    while record:
        (length,) = struct.unpack_from("<I", record)
        (body_length,) = struct.unpack_from("<I", record, 60)
        bodies.append(record[length - body_length : length])
        record = record[length:]
    assert bodies == [lead(1).body, lead(2).body]
