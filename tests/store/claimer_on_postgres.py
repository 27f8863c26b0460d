"""A process that claims and completes until nothing is left; prints every delivery it was given.

Run as ``python -m tests.store.claimer_on_postgres URL WORKER``.
"""

import asyncio
import sys

from leadkeep.store.postgres.links import Target
from leadkeep.store.postgres.opening import open_postgres
from tests.store.builders import an_outcome


async def work(url: str, worker: str) -> None:
    store = await open_postgres(Target(url), migrates=False)
    try:
        say("ready")
        sys.stdin.readline()
        while claims := await store.claim(
            "default", limit=7, lease_ms=60_000, longest_wait_ms=900_000, worker=worker
        ):
            for claim in claims:
                say(claim.delivery_id)
            await store.record([an_outcome(claim) for claim in claims])
    finally:
        await store.close()


def say(word: object) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:3]))
