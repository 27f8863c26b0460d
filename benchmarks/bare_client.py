"""The fastest that aiohttp itself posts: no queue, no store, no retry, no exact forwarding.

`python -m benchmarks.bare_client URL COUNT CONCURRENCY` prints posts per second.
"""

import asyncio
import sys
import time

import aiohttp
import uvloop

from benchmarks.harness import LEAD


async def post_all(url: str, count: int, concurrency: int) -> float:
    """Post `count` leads with `concurrency` at once; returns posts per second."""
    body = LEAD.encode()
    remaining = iter(range(count))
    connector = aiohttp.TCPConnector(limit=concurrency)
    headers = {"Content-Type": "application/json"}

    async def lane(session: aiohttp.ClientSession) -> None:
        for _ in remaining:
            async with session.post(url, data=body, headers=headers) as reply:
                await reply.read()
                assert reply.status == 200

    async with aiohttp.ClientSession(connector=connector) as session:
        began = time.perf_counter()
        await asyncio.gather(*(lane(session) for _ in range(concurrency)))
        return count / (time.perf_counter() - began)


if __name__ == "__main__":
    rate = uvloop.run(post_all(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
    sys.stdout.write(f"{rate:.1f}\n")
