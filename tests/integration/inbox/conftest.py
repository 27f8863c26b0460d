"""A private PostgreSQL, and an inbox in it to write to, to read and to harm."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from leadkeep.clock import SystemClock
from leadkeep.journal.base import Damage, Group, SegmentInfo, TornTail
from leadkeep.journal.inbox.reader import InboxReader
from leadkeep.journal.inbox.wire import Wire
from leadkeep.journal.inbox.writer import InboxJournal
from leadkeep.journal.records import encode
from leadkeep.models import Record
from leadkeep.store.postgres.links import Target
from tests.fakes.postgres import Cluster


@pytest.fixture(scope="package")
def cluster() -> Iterator[Cluster]:
    """A server that syncs, as one in use does."""
    with Cluster(durable=True) as server:
        yield server


class Inbox:
    """One database's inbox."""

    def __init__(self, url: str, resources: ExitStack) -> None:
        self.url = url
        self.name = urlsplit(url).path[1:]
        self._resources = resources

    def wire(self) -> Wire:
        """A connection of its own."""
        wire = Wire(Target(self.url))
        self._resources.callback(wire.close)
        return wire

    def journal(self, *, deadline_ms: int = 5_000) -> InboxJournal:
        """A door's side."""
        journal = InboxJournal(self.wire(), clock=SystemClock(), deadline_ms=deadline_ms)
        self._resources.callback(journal.close)
        return journal

    def reader(self, absorber: str = "") -> InboxReader:
        """An absorber's side."""
        return InboxReader(self.wire(), absorber=absorber)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """What a shell would do to it."""

        async def run() -> list[tuple[Any, ...]]:
            connection = await asyncpg.connect(self.url)
            try:
                return [tuple(row) for row in await connection.fetch(statement)]
            finally:
                await connection.close()

        return asyncio.run(run())


@pytest.fixture
def inbox(cluster: Cluster) -> Iterator[Inbox]:
    """An empty inbox."""
    with ExitStack() as resources:
        yield Inbox(asyncio.run(cluster.new_database()), resources)


def put(journal: InboxJournal, *records: Record) -> None:
    """Commit records as one group."""
    journal.commit([encode(record) for record in records])


def read(
    reader: InboxReader, info: SegmentInfo, offset: int = 0
) -> list[Group | Damage | TornTail]:
    """All that a reader says of a segment."""
    return list(reader.read(info, offset))


def records_of(entries: Sequence[Group | Damage | TornTail]) -> list[Record]:
    """The records of whole groups; nothing else may be there."""
    groups = [entry for entry in entries if isinstance(entry, Group)]
    assert len(groups) == len(entries), entries
    return [record for group in groups for record in group.records]
