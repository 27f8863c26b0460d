"""After an I/O error nothing is written, by any process, until everything was written anew."""

import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from leadkeep.errors import StoreUnavailable, StoreUnsafe
from leadkeep.models import AbsorbBatch
from leadkeep.states import Status
from leadkeep.store.engine.session import Session
from leadkeep.store.sqlite.opening import open_sqlite
from leadkeep.store.sqlite.poison import PoisonMark
from leadkeep.store.sqlite.store import SqliteStore
from tests.fakes.clock import FakeClock
from tests.store.builders import a_batch, a_lead


@contextmanager
def files_can_grow_to(size: int) -> Iterator[None]:
    """The kernel refuses to write beyond `size`: a real error of a real write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def mark_of(database: Path) -> Path:
    return database.with_name("leadkeep.db.poisoned")


def a_large_batch() -> AbsorbBatch:
    return a_batch(*(a_lead(body=b"x" * 10_000) for _ in range(50)))


@pytest.fixture
async def poisoned(
    sqlite_store: SqliteStore, database: Path
) -> AsyncIterator[tuple[SqliteStore, AbsorbBatch]]:
    """A store with one lead, and the batch that an I/O error hit."""
    await sqlite_store.absorb(a_batch(a_lead()))
    wal = database.with_name("leadkeep.db-wal").stat().st_size
    batch = a_large_batch()
    with files_can_grow_to(wal + 20_000), pytest.raises(StoreUnsafe, match="I/O error"):
        await sqlite_store.absorb(batch)
    yield sqlite_store, batch


async def test_an_io_error_marks_the_store(
    poisoned: tuple[SqliteStore, AbsorbBatch], database: Path
) -> None:
    assert mark_of(database).read_text()


async def test_the_process_that_was_hit_writes_no_more_but_still_shows(
    poisoned: tuple[SqliteStore, AbsorbBatch],
) -> None:
    store, batch = poisoned
    with pytest.raises(StoreUnsafe):
        await store.absorb(batch)
    with pytest.raises(StoreUnsafe):
        await store.checkpoint()
    assert (await store.counts())[Status.PENDING] == 1


async def test_every_other_process_writes_no_more(
    sqlite_store: SqliteStore, database: Path, clock: FakeClock
) -> None:
    PoisonMark(database).set("hit elsewhere")
    with pytest.raises(StoreUnsafe):
        await sqlite_store.absorb(a_batch(a_lead()))
    command = await open_sqlite(database, clock=clock, busy_timeout_ms=100)
    with pytest.raises(StoreUnsafe):
        await command.rescue()
    assert (await command.counts())[Status.PENDING] == 0
    await command.close()


async def test_a_process_hit_during_our_commit_makes_it_doubtful(
    sqlite_store: SqliteStore, database: Path
) -> None:
    def hit(_session: Session) -> None:
        PoisonMark(database).set("hit elsewhere")

    with pytest.raises(StoreUnsafe):
        await sqlite_store._writer.transact(hit)


async def test_a_worker_that_starts_recovers_and_nothing_is_lost_or_doubled(
    poisoned: tuple[SqliteStore, AbsorbBatch], database: Path, clock: FakeClock
) -> None:
    _, batch = poisoned
    worker = await open_sqlite(database, clock=clock, busy_timeout_ms=1_000, recover=True)
    assert not mark_of(database).exists()
    assert (await worker.counts())[Status.PENDING] == 1
    assert (await worker.absorb(batch)).absorbed == 50
    await worker.close()


async def test_recovering_clears_the_mark_for_the_process_that_was_hit(
    poisoned: tuple[SqliteStore, AbsorbBatch],
) -> None:
    store, batch = poisoned
    await store.recover()
    assert (await store.absorb(batch)).absorbed == 50


async def test_without_a_finished_checkpoint_the_mark_stays(
    sqlite_store: SqliteStore, database: Path, clock: FakeClock
) -> None:
    await sqlite_store.absorb(a_batch(a_lead()))
    reader = apsw.Connection(str(database))
    reader.execute("BEGIN; SELECT count(*) FROM leads").fetchall()
    await sqlite_store.absorb(a_batch(a_lead()))
    PoisonMark(database).set("hit")
    with pytest.raises(StoreUnavailable, match="a reader is in the way"):
        await open_sqlite(database, clock=clock, busy_timeout_ms=50, recover=True)
    assert mark_of(database).exists()
    reader.close()
    await sqlite_store.recover()
    assert not mark_of(database).exists()


async def test_a_worker_start_checkpoints_even_without_a_mark(
    sqlite_store: SqliteStore, database: Path, clock: FakeClock
) -> None:
    await sqlite_store.absorb(a_batch(a_lead()))
    worker = await open_sqlite(database, clock=clock, busy_timeout_ms=1_000, recover=True)
    assert database.with_name("leadkeep.db-wal").stat().st_size == 0
    await worker.close()


async def test_a_mark_that_cannot_be_made_is_said_and_kept_to(
    sqlite_store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = sqlite_store._mark
    monkeypatch.setattr(mark, "path", Path("/no/such/folder/leadkeep.db.poisoned"))
    with pytest.raises(StoreUnsafe, match="could not be marked"):
        mark.set("hit")
    with pytest.raises(StoreUnsafe):
        await sqlite_store.absorb(a_batch(a_lead()))


async def test_damaged_pages_poison_the_store(database: Path, clock: FakeClock) -> None:
    store = await open_sqlite(database, clock=clock, busy_timeout_ms=100)
    await store.absorb(a_large_batch())
    await store.close()
    with database.open("r+b") as file:
        file.seek(8 * 4096)
        file.write(b"\xff" * 60 * 4096)
    with pytest.raises(StoreUnsafe, match="damaged"):
        await open_sqlite(database, clock=clock, busy_timeout_ms=100)
    assert mark_of(database).exists()


async def test_a_full_disk_poisons_nothing_and_it_goes_on_when_there_is_room(
    sqlite_store: SqliteStore, database: Path
) -> None:
    batch = a_large_batch()

    def limit(connection: apsw.Connection, pages: int) -> None:
        connection.pragma("max_page_count", pages)

    await sqlite_store._only_writer.run(lambda connection: limit(connection, 60))
    with pytest.raises(StoreUnavailable, match="disk is full"):
        await sqlite_store.absorb(batch)
    assert not mark_of(database).exists()
    assert await sqlite_store.progress() == {}

    await sqlite_store._only_writer.run(lambda connection: limit(connection, 1_000_000))
    assert (await sqlite_store.absorb(batch)).absorbed == 50
