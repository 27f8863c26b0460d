"""When to absorb: at each ring of the door, and now and then in case a ring was lost.

Whatever fails is said and tried again; only `stop` ends it.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import structlog

from leadkeep.absorber import metrics
from leadkeep.errors import JournalError, LeadkeepError, StoreUnavailable
from leadkeep.journal.doorbell import Doorbell

LOOK_EVERY_SECONDS = 0.25
_BUSY_SECONDS = 0.05
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0

_log = structlog.get_logger("leadkeep.absorber")


async def watch(
    absorb: Callable[[], Awaitable[bool]], stop: asyncio.Event, doorbell: Doorbell | None
) -> None:
    """Absorb until `stop` is set.

    Args:
        absorb: one pass; returns False if another process was at it.
        doorbell: rung after commits; None: only time tells.
    """
    wake = asyncio.Event()
    stopping = asyncio.ensure_future(stop.wait())
    stopping.add_done_callback(lambda _: wake.set())
    pause = 0.0
    try:
        with _listening(doorbell, wake):
            while not stop.is_set():
                wake.clear()
                wait = LOOK_EVERY_SECONDS
                try:
                    if not await absorb():
                        wait = _BUSY_SECONDS
                    pause = 0.0
                except Exception as error:  # nothing may end this but `stop`
                    pause = min(max(2 * pause, _FIRST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
                    _say(error, pause)
                if pause:
                    # Rings do not shorten this: what failed shall not be tried thousands of times.
                    await asyncio.wait([stopping], timeout=pause)
                elif not stop.is_set():
                    await _either(wake, wait)
    finally:
        stopping.cancel()


async def _either(wake: asyncio.Event, wait_seconds: float) -> None:
    timer = asyncio.get_running_loop().call_later(wait_seconds, wake.set)
    try:
        await wake.wait()
    finally:
        timer.cancel()


@contextmanager
def _listening(doorbell: Doorbell | None, wake: asyncio.Event) -> Iterator[None]:
    """Let each ring set `wake`."""
    if doorbell is None:
        yield
        return
    try:
        fd = doorbell.open_for_listening()
    except JournalError as error:
        _log.warning("no doorbell: looking for leads by the clock", error=str(error))
        yield
        return
    loop = asyncio.get_running_loop()

    def rung() -> None:
        Doorbell.drain(fd)
        wake.set()

    loop.add_reader(fd, rung)
    try:
        yield
    finally:
        loop.remove_reader(fd)
        os.close(fd)


def _say(error: Exception, pause: float) -> None:
    metrics.ERRORS.inc()
    if isinstance(error, StoreUnavailable):
        _log.warning(
            "the store is away; leads wait in the journal", error=str(error), again_in_seconds=pause
        )
    elif isinstance(error, LeadkeepError):
        _log.error(
            "absorbing failed; leads wait in the journal",
            error=str(error),
            hint=error.hint,
            again_in_seconds=pause,
        )
    else:
        _log.error(
            "absorbing failed in an unforeseen way; leads wait in the journal",
            error=type(error).__name__,
            again_in_seconds=pause,
            exc_info=True,
        )
