"""A process that absorbs, claims and records until it is killed; says what it has been promised.

Run as ``python -m tests.store.worker_to_be_killed DATABASE``.
"""

import asyncio
import sys
from pathlib import Path
from uuid import uuid4

from leadkeep.clock import SystemClock
from leadkeep.states import Status
from leadkeep.store.sqlite.opening import open_sqlite
from tests.store.builders import a_batch, a_lead, an_outcome

LEADS_PER_BATCH = 7


async def work(database: Path) -> None:
    store = await open_sqlite(database, clock=SystemClock(), busy_timeout_ms=5_000, recover=True)
    await store.rescue()
    segment = uuid4()
    offset = 0
    leads = 0
    while True:
        batch = a_batch(
            *(a_lead(lead_id=uuid4().bytes, lead_number=0) for _ in range(LEADS_PER_BATCH)),
            segment=segment,
            expected_offset=offset,
            leads=leads + LEADS_PER_BATCH,
        )
        await store.absorb(batch)
        offset, leads = batch.progress.offset, batch.progress.leads
        say("absorbed", segment, leads)
        claims = await store.claim(
            "default", limit=6, lease_ms=60_000, longest_wait_ms=900_000, worker="w"
        )
        statuses = [Status.COMPLETED, Status.FAILED, Status.PENDING] * 2
        recorded = await store.record(
            [an_outcome(*pair) for pair in zip(claims, statuses, strict=False)]
        )
        for one in recorded:
            if one.status is Status.COMPLETED:
                say("completed", one.delivery_id)


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1])))
