"""Waiting for an application to come up: its health url says so, or at least somebody listens."""

import asyncio
from collections.abc import Awaitable, Callable

from leadkeep.destinations.base import Reply

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 1.0

Ask = Callable[[], Awaitable[Reply]]


async def ready(ask: Ask, *, within_seconds: float) -> str:
    """Ask again and again until the answer is yes.

    Args:
        ask: one question; its reply is `confirmed` if the answer is yes.
        within_seconds: the last question may be asked until then, and is cut short.

    Returns:
        Empty once the answer was yes; else why the last one was not, in words.
    """
    last = "it was not asked"
    pause = FIRST_PAUSE_SECONDS
    try:
        async with asyncio.timeout(within_seconds):
            while True:
                reply = await ask()
                if reply.confirmed:
                    return ""
                last = reply.error_message
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
    except TimeoutError:
        return f"not within {within_seconds:g} s: {last}"
