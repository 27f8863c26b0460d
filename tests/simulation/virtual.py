"""Virtual time: an event loop that never waits, a clock that reads it, a store that takes part.

When nothing is ready to run, time jumps to the next timer. So hours pass in seconds, and in the
same way each time: nothing here depends on how fast the machine is.

The store is real SQLite. What it hands to its threads is done at once, and each of its verbs takes
a drawn moment of virtual time instead: time stands still while the store is at work, others get
their turn before or after, and nothing can finish in another order another day.
"""

import asyncio
import selectors
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, TypeVar, cast
from unittest.mock import patch

from leadkeep.store.base import Store
from leadkeep.store.sqlite import threads
from leadkeep.store.sqlite.opening import open_sqlite

T = TypeVar("T")

STORE_CALL_SECONDS = 0.004
"""A verb of the store takes up to so long, in virtual time."""
BEGAN_US = 1_786_802_449_000_000
NOTHING_TO_COME_SECONDS = 60.0


class _Impatient(selectors.DefaultSelector):
    """Instead of waiting for time to pass, says how much would have."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped: Callable[[float], None] = lambda seconds: None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            # No timer is set: only a thread can go on, such as one that is being waited for.
            events: list[tuple[selectors.SelectorKey, int]] = super().select(
                NOTHING_TO_COME_SECONDS
            )
            assert events, "the simulation waits for what will never come"
            return events
        events = super().select(0)
        if not events and timeout > 0:
            self.skipped(timeout)
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time."""

    def __init__(self) -> None:
        self._seconds = 0.0
        selector = _Impatient()
        super().__init__(selector)
        selector.skipped = self._skip

    def time(self) -> float:
        return self._seconds

    def _skip(self, seconds: float) -> None:
        self._seconds += seconds


class VirtualClock:
    """Wall time and boot time of a virtual loop; see `leadkeep.clock.Clock`."""

    boot_id = "simulation"

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    @property
    def seconds(self) -> float:
        """Since the simulation began."""
        return self._loop.time()

    def now_us(self) -> int:
        return BEGAN_US + round(self._loop.time() * 1_000_000)

    def boottime_ms(self) -> int:
        return round(self._loop.time() * 1_000)


class _AtOnce:
    """Stands in for the store's thread pools: what is handed over is done before it returns."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def submit(self, call: Callable[..., T], *args: object) -> "Future[T]":
        done: Future[T] = Future()
        try:
            done.set_result(call(*args))
        except BaseException as error:
            done.set_exception(error)
        return done

    def shutdown(self, wait: bool = True) -> None:
        pass


class _StoreInTime:
    """A store whose verbs take virtual time."""

    def __init__(self, store: Store, random: Random) -> None:
        self._store = store
        self._random = random

    def __getattr__(self, verb: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._store, verb)

        async def in_time(*args: object, **kwargs: object) -> object:
            seconds = self._random.uniform(0, STORE_CALL_SECONDS)
            # What a verb does is seen at once or late, or its caller hears of it at once or late.
            late = self._random.random() < 0.5
            if late:
                await asyncio.sleep(seconds)
            result = await method(*args, **kwargs)
            if not late:
                await asyncio.sleep(seconds)
            return result

        return in_time


@asynccontextmanager
async def store_in_time(folder: Path, clock: VirtualClock, random: Random) -> AsyncIterator[Store]:
    """A real SQLite store on virtual time, closed at the end."""
    with patch.object(threads, "ThreadPoolExecutor", _AtOnce):
        store = await open_sqlite(folder / "leadkeep.db", clock=clock, busy_timeout_ms=5_000)
    try:
        yield cast(Store, _StoreInTime(store, random))
    finally:
        await store.close()


def in_virtual_time(main: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine function on a virtual loop of its own; returns its result."""

    async def run() -> T:
        return await main()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(run())
