"""What a full store costs beside an empty one: the same verbs, timed before and after filling it.

`bin/benchmark scale [--leads 1000000] [--engine sqlite|postgres] [--json FILE]`: fills a store of
each engine through its own verbs (every lead absorbed, claimed and recorded; of a hundred one stays
pending, one failed and one held), and prints absorbing, claiming, counters, pages, searches and the
literal `lead_queue` statements as ratios to the same store when it was nearly empty. 10,000,000
leads is the long run; each needs one to two KB where the temporary folder is. The door knows no
store, so it is not here. PostgreSQL is a private server that syncs.
"""

import argparse
import asyncio
import contextlib
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg

from benchmarks.harness import machine, table, write_report
from leadkeep.clock import SystemClock
from leadkeep.models import Contact, NewLead, Selection
from leadkeep.states import Status, Verb
from leadkeep.store.base import Store
from leadkeep.store.postgres.links import Target
from leadkeep.store.postgres.opening import open_postgres
from leadkeep.store.sqlite.opening import open_sqlite
from leadkeep.telemetry.logs import configure_logs
from tests.fakes.postgres import Cluster
from tests.store.builders import a_batch, a_lead, an_outcome

BATCH = 500
PART = 10_000
WARM = 5_000
"""Leads in the store that counts as empty: with none at all there would be nothing to look at."""
ROUNDS = 20
EVERYTHING = Selection(everything=True)
PENDING = "SELECT * FROM lead_queue WHERE status = 'pending'"
BY_STATUS = "SELECT status, COUNT(*) FROM lead_queue GROUP BY status"
_numbers = itertools.count()

Tidy = Callable[[], Awaitable[None]]


def a_phone(number: int) -> str:
    """A number of its own for each lead."""
    return f"+1614{2_000_000 + number % 7_999_999:07d}"


def some_leads(count: int) -> list[NewLead]:
    """Leads that nobody else is like."""
    return [
        a_lead(contact=Contact("Ada Example", a_phone(number), f"ada{number}@example.test"))
        for number in itertools.islice(_numbers, count)
    ]


async def absorb(store: Store, leads: list[NewLead]) -> None:
    """Put leads into the store as the absorber does."""
    for begin in range(0, len(leads), BATCH):
        await store.absorb(a_batch(*leads[begin : begin + BATCH], segment=uuid4()))


async def claim(store: Store, limit: int) -> list[Any]:
    """Lease what is due."""
    return await store.claim(
        "default", limit=limit, lease_ms=600_000, longest_wait_ms=900_000, worker="scale"
    )


async def settle(store: Store, leads: int) -> None:
    """Bring so many deliveries to their end; one of a hundred fails."""
    while leads > 0:
        claims = await claim(store, min(leads, BATCH))
        if not claims:
            return
        await store.record(
            [
                an_outcome(one, Status.FAILED if number % 100 == 7 else Status.COMPLETED)
                for number, one in enumerate(claims)
            ]
        )
        leads -= len(claims)


async def fill(store: Store, leads: int) -> None:
    """Fill the store through its verbs; how far it is goes to standard error."""
    waiting = Selection(statuses=(Status.PENDING,))
    for done in range(0, leads, PART):
        part = min(PART, leads - done)
        await absorb(store, some_leads(part))
        await settle(store, part - part // 50)
        few = part // 100
        await store.apply(Verb.HOLD, waiting, actor="scale", reason="kept back", limit=few)
        if (done + part) % 100_000 == 0:
            print(f"{done + part:,} of {leads:,} leads", file=sys.stderr, flush=True)


async def median_ms(call: Callable[[], Awaitable[Any]]) -> float:
    """The median of several calls."""
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await call()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds) * 1_000


async def measured(store: Store) -> dict[str, float]:
    """Each verb's time, in milliseconds; absorbing and claiming for each lead."""
    leads = some_leads(10 * BATCH)
    began = time.perf_counter()
    await absorb(store, leads)
    absorbed = (time.perf_counter() - began) * 1_000 / len(leads)

    async def claim_and_record() -> None:
        claims = await claim(store, 64)
        await store.record([an_outcome(one) for one in claims])

    claimed = await median_ms(claim_and_record) / 64
    phone = leads[0].contact.phone
    by_phone = f"SELECT lead_number FROM leads WHERE phone = '{phone}' AND phone <> ''"
    failed = Selection(statuses=(Status.FAILED,))
    return {
        "absorb, ms a lead": absorbed,
        "claim and record, ms a lead": claimed,
        "counters, ms": await median_ms(store.counts),
        "destinations, ms": await median_ms(store.destinations),
        "newest page of 50, ms": await median_ms(lambda: store.find(EVERYTHING, limit=50)),
        "page of failed, ms": await median_ms(lambda: store.find(failed, limit=50)),
        "search by phone, ms": await median_ms(lambda: store.query(by_phone, limit=50)),
        "lead_queue, pending, ms": await median_ms(lambda: store.query(PENDING, limit=1_000)),
        "lead_queue, by status, ms": await median_ms(lambda: store.query(BY_STATUS, limit=20)),
    }


WANTED = {
    "claim and record, ms a lead": "1.3 times",
    "counters, ms": "1.3 times",
    "absorb, ms a lead": "0.2 ms at most",
    "lead_queue, pending, ms": "3,000 ms at most",
    "lead_queue, by status, ms": "3,000 ms at most",
}


@contextlib.asynccontextmanager
async def opened(engine: str, folder: Path) -> AsyncIterator[tuple[Store, Tidy]]:
    """A store that is durable, and gone at the end; and what its server does once a minute."""
    if engine == "sqlite":
        store: Store = await open_sqlite(
            folder / "leadkeep.db", clock=SystemClock(), busy_timeout_ms=5_000
        )
        try:
            yield store, _nothing
        finally:
            await store.close()
        return
    with Cluster(durable=True) as cluster:
        url = await cluster.new_database(migrated=False)
        store = await open_postgres(Target(url))
        try:
            yield store, partial(_analyze, url)
        finally:
            await store.close()


async def _nothing() -> None:
    """SQLite does without."""


async def _analyze(url: str) -> None:
    """As autovacuum does within a minute of so many changes; before it, plans are guesses."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


async def compare(engine: str, leads: int) -> dict[str, dict[str, float]]:
    """Measure one engine, nearly empty and full."""
    with tempfile.TemporaryDirectory() as scratch:
        async with opened(engine, Path(scratch)) as (store, tidy):
            await fill(store, WARM)
            await tidy()
            before = await measured(store)
            began = time.perf_counter()
            await fill(store, leads)
            seconds = time.perf_counter() - began
            await tidy()
            after = await measured(store)
            print(f"{engine}: filled in {seconds:,.0f} s", file=sys.stderr)
            if engine == "sqlite":
                size = (Path(scratch) / "leadkeep.db").stat().st_size
                after["disk, KB a lead"] = size / leads / 1_024
            else:
                after |= await _bloat(store, leads)
    return {"empty": before, "full": after}


async def _bloat(store: Store, leads: int) -> dict[str, float]:
    """How much room the database takes, and how its updates went."""
    _, ((size,),) = await store.query("SELECT pg_database_size(current_database())", limit=1)
    _, ((updated, hot, dead, live),) = await store.query(
        "SELECT n_tup_upd, n_tup_hot_upd, n_dead_tup, n_live_tup FROM pg_stat_user_tables "
        "WHERE relname = 'deliveries'",
        limit=1,
    )
    return {
        "disk, KB a lead": size / leads / 1_024,
        "deliveries: updates that were HOT, %": 100 * hot / max(updated, 1),
        "deliveries: dead rows for each live one": dead / max(live, 1),
    }


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="bin/benchmark scale", description=__doc__)
    parser.add_argument("--leads", type=int, default=1_000_000)
    parser.add_argument("--engine", choices=("sqlite", "postgres"), action="append")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    asked = parser.parse_args()
    configure_logs(level="error", form="auto", process="benchmark")
    found = {}
    for engine in asked.engine or ("sqlite", "postgres"):
        found[engine] = asyncio.run(compare(engine, asked.leads))
        empty, full = found[engine]["empty"], found[engine]["full"]
        rows = [
            [
                name,
                f"{empty[name]:,.3f}" if name in empty else "",
                f"{value:,.3f}",
                f"{value / empty[name]:.2f}" if name in empty else "",
                WANTED.get(name, ""),
            ]
            for name, value in full.items()
        ]
        print(table([engine, f"{WARM:,} leads", f"{asked.leads:,} leads", "ratio", "wanted"], rows))
    write_report(asked.json, {"machine": machine(), "leads": asked.leads, "figures": found})


if __name__ == "__main__":
    main()
