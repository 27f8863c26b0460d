"""A copy of the store is of one moment, needs nothing beside it, and harms nobody."""

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import apsw
import pytest

from leadkeep.errors import StoreError, StoreUnavailable, StoreUnsafe
from leadkeep.models import Decision, Selection
from leadkeep.states import Status, Verb
from leadkeep.store.sqlite import copying
from leadkeep.store.sqlite.opening import open_sqlite
from leadkeep.store.sqlite.poison import PoisonMark
from leadkeep.store.sqlite.store import SqliteStore
from tests.fakes.clock import FakeClock
from tests.store.builders import a_batch, a_lead, a_probe
from tests.store.soundness import faults_of


async def test_a_copy_is_of_one_moment_while_others_write(
    sqlite_store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "_PAGES_AT_ONCE", 5)
    for _ in range(10):
        await sqlite_store.absorb(a_batch(*(a_lead(body=b"x" * 900) for _ in range(50))))
    loop = asyncio.get_running_loop()
    steps: list[tuple[int, int]] = []

    def write_between(done: int, total: int) -> None:
        steps.append((done, total))
        if len(steps) < 20:
            batch = a_batch(*(a_lead() for _ in range(20)))
            asyncio.run_coroutine_threadsafe(sqlite_store.absorb(batch), loop).result(30)

    await sqlite_store.copy_to(tmp_path / "copy.db", progress=write_between)

    assert len(steps) > 20
    assert steps[-1][0] == steps[-1][1]
    with sqlite3.connect(tmp_path / "copy.db") as copy:
        assert copy.execute("SELECT count(*) FROM leads").fetchone() == (500,)
    copy.close()
    assert faults_of(tmp_path / "copy.db") == []
    assert (await sqlite_store.counts())[Status.PENDING] == 500 + 19 * 20


async def test_a_copy_is_one_private_file_that_can_be_read_where_nothing_can_be_written(
    sqlite_store: SqliteStore, tmp_path: Path
) -> None:
    await sqlite_store.absorb(a_batch(a_lead()))
    folder = tmp_path / "backup"
    folder.mkdir()
    await sqlite_store.copy_to(folder / "copy.db")
    assert [path.name for path in folder.iterdir()] == ["copy.db"]
    assert (folder / "copy.db").stat().st_mode & 0o777 == 0o600
    copy = sqlite3.connect(f"file:{folder / 'copy.db'}?immutable=1", uri=True)
    assert copy.execute("SELECT count(*) FROM leads").fetchone() == (1,)
    copy.close()


async def test_a_poisoned_store_is_not_copied(
    sqlite_store: SqliteStore, database: Path, tmp_path: Path
) -> None:
    PoisonMark(database).set("I/O error")
    with pytest.raises(StoreUnsafe, match="I/O error"):
        await sqlite_store.copy_to(tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()


@pytest.mark.parametrize(
    ("failure", "error"),
    [(apsw.FullError("full"), StoreUnavailable), (apsw.IOError("disk I/O error"), StoreError)],
)
async def test_a_failing_disk_of_the_copy_does_not_poison_the_store(
    sqlite_store: SqliteStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failure: Exception,
    error: type[Exception],
) -> None:
    def failing(*_: object) -> None:
        raise failure

    monkeypatch.setattr(copying, "_copy", failing)
    with pytest.raises(error):
        await sqlite_store.copy_to(tmp_path / "copy.db")
    await sqlite_store.absorb(a_batch(a_lead()))  # a poisoned one would refuse


async def test_flaws_name_what_drifted_or_is_missing(
    sqlite_store: SqliteStore, database: Path
) -> None:
    await sqlite_store.absorb(a_batch(a_lead(), a_lead(), notices=(a_probe(),)))
    assert await sqlite_store.flaws() == []
    with sqlite3.connect(database) as hand:
        hand.execute("UPDATE delivery_counts SET n = 7")
        hand.execute("UPDATE notice_counts SET n = 8")
        hand.execute("DROP TRIGGER refuse_to_drop_an_unsettled_delivery")
        hand.execute("DELETE FROM deliveries WHERE id = 1")
        hand.execute("UPDATE leads SET duplicate_of = 99 WHERE id = 2")
    hand.close()
    told = "\n".join(await sqlite_store.flaws())
    assert "pending deliveries to default says 6, there are 1" in told
    assert "notices of the kind probe says 8, there are 1" in told
    assert "a row of leads names a row of leads that is not there" in told
    assert "has no delivery" in told


async def test_flaws_name_a_damaged_file(database: Path, clock: FakeClock) -> None:
    store = await open_sqlite(database, clock=clock, busy_timeout_ms=100)
    for _ in range(20):
        await store.absorb(a_batch(*(a_lead() for _ in range(50))))
    await store.checkpoint()
    await store.close()
    connection = sqlite3.connect(database)
    (page,) = connection.execute(
        "SELECT rootpage FROM sqlite_schema WHERE name = 'leads_by_time'"
    ).fetchone()
    connection.close()
    with database.open("r+b") as file:
        # The pointers to the index's other pages.
        file.seek((page - 1) * 4096 + 12)
        file.write(b"\xff" * 64)
    looking = await open_sqlite(database, clock=clock, busy_timeout_ms=100, read_only=True)
    try:
        assert any("damaged" in flaw for flaw in await looking.flaws())
        assert not PoisonMark(database).is_set
    finally:
        await looking.close()


async def test_what_a_person_decides_is_told_after_each_transaction(
    database: Path, clock: FakeClock
) -> None:
    told: list[Decision] = []

    async def take(decisions: Sequence[Decision]) -> None:
        told.extend(decisions)

    store = await open_sqlite(database, clock=clock, busy_timeout_ms=100, on_decided=take)
    lead = a_lead(destinations=("crm", "dialer"))
    await store.absorb(a_batch(lead))
    everything = Selection(everything=True)
    await store.apply(Verb.CANCEL, everything, reason="", actor="a", dry_run=True)
    assert told == []
    await store.apply(Verb.CANCEL, everything, reason="", actor="a")
    lead_id = (await store.lead(str(lead.record.lead_number))).lead_id
    assert {(one.lead_id, one.destination, one.status, one.at_ms) for one in told} == {
        (lead_id, "crm", Status.CANCELLED, clock.now_ms),
        (lead_id, "dialer", Status.CANCELLED, clock.now_ms),
    }
    await store.close()
