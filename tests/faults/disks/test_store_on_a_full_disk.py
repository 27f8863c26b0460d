"""What SQLite says on a disk that is really full, and that nothing it has said before is untrue.

A full disk is no I/O error: nothing that was written is in doubt, so nothing is poisoned.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from leadkeep.clock import SystemClock
from leadkeep.errors import StoreError, StoreFull
from leadkeep.states import Status
from leadkeep.store.sqlite.opening import open_sqlite
from leadkeep.store.sqlite.poison import PoisonMark
from leadkeep.store.sqlite.store import SqliteStore
from tests.faults.rig.volumes import Volume, ext4, tmpfs
from tests.store.builders import a_batch, a_lead
from tests.store.soundness import faults_of

pytestmark = pytest.mark.root
KINDS = {"ext4": ext4, "tmpfs": tmpfs}


@pytest.fixture(params=KINDS)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Volume]:
    with KINDS[request.param](tmp_path, "disk", 32) as volume:
        yield volume


async def opened(disk: Volume) -> SqliteStore:
    database = disk.path / "leadkeep.db"
    return await open_sqlite(database, clock=SystemClock(), busy_timeout_ms=500, recover=True)


async def absorb_until_full(store: SqliteStore) -> int:
    """Absorb until there is no room; how many leads the store has taken."""
    taken = 0
    with pytest.raises(StoreFull, match="disk is full"):
        for _ in range(1_000):
            taken += (await store.absorb(a_batch(a_lead(body=b"x" * 50_000)))).absorbed
    return taken


def is_poisoned(disk: Volume) -> bool:
    return PoisonMark(disk.path / "leadkeep.db").is_set


async def test_a_full_disk_poisons_nothing_and_with_room_it_goes_on(disk: Volume) -> None:
    told: list[str] = []
    store = await open_sqlite(
        disk.path / "leadkeep.db",
        clock=SystemClock(),
        busy_timeout_ms=500,
        on_full=lambda: told.append("full"),
    )
    disk.fill(but=2 * 1024**2)
    taken = await absorb_until_full(store)
    assert taken > 0
    assert told == ["full"]
    assert not is_poisoned(disk)
    assert (await store.counts())[Status.PENDING] == taken, "looking needs no room"
    disk.make_room()
    await store.absorb(a_batch(a_lead()))
    await store.close()
    store = await opened(disk)
    assert (await store.counts())[Status.PENDING] == taken + 1
    await store.close()


async def test_a_store_opens_on_a_disk_that_became_full_while_nothing_ran(disk: Volume) -> None:
    """It cannot, for SQLite makes its index by writing; but it says so, and nothing is poisoned."""
    store = await opened(disk)
    await store.absorb(a_batch(a_lead()))
    await store.close()
    disk.fill()
    with pytest.raises(StoreFull):
        await opened(disk)
    assert not is_poisoned(disk)
    disk.make_room()
    store = await opened(disk)
    assert (await store.counts())[Status.PENDING] == 1
    await store.close()


async def test_a_worker_starts_although_the_log_cannot_be_written_back(disk: Volume) -> None:
    first = await opened(disk)
    await first.absorb(a_batch(*(a_lead(body=b"x" * 50_000) for _ in range(20))))
    disk.fill()
    # The first is as good as killed: it holds its log, but does nothing any more.
    second = await opened(disk)
    assert (await second.counts())[Status.PENDING] == 20
    disk.make_room()
    await second.absorb(a_batch(a_lead()))
    await second.close()
    await first.close()


async def test_a_poisoned_store_stays_poisoned_while_it_cannot_be_written_anew(
    disk: Volume,
) -> None:
    store = await opened(disk)
    await store.absorb(a_batch(*(a_lead(body=b"x" * 50_000) for _ in range(20))))
    disk.fill()
    PoisonMark(disk.path / "leadkeep.db").set("there is no room for this, but the name counts")
    with pytest.raises(StoreFull):
        await opened(disk)
    assert is_poisoned(disk)
    disk.make_room()
    again = await opened(disk)
    assert not is_poisoned(disk)
    assert (await again.counts())[Status.PENDING] == 20
    await again.close()
    await store.close()


async def test_what_is_committed_after_a_full_disk_survives_a_power_cut(tmp_path: Path) -> None:
    """After a failed write, other I/O errors take later commits with them; this one does not."""
    with ext4(tmp_path, "disk", 32) as disk:
        store = await opened(disk)
        disk.fill(but=2 * 1024**2)
        taken = await absorb_until_full(store)
        disk.make_room()
        for _ in range(5):
            taken += (await store.absorb(a_batch(a_lead(body=b"y" * 5_000)))).absorbed
        disk.cut_power()
        with contextlib.suppress(StoreError):
            await store.close()
        disk.boot()
        store = await opened(disk)
        assert (await store.counts())[Status.PENDING] == taken
        await store.close()
        assert faults_of(disk.path / "leadkeep.db") == []
