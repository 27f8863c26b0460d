"""Two real servers, one of which follows the other, and nodes that know both."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.fakes.postgres import Cluster, Standby
from tests.faults.rig.brain import Brain
from tests.faults.rig.experiment import Findings
from tests.faults.rig.installation import FAULTY, Installation
from tests.faults.rig.judging import Verdict
from tests.faults.rig.waiting import wait_until

STANDBYS = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"


class Pair:
    """A primary and its standby, with one database."""

    def __init__(self, primary: Cluster, standby: Standby) -> None:
        self.primary = primary
        self.standby = standby
        self._name = asyncio.run(primary.new_database(migrated=False)).split("/")[3].split("?")[0]
        self.now = primary
        """Which of them is the primary now."""
        wait_until("the standby follows", lambda: self.asked(STANDBYS) == [(1,)])

    @property
    def url(self) -> str:
        """What nodes are told: both servers."""
        hosts = f"{self.primary.folder},{self.standby.folder}"
        return f"postgresql://leadkeep@/{self._name}?host={hosts}"

    def waits_for_standby(self) -> None:
        """From now on a commit waits for the standby's disk."""
        self.primary.set("synchronous_standby_names", "*")
        sync = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
        wait_until("it is synchronous", lambda: self.asked(sync) == [(1,)])

    def promote(self) -> None:
        """The standby takes over."""
        self.standby.promote()
        self.now = self.standby

    def asked(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the primary, past the program."""

        async def run() -> list[tuple[Any, ...]]:
            connection = await asyncpg.connect(self.now.url(self._name), timeout=10)
            try:
                return [tuple(row) for row in await connection.fetch(sql, timeout=30)]
            finally:
                connection.terminate()

        return asyncio.run(run())

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What a verdict asks."""
        return self.asked(sql)


@pytest.fixture
def pair() -> Iterator[Pair]:
    with Cluster(durable=True) as primary, Standby(primary) as standby:
        assert isinstance(standby, Standby)
        yield Pair(primary, standby)
        for one in (primary, standby):
            if one.runs():
                one.signal(signal.SIGCONT)


@pytest.fixture
def brain() -> Iterator[Brain]:
    with Brain() as made:
        yield made


def node(folder: Path, brain: Brain, pair: Pair, *, disk: bool, careless: str = "") -> Installation:
    """A node that knows both servers.

    Args:
        disk: its journal is on its disk; else in the database alone.
    """
    settings = {
        "store.url": f'"{pair.url}"',
        "store.connect_timeout_ms": "1000",
        "store.statement_timeout_ms": "2000",
        "journals": f'["disk:{folder / "journal"}"]' if disk else '["store"]',
    }
    one = Installation(folder, brain, FAULTY, settings=settings)
    one.faults = {"node": folder.name, "careless": careless}
    return one


def judged(pair: Pair, brain: Brain, answered: list[int]) -> Findings:
    """What became of answered leads, once everything that can be delivered is."""
    open_ = "SELECT count(*) FROM lead_queue WHERE status IN ('pending', 'processing', 'held')"
    what = "SELECT status, hold_reason, count(*) FROM deliveries GROUP BY 1, 2"
    try:
        wait_until("all is recorded", lambda: pair.asked(open_) == [(0,)])
    except AssertionError as error:
        raise AssertionError(pair.asked(what)) from error
    verdict = Verdict(answered, pair, brain)
    return Findings(
        answered=verdict.answered,
        lost=len(verdict.lost),
        twice=len(verdict.twice),
        changed=len(verdict.changed),
        undelivered=len(verdict.undelivered),
        redelivered=verdict.duplicates,
    )


def stored(pair: Pair) -> int:
    """How many leads the store has."""
    ((found,),) = pair.asked("SELECT count(*) FROM leads")
    return int(found)
