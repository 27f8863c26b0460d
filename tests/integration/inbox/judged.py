"""What became of answered leads on nodes that share a PostgreSQL."""

import asyncio
from typing import Any

import asyncpg

from tests.faults.rig.brain import Brain
from tests.faults.rig.installation import Installation
from tests.faults.rig.judging import Verdict
from tests.faults.rig.waiting import wait_until


def judged(one: Installation, brain: Brain, answered: list[int], url: str) -> None:
    """Every lead that was answered is stored once and delivered, and the ledger balances."""
    wait_until("all is delivered", lambda: set(answered) <= set(brain.received))
    wait_until("all is recorded", lambda: not _waiting(one))
    verdict = Verdict(answered, _Stored(asyncio.run(_bodies(url))), brain)
    assert (verdict.lost, verdict.twice, verdict.changed, verdict.undelivered) == ([], [], [], [])
    assert one.unexplained() == 0


def _waiting(one: Installation) -> int:
    counts = one.status()[1]["counts"]
    return int(counts["pending"] + counts["processing"])


async def _bodies(url: str) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch("SELECT body FROM leads")]
    finally:
        await connection.close()


class _Stored:
    """As much of an installation as a verdict asks."""

    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        self._rows = rows

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        assert sql == "SELECT body FROM leads"
        return self._rows
