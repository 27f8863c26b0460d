"""The log of outcomes on a disk that is really full: it waits, says so, and goes on in its file."""

from pathlib import Path

import pytest

from leadkeep.errors import JournalUnavailable
from leadkeep.journal.outcomes import DamagedLine, OutcomeLine, OutcomeLog
from tests.faults.rig.volumes import tmpfs

pytestmark = pytest.mark.root


def lines(first: int, count: int) -> list[OutcomeLine]:
    return [
        OutcomeLine(
            delivery_id=number,
            lead_id=f"018f2f6e-0000-7000-8000-{number:012d}",
            destination="crm",
            status="completed",
            attempt=1,
            at_ms=1_786_802_449_123,
        )
        for number in range(first, first + count)
    ]


def test_after_a_full_disk_it_goes_on_in_the_same_file_and_loses_nothing(tmp_path: Path) -> None:
    with tmpfs(tmp_path, "disk", 2) as disk:
        told: list[str] = []
        log = OutcomeLog(disk.path / "outcomes", on_full=lambda: told.append("full"))
        log.append(lines(0, 50))
        log.sync()
        disk.fill()
        for _ in range(20):
            with pytest.raises(JournalUnavailable, match="cannot be written"):
                log.append(lines(50, 500))
        assert told == ["full"] * 20
        disk.make_room()
        log.append(lines(50, 500))
        log.close()
        assert len(list((disk.path / "outcomes").iterdir())) == 1
        found = list(log.read())
        whole = {line.delivery_id for line in found if isinstance(line, OutcomeLine)}
        assert whole == set(range(550))
        assert any(isinstance(line, DamagedLine) for line in found), "a line was cut by the end"
