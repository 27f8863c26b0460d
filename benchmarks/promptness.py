"""How soon after the vendor's answer a lead is at its destination, when there is little to do.

`bin/benchmark promptness [--leads 200] [--json FILE]`: one lead at a time, a pause between
them, the whole installation running, and a destination in this process that notes arrivals.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import uvloop
from aiohttp import web

from benchmarks.door import QUIET
from benchmarks.harness import free_port, machine, server, table, write_report

PAUSE_SECONDS = 0.02
PATIENCE_SECONDS = 30.0


class Arrivals:
    """A destination that notes when each lead came."""

    def __init__(self) -> None:
        self.at: dict[int, float] = {}
        self.news = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        """Confirm a lead."""
        number = json.loads(await request.read())["number"]
        self.at.setdefault(number, time.perf_counter())
        self.news.set()
        return web.json_response({"success": True})


async def delays(url: str, arrivals: Arrivals, leads: int) -> list[float]:
    """Milliseconds from each answer to its lead's arrival; negative: it was there before."""
    answered: dict[int, float] = {}
    async with aiohttp.ClientSession() as vendor:
        for number in range(leads):
            async with vendor.post(url, json={"number": number}) as reply:
                await reply.read()
                assert reply.status == 200
            answered[number] = time.perf_counter()
            await asyncio.sleep(PAUSE_SECONDS)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(arrivals.at) < leads:
            arrivals.news.clear()
            await arrivals.news.wait()
    return sorted((arrivals.at[number] - at) * 1_000 for number, at in answered.items())


async def measure(leads: int, folder: Path) -> Sequence[float]:
    """Run an installation and time its deliveries."""
    arrivals = Arrivals()
    application = web.Application()
    application.router.add_post("/webhook.php", arrivals.take)
    runner = web.AppRunner(application)
    await runner.setup()
    destination = f"127.0.0.1:{free_port()}"
    host, _, port = destination.partition(":")
    await web.TCPSite(runner, host, int(port)).start()
    door = f"127.0.0.1:{free_port()}"
    place = ["--listen", door, "--data", str(folder)]
    forward = ["--forward-to", f"http://{destination}/webhook.php"]
    command = [sys.executable, "-m", "leadkeep", "serve", *place, *forward]
    with server(command, url=f"http://{door}/livez", environ=QUIET):
        await asyncio.sleep(1)  # Until the worker serves too.
        found = await delays(f"http://{door}/hooks/lqf", arrivals, leads)
    await runner.cleanup()
    return found


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leads", type=int, default=200)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = uvloop.run(measure(asked.leads, Path(folder)))
    figures = {
        "p50": found[len(found) // 2],
        "p99": found[len(found) * 99 // 100],
        "longest": found[-1],
    }
    print(table(["answer to destination", "ms"], [[k, f"{v:.1f}"] for k, v in figures.items()]))
    write_report(asked.json, {"machine": machine(), "leads": asked.leads, "ms": figures})


if __name__ == "__main__":
    main()
