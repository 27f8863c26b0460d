"""Fixtures of the journal's tests."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import pytest

from leadkeep.journal.disk import DiskJournal
from leadkeep.journal.reader import DiskJournalReader
from leadkeep.journal.syscalls import Syscalls
from tests.fakes.clock import FakeClock
from tests.unit.journal.journal_parts import SEGMENT_BYTES

if TYPE_CHECKING:
    from _typeshed import TraceFunction

OpenJournal = Callable[..., DiskJournal]


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still."""
    return FakeClock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A journal's folder, not made yet."""
    return tmp_path / "data" / "journal"


@pytest.fixture
def open_journal(folder: Path, clock: FakeClock) -> Iterator[OpenJournal]:
    """Opens small journals in the folder, and closes them at the end."""
    opened: list[DiskJournal] = []

    def open_(
        syscalls: Syscalls | None = None, *, segment_bytes: int = SEGMENT_BYTES
    ) -> DiskJournal:
        journal = DiskJournal(folder, segment_bytes=segment_bytes, clock=clock, syscalls=syscalls)
        opened.append(journal)
        return journal

    yield open_
    for journal in opened:
        journal.close()


@pytest.fixture
def reader(folder: Path, clock: FakeClock) -> DiskJournalReader:
    """Reads the same folder in the same boot."""
    return DiskJournalReader(folder, clock=clock)


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads give way at each line of Leadkeep's code, so that a missing lock shows."""

    def trace(frame: FrameType, event: str, arg: Any) -> "TraceFunction | None":
        if "leadkeep" not in frame.f_code.co_filename:
            return None
        time.sleep(0)
        return trace

    threading.settrace(trace)
    yield
    threading.settrace(None)
