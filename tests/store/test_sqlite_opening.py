"""Opening: what is made, what is refused, and with which words."""

import stat
from pathlib import Path

import apsw
import pytest

from leadkeep.errors import StoreUnavailable, StoreUnsafe, UsageError
from leadkeep.models import Selection
from leadkeep.states import Status
from leadkeep.store.sqlite.opening import open_sqlite
from leadkeep.store.sqlite.store import SqliteStore
from tests.fakes.clock import FakeClock
from tests.store.builders import a_batch, a_lead


async def test_the_database_is_readable_by_its_owner_only(
    sqlite_store: SqliteStore, database: Path
) -> None:
    await sqlite_store.absorb(a_batch(a_lead()))
    for path in database.parent.glob("leadkeep.db*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


@pytest.mark.parametrize("version", ["3.51.2", "3.40.1", "3.9.99"])
async def test_a_sqlite_that_can_corrupt_is_refused(
    database: Path, clock: FakeClock, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: version)
    with pytest.raises(StoreUnsafe, match=version):
        await open_sqlite(database, clock=clock, busy_timeout_ms=100)
    assert not database.exists()


async def test_looking_at_a_store_that_is_not_there_says_so_and_makes_none(
    database: Path, clock: FakeClock
) -> None:
    with pytest.raises(StoreUnavailable, match="no store at") as error:
        await open_sqlite(database, clock=clock, busy_timeout_ms=100, read_only=True)
    assert error.value.hint
    assert not database.exists()


async def test_a_folder_that_is_not_there_is_no_store(tmp_path: Path, clock: FakeClock) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be made"):
        await open_sqlite(tmp_path / "no" / "x.db", clock=clock, busy_timeout_ms=100)


async def test_looking_beside_a_writer_sees_what_is_committed_and_cannot_write(
    sqlite_store: SqliteStore, database: Path, clock: FakeClock
) -> None:
    looking = await open_sqlite(database, clock=clock, busy_timeout_ms=100, read_only=True)
    await sqlite_store.absorb(a_batch(a_lead()))
    assert (await looking.counts())[Status.PENDING] == 1
    with pytest.raises(UsageError):
        await looking.absorb(a_batch(a_lead()))
    await looking.close()


async def test_looking_works_after_the_writer_has_gone(database: Path, clock: FakeClock) -> None:
    writing = await open_sqlite(database, clock=clock, busy_timeout_ms=100)
    await writing.absorb(a_batch(a_lead()))
    await writing.close()
    looking = await open_sqlite(database, clock=clock, busy_timeout_ms=100, read_only=True)
    assert len(await looking.find(Selection(everything=True), limit=5)) == 1
    await looking.close()


async def test_another_processs_write_is_waited_for_and_then_given_up(
    database: Path, clock: FakeClock
) -> None:
    store = await open_sqlite(database, clock=clock, busy_timeout_ms=50)
    other = apsw.Connection(str(database))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="another process is writing"):
        await store.absorb(a_batch(a_lead()))
    other.execute("ROLLBACK")
    assert (await store.absorb(a_batch(a_lead()))).absorbed == 1
    other.close()
    await store.close()


async def test_a_checkpoint_that_a_reader_hinders_says_so(
    sqlite_store: SqliteStore, database: Path
) -> None:
    await sqlite_store.absorb(a_batch(a_lead()))
    reader = apsw.Connection(str(database))
    reader.execute("BEGIN; SELECT count(*) FROM leads").fetchall()
    await sqlite_store.absorb(a_batch(a_lead()))
    assert not await sqlite_store.checkpoint()
    reader.execute("ROLLBACK")
    assert await sqlite_store.checkpoint()
    reader.close()
    assert database.with_name("leadkeep.db-wal").stat().st_size == 0


async def test_a_file_of_something_else_is_refused_and_left_alone(
    database: Path, clock: FakeClock
) -> None:
    other = apsw.Connection(str(database))
    other.execute("CREATE TABLE cooking (recipe TEXT)")
    other.close()
    with pytest.raises(StoreUnsafe, match="something else"):
        await open_sqlite(database, clock=clock, busy_timeout_ms=100)
    with pytest.raises(StoreUnsafe, match="something else"):
        await open_sqlite(database, clock=clock, busy_timeout_ms=100, read_only=True)


async def test_a_file_that_is_no_database_is_refused_without_poisoning(
    database: Path, clock: FakeClock
) -> None:
    database.write_bytes(b"no database at all, but long enough to look at" * 100)
    with pytest.raises(StoreUnsafe, match="not a SQLite database"):
        await open_sqlite(database, clock=clock, busy_timeout_ms=100)
    assert not database.with_name("leadkeep.db.poisoned").exists()


async def test_a_closed_store_says_so(database: Path, clock: FakeClock) -> None:
    store = await open_sqlite(database, clock=clock, busy_timeout_ms=100)
    await store.close()
    with pytest.raises(Exception, match="closed"):
        await store.counts()
    with pytest.raises(Exception, match="closed"):
        await store.absorb(a_batch(a_lead()))


async def test_every_commit_is_synced(sqlite_store: SqliteStore) -> None:
    def settings(connection: apsw.Connection) -> tuple[object, ...]:
        names = ("synchronous", "journal_mode", "foreign_keys", "trusted_schema")
        return tuple(connection.pragma(name) for name in names)

    assert await sqlite_store._only_writer.run(settings) == (2, "wal", 1, 0)
