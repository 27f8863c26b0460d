"""Waiting for an application to come up: its health url says so, or at least somebody listens."""

import asyncio
from collections.abc import Awaitable, Callable

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 1.0

Ask = Callable[[], Awaitable[str]]
"""What is wrong, in words; empty: nothing is."""


async def ready(ask: Ask, *, within_seconds: float) -> str:
    """Ask again and again until nothing is wrong.

    Args:
        within_seconds: the last question may be asked until then, and is cut short.

    Returns:
        Empty once nothing was wrong; else what was at last, in words.
    """
    last = "no answer"
    pause = FIRST_PAUSE_SECONDS
    try:
        async with asyncio.timeout(within_seconds):
            while fault := await ask():
                last = fault
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
    except TimeoutError:
        return f"not within {within_seconds:g} s: {last}"
    return ""
