"""A store whose file is not whole is not written any more, and the words name the way out."""

import sqlite3
from pathlib import Path

import pytest

from leadkeep.errors import StoreDamaged
from leadkeep.states import Status
from leadkeep.store.sqlite.opening import open_sqlite
from leadkeep.store.sqlite.poison import PoisonMark
from tests.fakes.clock import FakeClock
from tests.store.builders import a_batch, a_lead

PAGE = 4096


@pytest.fixture
async def damaged(database: Path, clock: FakeClock) -> Path:
    """A store of a thousand leads; the pointers of one of its indexes are garbage."""
    store = await open_sqlite(database, clock=clock, busy_timeout_ms=100)
    for _ in range(20):
        await store.absorb(a_batch(*(a_lead() for _ in range(50))))
    await store.checkpoint()
    await store.close()
    connection = sqlite3.connect(database)
    sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'leads_by_time'"
    ((page,),) = connection.execute(sql).fetchall()
    connection.close()
    with database.open("r+b") as file:
        file.seek((page - 1) * PAGE + 12)
        file.write(b"\xff" * 64)
    return database


async def test_whoever_meets_a_damaged_page_names_the_rebuild_and_marks_the_store(
    damaged: Path, clock: FakeClock
) -> None:
    store = await open_sqlite(damaged, clock=clock, busy_timeout_ms=100)
    with pytest.raises(StoreDamaged, match="is damaged") as met:
        await store.absorb(a_batch(a_lead()))
    assert "leadkeep rebuild --replace" in met.value.hint
    assert PoisonMark(damaged).is_set
    await store.close()


async def test_the_next_worker_looks_at_the_whole_file_and_refuses_it_for_good(
    damaged: Path, clock: FakeClock
) -> None:
    PoisonMark(damaged).set("somebody met an error")
    for _ in range(2):
        with pytest.raises(StoreDamaged, match="is damaged") as refused:
            await open_sqlite(damaged, clock=clock, busy_timeout_ms=100, recover=True)
        assert "leadkeep rebuild --replace" in refused.value.hint
    assert PoisonMark(damaged).damage


async def test_nothing_writes_into_a_file_that_was_found_damaged_and_looking_goes_on(
    damaged: Path, clock: FakeClock
) -> None:
    PoisonMark(damaged).set("row missing from an index", damaged=True)
    command = await open_sqlite(damaged, clock=clock, busy_timeout_ms=100)
    with pytest.raises(StoreDamaged, match="row missing from an index"):
        await command.absorb(a_batch(a_lead()))
    assert (await command.counts())[Status.PENDING] == 1_000
    await command.close()


async def test_a_later_error_does_not_hide_that_the_file_is_damaged(database: Path) -> None:
    mark = PoisonMark(database)
    mark.set("row missing from an index", damaged=True)
    PoisonMark(database).set("disk I/O error")
    assert mark.damage == "row missing from an index"


async def test_a_mark_for_an_error_that_has_passed_is_cleared_once_the_file_is_found_whole(
    database: Path, clock: FakeClock
) -> None:
    store = await open_sqlite(database, clock=clock, busy_timeout_ms=100)
    await store.absorb(a_batch(a_lead()))
    await store.close()
    PoisonMark(database).set("database disk image is malformed")
    worker = await open_sqlite(database, clock=clock, busy_timeout_ms=100, recover=True)
    assert not PoisonMark(database).is_set
    await worker.absorb(a_batch(a_lead()))
    await worker.close()
