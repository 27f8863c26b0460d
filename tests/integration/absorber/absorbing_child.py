"""A process that absorbs until it is killed, or kills itself at a named point.

`python absorbing_child.py FOLDER POINT NTH`: at the NTH time it comes to POINT
(`before-commit`: inside the transaction; `after-commit`; `never`) it dies by SIGKILL.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

import apsw

import leadkeep.absorber.absorber
from leadkeep.clock import SystemClock
from leadkeep.models import AbsorbBatch, AbsorbReport
from leadkeep.store.sqlite.opening import open_sqlite
from tests.integration.absorber.absorbing_bench import Bench, Storing

# Many small transactions: many places to die.
vars(leadkeep.absorber.absorber)["BATCH_LEADS"] = 20


class Mortal(Storing):
    """A store that dies at a point, at the NTH batch with leads."""

    def __init__(self, inner: object, point: str, nth: int) -> None:
        super().__init__(inner)  # type: ignore[arg-type]  # any store
        self.point = point
        self.left = nth
        self.armed = False

    async def absorb(self, batch: AbsorbBatch) -> AbsorbReport:
        self.left -= bool(batch.leads)
        self.armed = self.left == 0
        report = await self.inner.absorb(batch)
        if self.armed and self.point == "after-commit":
            os.kill(os.getpid(), signal.SIGKILL)
        return report


async def main(folder: Path, point: str, nth: int) -> None:
    mortal: list[Mortal] = []

    def at_commit() -> bool:
        if point == "before-commit" and mortal and mortal[0].armed:
            os.kill(os.getpid(), signal.SIGKILL)
        return False

    apsw.connection_hooks.append(lambda connection: connection.set_commit_hook(at_commit))
    store = await open_sqlite(
        folder / "leadkeep.db", clock=SystemClock(), busy_timeout_ms=20_000, recover=False
    )
    mortal.append(Mortal(store, point, nth))
    # A lock of its own: what is tested is the store's compare-and-set, not the turns.
    absorber = Bench(folder, store).absorber(store=mortal[0], lock=f"{os.getpid()}.lock")
    os.write(1, b"ready\n")
    while True:
        await absorber.absorb_available()
        await asyncio.sleep(0.001)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
