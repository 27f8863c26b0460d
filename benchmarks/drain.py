"""How fast a backlog goes to a destination, each outcome durable, beside the bare HTTP client.

`bin/benchmark drain [--short] [--leads 100000] [--rounds 3] [--json FILE]`: leads wait in the
store; a worker as in `leadkeep serve` delivers them to a fast destination in another process.
Before and after each drain the bare client posts the same lead to the same server. It fails if a
lead was not completed, or if fewer requests came than leads.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import uvloop

from benchmarks.door import sink_running
from benchmarks.harness import machine, table, write_report
from benchmarks.queue import absorb, bare_client_rate, fill_journal, ten_digits
from leadkeep import app
from leadkeep.app.parts import make_delivery, wall_time
from leadkeep.settings.load import load
from leadkeep.settings.model import Settings
from leadkeep.states import Status
from leadkeep.telemetry.logs import configure_logs

LEADS, SHORT_LEADS = 100_000, 10_000
LOOK_SECONDS = 0.02
PATIENCE_SECONDS = 600.0

WANTED_PER_SECOND, WANTED_SHARE = 4_000, 0.40
"""What delivery is built for: on two cores shared with the destination."""

VARIANTS = {
    "as configured by default": "",
    'with success_when = "success"': 'success_when = "success"',
}


@dataclass(frozen=True)
class Drained:
    """One drain and what the bare client did around it."""

    leads_per_second: float
    posts_per_second: float

    @property
    def share(self) -> float:
        """Of the bare client's rate."""
        return self.leads_per_second / self.posts_per_second


def settings_with(scratch: Path, sink: str, lines: str) -> Settings:
    """An installation of its own that delivers to the sink."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    config = folder / "leadkeep.toml"
    config.write_text(f'[destinations.default]\nurl = "{sink}/webhook.php"\n{lines}\n', "utf-8")
    return load(config=config, environ={}, flags={"data": str(folder)}, cwd=folder)


async def drain(settings: Settings, leads: int) -> float:
    """Deliver everything that waits; returns the seconds until the store has the last outcome."""
    stop = asyncio.Event()
    async with (
        app.open_store(settings) as store,
        make_delivery(settings, store, wall_time(settings)) as worker,
    ):
        began = time.perf_counter()
        work = asyncio.create_task(worker.run(stop))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await store.counts())[Status.COMPLETED] < leads:
                if work.done():
                    break
                await asyncio.sleep(LOOK_SECONDS)
        seconds = time.perf_counter() - began
        stop.set()
        await work
        counts = await store.counts()
    if counts[Status.COMPLETED] != leads:
        raise SystemExit(f"not every lead was completed: {counts}")
    return seconds


def requests_seen(sink: str) -> int:
    """How many requests the destination has answered so far, this one included."""
    with urllib.request.urlopen(f"{sink}/count") as answer:
        return int(answer.headers["Requests"])


def measure(scratch: Path, sink: str, leads: int, lines: str) -> Drained:
    """One drain between two runs of the bare client."""
    settings = settings_with(scratch, sink, lines)
    fill_journal(settings, leads, ten_digits)
    absorbed, _ = uvloop.run(absorb(settings))
    assert absorbed == leads
    bare_before = bare_client_rate(sink, leads // 4)
    before = requests_seen(sink)
    seconds = uvloop.run(drain(settings, leads))
    if (came := requests_seen(sink) - before - 1) < leads:
        raise SystemExit(f"{leads} leads are completed and only {came} came to the destination")
    bare_after = bare_client_rate(sink, leads // 4)
    return Drained(leads / seconds, (bare_before + bare_after) / 2)


def median(rounds: list[Drained]) -> Drained:
    """The round whose share is the middle one: its two figures belong together."""
    return sorted(rounds, key=lambda one: one.share)[(len(rounds) - 1) // 2]


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help=f"{SHORT_LEADS:,} leads, one round")
    parser.add_argument("--leads", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    asked = parser.parse_args()
    leads = asked.leads or (SHORT_LEADS if asked.short else LEADS)
    rounds = asked.rounds or (1 if asked.short else 3)
    configure_logs(level="error", form="auto", process="benchmark")
    load_before = os.getloadavg()[0]
    seen: dict[str, list[Drained]] = {name: [] for name in VARIANTS}
    with tempfile.TemporaryDirectory() as scratch, sink_running() as sink:
        for _ in range(rounds):
            for name, lines in VARIANTS.items():
                seen[name].append(measure(Path(scratch), sink, leads, lines))
    found = {name: median(each) for name, each in seen.items()}
    rows = [
        [name, f"{one.leads_per_second:,.0f}", f"{one.posts_per_second:,.0f}", f"{one.share:.2f}"]
        for name, one in found.items()
    ]
    print(table(["drain", "leads/s", "bare client, posts/s", "share"], rows))
    print(
        f"{leads:,} leads, middle of {rounds} by share; wanted: {WANTED_PER_SECOND:,} a second and "
        f"{WANTED_SHARE:.2f}; load of the machine before: {load_before:.1f}",
        file=sys.stderr,
    )
    report = {
        name: [{"leads_per_second": one.leads_per_second, "share": one.share} for one in each]
        for name, each in seen.items()
    }
    facts = {"machine": machine(), "leads": leads, "load_before": load_before}
    write_report(asked.json, {**facts, "rounds": report})


if __name__ == "__main__":
    main()
